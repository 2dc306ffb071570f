// Package app puts the doc-processor together.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"signpost.internal/pkg/daemon"
	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
	"signpost.internal/services/doc-processor/internal/config"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/httpapi"
	"signpost.internal/services/doc-processor/internal/job"
	"signpost.internal/services/doc-processor/internal/llamaparse"
	"signpost.internal/services/doc-processor/internal/webhook"
	"signpost.internal/services/doc-processor/internal/worker"
)

// Run serves until ctx ends.
func Run(ctx context.Context, environ map[string]string, stdout io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program, which runs itself as worker: %w", err)
	}
	return run(ctx, environ, stdout, program, nil)
}

// run is Run with the program that its workers run, and with a call when the
// service listens.
func run(ctx context.Context, environ map[string]string, stdout io.Writer, program string, onListen func(net.Addr)) error {
	var cfg config.Config
	if err := env.Load(&cfg, environ); err != nil {
		return err
	}
	logger := daemon.Logger(stdout, "doc-processor")
	guard, err := httpserver.OpenGuard(ctx, cfg.HTTP, logger)
	if err != nil {
		return err
	}
	dialer := egress.New(cfg.Egress, logger)
	traces, err := telemetry.Open(ctx, cfg.Telemetry, dialer, "doc-processor", daemon.Version(), logger)
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
	var routes []string // that are used
	if cfg.UseVision {
		routes = []string{provider.VisionRoute}
		model.Warm(routes...)
	}
	dirs, err := cfg.Dirs()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dirs.Cache, 0o700); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	words, err := wordList(ctx, cfg.WordList, environ["WORD_LIST"] != "", logger)
	if err != nil {
		return err
	}

	pool := worker.NewPool(worker.Options{
		Command:     []string{program, workerArg},
		Env:         workerEnv(environ),
		Size:        cfg.WorkerCount(),
		PageTimeout: cfg.PageTimeout,
		Logger:      logger,
		Settings: worker.Settings{
			Reader:    cfg.PDFReader,
			Languages: cfg.Languages(),
			CacheDir:  dirs.Cache,
			Memory:    uint64(cfg.WorkerMemory) << 20,
			MaxPixels: cfg.MaxMegapixels * 1_000_000,
			Figures:   cfg.UseVision,
		},
	})
	defer pool.Close()
	var vision *document.Vision
	if cfg.UseVision {
		vision = &document.Vision{Model: model, MaxPages: cfg.VisionMaxPages, Timeout: cfg.VisionTimeout}
	}
	var cloud document.Cloud
	if cfg.CloudParsing {
		if cloud, err = llamaparse.New(llamaparse.Options{
			URL: cfg.LlamaParseURL, Key: cfg.LlamaParseKey, Tier: cfg.LlamaParseTier, Dialer: dialer, Logger: logger, PollEvery: cloudPoll,
		}); err != nil {
			return err
		}
	}
	var hooks job.Webhook
	if len(cfg.WebhookHosts) > 0 {
		if hooks, err = webhook.New(webhook.Options{Hosts: cfg.WebhookHosts, Secret: cfg.WebhookSecret, Dialer: dialer, Pauses: webhook.Pauses()}); err != nil {
			return err
		}
	}
	documents, err := document.New(document.Options{
		Engine:   pool,
		Words:    words,
		SpoolDir: dirs.Spool,
		Parallel: cfg.WorkerCount(),
		MaxQueue: cfg.MaxQueue,
		MaxPages: cfg.MaxPages,
		Timeout:  cfg.DocumentTimeout,
		Vision:   vision,
		Cloud:    cloud,
	})
	if err != nil {
		return err
	}
	background, err := job.Open(ctx, job.Options{Dir: dirs.Jobs, Documents: documents, ResultTTL: cfg.ResultTTL, Logger: logger, Webhook: hooks})
	if err != nil {
		return err
	}
	defer background.Close()
	ocr := newOCRCheck(program, cfg.Languages(), workerEnv(environ))

	api := httpapi.New(httpapi.Options{
		Documents:       documents,
		Jobs:            background,
		OCR:             ocr.status,
		Model:           model,
		Version:         daemon.Version(),
		PDFReader:       cfg.PDFReader,
		OCRLanguages:    cfg.Languages(),
		MaxUpload:       int64(cfg.MaxUploadMB) << 20,
		MaxPages:        cfg.MaxPages,
		DocumentTimeout: cfg.DocumentTimeout,
		Vision:          cfg.UseVision,
		Cloud:           cfg.CloudParsing,
		Webhooks:        hooks != nil,
		Heartbeat:       heartbeat,
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
		Checks:       []httpserver.Check{{Name: "ocr", Probe: ocr.status}, modelapi.Check(model, routes...)},
	})
	api.Register(server.Router())
	modelapi.Register(server.Router(), model)
	logger.InfoContext(ctx, "starting", "provider", model.Provider(), "model", model.Model(),
		"pdf_reader", cfg.PDFReader, "workers", cfg.WorkerCount(), "vision", cfg.UseVision)
	return server.Run(ctx, onListen)
}

// cloudPoll is the pause between looks at a job of LlamaParse.
const cloudPoll = 2 * time.Second

// heartbeat is after what time an event stream says something again: proxies cut
// those that are silent for a minute.
const heartbeat = 5 * time.Second

// wordList reads the word list. Without one, lost characters can be restored
// from a document's own words only; that is an error if one was asked for.
func wordList(ctx context.Context, path string, asked bool, logger *slog.Logger) (document.WordList, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		logger.WarnContext(ctx, "no word list: lost characters are restored from a document's own words only", "path", path)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("WORD_LIST: %w", err)
	}
	defer file.Close()
	return document.ReadWordList(file)
}

// workerEnv is what workers see of the environment: where Tesseract's data are.
func workerEnv(environ map[string]string) []string {
	if prefix := environ["TESSDATA_PREFIX"]; prefix != "" {
		return []string{"TESSDATA_PREFIX=" + prefix}
	}
	return nil
}
