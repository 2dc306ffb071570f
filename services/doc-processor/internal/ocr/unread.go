package ocr

import (
	"image"
)

// The sizes, in inches, of ink that may be a word, and what lies between words
// that are read together.
const (
	leastHigh, mostHigh = 0.04, 0.6
	leastWide           = 0.05
	acrossGap, downGap  = 0.35, 0.3
	// flatRule is how many times wider or higher than the other way a rule is.
	flatRule = 12
	// faintest is how much darker than the paper ink is at least, in levels.
	faintest = 70
)

// paperOf is the most frequent level of the lighter half, and at least twice faintest.
func paperOf(img *image.Gray) uint8 {
	var levels [256]int
	for y := 0; y < img.Rect.Dy(); y += 3 {
		for _, v := range img.Pix[y*img.Stride : y*img.Stride+img.Rect.Dx()] {
			levels[v]++
		}
	}
	best := 2 * faintest
	for level := best; level < len(levels); level++ {
		if levels[level] > levels[best] {
			best = level
		}
	}
	return uint8(best)
}

// unread finds ink that looks like writing and lies in no word: recognition drops
// columns of figures and what is askew without a word. It returns the regions to
// look at again and how many words they seem to have.
func unread(img *image.Gray, dpi int, words []Word) (regions []image.Rectangle, seeming int) {
	g := inkGrid(img, dpi, paperOf(img)-faintest)
	for _, w := range words {
		g.clear(w.Box)
	}
	inches := func(n float64) int { return max(1, int(n*float64(dpi)/float64(g.cell))) }
	var writing []image.Rectangle // in cells
	for _, part := range g.parts(2, 1) {
		size := part.Size()
		switch {
		case size.Y < inches(leastHigh) || size.Y > inches(mostHigh) || size.X < inches(leastWide):
		case size.X > flatRule*size.Y && size.Y <= 2, size.Y > flatRule*size.X:
		default:
			writing = append(writing, part)
		}
	}
	seeming = len(writing)
	h := grid{wide: g.wide, high: g.high, cell: g.cell, ink: make([]bool, len(g.ink))}
	for _, part := range writing {
		for y := part.Min.Y; y < part.Max.Y; y++ {
			for x := part.Min.X; x < part.Max.X; x++ {
				h.ink[y*h.wide+x] = true
			}
		}
	}
	for _, part := range h.parts(inches(acrossGap), inches(downGap)) {
		around := image.Rect(part.Min.X*g.cell, part.Min.Y*g.cell, part.Max.X*g.cell, part.Max.Y*g.cell)
		regions = append(regions, around.Inset(-2*g.cell).Intersect(img.Rect))
	}
	return regions, seeming
}

// grid is the page in cells of about a fiftieth of an inch, true where something is
// darker than a level.
type grid struct {
	wide, high, cell int
	ink              []bool
}

func inkGrid(img *image.Gray, dpi int, level uint8) grid {
	cell := max(1, dpi/50)
	g := grid{wide: img.Rect.Dx() / cell, high: img.Rect.Dy() / cell, cell: cell}
	g.ink = make([]bool, g.wide*g.high)
	for y := range g.high * cell {
		for x, v := range img.Pix[y*img.Stride : y*img.Stride+g.wide*cell] {
			if v < level {
				g.ink[y/cell*g.wide+x/cell] = true
			}
		}
	}
	return g
}

// clear takes out the ink in a box, in pixels, and just around it.
func (g grid) clear(box image.Rectangle) {
	for y := max(0, box.Min.Y/g.cell-1); y <= min(g.high-1, box.Max.Y/g.cell+1); y++ {
		for x := max(0, box.Min.X/g.cell-1); x <= min(g.wide-1, box.Max.X/g.cell+1); x++ {
			g.ink[y*g.wide+x] = false
		}
	}
}

// parts are the boxes, in cells, around ink that is connected over gaps of so many
// cells across and down.
func (g grid) parts(across, down int) []image.Rectangle {
	seen := make([]bool, len(g.ink))
	var found []image.Rectangle
	var stack []image.Point
	for start, inked := range g.ink {
		if !inked || seen[start] {
			continue
		}
		seen[start] = true
		stack = append(stack[:0], image.Pt(start%g.wide, start/g.wide))
		box := image.Rectangle{Min: stack[0], Max: stack[0]}
		for len(stack) > 0 {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			box = box.Union(image.Rectangle{Min: p, Max: p.Add(image.Pt(1, 1))})
			for y := max(0, p.Y-down); y <= min(g.high-1, p.Y+down); y++ {
				for x := max(0, p.X-across); x <= min(g.wide-1, p.X+across); x++ {
					if at := y*g.wide + x; g.ink[at] && !seen[at] {
						seen[at] = true
						stack = append(stack, image.Pt(x, y))
					}
				}
			}
		}
		found = append(found, box)
	}
	return found
}
