// Package app puts the notes-service together.
package app

import (
	"context"
	"io"
	"net"
	"os"

	"signpost.internal/pkg/daemon"
	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
	"signpost.internal/services/notes-service/internal/config"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/httpapi"
	"signpost.internal/services/notes-service/internal/note"
	"signpost.internal/services/notes-service/internal/office"
	"signpost.internal/services/notes-service/internal/template"
)

// officeWaiting is how many letters may wait for LibreOffice.
const officeWaiting = 16

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
	guard, err := httpserver.OpenGuard(ctx, cfg.HTTP, logger)
	if err != nil {
		return err
	}
	dialer := egress.New(cfg.Egress, logger)
	traces, err := telemetry.Open(ctx, cfg.Telemetry, dialer, "notes-service", daemon.Version(), logger)
	if err != nil {
		return err
	}
	defer traces.Close()
	registry := httpserver.NewRegistry()
	model, err := modelapi.Open(cfg.Provider, dialer, logger, registry, traces)
	if err != nil {
		return err
	}
	defer model.Close()
	model.Warm(provider.TextRoute)

	templates, err := template.Open(cfg.TemplatesDir)
	if err != nil {
		return err
	}
	tagger, closeOffice, err := drafting.Open(office.Options{
		Program: cfg.OfficeProgram, Dir: os.TempDir(),
		Parallel: cfg.OfficeParallel, Waiting: officeWaiting, Timeout: cfg.OfficeTimeout,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := closeOffice(); err != nil {
			logger.WarnContext(ctx, "the folder of LibreOffice could not be removed", "error", err)
		}
	}()
	drafts := drafting.New(drafting.Options{
		Notes:     note.New(note.Options{Chat: model, Timeout: cfg.ModelTimeout, RequireModel: cfg.RequireModel, Logger: logger}),
		Templates: templates, Office: tagger,
	})

	ready := modelapi.Check(model, provider.TextRoute)
	ready.Required = cfg.RequireModel
	api := httpapi.New(httpapi.Options{
		Drafts:  drafts,
		Model:   model,
		Version: daemon.Version(),
		Timeout: cfg.ModelTimeout,
	})
	server := httpserver.New(httpserver.Options{
		Addr:         cfg.HTTP.Addr(cfg.Port),
		Logger:       logger,
		Registry:     registry,
		Tracer:       traces,
		DrainTimeout: cfg.HTTP.DrainTimeout,
		Health:       api.Health,
		Guard:        guard,
		Reads:        httpapi.Reads(),
		Checks:       []httpserver.Check{ready},
	})
	api.Register(server.Router())
	modelapi.Register(server.Router(), model)
	logger.InfoContext(ctx, "starting", "version", daemon.Version(), "provider", model.Provider(), "model", model.Model())
	return server.Run(ctx, onListen)
}
