package rag

import (
	"regexp"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/chunk"
)

// abbreviationIn finds a phrase with its abbreviation in brackets.
var abbreviationIn = regexp.MustCompile(`((?:[\pL'’-]+ ){2,6})\(([A-Z][A-Za-z]{1,5}?)s?\)`)

// abbreviations collects what a document says its abbreviations stand for:
// "debt relief order (DRO)" gives "DRO" → "debt relief order".
func abbreviations(passages []chunk.Passage) map[string]string {
	found := map[string]string{}
	for _, p := range passages {
		for _, m := range abbreviationIn.FindAllStringSubmatch(p.Text, -1) {
			words := strings.Fields(strings.ToLower(m[1]))
			short := strings.ToLower(m[2])
			if len(words) < len(short) {
				continue
			}
			words = words[len(words)-len(short):]
			if initials(words) == short {
				found[m[2]] = strings.Join(words, " ")
			}
		}
	}
	return found
}

func initials(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteByte(w[0])
	}
	return b.String()
}

// aliases returns the words under which a passage should be found besides its
// own: the long forms of its abbreviations and the abbreviations of its phrases.
func aliases(text string, known map[string]string) string {
	var out []string
	lower := strings.ToLower(text)
	for short, long := range known {
		switch hasShort, hasLong := containsWord(text, short), strings.Contains(lower, long); {
		case hasShort && !hasLong:
			out = append(out, long)
		case hasLong && !hasShort:
			out = append(out, short)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func containsWord(text, word string) bool {
	for rest := text; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		end := i + len(word)
		if (i == 0 || !isLetterOrDigit(rune(rest[i-1]))) && (end == len(rest) || !isLetterOrDigit(rune(rest[end])) || rest[end] == 's') {
			return true
		}
		rest = rest[end:]
	}
}
