package layout

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

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
