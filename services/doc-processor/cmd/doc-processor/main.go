// Command doc-processor reads PDFs, images and text files into text over HTTP.
package main

import (
	"os"

	"signpost.internal/pkg/daemon"
	"signpost.internal/services/doc-processor/internal/app"
	"signpost.internal/services/doc-processor/internal/config"
)

func main() {
	if helper, ok := app.Helper(os.Args[1:]); ok {
		os.Exit(helper())
	}
	daemon.Main("doc-processor", &config.Config{}, app.Run)
}
