// Package app puts the rag-service together.
package app

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

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
	"signpost.internal/services/rag-service/internal/jobs"
	"signpost.internal/services/rag-service/internal/originals"
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
	maxUpload := int64(cfg.MaxUploadMB) << 20
	queue, err := jobs.Open(ctx, jobs.Options{
		Dir: dir, DatabaseURL: cfg.DatabaseURL.Reveal(), Dialer: dialer, Logger: logger, Workers: cfg.IngestWorkers, Most: cfg.IngestQueue,
		Timeout: cfg.DocumentTimeout + storing,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	kept, err := originals.Open(dir, cfg.OriginalsURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
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
	options := rag.Options{
		Index: index, Reader: reader, Generator: model, Embedder: model, Logger: logger,
		Queue: queue, Originals: kept, Shared: cfg.DatabaseURL != "" || cfg.OriginalsURL != "",
		ManualsPath: cfg.ManualsPath, Watch: cfg.ManualsWatch, MaxFile: maxUpload, Patience: cfg.ReaderPatience,
		Searched: rag.NewMetrics(registry).Searched,
	}
	checks := []httpserver.Check{
		{Name: "index", Required: true, Probe: index.Ping, Detail: func(context.Context) any { return map[string]string{"kind": kind} }},
		{Name: "jobs", Probe: queue.Ping},
		{Name: "originals", Probe: kept.Ping},
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

	if err := queue.Start(ctx, service.Work); err != nil {
		return err
	}
	var background sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		background.Wait()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopping)
		defer cancel()
		err = errors.Join(err, queue.Stop(limited))
	}()
	return server.Run(ctx, func(addr net.Addr) {
		if onListen != nil {
			onListen(addr)
		}
		background.Go(func() { service.Run(ctx, cfg.IngestOnStart) })
	})
}

const (
	// storing is how long cutting, embedding and storing a document may take, its
	// reading not included.
	storing = 30 * time.Minute
	// stopping is how long running jobs have to stop at the end.
	stopping = 10 * time.Second
)
