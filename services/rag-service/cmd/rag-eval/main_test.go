package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signpost.internal/pkg/provider/providertest"
)

func TestRunComparesTwoRuns(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("goats.txt", "Goats\n\nA goat eats two kilograms of hay a day.\fMilking\n\nMilk a goat twice a day, at the same hours.")
	questions := write("questions.json", `{"questions": [
		{"id": "hay", "kind": "fact", "question": "How much hay does a goat eat?", "answers": [{"document": "goats.pdf", "pages": [1]}], "facts": ["two kilograms"]},
		{"id": "tax", "kind": "unanswerable", "question": "When is income tax due?"}]}`)
	report := filepath.Join(dir, "report.json")
	for _, args := range [][]string{
		{"-save", report},
		{"-against", report, "-misses"},
	} {
		var out strings.Builder
		if err := run(t.Context(), append(args, "-documents", dir, "-questions", questions), nil, &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"plain BM25", "rag-service without a model", "1.000", "0 of 1", "1 of 1"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: %q is not in\n%s", args, want, out.String())
			}
		}
		if args[0] == "-against" && !strings.Contains(out.String(), "+0.000") {
			t.Errorf("no comparison in\n%s", out.String())
		}
	}
}

// With -embed the report names the model of the embeddings.
func TestRunEmbeds(t *testing.T) {
	up := providertest.NewOllama(t, "")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "goats.txt"), []byte("Goats\n\nA goat eats two kilograms of hay a day, whatever the weather."), 0o600); err != nil {
		t.Fatal(err)
	}
	questions := filepath.Join(dir, "questions.json")
	if err := os.WriteFile(questions, []byte(`{"questions": [{"id": "hay", "kind": "fact", "question": "How much hay does a goat eat?", "answers": [{"document": "goats.pdf", "pages": [1]}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-embed", "-documents", dir, "-questions", questions}, up.Environ(), &out); err != nil {
		t.Fatal(err)
	}
	if want := "rag-service with embeddings by nomic-embed-text"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out.String())
	}
	if err := run(t.Context(), []string{"-embed", "-documents", dir, "-questions", questions}, map[string]string{"EMBEDDING_PROVIDER": "none"}, &out); err == nil {
		t.Error("without an embedding model: no error")
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"an unknown flag": {"-x"},
		"no questions":    {"-documents", dir, "-questions", filepath.Join(dir, "none.json")},
		"no documents":    {"-documents", dir, "-questions", "../../../../docs/manuals/evaluation.json"},
	} {
		if err := run(t.Context(), args, nil, &strings.Builder{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
