package understand

import (
	"fmt"
	"strings"
	"unicode"

	"signpost.internal/services/doc-processor/internal/document"
)

// names suggests file names, none twice.
type names struct{ taken map[string]bool }

func newNames(taken []string) *names {
	n := &names{taken: map[string]bool{}}
	for _, name := range taken {
		n.taken[strings.ToLower(name)] = true
	}
	return n
}

const (
	longestWord = 40 // characters of one element of a name
	longestName = 120
)

// suggest makes a name of what was found: its date, who wrote, what it is. It
// holds letters, figures, hyphens and underscores only, so it is no path, and no
// two are alike even where capitals do not count.
func (n *names) suggest(p Part, kind document.Kind) string {
	elements := []string{"undated"}
	if p.Fields.Date.Value != nil {
		elements[0] = *p.Fields.Date.Value
	}
	if p.Fields.Creditor.Value != nil {
		if word := plain(*p.Fields.Creditor.Value); word != "" {
			elements = append(elements, word)
		}
	}
	elements = append(elements, plain(p.Kind))
	stem := strings.Join(elements, "_")
	if len(stem) > longestName {
		stem = strings.ToValidUTF8(stem[:longestName], "")
	}
	ending := document.Ending(kind)
	for i := 1; ; i++ {
		name := stem + ending
		if i > 1 {
			name = fmt.Sprintf("%s_%d%s", stem, i, ending)
		}
		if !n.taken[strings.ToLower(name)] {
			n.taken[strings.ToLower(name)] = true
			return name
		}
	}
}

// plain is the words with hyphens between them and nothing else.
func plain(words string) string {
	var b strings.Builder
	hyphen := false
	for _, r := range words {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			if hyphen && b.Len() > 0 {
				b.WriteByte('-')
			}
			hyphen = false
			b.WriteRune(r)
			if b.Len() >= longestWord {
				break
			}
			continue
		}
		hyphen = r != '\'' && r != '’' || hyphen
	}
	return b.String()
}
