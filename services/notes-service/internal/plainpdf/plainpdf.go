// Package plainpdf writes a letter as a PDF without the help of another program.
// The file has page numbers, a title and a language, but no tags: a screen reader
// finds no headings in it.
package plainpdf

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode"

	"codeberg.org/go-fonts/dejavu/dejavusans"
	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansbolditalic"
	"codeberg.org/go-fonts/liberation/liberationsansitalic"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/sfnt"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/paper"
)

// MediaType is that of the files.
const MediaType = "application/pdf"

const (
	letterFont = "letter"
	otherFont  = "other" // of characters that the letter's has not
)

// Millimetres of the page.
const (
	margin     = 23.0
	top        = 25.0
	bottom     = 23.0
	listIndent = 7.0
)

// Write returns the file, and the characters that it could not show: these stand
// in it as [U+…]. Text that runs from right to left fails with Unsupported: its
// letters would not be joined.
func Write(l paper.Letter) (file []byte, missing []rune, err error) {
	if paper.RightToLeft(l.Text() + l.Title + l.Mark) {
		return nil, nil, fault.New(fault.Unsupported, "The letter has text that runs from right to left, which a PDF needs LibreOffice for, and there is none here. It is to be had as docx.")
	}
	w := writer{pdf: fpdf.New("P", "mm", "A4", ""), letter: l, size: l.Size, fonts: map[string]bool{}}
	if w.size == 0 {
		w.size = 11
	}
	pdf := w.pdf
	pdf.SetCatalogSort(true)
	pdf.SetCreationDate(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	pdf.SetModificationDate(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	pdf.SetProducer("Signpost", false)
	pdf.SetTitle(l.Title, true)
	pdf.SetAuthor(l.Author, true)
	pdf.SetLang(l.Language)
	pdf.AliasNbPages("")
	pdf.SetMargins(margin, top, margin)
	pdf.SetAutoPageBreak(true, bottom)
	pdf.SetHeaderFuncMode(w.header, true)
	pdf.SetFooterFunc(w.footer)
	pdf.AddPage()
	w.blocks(l.Blocks())
	var b bytes.Buffer
	if err := pdf.Output(&b); err != nil {
		return nil, nil, fmt.Errorf("write the PDF: %w", err)
	}
	return b.Bytes(), w.missing, nil
}

type writer struct {
	pdf     *fpdf.Fpdf
	letter  paper.Letter
	size    float64 // of the text, in points
	missing []rune
	fonts   map[string]bool // those that the file has
}

// use makes a font the one that is written with. A font is read when it is first
// used: that takes longer than all else of a short letter.
func (w *writer) use(font, style string, size float64) {
	if name := font + style; !w.fonts[name] {
		w.fonts[name] = true
		// fpdf changes the bytes that it is given.
		w.pdf.AddUTF8FontFromBytes(font, style, bytes.Clone(ttf(name)))
	}
	w.pdf.SetFont(font, style, size)
}

// line is the height of a line of text of that size, in millimetres.
func line(size float64) float64 { return size * 25.4 / 72 * 1.3 }

func (w *writer) header() {
	if w.letter.Mark == "" {
		return
	}
	pdf := w.pdf
	const size, pad = 9.0, 1.5
	pageWidth, _ := pdf.GetPageSize()
	width := pageWidth - 2*margin
	lines := w.wrap([]paper.Run{{Text: w.letter.Mark, Bold: true}}, size, width-2*pad)
	pdf.SetTextColor(160, 0, 0)
	pdf.SetDrawColor(160, 0, 0)
	pdf.Rect(margin, 10, width, line(size)*float64(len(lines))+2*pad, "D")
	for i, l := range lines {
		w.draw(l, margin+pad, 10+pad+line(size)*float64(i), size)
	}
	pdf.SetTextColor(0, 0, 0)
	pdf.SetDrawColor(0, 0, 0)
	pdf.SetY(max(top, 10+2*pad+line(size)*float64(len(lines))+5))
}

func (w *writer) footer() {
	const size = 9.0
	w.pdf.SetTextColor(64, 64, 64)
	pageWidth, pageHeight := w.pdf.GetPageSize()
	lines := w.wrap([]paper.Run{{Text: fmt.Sprintf("%s %d %s {nb}", w.letter.Page, w.pdf.PageNo(), w.letter.Of)}}, size, pageWidth-2*margin)
	if len(lines) > 0 {
		w.draw(lines[0], (pageWidth-lines[0].width)/2, pageHeight-15, size)
	}
	w.pdf.SetTextColor(0, 0, 0)
}

// room begins a new page when less than this is left of the one.
func (w *writer) room(height float64) {
	_, pageHeight := w.pdf.GetPageSize()
	if w.pdf.GetY()+height > pageHeight-bottom {
		w.pdf.AddPage()
	}
}

func (w *writer) blocks(blocks []paper.Block) {
	for _, b := range blocks {
		w.block(b)
	}
}

func (w *writer) block(b paper.Block) {
	pdf := w.pdf
	switch b.Kind {
	case paper.Heading:
		size := w.size + []float64{5, 2, 0}[min(max(b.Level, 1), 3)-1]
		w.room(2*line(size) + 2*line(w.size)) // with what it is the heading of
		pdf.Ln(2.5)
		w.flow(bold(b.Runs), size)
		pdf.Ln(1.5)
	case paper.List:
		w.list(b)
	case paper.Table:
		w.table(b)
	case paper.Sender, paper.Address, paper.Code:
		w.lines(b)
	case paper.Quote:
		left, _, right, _ := pdf.GetMargins()
		w.within(left+10, right+10, func() { w.blocks(b.Blocks) })
	case paper.Rule:
		pageWidth, _ := pdf.GetPageSize()
		left, _, right, _ := pdf.GetMargins()
		pdf.Line(left, pdf.GetY(), pageWidth-right, pdf.GetY())
		pdf.Ln(3)
	default:
		w.flow(b.Runs, w.size)
		pdf.Ln(2.5)
	}
}

// within writes between other margins.
func (w *writer) within(left, right float64, write func()) {
	oldLeft, _, oldRight, _ := w.pdf.GetMargins()
	w.pdf.SetLeftMargin(left)
	w.pdf.SetRightMargin(right)
	w.pdf.SetX(left)
	write()
	w.pdf.SetLeftMargin(oldLeft)
	w.pdf.SetRightMargin(oldRight)
	w.pdf.SetX(oldLeft)
}

// flow writes runs as a paragraph and ends its last line.
func (w *writer) flow(runs []paper.Run, size float64) {
	left, _, right, _ := w.pdf.GetMargins()
	pageWidth, _ := w.pdf.GetPageSize()
	height := line(size)
	for _, l := range w.wrap(runs, size, pageWidth-left-right) {
		w.room(height)
		w.draw(l, left, w.pdf.GetY(), size)
		w.pdf.SetXY(left, w.pdf.GetY()+height)
	}
}

func (w *writer) lines(b paper.Block) {
	left, _, right, _ := w.pdf.GetMargins()
	height := line(w.size)
	write := func() {
		w.room(height * float64(len(b.Lines)))
		for _, l := range b.Lines {
			w.flow([]paper.Run{{Text: l}}, w.size)
		}
	}
	if b.Kind == paper.Sender {
		left += 90
	}
	w.within(left, right, write)
	w.pdf.Ln(5)
}

func (w *writer) list(b paper.Block) {
	left, _, right, _ := w.pdf.GetMargins()
	height := line(w.size)
	for i, item := range b.Items {
		mark := "•"
		if b.Ordered {
			mark = strconv.Itoa(b.Start+i) + "."
		}
		w.room(height)
		for _, l := range w.wrap([]paper.Run{{Text: mark}}, w.size, listIndent) {
			w.draw(l, left, w.pdf.GetY(), w.size)
		}
		w.within(left+listIndent, right, func() {
			if len(item) == 0 {
				w.pdf.Ln(height)
			}
			for j, block := range item {
				if j == 0 && block.Kind == paper.Paragraph {
					w.flow(block.Runs, w.size)
					w.pdf.Ln(1)
					continue
				}
				if j == 0 {
					w.pdf.Ln(height)
				}
				w.block(block)
			}
		})
	}
	w.pdf.Ln(1.5)
}

func (w *writer) table(b paper.Block) {
	columns := len(b.Aligns)
	if columns == 0 {
		return
	}
	const pad = 1.2
	left, _, right, _ := w.pdf.GetMargins()
	pageWidth, pageHeight := w.pdf.GetPageSize()
	widths := w.widths(b, columns, pageWidth-left-right)
	size := w.size - 1
	// A row that is taller than a page goes on on the next.
	most := int((pageHeight - bottom - 2*top) / line(size))
	draw := func(cells [][]printed, head bool) {
		tallest := 1
		for _, lines := range cells {
			tallest = max(tallest, len(lines))
		}
		height := line(size)*float64(tallest) + 2*pad
		w.pdf.SetDrawColor(128, 128, 128)
		w.pdf.SetFillColor(232, 236, 240)
		x, y := left, w.pdf.GetY()
		for c, lines := range cells {
			w.pdf.Rect(x, y, widths[c], height, map[bool]string{true: "FD", false: "D"}[head])
			for i, l := range lines {
				at := x + pad
				switch b.Aligns[c] {
				case paper.Centre:
					at = x + (widths[c]-l.width)/2
				case paper.Right:
					at = x + widths[c] - pad - l.width
				default:
				}
				w.draw(l, at, y+pad+line(size)*float64(i), size)
			}
			x += widths[c]
		}
		w.pdf.SetDrawColor(0, 0, 0)
		w.pdf.SetXY(left, y+height)
	}
	row := func(i int) (cells [][]printed, tallest int) {
		cells = make([][]printed, columns)
		for c := range cells {
			if c < len(b.Rows[i]) {
				runs := b.Rows[i][c]
				if i == 0 {
					runs = bold(runs)
				}
				cells[c] = w.wrap(runs, size, widths[c]-2*pad)
			}
			tallest = max(tallest, len(cells[c]))
		}
		return cells, tallest
	}
	w.room(line(size)*3 + 4*pad)
	for i := range b.Rows {
		cells, tallest := row(i)
		for from := 0; from == 0 || from < tallest; from += most {
			piece := make([][]printed, columns)
			for c, lines := range cells {
				piece[c] = lines[min(from, len(lines)):min(from+most, len(lines))]
			}
			if i > 0 && w.pdf.GetY()+line(size)*float64(min(tallest-from, most))+2*pad > pageHeight-bottom {
				w.pdf.AddPage()
				if head, lines := row(0); lines < most/2 {
					draw(head, true) // again
				}
			}
			draw(piece, i == 0)
		}
	}
	w.pdf.SetXY(left, w.pdf.GetY()+4)
}

func bold(runs []paper.Run) []paper.Run {
	out := make([]paper.Run, len(runs))
	for i, r := range runs {
		r.Bold = true
		out[i] = r
	}
	return out
}

// widths shares the page among the columns by their longest text.
func (w *writer) widths(b paper.Block, columns int, width float64) []float64 {
	shares, sum := make([]float64, columns), 0.0
	for c := range shares {
		shares[c] = 8
		for _, row := range b.Rows {
			if c < len(row) {
				shares[c] = min(max(shares[c], float64(len([]rune(paper.Plain(row[c]))))), 48)
			}
		}
		sum += shares[c]
	}
	for c := range shares {
		shares[c] *= width / sum
	}
	return shares
}

// printed is a line of text.
type printed struct {
	parts []part
	width float64
}

// part is text of one font and look.
type part struct {
	text        string
	font, style string
	link        string
	width       float64
}

func (l *printed) add(p part) {
	l.width += p.width
	if last := len(l.parts) - 1; last >= 0 {
		if q := &l.parts[last]; q.font == p.font && q.style == p.style && q.link == p.link {
			q.text += p.text
			q.width += p.width
			return
		}
	}
	l.parts = append(l.parts, p)
}

// draw prints a line whose upper edge is at y.
func (w *writer) draw(l printed, x, y, size float64) {
	baseline := y + line(size)*0.75
	for _, p := range l.parts {
		w.use(p.font, p.style, size)
		if p.link != "" {
			w.pdf.SetTextColor(11, 79, 158)
			w.pdf.LinkString(x, y, p.width, line(size), p.link)
		}
		w.pdf.Text(x, baseline, p.text)
		if p.link != "" {
			w.pdf.SetTextColor(0, 0, 0)
		}
		x += p.width
	}
}

// wrap breaks runs into lines of that width.
func (w *writer) wrap(runs []paper.Run, size, width float64) []printed {
	var lines []printed
	var now printed
	var word []part // pieces without a space between them
	wordWidth := 0.0
	var space part // before the word
	end := func() {
		lines = append(lines, now)
		now = printed{}
	}
	place := func() {
		if len(word) == 0 {
			return
		}
		if len(now.parts) > 0 && now.width+space.width+wordWidth > width {
			end()
			space = part{}
		}
		if space.text != "" && len(now.parts) > 0 {
			now.add(space)
		}
		for _, p := range word {
			if len(now.parts) > 0 && now.width+p.width > width {
				end() // a word that is longer than the line
			}
			now.add(p)
		}
		word, wordWidth, space = word[:0], 0, part{}
	}
	for _, r := range runs {
		if r.Break {
			place()
			end()
			continue
		}
		style := ""
		if r.Bold {
			style = "B"
		}
		if r.Italic {
			style += "I"
		}
		for _, c := range r.Text {
			p, ok := w.piece(c, style)
			if !ok {
				continue
			}
			p.link = r.Link
			w.use(p.font, p.style, size)
			p.width = w.pdf.GetStringWidth(p.text)
			if p.text == " " {
				place()
				space = p
				continue
			}
			word = append(word, p)
			wordWidth += p.width
		}
	}
	place()
	if len(now.parts) > 0 || len(lines) == 0 {
		end()
	}
	return lines
}

// piece is a character in the font that has it, ok false for one that has no
// shape of its own.
func (w *writer) piece(c rune, style string) (p part, ok bool) {
	switch {
	case c == '\t' || c == '\n' || c == '\r':
		return part{text: " ", font: letterFont, style: style}, true
	case unicode.In(c, unicode.Cf) || c == '\uFE0F':
		return part{}, false
	case has(letterFont+style, c):
		return part{text: string(c), font: letterFont, style: style}, true
	case has(otherFont, c):
		return part{text: string(c), font: otherFont}, true
	}
	return part{text: w.unshown(c), font: letterFont, style: style}, true
}

func (w *writer) unshown(r rune) string {
	if !slices.Contains(w.missing, r) {
		w.missing = append(w.missing, r)
	}
	return fmt.Sprintf("[U+%04X]", r)
}

// ttf returns the file of a font.
func ttf(name string) []byte {
	switch name {
	case letterFont + "B":
		return liberationsansbold.TTF
	case letterFont + "I":
		return liberationsansitalic.TTF
	case letterFont + "BI":
		return liberationsansbolditalic.TTF
	case otherFont:
		return dejavusans.TTF
	default:
		return liberationsansregular.TTF
	}
}

// fonts are the fonts, read once to ask for their characters.
var fonts = sync.OnceValue(func() map[string]*sfnt.Font {
	all := map[string]*sfnt.Font{}
	for _, name := range []string{letterFont, letterFont + "B", letterFont + "I", letterFont + "BI", otherFont} {
		f, err := sfnt.Parse(ttf(name))
		if err != nil {
			panic(fmt.Sprintf("a font of the program cannot be read: %v", err))
		}
		all[name] = f
	}
	return all
})

// has reports whether a font has the character. fpdf knows those of the first
// plane only.
func has(font string, r rune) bool {
	if r > 0xFFFF || r < 0x20 {
		return false
	}
	glyph, err := fonts()[font].GlyphIndex(nil, r)
	return err == nil && glyph != 0
}
