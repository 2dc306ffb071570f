// Package docx writes a letter as a Word file (Office Open XML, transitional),
// which Word, LibreOffice and others open. It is a writer of what letters need:
// styles, headings, addresses, lists, tables, links, page numbers and a mark in
// every page's header.
package docx

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"signpost.internal/services/notes-service/internal/paper"
)

// MediaType is that of the files.
const MediaType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

// Write returns the file. The same letter gives the same bytes.
func Write(l paper.Letter) ([]byte, error) {
	w := writer{letter: l}
	body := w.body()
	parts := []struct{ name, content string }{
		{"[Content_Types].xml", contentTypes},
		{"_rels/.rels", packageRels},
		{"docProps/core.xml", w.core()},
		{"docProps/app.xml", declaration + `<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"><Application>Signpost</Application></Properties>`},
		{"word/document.xml", body},
		{"word/styles.xml", w.styles()},
		{"word/numbering.xml", w.numbering()},
		{"word/settings.xml", w.settings()},
		{"word/header1.xml", w.header()},
		{"word/footer1.xml", w.footer()},
		{"word/_rels/document.xml.rels", w.relationships()},
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, part := range parts {
		f, err := z.CreateHeader(&zip.FileHeader{Name: part.name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return nil, fmt.Errorf("write the Word file: %w", err)
		}
		if _, err := f.Write([]byte(part.content)); err != nil {
			return nil, fmt.Errorf("write the Word file: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write the Word file: %w", err)
	}
	return out.Bytes(), nil
}

type writer struct {
	letter paper.Letter
	b      strings.Builder
	links  []string // targets; the first has the ID firstLink
	lists  []list   // those that are numbered, in their order
}

// list is a numbered list: each has a number of its own, so that it begins anew.
type list struct{ level, start int }

// The numbering of bullets, and of the first numbered list.
const (
	bullets       = 1
	firstNumbered = 2
)

// firstLink is the number of the first relationship that is a link.
const firstLink = 10

// maxLevel is the deepest level that a list of Word has.
const maxLevel = 8

func (w *writer) put(parts ...string) {
	for _, p := range parts {
		w.b.WriteString(p)
	}
}

func (w *writer) body() string {
	w.put(declaration, `<w:document `, namespaces, `><w:body>`)
	w.blocks(w.letter.Blocks(), place{})
	w.put(`<w:sectPr><w:headerReference w:type="default" r:id="rId4"/><w:footerReference w:type="default" r:id="rId5"/>`,
		`<w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1418" w:right="1304" w:bottom="1304" w:left="1304" w:header="624" w:footer="624" w:gutter="0"/></w:sectPr>`,
		`</w:body></w:document>`)
	return w.b.String()
}

// place is where a paragraph stands.
type place struct {
	style  string
	number int // of its list, 0 for none
	level  int
	indent bool // it goes on with an item of a list, or with a quote
	align  paper.Align
}

func (w *writer) blocks(blocks []paper.Block, at place) {
	for _, b := range blocks {
		switch b.Kind {
		case paper.Heading:
			p := at
			p.style = "Heading" + strconv.Itoa(min(max(b.Level, 1), 3))
			w.paragraph(b.Runs, p)
		case paper.List:
			w.list(b, at)
		case paper.Table:
			w.table(b)
		case paper.Sender:
			w.lines(b.Lines, "Sender")
		case paper.Address:
			w.lines(b.Lines, "Address")
		case paper.Code:
			w.lines(b.Lines, "Code")
		case paper.Quote:
			p := at
			p.style = "Quote"
			w.blocks(b.Blocks, p)
		case paper.Rule:
			w.put(`<w:p><w:pPr><w:pBdr><w:bottom w:val="single" w:sz="6" w:space="1" w:color="808080"/></w:pBdr></w:pPr></w:p>`)
		default:
			w.paragraph(b.Runs, at)
		}
	}
}

func (w *writer) lines(lines []string, style string) {
	runs := make([]paper.Run, 0, 2*len(lines))
	for i, line := range lines {
		if i > 0 {
			runs = append(runs, paper.Run{Break: true})
		}
		runs = append(runs, paper.Run{Text: line})
	}
	w.paragraph(runs, place{style: style})
}

func (w *writer) list(b paper.Block, at place) {
	level := 0
	if at.number != 0 || at.indent {
		level = min(at.level+1, maxLevel)
	}
	number := bullets
	if b.Ordered {
		number = firstNumbered + len(w.lists)
		w.lists = append(w.lists, list{level, b.Start})
	}
	for _, item := range b.Items {
		if len(item) == 0 || item[0].Kind != paper.Paragraph {
			item = append([]paper.Block{{Kind: paper.Paragraph}}, item...)
		}
		// The first paragraph has the mark; what follows stands under its text.
		w.blocks(item[:1], place{style: "ListParagraph", number: number, level: level})
		w.blocks(item[1:], place{style: "ListParagraph", level: level, indent: true})
	}
}

func (w *writer) paragraph(runs []paper.Run, at place) {
	w.put(`<w:p>`)
	w.properties(runs, at)
	w.runs(runs)
	w.put(`</w:p>`)
}

// properties are in the order of the schema.
func (w *writer) properties(runs []paper.Run, at place) {
	var b strings.Builder
	if at.style != "" {
		b.WriteString(`<w:pStyle w:val="` + at.style + `"/>`)
	}
	if at.number != 0 {
		fmt.Fprintf(&b, `<w:numPr><w:ilvl w:val="%d"/><w:numId w:val="%d"/></w:numPr>`, at.level, at.number)
	}
	if paper.RightToLeft(paper.Plain(runs)) {
		b.WriteString(`<w:bidi/>`)
	}
	if at.indent {
		fmt.Fprintf(&b, `<w:ind w:left="%d"/>`, listIndent*(at.level+1))
	}
	switch at.align {
	case paper.Centre:
		b.WriteString(`<w:jc w:val="center"/>`)
	case paper.Right:
		b.WriteString(`<w:jc w:val="right"/>`)
	default:
	}
	if b.Len() > 0 {
		w.put(`<w:pPr>`, b.String(), `</w:pPr>`)
	}
}

func (w *writer) runs(runs []paper.Run) {
	for _, r := range runs {
		if r.Break {
			w.put(`<w:r><w:br/></w:r>`)
			continue
		}
		if r.Link == "" {
			w.run(r)
			continue
		}
		w.put(`<w:hyperlink r:id="rId`, strconv.Itoa(firstLink+len(w.links)), `">`)
		w.links = append(w.links, r.Link)
		w.run(r)
		w.put(`</w:hyperlink>`)
	}
}

func (w *writer) run(r paper.Run) {
	var b strings.Builder
	if r.Link != "" {
		b.WriteString(`<w:rStyle w:val="Hyperlink"/>`)
	}
	if r.Bold {
		b.WriteString(`<w:b/><w:bCs/>`)
	}
	if r.Italic {
		b.WriteString(`<w:i/><w:iCs/>`)
	}
	if paper.RightToLeft(r.Text) {
		b.WriteString(`<w:rtl/>`)
	}
	w.put(`<w:r>`)
	if b.Len() > 0 {
		w.put(`<w:rPr>`, b.String(), `</w:rPr>`)
	}
	for i, part := range strings.Split(r.Text, "\t") {
		if i > 0 {
			w.put(`<w:tab/>`)
		}
		if part != "" {
			w.put(`<w:t xml:space="preserve">`, escape(part), `</w:t>`)
		}
	}
	w.put(`</w:r>`)
}

// textWidth is that of a page without its margins, in twentieths of a point.
const textWidth = 11906 - 2*1304

func (w *writer) table(b paper.Block) {
	columns := len(b.Aligns)
	for _, row := range b.Rows {
		columns = max(columns, len(row))
	}
	if columns == 0 {
		return
	}
	w.put(`<w:tbl><w:tblPr><w:tblStyle w:val="TableGrid"/><w:tblW w:w="5000" w:type="pct"/><w:tblLook w:val="0020" w:firstRow="1" w:lastRow="0" w:firstColumn="0" w:lastColumn="0" w:noHBand="1" w:noVBand="1"/></w:tblPr><w:tblGrid>`)
	for _, width := range widths(b.Rows, columns) {
		fmt.Fprintf(&w.b, `<w:gridCol w:w="%d"/>`, width)
	}
	w.put(`</w:tblGrid>`)
	for i, row := range b.Rows {
		w.put(`<w:tr><w:trPr><w:cantSplit/>`)
		if i == 0 {
			w.put(`<w:tblHeader/>`)
		}
		w.put(`</w:trPr>`)
		for c, width := range widths(b.Rows, columns) {
			fmt.Fprintf(&w.b, `<w:tc><w:tcPr><w:tcW w:w="%d" w:type="dxa"/>`, width)
			style := "TableText"
			if i == 0 {
				w.put(`<w:shd w:val="clear" w:color="auto" w:fill="E8ECF0"/>`)
				style = "TableHead"
			}
			w.put(`</w:tcPr>`)
			var cell []paper.Run
			if c < len(row) {
				cell = row[c]
			}
			p := place{style: style}
			if c < len(b.Aligns) {
				p.align = b.Aligns[c]
			}
			w.paragraph(cell, p)
			w.put(`</w:tc>`)
		}
		w.put(`</w:tr>`)
	}
	// Two tables that touch would become one.
	w.put(`</w:tbl><w:p><w:pPr><w:pStyle w:val="TableText"/></w:pPr></w:p>`)
}

// widths shares the page among the columns by their longest text.
func widths(rows [][][]paper.Run, columns int) []int {
	weights, sum := make([]int, columns), 0
	for c := range weights {
		weights[c] = 8
		for _, row := range rows {
			if c < len(row) {
				weights[c] = min(max(weights[c], utf8.RuneCountInString(paper.Plain(row[c]))), 48)
			}
		}
		sum += weights[c]
	}
	for c := range weights {
		weights[c] = textWidth * weights[c] / sum
	}
	return weights
}

// escape writes text for XML 1.0. A character that XML cannot have is shown as the
// sign for that.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r == '\n' || r == '\r':
			b.WriteByte(' ')
		case r < 0x20 && r != '\t' || r == 0xFFFE || r == 0xFFFF:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
