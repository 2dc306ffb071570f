package straighten

import "image"

// The lines of a page whose direction is looked for, in pixels of the small copy.
const (
	lineReach  = 10 // from a line's middle to where it surely ends
	strokeRows = 4  // how far letters reach over and under the small ones
	leastCore  = 3  // of the small letters' height
	mostCore   = 14
	// upsideFactor is how much more ink must hang under the lines than stand over
	// them: more letters of ours have strokes that go up than down.
	upsideFactor = 1.2
	leastLines   = 4
)

// UpsideDown guesses whether the level lines of the page stand on their heads.
func UpsideDown(img *image.Gray, dpi int) bool {
	small := reduce(img, max(1, dpi/lookDPI))
	rows := make([]int, small.Rect.Dy())
	for _, d := range ink(small) {
		rows[d.Y]++
	}
	over, below, lines := 0, 0, 0
	for y := 0; y < len(rows); {
		if !core(rows, y) {
			y++
			continue
		}
		start := y
		for y < len(rows) && core(rows, y) {
			y++
		}
		if n := y - start; n < leastCore || n > mostCore {
			continue
		}
		lines++
		for n := 1; n <= strokeRows; n++ {
			if start-n >= 0 {
				over += rows[start-n]
			}
			if y-1+n < len(rows) {
				below += rows[y-1+n]
			}
		}
	}
	return lines >= leastLines && float64(below) > upsideFactor*float64(over)
}

// core reports whether the row is one of those that the small letters of a line fill.
func core(rows []int, y int) bool {
	const least = 10 // dots
	most := 0
	for near := max(0, y-lineReach); near < min(len(rows), y+lineReach+1); near++ {
		most = max(most, rows[near])
	}
	return rows[y] >= least && 2*rows[y] > most
}
