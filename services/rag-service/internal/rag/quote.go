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
	sentences := quotable(c)
	best, bestValue := "", -1.0
	for from := range sentences {
		to, value := s.stretch(sentences, from)
		if value > bestValue+1e-9 {
			best, bestValue = join(sentences[from:to]), value
		}
	}
	return cutWords(best, quoteWords)
}

// sentence is a sentence of a chunk. Sentences of one run follow each other on
// the page; between runs there is a heading.
type sentence struct {
	text string
	run  int
}

// quotable returns the sentences of a chunk that are not headings, or all if
// there are no others.
func quotable(c Chunk) []sentence {
	var out, all []sentence
	run := 0
	for line := range strings.SplitSeq(c.Text, "\n") {
		heading := slices.ContainsFunc(c.Headings, func(h string) bool { return sameHeading(line, h) })
		if heading {
			run++
		}
		for _, text := range chunk.Sentences(line) {
			all = append(all, sentence{text: text})
			if !heading {
				out = append(out, sentence{text, run})
			}
		}
	}
	if len(out) == 0 {
		return all
	}
	return out
}

func join(sentences []sentence) string {
	texts := make([]string, len(sentences))
	for i, s := range sentences {
		texts[i] = s.text
	}
	return strings.Join(texts, " ")
}

// stretch returns where a quotation that begins with the sentence must end, and
// how much of the question it holds. A beginning that has nothing of the question
// counts for nothing.
func (s *scorer) stretch(sentences []sentence, from int) (to int, value float64) {
	words := 0
	seen := map[int]bool{}
	for to = from; to < len(sentences); to++ {
		n := len(strings.Fields(sentences[to].text))
		if to > from && (words+n > quoteWords || sentences[to].run != sentences[from].run) {
			break
		}
		words += n
		for _, t := range s.analyzer.Tokens(sentences[to].text) {
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
	switch {
	case math.IsInf(value, -1):
		value = 0
	case slices.ContainsFunc(sentences[from:to], func(x sentence) bool { return s.figured(x.text) }):
		value += figureWeight * s.total
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
