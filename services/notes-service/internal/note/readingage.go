package note

import (
	"math"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

var (
	sentenceEndRE = pattern.MustCompile(`[.!?:]+(?:\s|$)|\n+`)
	plainWordRE   = pattern.MustCompile(`\p{L}[\p{L}'’-]*`)
	vowelsRE      = pattern.MustCompile(`[aeiouy]+`)
)

// ReadingAge returns the age at which a text can be read: the Flesch-Kincaid
// grade, 0.39 x words to a sentence + 11.8 x syllables to a word - 15.59, and five
// years. It is 0 for a text without words.
func ReadingAge(text string) float64 {
	words, syllables, sentences := 0, 0, 0
	for _, part := range sentenceEndRE.Split(text, -1) {
		found := plainWordRE.FindAllString(part, -1)
		if len(found) == 0 {
			continue
		}
		sentences++
		words += len(found)
		for _, w := range found {
			syllables += syllablesOf(strings.ToLower(w))
		}
	}
	if words == 0 {
		return 0
	}
	grade := 0.39*float64(words)/float64(sentences) + 11.8*float64(syllables)/float64(words) - 15.59
	return math.Round(10*max(grade+5, 5)) / 10
}

// syllablesOf counts groups of vowels, without a silent e at the end.
func syllablesOf(word string) int {
	n := len(vowelsRE.FindAllString(word, -1))
	if n > 1 && strings.HasSuffix(word, "e") && !strings.HasSuffix(word, "le") {
		n--
	}
	return max(n, 1)
}
