package document

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WordList is a set of words in lower case.
type WordList map[string]struct{}

// ReadWordList reads a word list: one word a line, UTF-8.
func ReadWordList(r io.Reader) (WordList, error) {
	words := WordList{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if word := strings.TrimSuffix(strings.ToLower(lines.Text()), "'s"); word != "" {
			words[word] = struct{}{}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the word list: %w", err)
	}
	return words, nil
}

// Vocabulary knows the words of one document and of a word list, and mends
// words of the document with them.
type Vocabulary struct {
	list WordList
	own  map[string]int // how often each whole word stands in the document
}

// NewVocabulary gathers the words of the texts.
func NewVocabulary(list WordList, texts []string) *Vocabulary {
	v := &Vocabulary{list: list, own: map[string]int{}}
	for _, text := range texts {
		for token := range tokens(text) {
			if whole(token) {
				v.own[fold(token)]++
			}
		}
	}
	return v
}

// Mend restores lost ligatures and decides about the hyphens at line ends.
// Whatever the words at hand do not settle stays as it is: a lost character as
// U+FFFD, a hyphen as a hyphen.
func (v *Vocabulary) Mend(text string) string {
	if !strings.ContainsRune(text, utf8.RuneError) && !strings.ContainsRune(text, LineHyphen) {
		return text
	}
	var out strings.Builder
	last := 0
	for token, at := range tokens(text) {
		out.WriteString(text[last:at])
		out.WriteString(v.mendToken(token))
		last = at + len(token)
	}
	out.WriteString(text[last:])
	return out.String()
}

// mendToken mends a run of word characters with its marks.
func (v *Vocabulary) mendToken(token string) string {
	if strings.ContainsFunc(token, unicode.IsDigit) {
		return strings.ReplaceAll(token, string(LineHyphen), "-")
	}
	if !strings.ContainsRune(token, LineHyphen) {
		return v.restore(token)
	}
	// First as one word, then as the words that the hyphens part.
	joined := strings.ReplaceAll(token, string(LineHyphen), "")
	if restored := v.restore(joined); v.knows(restored) {
		return restored
	}
	parts := strings.Split(token, string(LineHyphen))
	for i, part := range parts {
		parts[i] = v.restore(part)
	}
	return strings.Join(parts, "-")
}

// ligatures are the letters that fonts set as one glyph, and so the ones that
// are lost when a font does not say which characters its glyphs stand for.
var ligatures = [...]string{"fi", "ffi", "fl", "ff", "ffl"}

// maxLost bounds the number of lost characters tried in one word.
const maxLost = 3

// restore puts the ligature in place of each U+FFFD of the word, if exactly
// one way of doing so makes a known word, or one is more frequent in the
// document than the others.
func (v *Vocabulary) restore(word string) string {
	lost := strings.Count(word, string(utf8.RuneError))
	if lost == 0 || lost > maxLost || utf8.RuneCountInString(word) == lost {
		return word
	}
	candidates := []string{word}
	for range lost {
		next := make([]string, 0, len(candidates)*len(ligatures))
		for _, c := range candidates {
			for _, l := range ligatures {
				next = append(next, strings.Replace(c, string(utf8.RuneError), l, 1))
			}
		}
		candidates = next
	}
	best, known, frequency, tie := word, 0, 0, false
	for _, c := range candidates {
		if !v.knows(c) {
			continue
		}
		known++
		switch n := v.own[fold(c)]; {
		case known == 1 || n > frequency:
			best, frequency, tie = c, n, false
		case n == frequency:
			tie = true
		}
	}
	if tie {
		return word
	}
	return best
}

func (v *Vocabulary) knows(word string) bool {
	folded := fold(word)
	if _, ok := v.list[folded]; ok {
		return true
	}
	return v.own[folded] > 0
}

// fold is the form in which words are compared.
func fold(word string) string {
	word = strings.ToLower(strings.ReplaceAll(word, "’", "'"))
	return strings.Trim(strings.TrimSuffix(word, "'s"), "'")
}

// whole reports whether nothing is missing in the token.
func whole(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool {
		return r == utf8.RuneError || r == LineHyphen || unicode.IsDigit(r)
	})
}

// tokens yields the runs of letters, digits, apostrophes and marks of the
// text, each with its offset.
func tokens(text string) func(yield func(string, int) bool) {
	return func(yield func(string, int) bool) {
		start := -1
		for i, r := range text {
			if unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) ||
				r == '\'' || r == '’' || r == utf8.RuneError || r == LineHyphen {
				if start < 0 {
					start = i
				}
				continue
			}
			if start >= 0 && !yield(text[start:i], start) {
				return
			}
			start = -1
		}
		if start >= 0 {
			yield(text[start:], start)
		}
	}
}
