// Command runner starts Signpost's three services on this machine; `make run`
// calls it.
package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"

	"signpost.internal/pkg/daemon"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/runner"
)

func main() {
	daemon.Main("signpost", &runner.Config{}, func(ctx context.Context, environ map[string]string, stdout io.Writer) error {
		var cfg runner.Config
		if err := env.Load(&cfg, environ); err != nil {
			return err
		}
		return runner.Run(ctx, cfg, environ, runner.NewTerminal(stdout, term.IsTerminal(int(os.Stdout.Fd()))))
	})
}
