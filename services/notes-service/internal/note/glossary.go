package note

import (
	_ "embed"
	"regexp"
	"strings"
)

//go:embed glossary.txt
var glossaryText string

// glossary expands the trade's abbreviations.
type glossary struct {
	exact, folded map[string]string
	re            *regexp.Regexp
}

var trade = parseGlossary(glossaryText)

func parseGlossary(text string) glossary {
	g := glossary{exact: map[string]string{}, folded: map[string]string{}}
	var patterns []string
	for line := range strings.Lines(text) {
		short, long, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		short, long = strings.TrimSpace(short), strings.TrimSpace(long)
		if name, exact := strings.CutSuffix(short, "!"); exact {
			short = name
			g.exact[name] = long
		} else {
			g.folded[strings.ToLower(short)] = long
		}
		patterns = append(patterns, regexp.QuoteMeta(short))
	}
	// Longest first would be needed for alternatives that share a beginning; the
	// leftmost-longest rule gives it.
	g.re = regexp.MustCompile(`(?i)(?:` + strings.Join(patterns, "|") + `)`)
	g.re.Longest()
	return g
}

// edits returns the expansions within [from, to) of a line.
func (g glossary) edits(text string, from, to int) []edit {
	var found []edit
	for _, m := range g.re.FindAllStringIndex(text[from:to], -1) {
		start, end := from+m[0], from+m[1]
		word := text[start:end]
		if start > 0 && isWordByte(text[start-1]) || end < len(text) && isWordByte(text[end]) && word[len(word)-1] != '/' {
			continue
		}
		long, ok := g.exact[word]
		if !ok {
			long, ok = g.folded[strings.ToLower(word)]
		}
		if !ok {
			continue
		}
		if word[len(word)-1] == '/' && end < len(text) && isWordByte(text[end]) {
			long += " "
		}
		found = append(found, edit{span{start, end}, long})
	}
	return found
}

// isWordByte counts bytes of non-ASCII letters and the joints of short forms too.
func isWordByte(c byte) bool { return isAlnum(c) || c >= 0x80 || c == '/' || c == '&' || c == '_' }
