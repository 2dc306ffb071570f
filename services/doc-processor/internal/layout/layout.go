// Package layout puts what stands on a page in reading order: glyphs into lines,
// lines into columns, lines into paragraphs.
package layout

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"signpost.internal/services/doc-processor/internal/document"
)

// Glyph is one character of a page at its place.
//
// The coordinates are points (1/72 inch) of the page's own space, y growing
// upwards. A space has no dependable box. A '\n' is no character of the page:
// it says that the content stream has a line end there.
type Glyph struct {
	Rune                     rune
	Left, Bottom, Right, Top float64
	// Quarter is how far the glyph is turned, in quarter turns
	// counter-clockwise: 0 upright, 1, 2, 3.
	Quarter int
}

// Text puts a page's glyphs, given in the order of the content stream, in
// reading order and returns their text: lines of a paragraph joined, paragraphs
// parted by a blank line, columns one after the other. Where a line ends in a
// hyphen within a word, the text has a [document.LineHyphen] at the joint.
func Text(glyphs []Glyph) string {
	var parts []string
	for _, quarter := range turns(glyphs) {
		upright := turned(glyphs, quarter)
		pieces := segments(upright)
		var lines []Line
		for _, block := range ordered(pieces) {
			lines = append(lines, blockLines(block)...)
		}
		if text := Paragraphs(lines); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "\n\n")
}

// turns lists the glyphs' directions, the most frequent first.
func turns(glyphs []Glyph) []int {
	var count [4]int
	for _, g := range glyphs {
		if !unicode.IsSpace(g.Rune) {
			count[g.Quarter&3]++
		}
	}
	var found []int
	for quarter, n := range count {
		if n > 0 {
			found = append(found, quarter)
		}
	}
	slices.SortStableFunc(found, func(a, b int) int { return count[b] - count[a] })
	return found
}

// turned returns the glyphs of one direction, turned upright. Spaces and line
// ends, which have no direction of their own, follow the glyph before them.
func turned(glyphs []Glyph, quarter int) []Glyph {
	out := make([]Glyph, 0, len(glyphs))
	mine := true
	for _, g := range glyphs {
		if !unicode.IsSpace(g.Rune) {
			mine = g.Quarter&3 == quarter
			if !mine && len(out) > 0 && out[len(out)-1].Rune != '\n' {
				out = append(out, Glyph{Rune: '\n'})
			}
		}
		if !mine {
			continue
		}
		switch quarter {
		case 1:
			g.Left, g.Bottom, g.Right, g.Top = g.Bottom, -g.Right, g.Top, -g.Left
		case 2:
			g.Left, g.Bottom, g.Right, g.Top = -g.Right, -g.Top, -g.Left, -g.Bottom
		case 3:
			g.Left, g.Bottom, g.Right, g.Top = -g.Top, g.Left, -g.Bottom, g.Right
		}
		out = append(out, g)
	}
	return out
}

// segment is an unbroken piece of one line, as the content stream gave it.
type segment struct {
	text                     string
	left, bottom, right, top float64
	order                    int // place in the content stream
	words                    int
}

func (s segment) height() float64 { return s.top - s.bottom }
func (s segment) middle() float64 { return (s.top + s.bottom) / 2 }

// segments cuts the stream of glyphs at line ends, jumps and wide gaps.
func segments(glyphs []Glyph) []segment {
	var (
		out     []segment
		text    strings.Builder
		now     segment
		last    Glyph
		spacing mean // between the letters of the segment
		space   bool
		begun   bool
	)
	flush := func() {
		if begun {
			now.text = text.String()
			now.words = len(strings.Fields(now.text))
			now.order = len(out)
			out = append(out, now)
		}
		text.Reset()
		begun, space = false, false
	}
	em := typicalHeight(glyphs) / 0.47 // most letters are of x-height
	for _, g := range glyphs {
		if g.Rune == '\n' || g.Rune == '\r' {
			flush()
			continue
		}
		if unicode.IsSpace(g.Rune) {
			space = begun
			continue
		}
		if g.Right < g.Left {
			g.Left, g.Right = g.Right, g.Left
		}
		if g.Top < g.Bottom {
			g.Bottom, g.Top = g.Top, g.Bottom
		}
		if begun && broken(now, g, em) {
			flush()
		}
		if begun {
			gap := g.Left - last.Right
			if !space && wordEnds(last.Rune, g.Rune, gap/max(em, now.height()), spacing.mean()/em) {
				space = true
			}
			if !space {
				spacing.add(gap)
			}
		}
		if space {
			text.WriteByte(' ')
			space = false
		}
		text.WriteRune(g.Rune)
		last = g
		if !begun {
			now = segment{left: g.Left, bottom: g.Bottom, right: g.Right, top: g.Top}
			begun, spacing = true, mean{}
			continue
		}
		now.left, now.bottom = min(now.left, g.Left), min(now.bottom, g.Bottom)
		now.right, now.top = max(now.right, g.Right), max(now.top, g.Top)
	}
	flush()
	return out
}

// broken reports whether the glyph starts a new segment after s.
func broken(s segment, g Glyph, em float64) bool {
	size := max(em, s.height())
	middle := (g.Top + g.Bottom) / 2
	if middle > s.top+0.35*size || middle < s.bottom-0.35*size {
		return true
	}
	return g.Left > s.right+1.5*size || g.Right < s.right-1.5*size && g.Left < s.right-2*size
}

// mean is a running mean.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }

func (m *mean) mean() float64 {
	if m.n == 0 {
		return 0
	}
	return m.sum / float64(m.n)
}

// wordEnds reports whether the gap between two glyphs, in ems, parts words
// though no space stands there: some programs move on instead of writing one.
// Glyphs that are set wide apart as a matter of course are one word, and
// digits are parted only by the widest gaps, for they may be one number.
func wordEnds(a, b rune, gap, usual float64) bool {
	least := 0.28
	switch {
	case unicode.IsDigit(a) && unicode.IsDigit(b):
		least = 0.7
	case !unicode.IsLetter(b) && !unicode.IsDigit(b):
		return false
	case unicode.IsLetter(a) || unicode.IsDigit(a):
	case strings.ContainsRune(".,;:!?)", a):
		least = 0.33 // in fixed-width type these stand well apart
	default:
		return false
	}
	return gap > max(least, 3*usual)
}

// typicalHeight is the median height of the letters, in points.
func typicalHeight(glyphs []Glyph) float64 {
	heights := make([]float64, 0, len(glyphs))
	for _, g := range glyphs {
		if unicode.IsLetter(g.Rune) {
			heights = append(heights, math.Abs(g.Top-g.Bottom))
		}
	}
	return median(heights, 5)
}

func median(values []float64, none float64) float64 {
	if len(values) == 0 {
		return none
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// Line is one line of text of one column. Coordinates grow to the right and
// upwards.
type Line struct {
	Text                     string
	Left, Bottom, Right, Top float64
	// ColumnLeft and ColumnRight are the edges of the column's text.
	ColumnLeft, ColumnRight float64
	// First is true for the first line of a column.
	First bool
	// Cells is how many pieces stand beside each other in the line.
	Cells int
}

// rowsOf groups segments that stand beside each other, from the top down; the
// segments of a row run from left to right.
func rowsOf(pieces []segment) [][]segment {
	sorted := slices.Clone(pieces)
	slices.SortStableFunc(sorted, func(a, b segment) int { return cmp.Compare(b.middle(), a.middle()) })
	var rows [][]segment
	var bottom, top float64
	for _, s := range sorted {
		if len(rows) > 0 {
			overlap := min(top, s.top) - max(bottom, s.bottom)
			smaller := min(top-bottom, s.height())
			if overlap > 0.5*smaller || overlap >= 0 && inside(s.middle(), bottom, top) {
				last := len(rows) - 1
				rows[last] = append(rows[last], s)
				// The row keeps the band of its tallest piece: a band that
				// grew with each piece would swallow the next line.
				if s.height() > top-bottom {
					bottom, top = s.bottom, s.top
				}
				continue
			}
		}
		rows = append(rows, []segment{s})
		bottom, top = s.bottom, s.top
	}
	for _, row := range rows {
		slices.SortStableFunc(row, func(a, b segment) int { return cmp.Compare(a.left, b.left) })
	}
	return rows
}

func inside(v, low, high float64) bool { return v >= low && v <= high }

// ordered parts the page into blocks, each a column or what spans the columns,
// in reading order.
func ordered(pieces []segment) [][]segment {
	if len(pieces) < 6 {
		return [][]segment{pieces}
	}
	rows := rowsOf(pieces)
	gutter, ok := findGutter(pieces, rows)
	if !ok {
		return [][]segment{pieces}
	}
	var blocks [][]segment
	var left, right, across []segment
	flushColumns := func() {
		if len(left) > 0 {
			blocks = append(blocks, ordered(left)...)
		}
		if len(right) > 0 {
			blocks = append(blocks, ordered(right)...)
		}
		left, right = nil, nil
	}
	apart := standingApart(rows)
	for i, row := range rows {
		if apart[i] || slices.ContainsFunc(row, gutter.crossedBy) {
			flushColumns()
			across = append(across, row...)
			continue
		}
		if len(across) > 0 {
			blocks = append(blocks, ordered(across)...)
			across = nil
		}
		for _, s := range row {
			if s.right <= gutter.right {
				left = append(left, s)
			} else {
				right = append(right, s)
			}
		}
	}
	flushColumns()
	if len(across) > 0 {
		blocks = append(blocks, across)
	}
	return blocks
}

// standingApart marks running headers and footers: the first or last rows of
// the page, up to two, with a wide gap to the rest.
func standingApart(rows [][]segment) []bool {
	apart := make([]bool, len(rows))
	gaps := make([]float64, 0, len(rows))
	for i := 1; i < len(rows); i++ {
		gaps = append(gaps, rowMiddle(rows[i-1])-rowMiddle(rows[i]))
	}
	usual := median(slices.Clone(gaps), 0)
	for edge := 1; edge <= 2 && edge < len(rows); edge++ {
		if gaps[edge-1] > 1.8*usual {
			for i := range edge {
				apart[i] = true
			}
		}
		if gaps[len(gaps)-edge] > 1.8*usual {
			for i := range edge {
				apart[len(rows)-1-i] = true
			}
		}
	}
	return apart
}

func rowMiddle(row []segment) float64 {
	sum := 0.0
	for _, s := range row {
		sum += s.middle()
	}
	return sum / float64(len(row))
}

// gutter is the empty strip between two columns.
type gutter struct{ left, right float64 }

func (g gutter) crossedBy(s segment) bool {
	middle := (g.left + g.right) / 2
	return s.left < middle && s.right > middle
}

// The least that counts as two columns of prose: so many rows on each side,
// and so many words to a line. A table's cells are shorter. Columns of short
// lines, as of an index, are known by the order in which they were written,
// and need more rows.
const (
	columnRows  = 3
	columnWords = 2.5
	listRows    = 8
)

// findGutter looks for the strip that parts the page into two columns. A table
// is no such thing: its rows read across.
func findGutter(pieces []segment, rows [][]segment) (gutter, bool) {
	left, right := math.Inf(1), math.Inf(-1)
	for _, s := range pieces {
		left, right = min(left, s.left), max(right, s.right)
	}
	best, bestScore := gutter{}, 0
	for _, edge := range candidates(pieces) {
		if edge < left+0.15*(right-left) || edge > right-0.15*(right-left) {
			continue
		}
		g := gutter{left: edge, right: right}
		var leftSide, rightSide []segment
		crossing := 0
		for _, row := range rows {
			if slices.ContainsFunc(row, func(s segment) bool { return s.left < edge-1 && s.right > edge+1 }) {
				crossing++
				continue
			}
			for _, s := range row {
				if s.right <= edge+1 {
					leftSide = append(leftSide, s)
				} else {
					rightSide = append(rightSide, s)
					g.right = min(g.right, s.left)
				}
			}
		}
		if len(rowsOf(leftSide)) < columnRows || len(rowsOf(rightSide)) < columnRows || g.right-g.left < 4 {
			continue
		}
		score := min(len(leftSide), len(rightSide)) - crossing/2
		if score <= bestScore {
			continue
		}
		changes := changesOfSide(leftSide, rightSide)
		running := prose(leftSide) && prose(rightSide) && (changes <= 3 || 3*changes <= min(len(leftSide), len(rightSide)))
		inTurn := changes <= 2 && min(len(leftSide), len(rightSide)) >= listRows
		if !running && !inTurn {
			continue
		}
		best, bestScore = g, score
	}
	return best, bestScore > 0
}

// candidates are the right edges of the segments, each once to the point.
func candidates(pieces []segment) []float64 {
	var edges []float64
	for _, s := range pieces {
		edges = append(edges, math.Ceil(s.right))
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// prose reports whether the segments are lines of running text.
func prose(side []segment) bool {
	words := 0
	for _, s := range side {
		words += s.words
	}
	return float64(words) >= columnWords*float64(len(side))
}

// changesOfSide counts how often the content stream goes from one side to the
// other: once for columns that were written in turn, once or more for every row
// of a table.
func changesOfSide(left, right []segment) int {
	type piece struct {
		order int
		side  bool
	}
	all := make([]piece, 0, len(left)+len(right))
	for _, s := range left {
		all = append(all, piece{s.order, false})
	}
	for _, s := range right {
		all = append(all, piece{s.order, true})
	}
	slices.SortFunc(all, func(a, b piece) int { return a.order - b.order })
	changes := 0
	for i := 1; i < len(all); i++ {
		if all[i].side != all[i-1].side {
			changes++
		}
	}
	return changes
}

// blockLines joins a block's segments into lines.
func blockLines(block []segment) []Line {
	left, right := math.Inf(1), math.Inf(-1)
	for _, s := range block {
		left, right = min(left, s.left), max(right, s.right)
	}
	return linesOf(rowsOf(block), left, right)
}

// linesOf makes a line of each row of a column, whose edges are given.
func linesOf(rows [][]segment, left, right float64) []Line {
	var lines []Line
	for _, row := range wrappedCells(rows) {
		l := Line{Left: row[0].left, Bottom: row[0].bottom, Top: row[0].top, ColumnLeft: left, ColumnRight: right, Cells: len(row)}
		var text strings.Builder
		for i, s := range row {
			if i > 0 && !touching(row[i-1], s) {
				text.WriteByte(' ')
			}
			text.WriteString(s.text)
			l.Right = max(l.Right, s.right)
			l.Bottom, l.Top = min(l.Bottom, s.bottom), max(l.Top, s.top)
		}
		l.Text = text.String()
		l.First = len(lines) == 0
		lines = append(lines, l)
	}
	return lines
}

// wrappedCells finds the rows of tables whose cells run over several lines, and
// makes one row of each, every cell in one piece. Such lines stand closer
// together than the table's rows do; where they don't, nothing tells them
// apart and the lines stay as they are.
func wrappedCells(rows [][]segment) [][]segment {
	var out [][]segment
	for start := 0; start < len(rows); {
		end := start + 1
		for end < len(rows) && sameTable(rows[start:end], rows[end]) {
			end++
		}
		out = append(out, tableRows(rows[start:end])...)
		start = end
	}
	return out
}

// sameTable reports whether the row goes on with the table that the rows make:
// it has several cells, or stands under one cell of several.
func sameTable(rows [][]segment, row []segment) bool {
	step := rowMiddle(rows[len(rows)-1]) - rowMiddle(row)
	if step > 4*row[0].height() {
		return false
	}
	widest := 0
	for _, r := range rows {
		widest = max(widest, len(r))
	}
	if len(row) > 1 {
		return widest > 1 || len(rows) == 1 && rows[0][0].right < row[len(row)-1].left
	}
	return widest > 1 && !slices.ContainsFunc(rows, func(r []segment) bool { return crossesCells(row[0], r) })
}

// crossesCells reports whether s reaches under more than one cell of the row.
func crossesCells(s segment, row []segment) bool {
	under := 0
	for _, cell := range row {
		if s.left < cell.right && s.right > cell.left {
			under++
		}
	}
	return under > 1
}

// tableRows joins the lines of one row of the table.
func tableRows(lines [][]segment) [][]segment {
	if len(lines) < 2 {
		return lines
	}
	steps := make([]float64, 0, len(lines)-1)
	for i := 1; i < len(lines); i++ {
		steps = append(steps, rowMiddle(lines[i-1])-rowMiddle(lines[i]))
	}
	closest := slices.Min(steps)
	if slices.Max(steps) < 1.15*closest {
		return lines
	}
	var out [][]segment
	for start := 0; start < len(lines); {
		end := start + 1
		for end < len(lines) && steps[end-1] < 1.15*closest {
			end++
		}
		if cells, ok := cellsOf(lines[start:end]); ok {
			out = append(out, cells)
		} else {
			out = append(out, lines[start:end]...)
		}
		start = end
	}
	return out
}

// cellsOf joins what stands above each other, and reports whether that makes
// several cells. Lines that all have every cell are rows in their own right.
func cellsOf(lines [][]segment) ([]segment, bool) {
	pieces := slices.Concat(lines...)
	if len(lines) < 2 {
		return pieces, true
	}
	if !slices.ContainsFunc(lines[1:], func(l []segment) bool { return len(l) != len(lines[0]) }) {
		return nil, false
	}
	var cells []segment
	for _, piece := range pieces {
		at := slices.IndexFunc(cells, func(c segment) bool { return piece.left < c.right && piece.right > c.left })
		if at < 0 {
			cells = append(cells, piece)
			continue
		}
		c := &cells[at]
		var text strings.Builder
		text.WriteString(c.text)
		joinLines(&text, c.text, piece.text)
		c.text = text.String()
		c.left, c.right = min(c.left, piece.left), max(c.right, piece.right)
		c.bottom, c.top = min(c.bottom, piece.bottom), max(c.top, piece.top)
	}
	slices.SortStableFunc(cells, func(a, b segment) int { return cmp.Compare(a.left, b.left) })
	for i := 1; i < len(cells); i++ {
		if cells[i].left < cells[i-1].right {
			return nil, false
		}
	}
	return cells, len(cells) > 1
}

// touching reports whether b goes on in the word in which a ended.
func touching(a, b segment) bool {
	return b.left-a.right < 0.12*min(a.height(), b.height()) && b.left > a.left
}

// Paragraphs joins lines into paragraphs, see [Text].
func Paragraphs(lines []Line) string {
	var out strings.Builder
	leading := typicalLeading(lines)
	for i, l := range lines {
		if i == 0 {
			out.WriteString(l.Text)
			continue
		}
		before := lines[i-1]
		if parted(before, l, leading) {
			out.WriteString("\n\n")
			out.WriteString(l.Text)
			continue
		}
		joinLines(&out, before.Text, l.Text)
	}
	return out.String()
}

// joinLines writes the next line of a paragraph.
func joinLines(out *strings.Builder, before, next string) {
	end, size := utf8.DecodeLastRuneInString(before)
	prev, _ := utf8.DecodeLastRuneInString(before[:len(before)-size])
	first, _ := utf8.DecodeRuneInString(next)
	switch {
	case isHyphen(end) && unicode.IsLetter(prev) && unicode.IsLetter(first):
		joined := out.String()
		joined = joined[:len(joined)-size]
		out.Reset()
		out.WriteString(joined)
		out.WriteRune(document.LineHyphen)
	case isHyphen(end) && unicode.IsDigit(prev) && unicode.IsDigit(first):
		// A number or range that was broken at its hyphen: nothing between.
	default:
		out.WriteByte(' ')
	}
	out.WriteString(next)
}

func isHyphen(r rune) bool { return r == '-' || r == '\u00ad' || r == '\u2010' }

// typicalLeading is the median distance from line to line.
func typicalLeading(lines []Line) float64 {
	var steps []float64
	for i := 1; i < len(lines); i++ {
		if step := centre(lines[i-1]) - centre(lines[i]); step > 0 && !lines[i].First {
			steps = append(steps, step)
		}
	}
	return median(steps, 0)
}

func centre(l Line) float64 { return (l.Top + l.Bottom) / 2 }

// parted reports whether a new paragraph starts at l.
func parted(before, l Line, leading float64) bool {
	if marker(l.Text) || before.Cells > 1 && l.Cells > 1 {
		return true
	}
	ended := endsSentence(before.Text)
	width := before.ColumnRight - before.ColumnLeft
	short := before.Right < before.ColumnRight-0.2*width
	if l.First {
		// Text that runs on from the foot of one column to the next stays
		// one paragraph.
		return ended || short || startsUpper(l.Text)
	}
	step := centre(before) - centre(l)
	height := max(before.Top-before.Bottom, l.Top-l.Bottom)
	switch {
	case step > max(1.35*leading, 1.1*height) || step < 0:
		return true
	case sizeChanged(before, l):
		return true
	case l.Left > before.Left+0.8*(l.Top-l.Bottom) && ended:
		return true
	default:
		return short && (ended || startsUpper(l.Text))
	}
}

// sizeChanged reports a change of type size, as between heading and text.
func sizeChanged(a, b Line) bool {
	x, y := a.Top-a.Bottom, b.Top-b.Bottom
	return max(x, y) > 1.45*min(x, y) && min(len(a.Text), len(b.Text)) > 3
}

func endsSentence(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text, `"')]’”`))
	return strings.ContainsRune(".!?:;", r)
}

func startsUpper(text string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, `"'([‘“£`))
	return unicode.IsUpper(r) || unicode.IsDigit(r)
}

// marker reports whether the line starts an item of a list.
func marker(text string) bool {
	first, rest, ok := strings.Cut(text, " ")
	if !ok || rest == "" {
		return false
	}
	switch first {
	case "•", "◦", "▪", "■", "●", "○", "–", "-", "*", "·", "‣", "➢", "✓", "o":
		return true
	}
	if body, ok := strings.CutSuffix(first, ")"); ok {
		body = strings.TrimPrefix(body, "(")
		return body != "" && len(body) <= 4 && !strings.ContainsFunc(body, func(r rune) bool {
			return !unicode.IsDigit(r) && !unicode.IsLower(r)
		})
	}
	if body, ok := strings.CutSuffix(first, "."); ok {
		return body != "" && len(body) <= 3 && !strings.ContainsFunc(body, func(r rune) bool { return !unicode.IsDigit(r) })
	}
	return false
}
