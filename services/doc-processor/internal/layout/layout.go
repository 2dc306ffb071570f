// Package layout puts what stands on a page in reading order: glyphs into lines,
// lines into columns, lines into paragraphs.
package layout

import (
	"slices"
	"unicode"
)

// Glyph is one character of a page at its place.
//
// The coordinates are points (1/72 inch) of the page's own space, y growing
// upwards. A space has no dependable box. A '\n' is no character of the page:
// it says that the content stream has a line end there.
type Glyph struct {
	Rune                     rune
	Left, Bottom, Right, Top float64
	// Size is the size of the type; 0 where it is not known.
	Size float64
	// Quarter is how far the glyph is turned, in quarter turns
	// counter-clockwise: 0 upright, 1, 2, 3.
	Quarter int
	// Askew is true for a glyph that stands at none of these angles.
	Askew bool
}

// Text is the plain text of [Glyphs].
func Text(glyphs []Glyph) string { return Glyphs(glyphs).Text() }

// Glyphs puts a page's glyphs, given in the order of the content stream, in
// reading order: lines of a paragraph joined, columns one after the other. Where
// a line ends in a hyphen within a word, the text has a [document.LineHyphen] at
// the joint.
func Glyphs(glyphs []Glyph) Page {
	var page Page
	for _, quarter := range turns(glyphs) {
		upright := turned(glyphs, quarter)
		pieces := segments(upright)
		var lines []Line
		for _, block := range ordered(pieces) {
			lines = append(lines, blockLines(block)...)
		}
		page = append(page, Blocks(lines)...)
	}
	return page
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
