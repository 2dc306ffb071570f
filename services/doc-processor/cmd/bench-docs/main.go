// Command bench-docs measures how well and how fast documents are read, beside
// the commands that a careful person would use instead: pdftotext, or else
// pdftoppm -r 200 and tesseract, on the same files in the same run.
//
//	bench-docs [-only REGEXP] [-alone] [-keep DIR] [-pages N] PROGRAM
//
// PROGRAM is the built doc-processor, which is run as it is shipped and asked
// over HTTP. Times depend on what else the machine does: trust the ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-docs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench-docs", flag.ContinueOnError)
	only := flags.String("only", "", "measure the kinds that match this regular expression only")
	keep := flags.String("keep", "", "keep the files, and what was read from them, in this folder")
	alone := flags.Bool("alone", false, "do not run the commands")
	pages := flags.Int("pages", 200, "pages of the manual")
	manual := flags.String("manual", "docs/manuals/bankruptcy.md", "Markdown text of the manual")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: bench-docs [-only REGEXP] [-alone] [-keep DIR] [-pages N] PROGRAM")
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	dir := *keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bench-docs-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	markdown, err := os.ReadFile(*manual)
	if err != nil {
		return err
	}
	service, err := startService(ctx, flags.Arg(0), dir)
	if err != nil {
		return err
	}
	defer service.stop()
	bench := bench{service: service, dir: dir, keep: *keep != "", alone: *alone}
	makers, err := makers(ctx, dir, string(markdown), *pages)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for _, kind := range makers {
		if !wanted.MatchString(kind.name) {
			continue
		}
		samples, err := kind.make()
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		row, err := bench.kind(ctx, kind.name, samples)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		fmt.Fprintln(table, row.String())
		if *only != "" {
			if err := table.Flush(); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(table)
	if err := table.Flush(); err != nil {
		return err
	}
	total := bench.total
	fmt.Fprintf(out, "%d pages: %.1f %% of the characters wrong, with the commands %.1f %%\n", total.pages, 100*total.ours.cer(), 100*total.theirs.cer())
	fmt.Fprintf(out, "memory at its peak: service and workers %d MiB, one worker %d MiB\n", service.peak.all.Load()>>20, service.peak.one.Load()>>20)
	fmt.Fprintln(out, "wrong: share of characters and of words that differ from what was printed; cells, numbers: share found as printed; warned: documents with a warning")
	if *keep != "" {
		fmt.Fprintln(out, "files:", filepath.Clean(dir))
	}
	return nil
}

var header = []string{
	"kind", "pages", "chars wrong", "words wrong", "cells", "numbers", "s/page", "CPU s/page", "warned", "|",
	"commands", "chars wrong", "words wrong", "cells", "numbers", "s/page", "CPU s/page",
}
