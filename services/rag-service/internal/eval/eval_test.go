package eval_test

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/rag-service/internal/eval"
)

const manuals = "../../../../docs/manuals"

// What must hold for the evaluation's questions on the sample manuals.
const (
	leastPages    = 0.93
	leastNDCG     = 0.95
	falseRefusals = 4  // at most, of 72
	rightRefusals = 14 // at least, of 20
)

func samples(t *testing.T) ([]eval.Document, eval.Set) {
	t.Helper()
	docs, err := eval.ReadFolder(manuals)
	if err != nil {
		t.Fatal(err)
	}
	set, err := eval.Load(filepath.Join(manuals, "evaluation.json"))
	if err != nil {
		t.Fatal(err)
	}
	return docs, set
}

// Each fact stands on a page that its question names.
func TestFactsStandOnTheirPages(t *testing.T) {
	docs, set := samples(t)
	if n := len(set.Questions); n < 80 {
		t.Errorf("%d questions, want 80 or more", n)
	}
	pages := map[string][]string{}
	for _, d := range docs {
		pages[d.Name] = d.Pages
	}
	plain := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	seen := map[eval.Kind]bool{}
	for _, q := range set.Questions {
		seen[q.Kind] = true
		var text strings.Builder
		for _, p := range q.Answers {
			for _, page := range p.Pages {
				if page < 1 || page > len(pages[p.Document]) {
					t.Fatalf("%s: no page %d of %s", q.ID, page, p.Document)
				}
				text.WriteString(plain(pages[p.Document][page-1]) + "\n")
			}
		}
		for _, fact := range q.Facts {
			if !strings.Contains(text.String(), plain(fact)) {
				t.Errorf("%s: %q does not stand on its pages", q.ID, fact)
			}
		}
	}
	if len(seen) != 6 {
		t.Errorf("kinds of questions: %v, want all six", seen)
	}
}

func TestSampleManuals(t *testing.T) {
	docs, set := samples(t)
	service, err := eval.NewService(t.Context(), docs, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := service.Close(); err != nil {
			t.Error(err)
		}
	}()
	report, err := eval.Run(t.Context(), service, set)
	if err != nil {
		t.Fatal(err)
	}
	s := report.Summary
	var out bytes.Buffer
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	report.WriteMisses(&out, set)
	t.Logf("\n%s", out.String())
	if s.Pages < leastPages || s.Documents < leastNDCG || s.FalseRefusals > falseRefusals || s.RightRefusals < rightRefusals {
		t.Errorf("want page recall of %v, document nDCG of %v, at most %d false and at least %d right refusals", leastPages, leastNDCG, falseRefusals, rightRefusals)
	}
	plain, err := eval.Run(t.Context(), eval.NewBaseline(docs), set)
	if err != nil {
		t.Fatal(err)
	}
	if s.Pages <= plain.Summary.Pages || s.Documents < plain.Summary.Documents {
		t.Errorf("page recall %.3f and nDCG %.3f, plain BM25 has %.3f and %.3f", s.Pages, s.Documents, plain.Summary.Pages, plain.Summary.Documents)
	}
}

// answers are given by question.
type answers map[string]eval.Answer

func (a answers) Ask(_ context.Context, question string, _ int) (eval.Answer, error) {
	return a[question], nil
}

func TestRunJudges(t *testing.T) {
	set := eval.Set{Questions: []eval.Question{
		{ID: "a", Kind: eval.TwoDocuments, Question: "two", Answers: []eval.Place{{"x", []int{1, 2}}, {"y", []int{9}}}, Facts: []string{"Up  to £5", "no"}},
		{ID: "b", Kind: eval.Fact, Question: "none", Answers: []eval.Place{{"x", []int{1}}}},
		{ID: "c", Kind: eval.Unanswerable, Question: "refused"},
		{ID: "d", Kind: eval.WrongCountry, Question: "not refused"},
	}}
	report, err := eval.Run(t.Context(), answers{
		"two": {Cited: []eval.Cited{
			{Document: "z", Page: 1},
			{Document: "x", Page: 2, Text: "up to\n£5"},
			{Document: "y", Page: 8},
			{Document: "x", Page: 3},
		}},
		"none":    {Refused: true, Cited: []eval.Cited{{Document: "x", Page: 2}}},
		"refused": {Refused: true},
	}, set)
	if err != nil {
		t.Fatal(err)
	}
	for i := range report.Results {
		report.Results[i].Millis = 0
	}
	// Right documents at the second and third place, of two: ideal at the first and second.
	gain := (1/math.Log2(3) + 1/math.Log2(4)) / (1 + 1/math.Log2(3))
	want := []eval.Result{
		{ID: "a", Kind: eval.TwoDocuments, Pages: 0.5, Documents: gain, Facts: 0.5, Precision: 0.25, First: 2},
		{ID: "b", Kind: eval.Fact, Refused: true, Documents: 1, Facts: -1},
		{ID: "c", Kind: eval.Unanswerable, Refused: true, Pages: -1, Documents: -1, Facts: -1, Precision: -1},
		{ID: "d", Kind: eval.WrongCountry, Pages: -1, Documents: -1, Facts: -1, Precision: -1},
	}
	if diff := cmp.Diff(want, report.Results); diff != "" {
		t.Error(diff)
	}
	s := report.Summary
	if s.Answerable != 2 || s.Unanswerable != 2 || s.FalseRefusals != 1 || s.RightRefusals != 1 || s.Pages != 0.25 || s.Facts != 0.5 || s.Reciprocal != 0.25 {
		t.Errorf("summary %+v", s)
	}
}

// A passage counts to the fifth place and no further.
func TestRunCountsFivePassages(t *testing.T) {
	cited := slices.Repeat([]eval.Cited{{Document: "x", Page: 7}}, 5)
	cited = append(cited, eval.Cited{Document: "x", Page: 1})
	report, err := eval.Run(t.Context(), answers{"q": {Cited: cited}}, eval.Set{Questions: []eval.Question{
		{ID: "a", Kind: eval.Fact, Question: "q", Answers: []eval.Place{{"x", []int{1}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Results[0]; r.Pages != 0 || r.First != 6 || r.Documents != 1 {
		t.Errorf("%+v", r)
	}
}

func TestCompare(t *testing.T) {
	before := eval.Report{Summary: eval.Summary{Pages: 0.5}, Results: []eval.Result{{ID: "a", Kind: eval.Fact}, {ID: "b", Kind: eval.Fact}}}
	after := eval.Report{Summary: eval.Summary{Pages: 0.75}, Results: []eval.Result{{ID: "a", Kind: eval.Fact, Pages: 1}, {ID: "c", Kind: eval.Fact}}}
	var out bytes.Buffer
	if err := eval.Compare(&out, before, after); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"+0.250", "a (fact): page recall 0.00 → 1.00", "new: c", "gone: b"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestBaseline(t *testing.T) {
	b := eval.NewBaseline([]eval.Document{
		{Name: "x", Pages: []string{"cats and dogs", "dogs only, dogs"}},
		{Name: "y", Pages: []string{strings.Repeat("word ", 200) + "cats"}},
	})
	a, err := b.Ask(t.Context(), "Cats?", 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Cited) != 2 || a.Refused {
		t.Fatalf("%+v", a)
	}
	// The last word of the long page stands in its second window, of 21 words.
	if a.Cited[0].Document != "x" || a.Cited[1].Document != "y" || len(strings.Fields(a.Cited[1].Text)) != 21 {
		t.Errorf("%+v", a.Cited)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"not JSON":    `questions`,
		"a key":       `{"questions": [], "answers": []}`,
		"no id":       `{"questions": [{"kind": "fact", "question": "?"}]}`,
		"twice":       `{"questions": [{"id": "a", "kind": "fact", "question": "?"}, {"id": "a", "kind": "fact", "question": "!"}]}`,
		"blank":       `{"questions": [{"id": "a", "kind": "fact", "question": " "}]}`,
		"kind":        `{"questions": [{"id": "a", "kind": "riddle", "question": "?"}]}`,
		"no page":     `{"questions": [{"id": "a", "kind": "fact", "question": "?", "answers": [{"document": "x"}]}]}`,
		"no document": `{"questions": [{"id": "a", "kind": "fact", "question": "?", "answers": [{"pages": [1]}]}]}`,
	} {
		if _, err := eval.Parse([]byte(raw)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"questions": [{"id": "a", "kind": "fact", "question": "?", "answers": [{"document": "x", "pages": [1]}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := eval.Parse(raw)
		if err != nil {
			return
		}
		for _, q := range set.Questions {
			if q.ID == "" || strings.TrimSpace(q.Question) == "" {
				t.Errorf("%+v", q)
			}
		}
	})
}
