package layout

import (
	"cmp"
	"math"
	"slices"
)

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
func ordered(pieces []segment) [][]segment { return orderedBy(pieces, columnsByOrder) }

// orderedBy is ordered with a test of whether what stands on the two sides of a
// gutter are columns.
func orderedBy(pieces []segment, columns columnTest) [][]segment {
	if len(pieces) < 6 {
		return [][]segment{pieces}
	}
	rows := rowsOf(pieces)
	gutter, ok := findGutter(pieces, rows, columns)
	if !ok {
		return [][]segment{pieces}
	}
	var blocks [][]segment
	var left, right, across []segment
	flushColumns := func() {
		if len(left) > 0 {
			blocks = append(blocks, orderedBy(left, columns)...)
		}
		if len(right) > 0 {
			blocks = append(blocks, orderedBy(right, columns)...)
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
			blocks = append(blocks, orderedBy(across, columns)...)
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
func findGutter(pieces []segment, rows [][]segment, columns columnTest) (gutter, bool) {
	left, right := edges(pieces)
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
		if !columns(leftSide, rightSide) {
			continue
		}
		best, bestScore = g, score
	}
	return best, bestScore > 0
}

// columnTest reports whether what stands on two sides of a gutter are columns.
type columnTest func(left, right []segment) bool

// columnsByOrder trusts the order in which the pieces were written.
func columnsByOrder(left, right []segment) bool {
	fewer := min(len(left), len(right))
	changes := changesOfSide(left, right)
	running := prose(left) && prose(right) && (changes <= 3 || 3*changes <= fewer)
	return running || changes <= 2 && fewer >= listRows
}

// columnsByShape knows columns by their lines, which are long and fill them.
func columnsByShape(left, right []segment) bool { return filled(left) && filled(right) }

// filled reports whether the pieces are lines of running text that mostly reach
// to the edge of their column.
func filled(side []segment) bool {
	const words, reach, share = 3.5, 0.82, 0.5
	if len(side) < columnRows {
		return false
	}
	left, right := edges(side)
	all, full := 0, 0
	for _, s := range side {
		all += s.words
		if s.right-s.left > reach*(right-left) {
			full++
		}
	}
	return float64(all) >= words*float64(len(side)) && float64(full) >= share*float64(len(side))
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
