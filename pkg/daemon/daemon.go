// Package daemon is what the main function of every service shares: signals,
// the version, the logger, and errors said in words before the exit code.
package daemon

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"signpost.internal/pkg/env"
)

// version is set at link time by -X; builds without it report the VCS revision.
var version string

// Version returns the version of this build.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return s.Value[:12]
			}
		}
	}
	return "devel"
}

// Main runs a service until it ends or the process is told to stop by SIGINT or
// SIGTERM. cfg is a pointer to the service's zero Config, which -help describes.
// With -healthcheck it asks the service that runs already whether it is well.
// An error is printed on standard error and the process exits with 1.
func Main(service string, cfg any, run func(ctx context.Context, environ map[string]string, stdout io.Writer) error) {
	flags := flag.NewFlagSet(service, flag.ExitOnError)
	showVersion := flags.Bool("version", false, "print the version and exit")
	check := flags.Bool("healthcheck", false, "ask the service that runs here whether it is healthy, and exit")
	flags.Usage = func() { usage(flags.Output(), service, cfg) }
	_ = flags.Parse(os.Args[1:]) // ExitOnError: it does not return an error
	if *showVersion {
		fmt.Println(service, Version())
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *check {
		var said string
		if said, err = healthcheck(ctx, service, cfg, env.Environ()); err == nil {
			fmt.Println(said)
		}
	} else {
		err = run(ctx, env.Environ(), os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", service, err)
		os.Exit(1)
	}
}

func usage(w io.Writer, service string, cfg any) {
	fmt.Fprintf(w, "Usage: %s [-version] [-healthcheck]\n\nIt is configured by environment variables:\n", service)
	variables, err := env.Describe(cfg)
	if err != nil {
		fmt.Fprintln(w, err)
		return
	}
	for _, v := range variables {
		fmt.Fprintf(w, "\n  %s (%s", v.Name, v.Type)
		if v.Default != "" {
			fmt.Fprintf(w, ", default %s", v.Default)
		}
		fmt.Fprintf(w, ")\n      %s\n", v.Doc)
	}
}

// Logger returns the service's logger: one line of key=value pairs an event.
func Logger(w io.Writer, service string) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, nil)).With("service", service)
}
