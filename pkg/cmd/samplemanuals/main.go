// Command samplemanuals makes the sample manuals' PDFs:
//
//	samplemanuals SRC DST
//
// SRC is the folder of Markdown manuals, DST the folder for the PDFs.
package main

import (
	"fmt"
	"io"
	"os"

	"signpost.internal/pkg/samplemanuals"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "samplemanuals:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: samplemanuals SRC DST")
	}
	manuals, err := samplemanuals.Build(args[0], args[1])
	if err != nil {
		return err
	}
	for _, m := range manuals {
		if _, err := fmt.Fprintf(stdout, "%s: %d pages (%s)\n", m.File, len(m.Pages), m.Form); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}
