package rag

import (
	"math"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/chunk"
)

// quoteWords is how long a quotation may be, in words.
const quoteWords = 80

func indexByte(s string, b byte) int { return strings.IndexByte(s, b) }

// sameHeading reports whether a line of a page is the heading, with or without
// the signs that mark headings in Markdown.
func sameHeading(line, heading string) bool {
	return line == heading || strings.HasPrefix(line, "#") && strings.Trim(line, "# ") == heading
}

// quote returns the stretch of whole sentences of the chunk that holds most of
// what the question asks about, in at most quoteWords words. Headings are left
// out unless there is nothing else.
func (s *scorer) quote(c Chunk) string {
	var lines []string
	for line := range strings.SplitSeq(c.Text, "\n") {
		if !slices.ContainsFunc(c.Headings, func(h string) bool { return sameHeading(line, h) }) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		lines = strings.Split(c.Text, "\n")
	}
	sentences := chunk.Sentences(strings.Join(lines, "\n"))
	best, bestValue := "", -1.0
	for from := range sentences {
		to, value := s.stretch(sentences, from)
		if value > bestValue+1e-9 {
			best, bestValue = strings.Join(sentences[from:to], " "), value
		}
	}
	return cutWords(best, quoteWords)
}

// stretch returns where a quotation that begins with the sentence must end, and
// how much of the question it holds. A beginning that has nothing of the question
// counts for nothing.
func (s *scorer) stretch(sentences []string, from int) (to int, value float64) {
	words := 0
	seen := map[int]bool{}
	for to = from; to < len(sentences); to++ {
		n := len(strings.Fields(sentences[to]))
		if to > from && words+n > quoteWords {
			break
		}
		words += n
		for _, t := range s.analyzer.Tokens(sentences[to]) {
			i, ok := s.find(t.ID)
			switch {
			case !ok:
			case seen[i]:
				value += 0.1 * s.q.terms[i].weight
			default:
				seen[i] = true
				value += s.q.terms[i].weight
			}
		}
		if to == from && len(seen) == 0 {
			value = math.Inf(-1)
		}
	}
	if math.IsInf(value, -1) {
		value = 0
	}
	return to, value
}

// cutWords cuts a single sentence that is longer than n words.
func cutWords(s string, n int) string {
	words := strings.Fields(s)
	if len(words) <= n {
		return s
	}
	return strings.Join(words[:n], " ")
}
