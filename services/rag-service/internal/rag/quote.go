package rag

import (
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
		words, value := 0, 0.0
		seen := map[int]bool{}
		for to := from; to < len(sentences); to++ {
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
		}
		if value > bestValue+1e-9 {
			to := from
			for words = 0; to < len(sentences); to++ {
				n := len(strings.Fields(sentences[to]))
				if to > from && words+n > quoteWords {
					break
				}
				words += n
			}
			best, bestValue = strings.Join(sentences[from:to], " "), value
		}
	}
	return cutWords(best, quoteWords)
}

// cutWords cuts a single sentence that is longer than n words.
func cutWords(s string, n int) string {
	words := strings.Fields(s)
	if len(words) <= n {
		return s
	}
	return strings.Join(words[:n], " ")
}
