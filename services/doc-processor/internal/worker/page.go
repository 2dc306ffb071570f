package worker

import (
	"strings"

	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/layout"
	"signpost.internal/services/doc-processor/internal/pdftext"
)

// margins are the paragraphs of a page that may be running headers and footers.
func margins(page layout.Page) []document.Margin {
	head, foot := page.Margins()
	var found []document.Margin
	for _, b := range head {
		found = append(found, document.Margin{Text: layout.Page{b}.Text(), Markdown: layout.Page{b}.Markdown()})
	}
	for _, b := range foot {
		found = append(found, document.Margin{Text: layout.Page{b}.Text(), Markdown: layout.Page{b}.Markdown(), Foot: true})
	}
	return found
}

// placed returns the words of a text layer in fractions of the page as shown.
func placed(glyphs []layout.Glyph, frame pdftext.Frame) []document.Word {
	words := layout.GlyphWords(glyphs)
	out := make([]document.Word, len(words))
	for i, w := range words {
		x1, y1 := frame.Shown(w.Left, w.Bottom)
		x2, y2 := frame.Shown(w.Right, w.Top)
		out[i] = document.Word{
			Text:       w.Text,
			Box:        document.Box{Left: min(x1, x2), Top: min(y1, y2), Right: max(x1, x2), Bottom: max(y1, y2)}.Rounded(),
			Confidence: 1,
		}
	}
	return out
}

// linked makes Markdown links of the words that are linked on the page. Links whose
// words cannot be found as they stand are listed at the end: none is lost.
func linked(markdown string, glyphs []layout.Glyph, links []pdftext.Link) string {
	from := 0
	for _, l := range links {
		anchor := anchorOf(glyphs, l)
		if anchor == "" {
			anchor = l.URL
		}
		link := "[" + strings.NewReplacer("[", `\[`, "]", `\]`).Replace(anchor) + "](" + strings.NewReplacer("(", "%28", ")", "%29", " ", "%20").Replace(l.URL) + ")"
		at := strings.Index(markdown[from:], anchor)
		if at < 0 { // not after the last one: the order of links need not be that of the text
			from = 0
			at = strings.Index(markdown, anchor)
		}
		if at < 0 || inLink(markdown, from+at) {
			markdown += "\n\n" + link
			continue
		}
		at += from
		markdown = markdown[:at] + link + markdown[at+len(anchor):]
		from = at + len(link)
	}
	return markdown
}

// inLink reports whether the place is inside a link already made.
func inLink(markdown string, at int) bool {
	line := markdown[strings.LastIndexByte(markdown[:at], '\n')+1 : at]
	return strings.LastIndexByte(line, '[') > strings.LastIndexByte(line, ']') || strings.LastIndex(line, "](") > strings.LastIndexByte(line, ')')
}

// anchorOf is the text under a link.
func anchorOf(glyphs []layout.Glyph, l pdftext.Link) string {
	var text strings.Builder
	for _, g := range glyphs {
		x, y := (g.Left+g.Right)/2, (g.Bottom+g.Top)/2
		switch {
		case x >= l.Left && x <= l.Right && y >= l.Bottom && y <= l.Top && g.Rune != ' ' && g.Rune != '\n':
			text.WriteRune(g.Rune)
		case g.Rune == ' ' || g.Rune == '\n':
			text.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
