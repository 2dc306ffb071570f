// Command tinymodels writes the test models and their Modelfiles:
//
//	tinymodels DIR
//
// DIR is made if it is not there. Each model is then created in Ollama by the
// command that is printed for it.
package main

import (
	"fmt"
	"io"
	"os"

	"signpost.internal/pkg/tinymodels"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tinymodels:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: tinymodels DIR")
	}
	if err := os.MkdirAll(args[0], 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	files, err := tinymodels.Write(args[0], tinymodels.Defaults())
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := fmt.Fprintf(stdout, "ollama create %s -f %s   # %d KB\n", f.Name, f.Modelfile, (f.Size+1023)/1024); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}
