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
	"os"

	"signpost.internal/services/rag-service/internal/eval"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("rag-eval", flag.ContinueOnError)
	documents := flags.String("documents", "docs/manuals", "folder of the documents: .md as the sample manuals, or .txt with a form feed between pages")
	questions := flags.String("questions", "docs/manuals/evaluation.json", "the questions")
	save := flags.String("save", "", "file that the report is written to, as JSON")
	against := flags.String("against", "", "report of an earlier run to compare with")
	misses := flags.Bool("misses", false, "list the questions that went wrong")
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
	service, err := eval.NewService(ctx, docs, nil)
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
	fmt.Fprintln(out, "\nrag-service without a model")
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
