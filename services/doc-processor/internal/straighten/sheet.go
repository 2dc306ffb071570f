package straighten

import (
	"image"
	"math"
	"slices"
)

// corner points of a sheet: top left, top right, bottom right, bottom left.
type quad [4]point

type point struct{ x, y float64 }

const (
	// A sheet is looked for on a copy of about so many pixels a side.
	sheetLook = 400
	// It must fill this share of the image and not all of it.
	leastSheet, mostSheet = 0.25, 0.97
	// The surroundings must be this much darker than the sheet.
	sheetContrast = 40
	// So many of the pixels in the quadrilateral must be the sheet's, and of
	// the sheet's so many in the quadrilateral.
	sheetFill, sheetInside = 0.93, 0.97
	// Along so much of each side the level must fall by so much within so many
	// pixels: light that fades across a page has no edge.
	edgeShare, edgeStep, edgeWidth = 0.7, 24, 4
)

// sheet finds the corners of a sheet of paper that was photographed on something
// darker. It finds none in what is paper all over, as a scan.
func sheet(img *image.Gray) (quad, bool) {
	factor := max(1, max(img.Rect.Dx(), img.Rect.Dy())/sheetLook)
	small := reduce(img, factor)
	if small == img && factor > 1 {
		return quad{}, false
	}
	small = closed(closed(small))
	level, apart := split(small)
	if apart < sheetContrast {
		return quad{}, false
	}
	light := largest(small, level)
	count := 0
	for _, in := range light {
		if in {
			count++
		}
	}
	width, height := small.Rect.Dx(), small.Rect.Dy()
	share := float64(count) / float64(width*height)
	if share < leastSheet || share > mostSheet {
		return quad{}, false
	}
	corners := extremes(light, width)
	inside, lit := 0, 0
	for y := range height {
		for x := range width {
			if corners.holds(point{float64(x), float64(y)}) {
				inside++
				if light[y*width+x] {
					lit++
				}
			}
		}
	}
	if inside == 0 || float64(lit) < sheetFill*float64(inside) || float64(lit) < sheetInside*float64(count) {
		return quad{}, false
	}
	if !corners.edged(small) {
		return quad{}, false
	}
	for i := range corners {
		corners[i].x = (corners[i].x + 0.5) * float64(factor)
		corners[i].y = (corners[i].y + 0.5) * float64(factor)
	}
	return corners, !corners.upright(img.Rect)
}

// edged reports whether there is an edge along all sides that lie in the image.
func (q quad) edged(img *image.Gray) bool {
	const samples = 40
	for i, a := range q {
		b := q[(i+1)%4]
		dx, dy := b.x-a.x, b.y-a.y
		length := math.Hypot(dx, dy)
		if length == 0 {
			return false
		}
		inX, inY := -dy/length*edgeWidth, dx/length*edgeWidth
		looked, steps := 0, 0
		for n := 1; n < samples; n++ {
			x, y := a.x+dx*float64(n)/samples, a.y+dy*float64(n)/samples
			in, out := image.Pt(int(x+inX), int(y+inY)), image.Pt(int(x-inX), int(y-inY))
			if !in.In(img.Rect) || !out.In(img.Rect) {
				continue
			}
			looked++
			if int(img.GrayAt(in.X, in.Y).Y) >= int(img.GrayAt(out.X, out.Y).Y)+edgeStep {
				steps++
			}
		}
		if float64(steps) < edgeShare*float64(looked) {
			return false
		}
	}
	return true
}

// upright reports whether the corners are nearly those of the image.
func (q quad) upright(r image.Rectangle) bool {
	const near = 0.015
	w, h := float64(r.Dx()), float64(r.Dy())
	for i, c := range [4]point{{0, 0}, {w, 0}, {w, h}, {0, h}} {
		if math.Abs(q[i].x-c.x) > near*w || math.Abs(q[i].y-c.y) > near*h {
			return false
		}
	}
	return true
}

// closed fills what is thin and dark, as writing: each pixel becomes the lightest
// of its 5 by 5, then the darkest.
func closed(img *image.Gray) *image.Gray {
	return spread(spread(img, func(a, b uint8) uint8 { return max(a, b) }), func(a, b uint8) uint8 { return min(a, b) })
}

func spread(img *image.Gray, pick func(a, b uint8) uint8) *image.Gray {
	const reach = 2
	width, height := img.Rect.Dx(), img.Rect.Dy()
	across, out := image.NewGray(img.Rect), image.NewGray(img.Rect)
	for y := range height {
		for x := range width {
			v := img.Pix[y*img.Stride+x]
			for near := max(0, x-reach); near <= min(width-1, x+reach); near++ {
				v = pick(v, img.Pix[y*img.Stride+near])
			}
			across.Pix[y*across.Stride+x] = v
		}
	}
	for y := range height {
		for x := range width {
			v := across.Pix[y*across.Stride+x]
			for near := max(0, y-reach); near <= min(height-1, y+reach); near++ {
				v = pick(v, across.Pix[near*across.Stride+x])
			}
			out.Pix[y*out.Stride+x] = v
		}
	}
	return out
}

// split returns the level that best parts the image's levels in two, and how far
// the means of the two are apart (N. Otsu, "A threshold selection method from
// gray-level histograms", 1979).
func split(img *image.Gray) (level uint8, apart float64) {
	levels := histogram(img)
	all, sum := 0, 0
	for l, n := range levels {
		all, sum = all+n, sum+l*n
	}
	below, belowSum, best := 0, 0, -1.0
	for l, n := range levels {
		below, belowSum = below+n, belowSum+l*n
		if below == 0 || below == all {
			continue
		}
		dark := float64(belowSum) / float64(below)
		light := float64(sum-belowSum) / float64(all-below)
		if between := float64(below) * float64(all-below) * (light - dark) * (light - dark); between > best {
			best, level, apart = between, uint8(l), light-dark
		}
	}
	return level, apart
}

// largest marks the largest connected part of the image above the level.
func largest(img *image.Gray, level uint8) []bool {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	part := make([]int32, width*height)
	sizes := []int{0}
	var stack []int
	for start := range part {
		if part[start] != 0 || img.Pix[start/width*img.Stride+start%width] <= level {
			continue
		}
		id := int32(len(sizes))
		sizes = append(sizes, 0)
		part[start] = id
		stack = append(stack[:0], start)
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			sizes[id]++
			x, y := at%width, at/width
			for _, next := range [...]image.Point{{X: x - 1, Y: y}, {X: x + 1, Y: y}, {X: x, Y: y - 1}, {X: x, Y: y + 1}} {
				if next.X < 0 || next.Y < 0 || next.X >= width || next.Y >= height {
					continue
				}
				if to := next.Y*width + next.X; part[to] == 0 && img.Pix[next.Y*img.Stride+next.X] > level {
					part[to] = id
					stack = append(stack, to)
				}
			}
		}
	}
	sizes[0] = -1
	best := int32(slices.Index(sizes, slices.Max(sizes)))
	mask := make([]bool, len(part))
	for i, id := range part {
		mask[i] = id == best && id != 0
	}
	return mask
}

// extremes returns the points of the mask that lie farthest towards the corners.
func extremes(mask []bool, width int) quad {
	far := [4]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1), math.Inf(-1)}
	var q quad
	for i, in := range mask {
		if !in {
			continue
		}
		x, y := float64(i%width), float64(i/width)
		for corner, d := range [4]float64{-x - y, x - y, x + y, y - x} {
			if d > far[corner] {
				far[corner], q[corner] = d, point{x, y}
			}
		}
	}
	return q
}

// holds reports whether the point lies in the quadrilateral, whose corners are
// listed clockwise as seen.
func (q quad) holds(p point) bool {
	for i, a := range q {
		b := q[(i+1)%4]
		if (b.x-a.x)*(p.y-a.y)-(b.y-a.y)*(p.x-a.x) < 0 {
			return false
		}
	}
	return true
}

// unwarp cuts the sheet out and makes it a rectangle. It returns also where the
// rectangle's points come from.
func unwarp(img *image.Gray, q quad) (*image.Gray, mapping) {
	length := func(a, b point) float64 { return math.Hypot(a.x-b.x, a.y-b.y) }
	width := max(1, int(max(length(q[0], q[1]), length(q[3], q[2]))))
	height := max(1, int(max(length(q[0], q[3]), length(q[1], q[2]))))
	out := image.NewGray(image.Rect(0, 0, width, height))
	m := perspective(q)
	paper := background(img)
	for y := range height {
		v := (float64(y) + 0.5) / float64(height)
		for x := range width {
			u := (float64(x) + 0.5) / float64(width)
			fromX, fromY := m.at(u, v)
			out.Pix[y*out.Stride+x] = sample(img, fromX-0.5, fromY-0.5, paper)
		}
	}
	return out, func(x, y float64) (float64, float64) { return m.at(x/float64(width), y/float64(height)) }
}

// projection maps the unit square onto a quadrilateral.
type projection [8]float64

func (m *projection) at(u, v float64) (x, y float64) {
	w := m[6]*u + m[7]*v + 1
	return (m[0]*u + m[1]*v + m[2]) / w, (m[3]*u + m[4]*v + m[5]) / w
}

// perspective returns the projection of the unit square onto the quadrilateral
// (P. Heckbert, "Fundamentals of texture mapping and image warping", 1989,
// section 2.2.3).
func perspective(q quad) projection {
	dx1, dx2, dx3 := q[1].x-q[2].x, q[3].x-q[2].x, q[0].x-q[1].x+q[2].x-q[3].x
	dy1, dy2, dy3 := q[1].y-q[2].y, q[3].y-q[2].y, q[0].y-q[1].y+q[2].y-q[3].y
	g, h := 0.0, 0.0
	if det := dx1*dy2 - dx2*dy1; det != 0 {
		g, h = (dx3*dy2-dx2*dy3)/det, (dx1*dy3-dx3*dy1)/det
	}
	return projection{
		q[1].x - q[0].x + g*q[1].x, q[3].x - q[0].x + h*q[3].x, q[0].x,
		q[1].y - q[0].y + g*q[1].y, q[3].y - q[0].y + h*q[3].y, q[0].y,
		g, h,
	}
}
