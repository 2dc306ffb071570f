package straighten

import (
	"image"
	"math"
	"slices"
)

const (
	// cells is how many squares whose paper is measured fit across the shorter
	// side of a page.
	cells = 48
	// unevenPaper is the difference between the lightest and the darkest paper of
	// a page from which its light is evened out.
	unevenPaper = 48
	// faintInk is the contrast between paper and ink below which it is stretched.
	faintInk = 110
	// speckShare is the share of pixels that differ from nearly all their
	// neighbours from which a page counts as speckled all over, and dustShare that
	// from which they are taken out one by one.
	speckShare, dustShare = 0.004, 0.0002
	// maxGrain is the most, in levels, that is taken for noise.
	maxGrain = 60
)

// smoothings are the levels of noise, as standard deviations, from which a page is
// smoothed once more.
var smoothings = [...]float64{12, 24, 36, 45}

// even makes the paper white and the ink black where they are not, and takes out
// specks. Ink is dark afterwards, whatever it was.
func (p *Page) even() {
	if inverted(p.Image) {
		p.Image, p.Evened = negative(p.Image), true
	}
	// The specks hide how grainy the paper is, and what takes them out makes the
	// grain coarser: it is measured before.
	noise := grain(p.Image)
	for range 2 {
		if specks(p.Image) < speckShare {
			break
		}
		p.Image, p.Cleaned = median(p.Image), true
	}
	if specks(p.Image) >= dustShare {
		p.Image, p.Cleaned = dusted(p.Image), true
	}
	for _, more := range smoothings {
		if noise > more {
			p.Image, p.Cleaned = smoothed(p.Image), true
		}
	}
	paper, high, low := paperMap(p.Image)
	dark := darkest(p.Image)
	if high-low < unevenPaper && int(high)-int(dark) >= faintInk {
		return
	}
	p.Image, p.Evened = flatten(p.Image, paper, contrastOf(p.Image, paper)), true
}

// inverted reports whether most of the page is dark.
func inverted(img *image.Gray) bool {
	levels := histogram(img)
	dark, all := 0, img.Rect.Dx()*img.Rect.Dy()
	for _, n := range levels[:96] {
		dark += n
	}
	return dark > all*6/10 && background(img) < 96
}

func negative(img *image.Gray) *image.Gray {
	out := image.NewGray(img.Rect)
	for i, v := range img.Pix {
		out.Pix[i] = 255 - v
	}
	return out
}

// specks returns what share of the pixels, of every other row and column, stand out
// from nearly all around them, as dust and bad sensors make them. Thin strokes have
// neighbours of their own.
func specks(img *image.Gray) float64 {
	alone, looked := 0, 0
	for y := 1; y < img.Rect.Dy()-1; y += 2 {
		for x := 1; x < img.Rect.Dx()-1; x += 2 {
			looked++
			if lone(img, x, y) {
				alone++
			}
		}
	}
	return float64(alone) / float64(max(1, looked))
}

// lone reports whether a pixel inside the image is much darker, or much lighter,
// than nearly all around it.
func lone(img *image.Gray, x, y int) bool {
	const stands, most = 60, 7 // levels; neighbours of eight, as specks touch each other too
	at := y*img.Stride + x
	v := int(img.Pix[at])
	if left, right := v-int(img.Pix[at-1]), v-int(img.Pix[at+1]); max(left, -left) <= stands && max(right, -right) <= stands {
		return false // as nearly all are
	}
	above, row, below := img.Pix[at-img.Stride-1:], img.Pix[at-1:], img.Pix[at+img.Stride-1:]
	darker, lighter := 0, 0
	for _, around := range [...]uint8{above[0], above[1], above[2], row[0], row[2], below[0], below[1], below[2]} {
		if v+stands < int(around) {
			darker++
		} else if v > int(around)+stands {
			lighter++
		}
	}
	return darker >= most || lighter >= most
}

// dusted returns the image without lone pixels: each is as those around it.
func dusted(img *image.Gray) *image.Gray {
	out := image.NewGray(img.Rect)
	copy(out.Pix, img.Pix)
	for y := 1; y < img.Rect.Dy()-1; y++ {
		for x := 1; x < img.Rect.Dx()-1; x++ {
			if lone(img, x, y) {
				at := y*img.Stride + x
				_, v, _ := sorted3(img.Pix[at-1], img.Pix[at+1], img.Pix[at-img.Stride])
				out.Pix[at] = v
			}
		}
	}
	return out
}

// median returns the image with each pixel the median of its 3 by 3.
func median(img *image.Gray) *image.Gray {
	out := image.NewGray(img.Rect)
	copy(out.Pix, img.Pix)
	for y := 1; y < img.Rect.Dy()-1; y++ {
		above := img.Pix[(y-1)*img.Stride : y*img.Stride]
		row := img.Pix[y*img.Stride : (y+1)*img.Stride]
		below := img.Pix[(y+1)*img.Stride:]
		for x := 1; x < img.Rect.Dx()-1; x++ {
			// Each column sorted; the median is that of the largest of the least,
			// the middle one of the middle ones, and the least of the largest.
			a0, a1, a2 := sorted3(above[x-1], row[x-1], below[x-1])
			b0, b1, b2 := sorted3(above[x], row[x], below[x])
			c0, c1, c2 := sorted3(above[x+1], row[x+1], below[x+1])
			_, middle, _ := sorted3(a1, b1, c1)
			_, middle, _ = sorted3(max(a0, b0, c0), middle, min(a2, b2, c2))
			out.Pix[y*out.Stride+x] = middle
		}
	}
	return out
}

func sorted3(a, b, c uint8) (least, middle, largest uint8) {
	if a > b {
		a, b = b, a
	}
	if b > c {
		b, c = c, b
		if a > b {
			a, b = b, a
		}
	}
	return a, b, c
}

// grain is the noise of the paper, as a standard deviation in levels: how far
// pixels of its light parts are from the plane through their neighbours (J.
// Immerkær, "Fast noise variance estimation", 1996, there over all pixels).
func grain(img *image.Gray) float64 {
	middle := background(img) / 2
	sum, n := 0, 0
	for y := 1; y < img.Rect.Dy()-1; y += 3 {
		above, row, below := img.Pix[(y-1)*img.Stride:], img.Pix[y*img.Stride:], img.Pix[(y+1)*img.Stride:]
		for x := 1; x < img.Rect.Dx()-1; x += 3 {
			if row[x] < middle {
				continue
			}
			corners := int(above[x-1]) + int(above[x+1]) + int(below[x-1]) + int(below[x+1])
			sides := int(above[x]) + int(below[x]) + int(row[x-1]) + int(row[x+1])
			d := corners - 2*sides + 4*int(row[x])
			if d < 0 {
				d = -d
			}
			if d > 6*4*maxGrain {
				continue // the edge of a letter
			}
			sum += d
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return math.Sqrt(math.Pi/2) / 6 * float64(sum) / float64(n)
}

// smoothed returns the image with each pixel a weighted mean of its 3 by 3.
func smoothed(img *image.Gray) *image.Gray {
	out := image.NewGray(img.Rect)
	copy(out.Pix, img.Pix)
	for y := 1; y < img.Rect.Dy()-1; y++ {
		above, row, below := img.Pix[(y-1)*img.Stride:], img.Pix[y*img.Stride:], img.Pix[(y+1)*img.Stride:]
		column := func(x int) int { return int(above[x]) + 2*int(row[x]) + int(below[x]) }
		a, b := column(0), column(1)
		for x := 1; x < img.Rect.Dx()-1; x++ {
			c := column(x + 1)
			out.Pix[y*out.Stride+x] = uint8((a + 2*b + c) / 16)
			a, b = b, c
		}
	}
	return out
}

// grid is the level of the paper over a page, at the middles of its cells.
type grid struct {
	wide, high int
	cell       int
	level      []float64
}

// paperMap measures the paper, and returns its lightest and darkest levels. The
// paper of a cell is what nine tenths of its pixels are not lighter than; cells
// of pictures or black bars take that of their neighbours.
func paperMap(img *image.Gray) (g grid, high, low uint8) {
	g.cell = max(8, min(img.Rect.Dx(), img.Rect.Dy())/cells)
	g.wide, g.high = max(1, img.Rect.Dx()/g.cell), max(1, img.Rect.Dy()/g.cell)
	g.level = make([]float64, g.wide*g.high)
	for row := range g.high {
		for column := range g.wide {
			var levels [256]int
			n := 0
			for y := row * g.cell; y < min((row+1)*g.cell, img.Rect.Dy()); y++ {
				for _, v := range img.Pix[y*img.Stride+column*g.cell : y*img.Stride+min((column+1)*g.cell, img.Rect.Dx())] {
					levels[v]++
					n++
				}
			}
			level := 255
			for lighter := 0; level > 0; level-- {
				if lighter += levels[level]; lighter*10 >= n {
					break
				}
			}
			g.level[row*g.wide+column] = float64(level)
		}
	}
	g.smooth()
	sorted := slices.Clone(g.level)
	slices.Sort(sorted)
	// The outermost cells may hold what lies beside the paper.
	return g, uint8(sorted[len(sorted)*97/100]), uint8(sorted[len(sorted)*8/100])
}

// smooth lets each cell be at least as light as most around it, then averages.
func (g *grid) smooth() {
	const reach = 2
	around := func(of []float64, row, column int, pick func([]float64) float64) float64 {
		var near []float64
		for y := max(0, row-reach); y <= min(g.high-1, row+reach); y++ {
			for x := max(0, column-reach); x <= min(g.wide-1, column+reach); x++ {
				near = append(near, of[y*g.wide+x])
			}
		}
		return pick(near)
	}
	for _, pick := range []func([]float64) float64{
		func(near []float64) float64 { slices.Sort(near); return near[len(near)*3/4] },
		func(near []float64) float64 {
			sum := 0.0
			for _, v := range near {
				sum += v
			}
			return sum / float64(len(near))
		},
	} {
		before := slices.Clone(g.level)
		for row := range g.high {
			for column := range g.wide {
				g.level[row*g.wide+column] = around(before, row, column, pick)
			}
		}
	}
}

// at returns the paper's level at a pixel, between the middles of the cells.
func (g *grid) at(x, y int) float64 {
	fx := float64(x)/float64(g.cell) - 0.5
	fy := float64(y)/float64(g.cell) - 0.5
	left := min(max(int(math.Floor(fx)), 0), max(0, g.wide-2))
	top := min(max(int(math.Floor(fy)), 0), max(0, g.high-2))
	right, bottom := min(left+1, g.wide-1), min(top+1, g.high-1)
	fx, fy = min(max(fx-float64(left), 0), 1), min(max(fy-float64(top), 0), 1)
	above := g.level[top*g.wide+left]*(1-fx) + g.level[top*g.wide+right]*fx
	below := g.level[bottom*g.wide+left]*(1-fx) + g.level[bottom*g.wide+right]*fx
	return above*(1-fy) + below*fy
}

// darkest is the level that a two-thousandth of the pixels are not above, so that
// a few lines on a page count; what lies at the edges does not.
func darkest(img *image.Gray) uint8 {
	var levels [256]int
	edge := min(img.Rect.Dx(), img.Rect.Dy()) / 30
	all, seen := 0, 0
	for y := edge; y < img.Rect.Dy()-edge; y++ {
		for _, v := range img.Pix[y*img.Stride+edge : y*img.Stride+img.Rect.Dx()-edge] {
			levels[v]++
			all++
		}
	}
	for level, n := range levels {
		if seen += n; seen*2000 >= all {
			return uint8(level)
		}
	}
	return 255
}

// contrastOf is how dark the ink is beside the paper under it: the share of the
// paper's light that a two-hundredth of the pixels are below.
func contrastOf(img *image.Gray, paper grid) float64 {
	var shares [256]int
	seen := 0
	for y := 0; y < img.Rect.Dy(); y += 3 {
		for x := 0; x < img.Rect.Dx(); x += 3 {
			share := float64(img.Pix[y*img.Stride+x]) / max(1, paper.at(x, y))
			shares[int(min(share, 1)*255)]++
			seen++
		}
	}
	below := 0
	for share, n := range shares {
		if below += n; below*200 >= seen {
			return float64(share) / 255
		}
	}
	return 1
}

// flatten divides the image by its paper and stretches what is left, so that
// paper is white and ink, at the share of the paper's light given, black.
func flatten(img *image.Gray, paper grid, ink float64) *image.Gray {
	const white = 0.92 // of the paper's light: what is lighter is paper
	ink = min(ink, white-0.1)
	out := image.NewGray(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			share := float64(img.Pix[y*img.Stride+x]) / max(1, paper.at(x, y))
			out.Pix[y*out.Stride+x] = uint8(255 * min(1, max(0, (share-ink)/(white-ink))))
		}
	}
	return out
}
