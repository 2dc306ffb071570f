// Package app puts the notes-service together.
package app

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"

	"signpost.internal/pkg/daemon"
	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
	"signpost.internal/services/notes-service/internal/batch"
	"signpost.internal/services/notes-service/internal/config"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/httpapi"
	"signpost.internal/services/notes-service/internal/note"
	"signpost.internal/services/notes-service/internal/office"
	"signpost.internal/services/notes-service/internal/review"
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

	data, err := cfg.Data()
	if err != nil {
		return err
	}
	reviews, closeReviews, err := openReviews(ctx, cfg.Keep, data)
	if err != nil {
		return err
	}
	defer func() {
		if err := closeReviews(); err != nil {
			logger.WarnContext(ctx, "the review record could not be closed", "error", err)
		}
	}()

	ready := modelapi.Check(model, provider.TextRoute)
	ready.Required = cfg.RequireModel
	api := httpapi.New(httpapi.Options{
		Drafts:  drafts,
		Reviews: reviews,
		Logger:  logger,
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
	batches, err := batch.Open(ctx, batch.Options{
		Dir: filepath.Join(data, "batches"), Make: api.Make, Parallel: cfg.BatchParallel, ResultTTL: cfg.ResultTTL, Logger: logger,
	})
	if err != nil {
		return err
	}
	defer batches.Close()
	api.RegisterBatches(server.Router(), batches)
	modelapi.Register(server.Router(), model)
	logger.InfoContext(ctx, "starting", "version", daemon.Version(), "provider", model.Provider(), "model", model.Model())
	return server.Run(ctx, onListen)
}

// recorder is what the API records drafts with.
type recorder interface {
	Save(ctx context.Context, d review.Draft) error
	Decide(ctx context.Context, id string, d review.Decision) (review.Draft, error)
}

// openReviews opens the review record, or one that keeps nothing.
func openReviews(ctx context.Context, keep bool, dir string) (recorder, func() error, error) {
	if !keep {
		return review.NewLedger(), func() error { return nil }, nil
	}
	store, err := review.OpenStore(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return store, store.Close, nil
}
