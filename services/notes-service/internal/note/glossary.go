package note

import (
	_ "embed"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

//go:embed glossary.txt
var glossaryText string

// glossary expands the trade's abbreviations.
type glossary struct{ exact, folded map[string]string }

var trade = parseGlossary(glossaryText)

func parseGlossary(text string) glossary {
	g := glossary{exact: map[string]string{}, folded: map[string]string{}}
	for line := range strings.Lines(text) {
		short, long, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		short, long = strings.TrimSpace(short), strings.TrimSpace(long)
		if name, exact := strings.CutSuffix(short, "!"); exact {
			g.exact[name] = long
		} else {
			g.folded[strings.ToLower(short)] = long
		}
	}
	return g
}

// shortRE finds what may be a short form: a word, with the joints of "w/o",
// "I&E", "rec'd", or "w/" before a word.
var shortRE = pattern.MustCompile(`[A-Za-z][A-Za-z0-9]*(?:[/&'’][A-Za-z]+)*/?`)

// edits returns the expansions within [from, to) of a line.
func (g glossary) edits(text string, from, to int) []edit {
	var found []edit
	for _, m := range shortRE.FindAllStringIndex(text[from:to], -1) {
		start, end := from+m[0], from+m[1]
		if start > 0 && isWordByte(text[start-1]) || end < len(text) && isWordByte(text[end]) {
			continue
		}
		if long, ok := g.lookup(text[start:end]); ok {
			found = append(found, edit{span{start, end}, long})
			continue
		}
		// "w/partner": the short form is what stands up to the stroke.
		if stroke := strings.IndexByte(text[start:end], '/'); stroke > 0 && stroke+1 < end-start {
			if long, ok := g.lookup(text[start : start+stroke+1]); ok {
				found = append(found, edit{span{start, start + stroke + 1}, long + " "})
			}
		}
	}
	return found
}

func (g glossary) lookup(word string) (string, bool) {
	long, ok := g.exact[word]
	if !ok {
		long, ok = g.folded[strings.ReplaceAll(strings.ToLower(word), "’", "'")]
	}
	return long, ok
}

// isWordByte counts bytes of non-ASCII letters and the joints of short forms too.
func isWordByte(c byte) bool { return isAlnum(c) || c >= 0x80 || c == '/' || c == '&' || c == '_' }
