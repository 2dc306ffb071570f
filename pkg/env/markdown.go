package env

import (
	"fmt"
	"strings"
)

// Markdown returns the reference page of a service's configuration: a table of
// the variables of cfg, a pointer to its Config. The page is kept in docs/ and
// compared by a test, see package envtest.
func Markdown(service string, cfg any) (string, error) {
	variables, err := Describe(cfg)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Configuration of %s\n\n", service)
	b.WriteString("Environment variables, read once at start. An empty variable counts as unset. All faults are reported together and stop the start. This page is generated from the code.\n\n")
	b.WriteString("| variable | form | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, v := range variables {
		def := "none"
		if v.Default != "" {
			def = "`" + v.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, v.Type, def, strings.ReplaceAll(v.Doc, "|", `\|`))
	}
	return b.String(), nil
}
