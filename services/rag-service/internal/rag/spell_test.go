package rag_test

import (
	"strings"
	"testing"

	"signpost.internal/services/rag-service/internal/rag"
)

func TestMisspeltQuestions(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	var texts []rag.Text
	for _, name := range []string{"one", "two", "three"} {
		texts = append(texts, rag.Text{Name: name + ".txt", Text: "Chapter " + name + ". The allowance for attendance is explained to every claimant of " + strings.Repeat(name+" ", 12) + "and nobody else."})
	}
	if _, err := f.IngestTexts(t.Context(), rag.DefaultCollection, texts); err != nil {
		t.Fatal(err)
	}
	for question, source := range map[string]string{
		"attandance":  "one.txt",    // a vowel
		"atendance":   "one.txt",    // one of a pair
		"attendnace":  "one.txt",    // swapped
		"allowwance":  "one.txt",    // doubled
		"bttendance":  "",           // the first letter
		"attendanxe":  "",           // the ending
		"standord":    "",           // standard stands in one passage only
		"relief":      "relief.txt", // a word that is there
		"attendances": "one.txt",    // the same word
		"clamant":     "",           // a letter left out is another word more often
		"attndance":   "",
		"ATTANDANCE":  "one.txt",
	} {
		found, err := f.Find(t.Context(), rag.Question{Text: question, TopK: 1})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(found.Results) > 0 {
			got = found.Results[0].Source
		}
		if source == "" && got != "" || source != "" && got == "" || source == "relief.txt" && got != source {
			t.Errorf("%q finds %q, want %q", question, got, source)
		}
	}
}
