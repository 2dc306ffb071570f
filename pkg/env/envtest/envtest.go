// Package envtest keeps the configuration reference true to the code.
package envtest

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/env"
)

// CheckReference fails t when the page at path is not what [env.Markdown] says
// of cfg; with update set it writes the page instead.
func CheckReference(t *testing.T, path, service string, cfg any, update bool) {
	t.Helper()
	want, err := env.Markdown(service, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the reference is out of date, run the test with -update (-code +page):\n%s", diff)
	}
}
