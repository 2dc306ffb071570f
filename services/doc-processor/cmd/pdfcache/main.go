// Command pdfcache compiles the PDF reader into a folder, so that an image that
// has the folder need not:
//
//	pdfcache DIR
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"signpost.internal/services/doc-processor/internal/pdftext"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pdfcache:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: pdfcache DIR")
	}
	reader, err := pdftext.OpenPDFium(ctx, args[0])
	if err != nil {
		return err
	}
	return reader.Close()
}
