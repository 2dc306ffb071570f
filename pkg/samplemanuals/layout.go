package samplemanuals

import (
	"fmt"
	"strings"
)

// A4 and the places on it, in points from the top left corner.
const (
	pageWidth  = 595.28
	pageHeight = 841.89
	left       = 72.0
	right      = pageWidth - 72
	top        = 92.0
	bottom     = pageHeight - 84
	headerY    = 56.0
	footerY    = pageHeight - 50
	gutter     = 26.0
	cellPad    = 5.0
	smallSize  = 8.5
)

// notice stands on the first page and in every footer.
const notice = "Sample manual. Not advice."

// sheet is one page with everything in its place.
type sheet struct {
	shades []box
	rules  []box // width or height is nought: a line
	runs   []run
	text   []string // what stands on the page, in reading order
}

type box struct{ x, y, w, h float64 }

// run is a piece of text in one face; y is the baseline.
type run struct {
	x, y, size float64
	face       face
	text       string
}

type frame struct{ x, width float64 }

// layout places a source on pages.
type layout struct {
	src    Source
	faces  *typeface
	size   float64 // of body text
	frames []frame
	top    float64 // of the frames on this page: lower on the first

	sheets []*sheet
	frame  int
	y      float64 // top of the free space in the frame
}

func typeset(src Source, faces *typeface) ([]*sheet, error) {
	l := &layout{src: src, faces: faces, size: 11.5, frames: []frame{{left, right - left}}}
	switch src.Form {
	case Columns:
		w := (right - left - gutter) / 2
		l.size, l.frames = 10.5, []frame{{left, w}, {left + w + gutter, w}}
	case Ligatures:
		l.size = 10
	}
	l.newPage()
	if err := l.titleBlock(); err != nil {
		return nil, err
	}
	for _, b := range src.blocks {
		if err := l.block(b); err != nil {
			return nil, err
		}
	}
	for i := range l.sheets {
		if err := l.headerAndFooter(i); err != nil {
			return nil, err
		}
	}
	return l.sheets, nil
}

func (l *layout) sheet() *sheet { return l.sheets[len(l.sheets)-1] }

func (l *layout) newPage() {
	l.sheets = append(l.sheets, &sheet{})
	l.frame, l.top, l.y = 0, top, top
}

// room moves on to the next frame or page when less than h is free.
func (l *layout) room(h float64) {
	if l.y+h <= bottom || l.y == l.top {
		return
	}
	if l.frame+1 < len(l.frames) {
		l.frame, l.y = l.frame+1, l.top
		return
	}
	l.newPage()
}

func (l *layout) leading(size float64) float64 { return size * 1.38 }

func (l *layout) say(s string) { l.sheet().text = append(l.sheet().text, s) }

// titleBlock fills the head of the first page over its whole width.
func (l *layout) titleBlock() error {
	frames := l.frames
	l.frames = []frame{{left, right - left}}
	defer func() { l.frames = frames }()

	const h = 26.0
	l.sheet().shades = append(l.sheet().shades, box{left, l.y, right - left, h})
	if err := l.line(l.sheet(), run{left + 10, l.y + 17, 11, headingFace, notice}); err != nil {
		return err
	}
	l.say(notice)
	l.y += h + 16
	if l.src.Title == "" {
		l.top = l.y
		return nil
	}
	facts := []string{
		"Edition: " + l.src.Edition,
		"Effective from: " + l.src.Effective,
		"Jurisdiction: " + l.src.Jurisdiction,
		"Law stated from the sources named as at: " + l.src.Stated + ". The law may have changed since.",
	}
	if err := l.paragraph([]span{{l.src.Title, headingFace}}, 22, 6); err != nil {
		return err
	}
	for _, f := range facts {
		if err := l.paragraph([]span{{f, small}}, 9.5, 1); err != nil {
			return err
		}
	}
	l.y += 6
	l.sheet().rules = append(l.sheet().rules, box{left, l.y, right - left, 0})
	l.y += 14
	l.top = l.y
	return nil
}

func (l *layout) headerAndFooter(i int) error {
	s := l.sheets[i]
	page := fmt.Sprintf("Page %d of %d", i+1, len(l.sheets))
	w, err := l.faces.width(page, small, smallSize)
	if err != nil {
		return err
	}
	s.runs = append(s.runs,
		run{left, footerY, smallSize, small, notice},
		run{right - w, footerY, smallSize, small, page})
	s.rules = append(s.rules, box{left, footerY - 14, right - left, 0})
	s.text = append(s.text, notice+" "+page)
	if l.src.Title == "" || i == 0 {
		return nil
	}
	header := l.src.Title + " · Edition " + l.src.Edition
	s.rules = append(s.rules, box{left, headerY + 6, right - left, 0})
	s.text = append([]string{header}, s.text...)
	return l.line(s, run{left, headerY, smallSize, small, header})
}

func (l *layout) block(b block) error {
	switch b.kind {
	case heading:
		size := l.size + float64(max(0, 4-b.level))*1.4
		if l.y > l.top {
			l.y += size * 0.7
		}
		l.room(l.leading(size) + 3*l.leading(l.size))
		return l.paragraph(b.spans, size, size*0.35)
	case list:
		for i, item := range b.items {
			mark := "•"
			if b.ordered {
				mark = fmt.Sprintf("%d.", b.first+i)
			}
			if err := l.item(mark, item); err != nil {
				return err
			}
		}
		l.y += l.size * 0.4
		return nil
	case table:
		return l.table(b.rows)
	default:
		return l.paragraph(b.spans, l.size, l.size*0.65)
	}
}

// paragraph sets spans across the frame, with space after.
func (l *layout) paragraph(spans []span, size, after float64) error {
	lines, err := l.wrap(spans, size, l.frames[l.frame].width)
	if err != nil {
		return err
	}
	l.flow(lines, size, 0)
	l.y += after
	return nil
}

func (l *layout) item(mark string, spans []span) error {
	indent := l.size * 1.6
	lines, err := l.wrap(spans, l.size, l.frames[l.frame].width-indent)
	if err != nil {
		return err
	}
	l.room(l.leading(l.size))
	x, y := l.frames[l.frame].x+l.size*0.3, l.baseline(l.size)
	l.sheet().runs = append(l.sheet().runs, run{x, y, l.size, body, mark})
	lines[0].plain = mark + " " + lines[0].plain
	l.flow(lines, l.size, indent)
	l.y += l.size * 0.3
	return nil
}

func (l *layout) baseline(size float64) float64 { return l.y + size*1.02 }

// flow sets lines one below another, over frames and pages. The part of a
// paragraph on each page is one line of that page's text.
func (l *layout) flow(lines []textLine, size, indent float64) {
	var said []string
	for _, line := range lines {
		page := len(l.sheets)
		before := l.sheet()
		l.room(l.leading(size))
		if len(l.sheets) > page && len(said) > 0 {
			before.text = append(before.text, strings.Join(said, " "))
			said = nil
		}
		l.place(line, l.frames[l.frame].x+indent, l.baseline(size))
		said = append(said, line.plain)
		l.y += l.leading(size)
	}
	l.say(strings.Join(said, " "))
}

func (l *layout) place(line textLine, x, y float64) {
	for _, r := range line.runs {
		r.x += x
		r.y = y
		l.sheet().runs = append(l.sheet().runs, r)
	}
}

// line sets one run as it stands.
func (l *layout) line(s *sheet, r run) error {
	r.text = l.shown(r.text)
	if _, err := l.faces.width(r.text, r.face, r.size); err != nil {
		return err
	}
	s.runs = append(s.runs, r)
	return nil
}

// textLine is a wrapped line; its runs' x counts from the line's start.
type textLine struct {
	runs  []run
	plain string
	width float64
}

// wrap breaks spans into lines no wider than width; a longer word stands alone.
func (l *layout) wrap(spans []span, size, width float64) ([]textLine, error) {
	var lines []textLine
	var line textLine
	for _, word := range words(spans) {
		w := 0.0
		for i, piece := range word {
			word[i].text = l.shown(piece.text)
			pw, err := l.faces.width(word[i].text, piece.face, size)
			if err != nil {
				return nil, err
			}
			w += pw
		}
		space, err := l.faces.width(" ", word[0].face, size)
		if err != nil {
			return nil, err
		}
		if len(line.runs) > 0 && line.width+space+w > width {
			lines = append(lines, line)
			line = textLine{}
		}
		if err := l.add(&line, word, space, size); err != nil {
			return nil, err
		}
	}
	return append(lines, line), nil
}

// add puts a word at the end of a line, joining runs of one face.
func (l *layout) add(line *textLine, word []span, space, size float64) error {
	for i, piece := range word {
		gap := ""
		if i == 0 && len(line.runs) > 0 {
			gap = " "
			line.plain += " "
		}
		line.plain += unligature.Replace(piece.text)
		w, err := l.faces.width(piece.text, piece.face, size)
		if err != nil {
			return err
		}
		last := len(line.runs) - 1
		if last >= 0 && line.runs[last].face == piece.face {
			line.runs[last].text += gap + piece.text
		} else {
			x := line.width
			if gap != "" {
				x += space
			}
			line.runs = append(line.runs, run{x: x, size: size, face: piece.face, text: piece.text})
		}
		if gap != "" {
			line.width += space
		}
		line.width += w
	}
	return nil
}

// words splits spans at spaces; a word whose face changes inside has several
// pieces.
func words(spans []span) [][]span {
	var all [][]span
	open := false // the last word may go on
	for _, s := range spans {
		fields := strings.Fields(s.text)
		if len(fields) == 0 {
			open = open && s.text == ""
			continue
		}
		if strings.HasPrefix(s.text, " ") {
			open = false
		}
		for _, f := range fields {
			if open {
				all[len(all)-1] = append(all[len(all)-1], span{f, s.face})
			} else {
				all = append(all, []span{{f, s.face}})
			}
			open = false
		}
		open = !strings.HasSuffix(s.text, " ")
	}
	return all
}

// table sets a ruled table with a shaded head, which is repeated where the
// table goes on.
func (l *layout) table(rows [][][]span) error {
	size := l.size * 0.93
	widths, err := l.columnWidths(rows, size)
	if err != nil {
		return err
	}
	l.y += 3
	if err := l.tableHead(rows, widths, size); err != nil {
		return err
	}
	for _, row := range rows[1:] {
		h, _, err := l.measureRow(row, widths, size)
		if err != nil {
			return err
		}
		frame, page := l.frame, len(l.sheets)
		l.room(h)
		if l.frame != frame || len(l.sheets) != page {
			if err := l.row(rows[0], widths, size, true); err != nil {
				return err
			}
		}
		if err := l.row(row, widths, size, false); err != nil {
			return err
		}
	}
	l.y += l.size * 0.9
	return nil
}

// tableHead sets the head where it and the first row fit together.
func (l *layout) tableHead(rows [][][]span, widths []float64, size float64) error {
	h := 0.0
	for _, row := range rows[:min(2, len(rows))] {
		rh, _, err := l.measureRow(row, widths, size)
		if err != nil {
			return err
		}
		h += rh
	}
	l.room(h)
	return l.row(rows[0], widths, size, true)
}

// columnWidths shares the frame by how much text each column holds.
func (l *layout) columnWidths(rows [][][]span, size float64) ([]float64, error) {
	widths := make([]float64, len(rows[0]))
	least := make([]float64, len(rows[0])) // room for the longest word
	spare, wanted := l.frames[l.frame].width, 0.0
	for i := range widths {
		for _, row := range rows {
			content := l.shown(plain(row[i]))
			w, err := l.faces.width(content, bold, size)
			if err != nil {
				return nil, err
			}
			widths[i] = max(widths[i], min(w, 190))
			for _, word := range strings.Fields(content) {
				w, err := l.faces.width(word, bold, size)
				if err != nil {
					return nil, err
				}
				least[i] = max(least[i], w+2*cellPad)
			}
		}
		wanted += widths[i]
		spare -= least[i]
	}
	for i := range widths {
		widths[i] = least[i] + spare*widths[i]/wanted
	}
	return widths, nil
}

func (l *layout) measureRow(row [][]span, widths []float64, size float64) (float64, [][]textLine, error) {
	cells := make([][]textLine, len(row))
	deepest := 0
	for i, spans := range row {
		lines, err := l.wrap(spans, size, widths[i]-2*cellPad)
		if err != nil {
			return 0, nil, err
		}
		cells[i] = lines
		deepest = max(deepest, len(lines))
	}
	return float64(deepest)*l.leading(size) + cellPad, cells, nil
}

func (l *layout) row(row [][]span, widths []float64, size float64, head bool) error {
	h, cells, err := l.measureRow(row, widths, size)
	if err != nil {
		return err
	}
	s, x := l.sheet(), l.frames[l.frame].x
	full := l.frames[l.frame].width
	if head {
		s.shades = append(s.shades, box{x, l.y, full, h})
		s.rules = append(s.rules, box{x, l.y, full, 0})
	}
	s.rules = append(s.rules, box{x, l.y + h, full, 0}, box{x, l.y, 0, h})
	var said []string
	for i, lines := range cells {
		var cell []string
		for j, line := range lines {
			l.place(line, x+cellPad, l.baseline(size)+2+float64(j)*l.leading(size))
			cell = append(cell, line.plain)
		}
		said = append(said, strings.Join(cell, " "))
		x += widths[i]
		s.rules = append(s.rules, box{x, l.y, 0, h})
	}
	l.say(strings.Join(said, "\t"))
	l.y += h
	return nil
}

var (
	ligature   = strings.NewReplacer("ffi", "\ufb03", "ffl", "\ufb04", "ff", "\ufb00", "fi", "\ufb01", "fl", "\ufb02")
	unligature = strings.NewReplacer("\ufb03", "ffi", "\ufb04", "ffl", "\ufb00", "ff", "\ufb01", "fi", "\ufb02", "fl")
)

// shown is s as drawn.
func (l *layout) shown(s string) string {
	if l.src.Form == Ligatures {
		return ligature.Replace(s)
	}
	return s
}
