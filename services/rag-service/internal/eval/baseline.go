package eval

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"unicode"
)

// Baseline is plain BM25 over windows of 180 words of a page: no stemming, no
// stop words, no structure. It refuses nothing.
type Baseline struct {
	windows []window
	df      map[string]int
	average float64
}

type window struct {
	cited  Cited
	counts map[string]int
	length int
}

const (
	windowWords = 180
	plainK1     = 1.2
	plainB      = 0.75
)

// NewBaseline cuts documents into windows.
func NewBaseline(documents []Document) *Baseline {
	b := &Baseline{df: map[string]int{}}
	total := 0
	for _, d := range documents {
		for i, page := range d.Pages {
			words := strings.Fields(page)
			for len(words) > 0 {
				n := min(len(words), windowWords)
				text := strings.Join(words[:n], " ")
				words = words[n:]
				w := window{cited: Cited{Document: d.Name, Page: i + 1, Text: text}, counts: map[string]int{}}
				for _, term := range terms(text) {
					w.counts[term]++
					w.length++
				}
				for term := range w.counts {
					b.df[term]++
				}
				total += w.length
				b.windows = append(b.windows, w)
			}
		}
	}
	b.average = float64(total) / float64(max(len(b.windows), 1))
	return b
}

func terms(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// Ask implements [Asker].
func (b *Baseline) Ask(_ context.Context, question string, n int) (Answer, error) {
	type scored struct {
		at    int
		score float64
	}
	query := terms(question)
	slices.Sort(query)
	query = slices.Compact(query)
	var all []scored
	for i, w := range b.windows {
		score := 0.0
		for _, term := range query {
			tf := float64(w.counts[term])
			if tf == 0 {
				continue
			}
			df := float64(b.df[term])
			idf := math.Log(1 + (float64(len(b.windows))-df+0.5)/(df+0.5))
			score += idf * tf * (plainK1 + 1) / (tf + plainK1*(1-plainB+plainB*float64(w.length)/b.average))
		}
		if score > 0 {
			all = append(all, scored{i, score})
		}
	}
	slices.SortStableFunc(all, func(x, y scored) int { return cmp.Compare(y.score, x.score) })
	var a Answer
	for _, s := range all[:min(n, len(all))] {
		a.Cited = append(a.Cited, b.windows[s.at].cited)
	}
	return a, nil
}
