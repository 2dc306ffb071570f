// Command rag-eval measures the search of the rag-service on documents and
// questions, beside plain BM25, and compares two runs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/eval"
	"signpost.internal/services/rag-service/internal/rag"
)

func main() {
	if err := run(context.Background(), os.Args[1:], env.Environ(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, environ map[string]string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("rag-eval", flag.ContinueOnError)
	documents := flags.String("documents", "docs/manuals", "folder of the documents: .md as the sample manuals, or .txt with a form feed between pages")
	questions := flags.String("questions", "docs/manuals/evaluation.json", "the questions")
	save := flags.String("save", "", "file that the report is written to, as JSON")
	against := flags.String("against", "", "report of an earlier run to compare with")
	misses := flags.Bool("misses", false, "list the questions that went wrong")
	embed := flags.Bool("embed", false, "search by meaning too, with the embedding model that the environment names as for the rag-service")
	if err := flags.Parse(args); err != nil {
		return err
	}
	set, err := eval.Load(*questions)
	if err != nil {
		return err
	}
	docs, err := eval.ReadFolder(*documents)
	if err != nil {
		return err
	}
	var embedder rag.Embedder
	if *embed {
		model, err := open(environ)
		if err != nil {
			return err
		}
		defer model.Close()
		embedder = model
	}
	service, err := eval.NewService(ctx, docs, embedder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	plain, err := eval.Run(ctx, eval.NewBaseline(docs), set)
	if err != nil {
		return err
	}
	report, err := eval.Run(ctx, service, set)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "plain BM25 over windows of 180 words")
	if err := plain.Write(out); err != nil {
		return err
	}
	if report.Embedding = service.Embedding(); report.Embedding == "" {
		fmt.Fprintln(out, "\nrag-service without a model")
	} else {
		fmt.Fprintf(out, "\nrag-service with embeddings by %s\n", report.Embedding)
	}
	if err := report.Write(out); err != nil {
		return err
	}
	if *misses {
		report.WriteMisses(out, set)
	}
	if *against != "" {
		if err := compare(out, *against, report); err != nil {
			return err
		}
	}
	if *save == "" {
		return nil
	}
	raw, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(*save, raw, 0o600)
}

// open connects with the embedding model.
func open(environ map[string]string) (*provider.Client, error) {
	var cfg struct {
		Provider provider.Config
		Egress   egress.Config
	}
	if err := env.Load(&cfg, environ); err != nil {
		return nil, err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return modelapi.Open(cfg.Provider, egress.New(cfg.Egress, logger), logger, prometheus.NewRegistry(), noop.NewTracerProvider())
}

func compare(out io.Writer, path string, report eval.Report) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the earlier report: %w", err)
	}
	var before eval.Report
	if err := json.Unmarshal(raw, &before); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintln(out)
	return eval.Compare(out, before, report)
}
