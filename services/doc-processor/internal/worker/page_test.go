package worker

import (
	"strings"
	"testing"

	"signpost.internal/services/doc-processor/internal/layout"
	"signpost.internal/services/doc-processor/internal/pdftext"
)

// Links are made of the words under them, once each; what cannot be placed is listed.
func TestLinked(t *testing.T) {
	var glyphs []layout.Glyph
	for i, r := range "Call us or see our page today" {
		glyphs = append(glyphs, layout.Glyph{Rune: r, Left: float64(10 * i), Right: float64(10*i + 8), Bottom: 0, Top: 10})
	}
	over := func(word, url string) pdftext.Link {
		at := strings.Index("Call us or see our page today", word)
		return pdftext.Link{Left: float64(10 * at), Right: float64(10 * (at + len(word))), Bottom: 0, Top: 10, URL: url}
	}
	for _, tc := range []struct {
		markdown string
		links    []pdftext.Link
		want     string
	}{
		{"Call us or see our page today", []pdftext.Link{over("our page", "https://a.example/(x)")}, "Call us or see [our page](https://a.example/%28x%29) today"},
		{"Call us or see our page today", []pdftext.Link{over("Call us", "tel:1"), over("today", "https://b.example")}, "[Call us](tel:1) or see our page [today](https://b.example)"},
		{"Call us or see our page today", []pdftext.Link{over("today", "https://b.example"), over("Call us", "tel:1")}, "[Call us](tel:1) or see our page [today](https://b.example)"},
		{"Call us or see our page today", []pdftext.Link{over("our page", "https://a.example"), over("page", "https://b.example")}, "Call us or see [our page](https://a.example) today\n\n[page](https://b.example)"},
		{"Other words", []pdftext.Link{over("our page", "https://a.example"), {URL: "https://c.example", Left: 900, Right: 901, Top: 1}}, "Other words\n\n[our page](https://a.example)\n\n[https://c.example](https://c.example)"},
	} {
		if got := linked(tc.markdown, glyphs, tc.links); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
