// Package app puts the rag-service together.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"

	"signpost.internal/pkg/daemon"
	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
	"signpost.internal/services/rag-service/internal/config"
	"signpost.internal/services/rag-service/internal/docclient"
	"signpost.internal/services/rag-service/internal/httpapi"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/rerank"
)

// Run serves until ctx ends.
func Run(ctx context.Context, environ map[string]string, stdout io.Writer) error {
	return run(ctx, environ, stdout, nil)
}

// run is Run with a call when the service listens.
func run(ctx context.Context, environ map[string]string, stdout io.Writer, onListen func(net.Addr)) (err error) {
	var cfg config.Config
	if err := env.Load(&cfg, environ); err != nil {
		return err
	}
	logger := daemon.Logger(stdout, "rag-service")
	guard, err := httpserver.OpenGuard(ctx, cfg.HTTP, logger)
	if err != nil {
		return err
	}
	dialer := egress.New(cfg.Egress, logger)
	traces, err := telemetry.Open(ctx, cfg.Telemetry, dialer, "rag-service", daemon.Version(), logger)
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
	dir, err := cfg.Dir()
	if err != nil {
		return err
	}
	index, kind, err := openIndex(ctx, cfg, dir, dialer, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	reader, err := docclient.New(docclient.Options{
		URL: cfg.DocProcessorURL, Key: cfg.DocProcessorKey, Timeout: cfg.DocumentTimeout, Dialer: dialer,
	})
	if err != nil {
		return err
	}
	defer reader.Close()
	maxUpload := int64(cfg.MaxUploadMB) << 20
	options := rag.Options{
		Index: index, Reader: reader, Generator: model, Embedder: model, Logger: logger,
		ManualsPath: cfg.ManualsPath, MaxFile: maxUpload, Patience: cfg.ReaderPatience,
	}
	checks := []httpserver.Check{
		{Name: "index", Required: true, Probe: index.Ping, Detail: func(context.Context) any { return map[string]string{"kind": kind} }},
		{Name: "doc_processor", Probe: reader.Ping},
		modelapi.Check(model, provider.TextRoute),
	}
	if cfg.RerankURL != "" {
		reranker, err := rerank.New(rerank.Options{
			URL: cfg.RerankURL, API: rerank.API(cfg.RerankAPI), Model: cfg.RerankModel, Key: cfg.RerankKey,
			Timeout: cfg.RerankTimeout, Dialer: dialer,
		})
		if err != nil {
			return err
		}
		defer reranker.Close()
		options.Reranker = reranker
		checks = append(checks, httpserver.Check{Name: "reranker", Probe: reranker.Ping})
	}
	service := rag.New(options)

	api := httpapi.New(httpapi.Options{
		Service: service, Index: index, IndexKind: kind, Model: model,
		MaxUpload: maxUpload, QueryTimeout: cfg.QueryTimeout, IngestTimeout: cfg.IngestTimeout,
	})
	server := httpserver.New(httpserver.Options{
		Addr: cfg.HTTP.Addr(cfg.Port), Logger: logger,
		Registry: registry, Tracer: traces, DrainTimeout: cfg.HTTP.DrainTimeout,
		Health: api.Health, Guard: guard, Reads: httpapi.Reads(),
		Checks: checks,
	})
	api.Register(server.Router())
	modelapi.Register(server.Router(), model)
	logger.InfoContext(ctx, "starting", "provider", model.Provider(), "model", model.Model())

	var background sync.WaitGroup
	defer background.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return server.Run(ctx, func(addr net.Addr) {
		if onListen != nil {
			onListen(addr)
		}
		if wanted(cfg) {
			background.Go(func() { ingest(ctx, service, logger) })
		}
	})
}

// wanted reports whether the manuals are to be ingested now.
func wanted(cfg config.Config) bool {
	if !cfg.IngestOnStart || cfg.ManualsPath == "" {
		return false
	}
	info, err := os.Stat(cfg.ManualsPath)
	return err == nil && info.IsDir()
}

// ingest brings the index in line with the folder of manuals. It also heals an
// ingest that was cut short by the end of the process.
func ingest(ctx context.Context, service *rag.Service, logger *slog.Logger) {
	report, err := service.IngestFolder(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		logger.ErrorContext(ctx, "the manuals were not ingested", "error", err)
		return
	}
	counts := map[rag.Status]int{}
	for _, o := range report.Outcomes {
		counts[o.Status]++
	}
	logger.InfoContext(ctx, "manuals ingested", "new", counts[rag.Success], "unchanged", counts[rag.Unchanged],
		"failed", counts[rag.Failed], "skipped", counts[rag.Skipped])
}
