// Package straighten makes the image of a page fit to be read: evenly lit, its
// lines level, its paper cut out of what was photographed with it.
//
// What it finds out is found on a small copy, and nothing is changed that is
// well as it is: a clean, level scan comes back as it went in.
package straighten

import (
	"fmt"
	"image"
	"math"
	"slices"
)

// Page is an image of a page with its lines level, and what was done to it.
type Page struct {
	Image *image.Gray
	// Skew is by how many degrees the lines rose to the right, and Sideways
	// whether they ran up or down the page; the image is turned so that they
	// are level. Whether it is upside down is not known.
	Skew     float64
	Sideways bool
	// Cut says that the page was cut out of a photograph, Evened that its light
	// was evened out, Cleaned that specks were removed.
	Cut, Evened, Cleaned bool

	back []mapping // from each step's image to the one before
}

// mapping says where in one image a point of another comes from.
type mapping func(x, y float64) (float64, float64)

// Origin says where in the image that was given a point of the page lies.
func (p Page) Origin(x, y float64) (float64, float64) {
	for _, step := range slices.Backward(p.back) {
		x, y = step(x, y)
	}
	return x, y
}

// Turned is the page turned by quarters of a circle, counter-clockwise.
func (p Page) Turned(quarters int) Page {
	p.back = append(slices.Clip(p.back), turnedFrom(p.Image, quarters))
	p.Image = Turn(p.Image, quarters)
	return p
}

// Enlarged is the page larger by a whole factor.
func (p Page) Enlarged(factor int) Page {
	p.back = append(slices.Clip(p.back), func(x, y float64) (float64, float64) { return x / float64(factor), y / float64(factor) })
	p.Image = Enlarge(p.Image, factor)
	return p
}

// turnedFrom maps an image turned by [Turn] to the image.
func turnedFrom(img *image.Gray, quarters int) mapping {
	w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	return func(x, y float64) (float64, float64) {
		switch quarters & 3 {
		case 1:
			return w - y, x
		case 2:
			return w - x, h - y
		case 3:
			return y, h - x
		default:
			return x, y
		}
	}
}

// Steps says in words what was done.
func (p Page) Steps() []string {
	var steps []string
	if p.Cut {
		steps = append(steps, "cut out of a photograph")
	}
	if p.Cleaned {
		steps = append(steps, "specks and grain removed")
	}
	if p.Evened {
		steps = append(steps, "light evened out")
	}
	if p.Sideways {
		steps = append(steps, Turned(3))
	}
	if p.Skew != 0 {
		steps = append(steps, fmt.Sprintf("levelled by %.1f°", math.Abs(p.Skew)))
	}
	return steps
}

// Turned says in words by how much [Turn] turned a page.
func Turned(quarters int) string {
	return [...]string{"not turned", "turned by 90° to the left", "turned upside down", "turned by 90° to the right"}[quarters&3]
}

// lookDPI is the resolution of the copy that lines are looked for on: letters
// are blurred into lines and rules stay thin.
const lookDPI = 100

// Straighten returns the page made fit to be read. dpi is the image's
// resolution, or the best guess at it.
func Straighten(img *image.Gray, dpi int) Page {
	p := Page{Image: img}
	if corners, found := sheet(p.Image); found {
		var from mapping
		p.Image, from = unwarp(p.Image, corners)
		p.back, p.Cut = append(p.back, from), true
	}
	p.even()
	p.level(dpi)
	return p
}

// level turns the page so that its lines are level.
func (p *Page) level(dpi int) {
	small := reduce(p.Image, max(1, dpi/lookDPI))
	dots := ink(small)
	if len(dots) < minDots {
		return
	}
	skew, score := bestAngle(dots, small.Rect.Dx(), small.Rect.Dy())
	for i, d := range dots {
		dots[i] = image.Pt(d.Y, -d.X) // a quarter turn, clockwise
	}
	other, sideways := bestAngle(dots, small.Rect.Dy(), small.Rect.Dx())
	if sideways > sidewaysFactor*score {
		p.Sideways, skew = true, other
		*p = p.Turned(3)
	}
	if math.Abs(skew) >= minSkew {
		p.Skew = skew
		var from mapping
		p.Image, from = rotate(p.Image, -skew)
		p.back = append(p.back, from)
	}
}

const (
	// minDots is how many dots of ink it takes to tell a direction.
	minDots = 200
	// sidewaysFactor is how much clearer lines must be the other way.
	sidewaysFactor = 1.25
	// minSkew is the least skew, in degrees, worth a correction: turning blurs,
	// and Tesseract reads lines that rise less than this as well as level ones.
	minSkew = 0.3
	// maxSkew is the largest that is looked for, either way.
	maxSkew = 20
)

// bestAngle returns the angle in degrees, positive for lines that rise to the
// right, at which the dots gather in the sharpest lines, and how sharp these
// are: the variation between neighbouring rows of the projection (W. Postl,
// "Detection of linear oblique structures and skew scan", ICPR 1986).
func bestAngle(dots []image.Point, width, height int) (float64, float64) {
	best, at := -1.0, 0.0
	rows := make([]int, 2*(width+height)+4)
	try := func(angle float64) {
		if score := sharpness(dots, angle, rows); score > best {
			best, at = score, angle
		}
	}
	for step := -maxSkew; step <= maxSkew; step++ {
		try(float64(step))
	}
	for _, width := range []float64{0.5, 0.25, 0.12, 0.06} {
		middle := at
		try(middle - width)
		try(middle + width)
	}
	return at, best
}

// sharpness projects the dots along lines of that angle.
func sharpness(dots []image.Point, angle float64, rows []int) float64 {
	clear(rows)
	sin, cos := math.Sincos(angle * math.Pi / 180)
	middle := float64(len(rows) / 2)
	for _, d := range dots {
		// y grows downwards: on a line that rises, y falls as x grows.
		rows[int(middle+float64(d.Y)*cos+float64(d.X)*sin)]++
	}
	sum := 0.0
	for i := 1; i < len(rows); i++ {
		d := float64(rows[i] - rows[i-1])
		sum += d * d
	}
	return sum
}

// Inked reports whether there is anything on the paper that is darker or lighter
// than it in more than single dots, however faint.
func Inked(img *image.Gray, dpi int) bool {
	small := reduce(img, max(1, dpi/lookDPI))
	return strokes(small) || strokes(negative(small))
}

// strokes reports whether enough dots of ink stand beside each other.
func strokes(img *image.Gray) bool {
	const together, enough = 3, 10 // neighbours of a dot; such dots
	width := img.Rect.Dx()
	dots := ink(img)
	at := make([]bool, (width+2)*(img.Rect.Dy()+2))
	for _, d := range dots {
		at[(d.Y+1)*(width+2)+d.X+1] = true
	}
	found := 0
	for _, d := range dots {
		near := 0
		for row := d.Y; row <= d.Y+2; row++ {
			for _, is := range at[row*(width+2)+d.X : row*(width+2)+d.X+3] {
				if is {
					near++
				}
			}
		}
		if near > together {
			if found++; found == enough {
				return true
			}
		}
	}
	return false
}

// reduce returns the image smaller by a whole factor; each pixel is the mean of
// those it stands for.
func reduce(img *image.Gray, factor int) *image.Gray {
	width, height := img.Rect.Dx()/factor, img.Rect.Dy()/factor
	if factor <= 1 || width == 0 || height == 0 {
		return img
	}
	small := image.NewGray(image.Rect(0, 0, width, height))
	sums := make([]int, width)
	for y := range height {
		clear(sums)
		for row := range factor {
			line := img.Pix[(y*factor+row)*img.Stride:]
			for x := range sums {
				for _, v := range line[x*factor : (x+1)*factor] {
					sums[x] += int(v)
				}
			}
		}
		for x, sum := range sums {
			small.Pix[y*small.Stride+x] = uint8(sum / (factor * factor))
		}
	}
	return small
}

// ink lists the dots that are clearly darker than the paper around them, or
// clearly lighter on a dark page. What is larger than letters, as a frame or a
// picture, counts by its edges only.
func ink(img *image.Gray) []image.Point {
	const reach, contrast = 7, 24 // pixels to each side; levels
	width, height := img.Rect.Dx(), img.Rect.Dy()
	sums := integral(img)
	var dots []image.Point
	for y := range height {
		top, bottom := max(0, y-reach), min(height, y+reach+1)
		for x := range width {
			left, right := max(0, x-reach), min(width, x+reach+1)
			area := int64((bottom - top) * (right - left))
			mean := (sums.at(right, bottom) - sums.at(left, bottom) - sums.at(right, top) + sums.at(left, top)) / area
			if int64(img.Pix[y*img.Stride+x])+contrast < mean {
				dots = append(dots, image.Pt(x, y))
			}
		}
	}
	return dots
}

// table is a summed-area table, with a row and a column of zeros before it.
type table struct {
	sums   []int64
	stride int
}

func (t table) at(x, y int) int64 { return t.sums[y*t.stride+x] }

func integral(img *image.Gray) table {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	t := table{sums: make([]int64, (width+1)*(height+1)), stride: width + 1}
	for y := range height {
		row := int64(0)
		for x, v := range img.Pix[y*img.Stride : y*img.Stride+width] {
			row += int64(v)
			t.sums[(y+1)*t.stride+x+1] = t.sums[y*t.stride+x+1] + row
		}
	}
	return t
}

// Turn returns the image turned by quarters of a circle, counter-clockwise.
func Turn(img *image.Gray, quarters int) *image.Gray {
	quarters &= 3
	if quarters == 0 {
		return img
	}
	width, height := img.Rect.Dx(), img.Rect.Dy()
	size := image.Rect(0, 0, width, height)
	if quarters != 2 {
		size = image.Rect(0, 0, height, width)
	}
	turned := image.NewGray(size)
	for y := range height {
		for x, v := range img.Pix[y*img.Stride : y*img.Stride+width] {
			switch quarters {
			case 1:
				turned.Pix[(width-1-x)*turned.Stride+y] = v
			case 2:
				turned.Pix[(height-1-y)*turned.Stride+width-1-x] = v
			default:
				turned.Pix[x*turned.Stride+height-1-y] = v
			}
		}
	}
	return turned
}

// rotate returns the image turned counter-clockwise by so many degrees, on
// paper large enough for all of it, and where its points come from.
func rotate(img *image.Gray, degrees float64) (*image.Gray, mapping) {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	width, height := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	wide := int(math.Ceil(width*math.Abs(cos) + height*math.Abs(sin)))
	high := int(math.Ceil(height*math.Abs(cos) + width*math.Abs(sin)))
	turned := image.NewGray(image.Rect(0, 0, wide, high))
	paper := background(img)
	for y := range high {
		dy := float64(y) - float64(high)/2
		row := turned.Pix[y*turned.Stride : y*turned.Stride+wide]
		for x := range row {
			dx := float64(x) - float64(wide)/2
			row[x] = sample(img, width/2+dx*cos-dy*sin, height/2+dx*sin+dy*cos, paper)
		}
	}
	return turned, func(x, y float64) (float64, float64) {
		dx, dy := x-float64(wide)/2, y-float64(high)/2
		return width/2 + dx*cos - dy*sin, height/2 + dx*sin + dy*cos
	}
}

// sample reads the image between its pixels; beside it there is paper.
func sample(img *image.Gray, x, y float64, paper uint8) uint8 {
	left, top := int(math.Floor(x)), int(math.Floor(y))
	if left < 0 || top < 0 || left+1 >= img.Rect.Dx() || top+1 >= img.Rect.Dy() {
		return paper
	}
	if left > 0 && top > 0 && left+2 < img.Rect.Dx() && top+2 < img.Rect.Dy() {
		return sharp(img, left, top, &phases[int((x-float64(left))*phaseCount)], &phases[int((y-float64(top))*phaseCount)])
	}
	// At the edges between two pixels only, in 256ths, as fine as the levels.
	fx, fy := int((x-float64(left))*256), int((y-float64(top))*256)
	at := top*img.Stride + left
	above := int(img.Pix[at])*(256-fx) + int(img.Pix[at+1])*fx
	below := int(img.Pix[at+img.Stride])*(256-fx) + int(img.Pix[at+img.Stride+1])*fx
	return uint8((above*(256-fy) + below*fy) >> 16)
}

// phaseCount is how many places between two pixels are told apart.
const phaseCount = 64

// phases are the weights of the four pixels about each of them; see [Enlarge].
var phases = func() (all [phaseCount][4]int) {
	for n := range all {
		all[n] = weightsAt(float64(n) / phaseCount)
	}
	return all
}()

// sharp reads the image between its pixels so that edges stay edges: figures whose
// strokes run together are taken for others.
func sharp(img *image.Gray, left, top int, across, down *[4]int) uint8 {
	sum := 1 << 15
	at := (top-1)*img.Stride + left - 1
	for _, weight := range down {
		row := img.Pix[at : at+4 : at+4]
		sum += weight * (across[0]*int(row[0]) + across[1]*int(row[1]) + across[2]*int(row[2]) + across[3]*int(row[3]))
		at += img.Stride
	}
	return uint8(max(0, min(255, sum>>16)))
}

// background is the level of the paper: the most frequent one.
func background(img *image.Gray) uint8 {
	levels := histogram(img)
	paper := 0
	for level, n := range levels {
		if n > levels[paper] {
			paper = level
		}
	}
	return uint8(paper)
}

func histogram(img *image.Gray) (levels [256]int) {
	for y := range img.Rect.Dy() {
		for _, v := range img.Pix[y*img.Stride : y*img.Stride+img.Rect.Dx()] {
			levels[v]++
		}
	}
	return levels
}
