package vision

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a description, in characters.
const (
	maxLength = 1200
	maxWord   = 80 // longer ones are no words
)

const ellipsis = "…"

// bullets begin the items of a list.
var bullets = regexp.MustCompile(`(?m)^[ \t]*(?:[-*•#]+|\(?\d{1,2}[.)])[ \t]+`)

// Clean returns what is kept of a model's answer about a page with the text, in
// one line, and what was taken out. cut says that the answer was cut at its
// length limit. Every run of digits in the result is one of the text's.
func Clean(answer string, cut bool, text string) (description string, warnings []string) {
	words := strings.Fields(visible(bullets.ReplaceAllString(answer, "")))
	if cut {
		words = complete(words[:max(0, len(words)-1)])
	}
	words, repeated := unrepeated(slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) > maxWord }))
	if kept := fitting(words); kept < len(words) {
		words, cut = complete(words[:kept]), true
	}
	line, unread := newFigures(text).check(strings.Join(words, " "))
	// Sentences that differed in their figures only may be the same now.
	words, again := unrepeated(strings.Fields(line))
	line = expand(strings.Join(words, " "))
	switch {
	case unread == 1:
		warnings = append(warnings, "a figure in the description is not in the page's text and was taken out")
	case unread > 1:
		warnings = append(warnings, fmt.Sprintf("%d figures in the description are not in the page's text and were taken out", unread))
	}
	if repeated || again {
		warnings = append(warnings, "the description repeated itself and was cut")
	}
	if cut {
		warnings = append(warnings, "the description was too long and was cut")
	}
	if line != "" && (repeated || again || cut) {
		line += " " + ellipsis
	}
	return line, warnings
}

// visible takes out what cannot be seen or could turn the direction of what
// follows, and makes white space of control characters.
func visible(answer string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Variation_Selector):
			return -1
		}
		return r
	}, strings.ToValidUTF8(answer, string(utf8.RuneError)))
}

// complete drops figures at the end of words that were cut off there: the rest
// of the number may be missing.
func complete(words []string) []string {
	for len(words) > 0 && strings.ContainsFunc(words[len(words)-1], unicode.IsNumber) {
		words = words[:len(words)-1]
	}
	return words
}

// fitting is how many of the words the longest description has room for.
func fitting(words []string) int {
	length := 0
	for i, w := range words {
		if length += utf8.RuneCountInString(w) + 1; length > maxLength {
			return i
		}
	}
	return len(words)
}

// How repetitions are told.
const (
	sentenceLength = 3  // words of the shortest sentence that may come only once
	phraseLength   = 20 // words of the longest phrase that may come three times in a row
	runLength      = 8  // words of a run that may come twice in all
)

// unrepeated drops sentences that came before, and cuts the words where they
// begin to go round in circles.
func unrepeated(words []string) (kept []string, repeated bool) {
	sentences := map[string]bool{}
	start := 0
	for i, w := range words {
		if end, _ := utf8.DecodeLastRuneInString(strings.TrimRight(w, `"'”’)`)); i+1 < len(words) && !strings.ContainsRune(".!?", end) {
			continue
		}
		sentence := words[start : i+1]
		start = i + 1
		key := strings.Join(plain(sentence), " ")
		if len(sentence) >= sentenceLength && sentences[key] {
			repeated = true
			continue
		}
		sentences[key] = true
		kept = append(kept, sentence...)
	}
	if end := circling(plain(kept)); end < len(kept) {
		return kept[:end], true
	}
	return kept, repeated
}

// plain are the words' letters and figures.
func plain(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ToLower(strings.TrimFunc(w, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != unread && r != severalUnread
		}))
	}
	return out
}

// circling returns where the words begin to repeat what came before, or their
// number.
func circling(words []string) int {
	runs := map[string]int{}
	for i := range words {
		for n := 1; n <= phraseLength && i+3*n <= len(words); n++ {
			phrase := words[i : i+n]
			if slices.Equal(phrase, words[i+n:i+2*n]) && slices.Equal(phrase, words[i+2*n:i+3*n]) {
				return i + n
			}
		}
		if i >= runLength {
			run := strings.Join(words[i-runLength:i], " ")
			if runs[run]++; runs[run] > 2 {
				return i - runLength
			}
		}
	}
	return len(words)
}
