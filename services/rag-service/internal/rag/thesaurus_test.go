package rag

import (
	"strings"
	"testing"

	"signpost.internal/services/rag-service/internal/bm25"
)

// Every entry of the thesaurus can be searched for.
func TestThesaurusIsWhole(t *testing.T) {
	a := bm25.NewAnalyzer()
	lines := 0
	for line := range strings.Lines(thesaurusText) {
		if _, err := parseThesaurus(a, line); err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(line), err)
		}
		lines++
	}
	if lines < 100 {
		t.Errorf("%d lines", lines)
	}
}

func TestThesaurus(t *testing.T) {
	a := bm25.NewAnalyzer()
	l := newLanguage(a)
	var err error
	if l.thesaurus, err = parseThesaurus(a, "car, van, motor car # a note\ngrand > thousand\nlet go, sacked > dismissed\nlet go early > released\n\n"); err != nil {
		t.Fatal(err)
	}
	searched := func(question, word string) bool {
		for _, id := range l.analyse(question).vector.IDs {
			if id == a.ID(word) {
				return true
			}
		}
		return false
	}
	for _, tc := range []struct {
		question, word string
		want           bool
	}{
		{"Which van?", "car", true},
		{"Which cars?", "van", true},
		{"Which car?", "motor", false}, // an entry of several words is asked, never found
		{"a motor car", "van", true},
		{"about a grand in all", "000", true},
		{"a thousand", "grand", false},
		{"They let him go.", "dismissed", true},
		{"They let him not ever again go.", "dismissed", false},
		{"Go! Let me!", "dismissed", false},
		{"They let him go early.", "released", true},
		{"They let him go early.", "dismissed", false},
		{"She was sacked.", "dismissed", true},
	} {
		if got := searched(tc.question, tc.word); got != tc.want {
			t.Errorf("%q searches for %q: %v", tc.question, tc.word, got)
		}
	}
	for _, bad := range []string{"alone", "the > a thing", "thing > the", "a thing, , another", ">", "motor car, big van"} {
		if _, err := parseThesaurus(a, bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzParseThesaurus(f *testing.F) {
	f.Add("car, van > motor car\n# note\n", "my car")
	f.Add("let go, let > gone", "let let go")
	f.Fuzz(func(t *testing.T, text, question string) {
		a := bm25.NewAnalyzer()
		parsed, err := parseThesaurus(a, text)
		if err != nil {
			return
		}
		l := newLanguage(a)
		l.thesaurus = parsed
		l.analyse(question)
	})
}

// A passage answers for a country only where it names it.
func TestCountries(t *testing.T) {
	a := bm25.NewAnalyzer()
	l := newLanguage(a)
	hit := func(text string) Hit { return Hit{Metadata: Metadata{Title: "Evictions"}, Chunk: Chunk{Text: text}} }
	for _, tc := range []struct {
		question, text string
		want           bool
	}{
		{"How much notice must a landlord give?", "A landlord gives two months.", true},
		{"How much notice must a landlord in Scotland give?", "A landlord gives two months.", false},
		{"How much notice must a landlord in Scotland give?", "A Scottish landlord gives 84 days.", true},
		{"Is it longer in Wales than in Scotland?", "In Wales it is six months.", false},
		{"Is it longer in Wales than in Scotland?", "In Wales six months, in Scotland 84 days.", true},
		{"And in England?", "A landlord gives two months.", true},
	} {
		q := l.analyse(tc.question)
		q.weigh(Found{Total: 1, Frequency: make([]int, len(q.vector.IDs))})
		if got := newScorer(a, q).placed(hit(tc.text)); got != tc.want {
			t.Errorf("%q and %q: %v", tc.question, tc.text, got)
		}
	}
}
