package note

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
)

// notes500 is fictional notes of five hundred words.
func notes500(b *testing.B) string {
	b.Helper()
	var out strings.Builder
	words := 0
	for _, c := range readCases(b, "dev2.txt") {
		for line := range strings.Lines(c.notes + "\n") {
			if words += len(strings.Fields(line)); words > 500 {
				return out.String()
			}
			out.WriteString(line)
		}
	}
	return out.String()
}

// answering is a model that takes no time.
type answering struct{ content string }

func (a answering) Provider() string { return "none" }
func (a answering) Model() string    { return "" }

func (a answering) Chat(context.Context, provider.ChatRequest) (*provider.ChatResponse, error) {
	if a.content == "" {
		return nil, fault.New(fault.Unavailable, "No model is configured.")
	}
	return &provider.ChatResponse{Content: a.content}, nil
}

func benchmarkConvert(b *testing.B, model Chatter, notes string) {
	b.Helper()
	c := New(Options{Chat: model, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		start := time.Now()
		if _, err := c.Convert(b.Context(), notes, "Ms Ann Example"); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkRules writes, proves and records a letter of 500 words of notes.
func BenchmarkRules(b *testing.B) { benchmarkConvert(b, answering{}, notes500(b)) }

// BenchmarkProof is what reading, proving and recording add to the time of a model
// that drafts such a letter in the notes' own words. Less BenchmarkRules it is
// what the model mode costs beside the model.
func BenchmarkProof(b *testing.B) {
	notes := notes500(b)
	r := Read(notes, "Ms Ann Example")
	var d draft
	for _, it := range r.items() {
		s := draftSentence{it.whole().Text, it.sentence.Lines}
		switch {
		case it.sentence.heading:
		case it.owner == Us:
			d.Ours = append(d.Ours, s)
		case it.owner == Client:
			d.Yours = append(d.Yours, s)
		default:
			d.Matters = append(d.Matters, s)
		}
	}
	for b.Loop() {
		r.prove(d, "Ms Ann Example")
	}
}
