package layout

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
)

// blockLines joins a block's segments into lines.
func blockLines(block []segment) []Line {
	left, right := edges(block)
	return linesOf(rowsOf(block), left, right)
}

// edges are the outermost left and right edges.
func edges(pieces []segment) (left, right float64) {
	left, right = math.Inf(1), math.Inf(-1)
	for _, s := range pieces {
		left, right = min(left, s.left), max(right, s.right)
	}
	return left, right
}

// linesOf makes lines of the rows of a column, whose edges are given: one of each
// row, and of each row of a table one with its cells.
func linesOf(rows [][]segment, left, right float64) []Line {
	for i, row := range rows {
		rows[i] = joined(row)
	}
	var lines []Line
	add := func(row []segment, cells []string) {
		l := Line{Left: row[0].left, Bottom: row[0].bottom, Top: row[0].top, ColumnLeft: left, ColumnRight: right, Cells: cells, First: len(lines) == 0}
		texts := make([]string, len(row))
		weight := 0
		for i, s := range row {
			texts[i] = s.text
			l.Right = max(l.Right, s.right)
			l.Bottom, l.Top = min(l.Bottom, s.bottom), max(l.Top, s.top)
			if n := len(s.text); n > 0 && s.size > 0 {
				l.Size, weight = l.Size+s.size*float64(n), weight+n
			}
		}
		if weight > 0 {
			l.Size /= float64(weight)
		}
		l.Text, l.Pieces = strings.Join(texts, " "), len(row)
		lines = append(lines, l)
	}
	for start := 0; start < len(rows); {
		n, columns := tableAt(rows[start:])
		if n == 0 {
			add(rows[start], nil)
			start++
			continue
		}
		for i, row := range tableRows(rows[start:start+n], columns) {
			cells := make([]string, len(columns))
			for _, s := range row {
				at := columnOf(s, columns)
				cells[at] = strings.TrimSpace(cells[at] + " " + s.text)
			}
			add(row, cells)
			lines[len(lines)-1].TableStart = i == 0
		}
		start += n
	}
	return lines
}

// joined makes one piece of pieces that follow each other as letters or words do.
func joined(row []segment) []segment {
	const wordGap = 1.0 // in heights
	out := row[:1:1]
	for _, s := range row[1:] {
		last := &out[len(out)-1]
		gap := s.left - last.right
		size := min(last.height(), s.height())
		if gap > wordGap*max(last.height(), s.height()) || s.left <= last.left {
			out = append(out, s)
			continue
		}
		if gap >= 0.12*size || s.whole {
			last.text += " "
		}
		last.text += s.text
		last.left, last.bottom = min(last.left, s.left), min(last.bottom, s.bottom)
		last.right, last.top = max(last.right, s.right), max(last.top, s.top)
		last.words += s.words
	}
	return out
}

// span is the strip that a column of a table takes.
type span struct{ left, right float64 }

// columnOf is the column that the piece lies in: the one it has most in common with.
func columnOf(s segment, columns []span) int {
	best, most := 0, math.Inf(-1)
	for i, c := range columns {
		if common := min(s.right, c.right) - max(s.left, c.left); common > most {
			best, most = i, common
		}
	}
	return best
}

// under counts the columns that the piece lies in.
func under(s segment, columns []span) int {
	n := 0
	for _, c := range columns {
		if s.left < c.right && s.right > c.left {
			n++
		}
	}
	return n
}

// widened returns the columns with the row's pieces taken in.
func widened(columns []span, row []segment) []span {
	out := slices.Clone(columns)
	for _, s := range row {
		at := slices.IndexFunc(out, func(c span) bool { return s.left < c.right && s.right > c.left })
		if at < 0 {
			out = append(out, span{s.left, s.right})
			continue
		}
		out[at] = span{min(out[at].left, s.left), max(out[at].right, s.right)}
	}
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.left, b.left) })
	return out
}

// tableAt returns how many of the first rows make a table, and its columns. A
// table begins with a row of several pieces and has another one; no piece of it
// lies in two columns.
func tableAt(rows [][]segment) (int, []span) {
	const farthest = 4 // heights from row to row
	if len(rows[0]) < 2 {
		return 0, nil
	}
	columns := widened(nil, rows[0])
	several, last := 1, 1 // rows of several pieces, and how far down the last of them is
	kept := columns
	end := 1
	for ; end < len(rows); end++ {
		row := rows[end]
		step := rowMiddle(rows[end-1]) - rowMiddle(row)
		if step > farthest*max(row[0].height(), rows[end-1][0].height()) || step <= 0 {
			break
		}
		if slices.ContainsFunc(row, func(s segment) bool { return under(s, columns) > 1 }) {
			break
		}
		wider := widened(columns, row)
		if overlapping(wider) {
			break
		}
		if columns = wider; len(row) > 1 {
			several, last, kept = several+1, end+1, columns
		}
	}
	if several < 2 {
		return 0, nil
	}
	// What follows in one column only belongs to the last row where it stands
	// as close to it as lines of a cell do.
	for last < end && tight(rows, last) {
		last++
		kept = widened(kept, rows[last-1])
	}
	return last, kept
}

func overlapping(columns []span) bool {
	for i := 1; i < len(columns); i++ {
		if columns[i].left < columns[i-1].right {
			return true
		}
	}
	return false
}

// tight reports whether the row stands closer to the one before than the rows of
// the table before it do to each other.
func tight(rows [][]segment, at int) bool {
	least := math.Inf(1)
	for i := 1; i < at; i++ {
		least = min(least, rowMiddle(rows[i-1])-rowMiddle(rows[i]))
	}
	return rowMiddle(rows[at-1])-rowMiddle(rows[at]) < 0.87*least
}

// tableRows finds the rows whose cells run over several lines, and makes one row
// of each, every cell in one piece. Such lines stand closer together than the
// table's rows do; where they don't, nothing tells them apart and the lines stay
// as they are.
func tableRows(lines [][]segment, columns []span) [][]segment {
	steps := make([]float64, 0, len(lines))
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
		if cells, ok := cellsOf(lines[start:end], columns); ok {
			out = append(out, cells)
		} else {
			out = append(out, lines[start:end]...)
		}
		start = end
	}
	return out
}

// cellsOf joins what stands above each other, and reports whether the lines are
// one row: not where each line has every cell, nor where a column of figures has
// one on several lines.
func cellsOf(lines [][]segment, columns []span) ([]segment, bool) {
	if len(lines) < 2 {
		return lines[0], true
	}
	if !slices.ContainsFunc(lines[1:], func(l []segment) bool { return len(l) != len(lines[0]) }) {
		return nil, false
	}
	cells := make([]segment, len(columns))
	figures := make([]bool, len(columns))
	for _, line := range lines {
		for _, piece := range line {
			at := columnOf(piece, columns)
			c := &cells[at]
			if figure(piece.text) {
				if figures[at] {
					return nil, false
				}
				figures[at] = true
			}
			if c.text == "" {
				*c = piece
				continue
			}
			var text strings.Builder
			text.WriteString(c.text)
			joinLines(&text, c.text, piece.text)
			c.text = text.String()
			c.left, c.right = min(c.left, piece.left), max(c.right, piece.right)
			c.bottom, c.top = min(c.bottom, piece.bottom), max(c.top, piece.top)
		}
	}
	cells = slices.DeleteFunc(cells, func(c segment) bool { return c.text == "" })
	return cells, len(cells) > 1
}

// figure reports whether a cell holds an amount, a date or a number and little else.
func figure(text string) bool {
	digits, letters := 0, 0
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			digits++
		case unicode.IsLetter(r):
			letters++
		}
	}
	return digits > 0 && letters <= 3 && digits+letters > 0 && letters <= digits+2
}
