// Package eval measures how well questions are answered from a collection of
// documents: whether the right pages are found, what is refused, what the
// answer and its citations hold, and how long it takes.
//
// A [Set] of questions names the documents and pages that hold each answer. [Run]
// asks them of an [Asker] and returns a [Report], which [Compare] sets beside
// another. [Baseline] is the plain search to beat.
package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// Kind says what a question is meant to try.
type Kind string

// The kinds of questions. The last three have no answer in the documents, or
// none that is still right to give.
const (
	Fact         Kind = "fact"          // one passage states it
	Procedure    Kind = "procedure"     // how something is done
	TwoDocuments Kind = "two documents" // takes a passage of each
	Superseded   Kind = "superseded"    // an older figure is beside the one in force
	Unanswerable Kind = "unanswerable"  // near the subject, not in the documents
	WrongCountry Kind = "wrong country" // the law of a country that the documents leave out
)

var kinds = []Kind{Fact, Procedure, TwoDocuments, Superseded, Unanswerable, WrongCountry}

// Place is where a part of an answer stands: on any of the pages.
type Place struct {
	Document string `json:"document"`
	Pages    []int  `json:"pages"`
}

// Question is a question with what is known of its answer.
type Question struct {
	ID       string `json:"id"`
	Kind     Kind   `json:"kind"`
	Question string `json:"question"`
	// Answers are the places that the answer takes, all of them. None means that
	// the documents do not answer the question and that it should be refused.
	Answers []Place `json:"answers,omitempty"`
	// Facts are what an answer must say; white space and case do not count.
	Facts []string `json:"facts,omitempty"`
}

// Answerable reports whether the documents answer the question.
func (q Question) Answerable() bool { return len(q.Answers) > 0 }

// Set is a collection of questions.
type Set struct {
	Questions []Question `json:"questions"`
}

// Load reads a set from a JSON file and refuses one that does not hold together.
func Load(path string) (Set, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Set{}, fmt.Errorf("read questions: %w", err)
	}
	return Parse(raw)
}

// Parse is [Load] for a file's content.
func Parse(raw []byte) (Set, error) {
	var s Set
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Set{}, fmt.Errorf("questions: %w", err)
	}
	ids := map[string]bool{}
	for _, q := range s.Questions {
		switch {
		case q.ID == "" || ids[q.ID]:
			return Set{}, fmt.Errorf("question %q: the id %q is missing or not the only one", q.Question, q.ID)
		case strings.TrimSpace(q.Question) == "":
			return Set{}, fmt.Errorf("question %s is blank", q.ID)
		case !slices.Contains(kinds, q.Kind):
			return Set{}, fmt.Errorf("question %s: the kind %q is none of %q", q.ID, q.Kind, kinds)
		case slices.ContainsFunc(q.Answers, func(p Place) bool { return p.Document == "" || len(p.Pages) == 0 }):
			return Set{}, fmt.Errorf("question %s: an answer without a document or page", q.ID)
		}
		ids[q.ID] = true
	}
	return s, nil
}

// Cited is a passage that was found for a question.
type Cited struct {
	Document string
	Page     int
	Text     string
}

// Answer is what came of a question.
type Answer struct {
	Refused bool
	Text    string
	Cited   []Cited // best first
}

// Asker answers questions with at most n passages.
type Asker interface {
	Ask(ctx context.Context, question string, n int) (Answer, error)
}

// How many passages count for the pages and for the documents.
const (
	PagesAt     = 5
	DocumentsAt = 10
)

// Result is what came of one question.
type Result struct {
	ID      string `json:"id"`
	Kind    Kind   `json:"kind"`
	Refused bool   `json:"refused"`
	// Pages is the share of the question's places among the first [PagesAt]
	// passages, and Documents the normalised discounted cumulative gain of the
	// first [DocumentsAt] documents. Both are -1 for questions without an answer.
	Pages     float64 `json:"pages"`
	Documents float64 `json:"documents"`
	// Facts is the share of the facts that stand in the first [PagesAt] passages,
	// and Precision the share of these passages that stand at one of the places;
	// -1 where there are none.
	Facts     float64 `json:"facts"`
	Precision float64 `json:"precision"`
	// First is the place of the best passage that is right, from 1; 0 for none.
	First  int     `json:"first"`
	Millis float64 `json:"millis"`
}

// Summary is what came of all questions.
type Summary struct {
	Answerable    int     `json:"answerable"`
	Unanswerable  int     `json:"unanswerable"`
	Pages         float64 `json:"page_recall_at_5"`
	Reciprocal    float64 `json:"page_reciprocal_rank"`
	Documents     float64 `json:"document_ndcg_at_10"`
	Facts         float64 `json:"key_facts_at_5"`
	Precision     float64 `json:"citation_precision_at_5"`
	FalseRefusals int     `json:"false_refusals"`
	RightRefusals int     `json:"right_refusals"`
	P50           float64 `json:"p50_ms"`
	P99           float64 `json:"p99_ms"`
}

// Report is what a run measured.
type Report struct {
	// Embedding names the model of a search by meaning too; empty for one by words.
	Embedding string           `json:"embedding,omitempty"`
	Summary   Summary          `json:"summary"`
	Kinds     map[Kind]Summary `json:"kinds"`
	Results   []Result         `json:"results"`
}

// Run asks every question.
func Run(ctx context.Context, a Asker, s Set) (Report, error) {
	r := Report{Kinds: map[Kind]Summary{}}
	for _, q := range s.Questions {
		began := time.Now()
		answer, err := a.Ask(ctx, q.Question, DocumentsAt)
		if err != nil {
			return Report{}, fmt.Errorf("question %s: %w", q.ID, err)
		}
		result := judge(q, answer)
		result.Millis = float64(time.Since(began).Microseconds()) / 1000
		r.Results = append(r.Results, result)
	}
	r.Summary = summarise(r.Results)
	for _, kind := range kinds {
		of := slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.Kind != kind })
		if len(of) > 0 {
			r.Kinds[kind] = summarise(of)
		}
	}
	return r, nil
}

func judge(q Question, a Answer) Result {
	r := Result{ID: q.ID, Kind: q.Kind, Refused: a.Refused, Pages: -1, Documents: -1, Facts: -1, Precision: -1}
	if !q.Answerable() {
		return r
	}
	first := a.Cited[:min(len(a.Cited), PagesAt)]
	right := 0
	for i, c := range a.Cited {
		if !slices.ContainsFunc(q.Answers, c.at) {
			continue
		}
		if r.First == 0 {
			r.First = i + 1
		}
		if i < len(first) {
			right++
		}
	}
	found := 0
	for _, p := range q.Answers {
		if slices.ContainsFunc(first, func(c Cited) bool { return c.at(p) }) {
			found++
		}
	}
	r.Pages = share(found, len(q.Answers))
	r.Precision = share(right, len(first))
	r.Documents = gain(q.Answers, a.Cited)
	if len(q.Facts) > 0 {
		r.Facts = share(stated(q.Facts, first), len(q.Facts))
	}
	return r
}

func (c Cited) at(p Place) bool {
	return c.Document == p.Document && (c.Page == 0 || slices.Contains(p.Pages, c.Page))
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// gain is the normalised discounted cumulative gain of the documents in the
// order in which they first appear, each of which is right or not.
func gain(answers []Place, cited []Cited) float64 {
	right := map[string]bool{}
	for _, p := range answers {
		right[p.Document] = true
	}
	var ideal, got float64
	for i := range len(right) {
		ideal += 1 / math.Log2(float64(i)+2)
	}
	seen := map[string]bool{}
	for _, c := range cited {
		if seen[c.Document] || len(seen) == DocumentsAt {
			continue
		}
		if right[c.Document] {
			got += 1 / math.Log2(float64(len(seen))+2)
		}
		seen[c.Document] = true
	}
	return got / ideal
}

func stated(facts []string, cited []Cited) int {
	var all strings.Builder
	for _, c := range cited {
		all.WriteString(plain(c.Text) + "\n")
	}
	n := 0
	for _, fact := range facts {
		if strings.Contains(all.String(), plain(fact)) {
			n++
		}
	}
	return n
}

func plain(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

func summarise(results []Result) Summary {
	var s Summary
	var pages, reciprocal, documents, facts, precision, millis []float64
	for _, r := range results {
		millis = append(millis, r.Millis)
		if r.Pages < 0 {
			s.Unanswerable++
			if r.Refused {
				s.RightRefusals++
			}
			continue
		}
		s.Answerable++
		if r.Refused {
			s.FalseRefusals++
		}
		pages = append(pages, r.Pages)
		documents = append(documents, r.Documents)
		precision = append(precision, r.Precision)
		rank := 0.0
		if r.First > 0 {
			rank = 1 / float64(r.First)
		}
		reciprocal = append(reciprocal, rank)
		if r.Facts >= 0 {
			facts = append(facts, r.Facts)
		}
	}
	s.Pages, s.Reciprocal, s.Documents = mean(pages), mean(reciprocal), mean(documents)
	s.Facts, s.Precision = mean(facts), mean(precision)
	slices.Sort(millis)
	if n := len(millis); n > 0 {
		s.P50, s.P99 = millis[n/2], millis[n*99/100]
	}
	return s
}

func mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
