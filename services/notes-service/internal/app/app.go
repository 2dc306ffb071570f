// Package app puts the notes-service together.
package app

import (
	"context"
	"io"
	"net"

	"signpost.internal/pkg/daemon"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/notes-service/internal/config"
	"signpost.internal/services/notes-service/internal/httpapi"
	"signpost.internal/services/notes-service/internal/note"
)

// Run serves until ctx ends.
func Run(ctx context.Context, environ map[string]string, stdout io.Writer) error {
	return run(ctx, environ, stdout, nil)
}

// run is Run with a call when the service listens.
func run(ctx context.Context, environ map[string]string, stdout io.Writer, onListen func(net.Addr)) error {
	var cfg config.Config
	if err := env.Load(&cfg, environ); err != nil {
		return err
	}
	logger := daemon.Logger(stdout, "notes-service")
	model, err := provider.Open(cfg.Provider, provider.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer model.Close()

	api := httpapi.New(httpapi.Options{
		Notes:   note.New(model, cfg.ModelTimeout, logger),
		Model:   model,
		Version: daemon.Version(),
		Timeout: cfg.ModelTimeout,
	})
	server := httpserver.New(httpserver.Options{
		Addr:         cfg.HTTP.Addr(cfg.Port),
		Logger:       logger,
		Registry:     httpserver.NewRegistry(),
		DrainTimeout: cfg.HTTP.DrainTimeout,
		Health:       api.Health,
		Checks:       []httpserver.Check{{Name: "model", Probe: model.Check}},
	})
	api.Register(server.Router())
	logger.InfoContext(ctx, "starting", "version", daemon.Version(), "provider", model.Provider(), "model", model.Model())
	return server.Run(ctx, onListen)
}
