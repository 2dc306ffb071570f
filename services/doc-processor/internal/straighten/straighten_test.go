package straighten_test

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"signpost.internal/services/doc-processor/internal/straighten"
)

const dpi = 100

// writing is a page with lines of marks of the size of letters, as wide as words.
func writing(paper, ink uint8) *image.Gray {
	random := rand.New(rand.NewPCG(1, 2))
	page := image.NewGray(image.Rect(0, 0, 827, 1169))
	for i := range page.Pix {
		page.Pix[i] = paper
	}
	for top := 100; top < 1050; top += 22 {
		for x := 90; x < 700; {
			for range 2 + random.IntN(8) {
				mark(page, x, top+random.IntN(3), x+3+random.IntN(3), top+8+random.IntN(3), ink) // a letter
				x += 7 + random.IntN(3)
			}
			x += 5 + random.IntN(9)
		}
	}
	return page
}

func mark(page *image.Gray, left, top, right, bottom int, ink uint8) {
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			page.Pix[y*page.Stride+x] = ink
		}
	}
}

// warped draws each pixel from where from says it was; beside the page there is
// the level given.
func warped(page *image.Gray, size image.Rectangle, beside uint8, from func(x, y float64) (float64, float64)) *image.Gray {
	out := image.NewGray(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			fx, fy := from(float64(x), float64(y))
			at := image.Pt(int(math.Round(fx)), int(math.Round(fy)))
			out.Pix[y*out.Stride+x] = beside
			if at.In(page.Rect) {
				out.Pix[y*out.Stride+x] = page.GrayAt(at.X, at.Y).Y
			}
		}
	}
	return out
}

// skewed has lines that rise to the right by so many degrees.
func skewed(page *image.Gray, degrees float64) *image.Gray {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	w, h := float64(page.Rect.Dx())/2, float64(page.Rect.Dy())/2
	return warped(page, page.Rect, page.Pix[0], func(x, y float64) (float64, float64) {
		return w + (x-w)*cos - (y-h)*sin, h + (x-w)*sin + (y-h)*cos
	})
}

// sharp is how many rows of the page hold no ink between its first and its last
// that does: the gaps between level lines.
func sharp(page *image.Gray) int {
	var inked []bool
	for y := range page.Rect.Dy() {
		dark := 0
		for x := range page.Rect.Dx() {
			if page.GrayAt(x, y).Y < 128 {
				dark++
			}
		}
		inked = append(inked, dark > 3)
	}
	first, gaps := slices.Index(inked, true), 0
	if first < 0 {
		return 0
	}
	for last := len(inked) - 1; last > first; last-- {
		if inked[last] {
			for _, is := range inked[first:last] {
				if !is {
					gaps++
				}
			}
			break
		}
	}
	return gaps
}

func TestCleanPageStaysAsItIs(t *testing.T) {
	for _, degrees := range []float64{0, 0.1} {
		page := skewed(writing(250, 10), degrees)
		got := straighten.Straighten(page, dpi)
		if got.Image != page || len(got.Steps()) > 0 {
			t.Errorf("at %v°: %v", degrees, got.Steps())
		}
	}
}

func TestLinesAreLevelled(t *testing.T) {
	page := writing(255, 0)
	for _, degrees := range []float64{0.5, -1.2, 3, -5.5, 8, -14, 19} {
		got := straighten.Straighten(skewed(page, degrees), dpi)
		if math.Abs(got.Skew-degrees) > 0.15 || got.Sideways || got.Cut {
			t.Errorf("at %v°: %v", degrees, got.Steps())
		}
		if gaps := sharp(got.Image); gaps < 200 {
			t.Errorf("at %v°: %d rows between the lines, of %d", degrees, gaps, sharp(page))
		}
		side := straighten.Straighten(straighten.Turn(skewed(page, degrees), 1), dpi)
		if !side.Sideways || math.Abs(side.Skew-degrees) > 0.15 {
			t.Errorf("at %v° and on its side: %v", degrees, side.Steps())
		}
	}
}

func TestTurn(t *testing.T) {
	page := writing(255, 0)
	for quarters := range 4 {
		back := straighten.Turn(straighten.Turn(page, quarters), 4-quarters)
		if back.Rect != page.Rect || !bytes.Equal(back.Pix, page.Pix) {
			t.Errorf("%d quarters and back", quarters)
		}
	}
	twice := straighten.Turn(straighten.Turn(page, 1), 1)
	if !bytes.Equal(twice.Pix, straighten.Turn(page, 2).Pix) {
		t.Error("twice a quarter is not a half")
	}
	if page.GrayAt(90, 105) != straighten.Turn(page, 1).GrayAt(105, page.Rect.Dx()-1-90) {
		t.Error("a quarter is not counter-clockwise")
	}
}

// A sheet photographed on a table, from one side, is cut out and made square.
func TestSheetIsCutOut(t *testing.T) {
	page := writing(240, 20)
	w, h := float64(page.Rect.Dx()), float64(page.Rect.Dy())
	photo := warped(page, image.Rect(0, 0, 1100, 1500), 60, func(x, y float64) (float64, float64) {
		v := (y - 120) / 1260
		left, width := 130+60*v, 820-120*v // narrower towards the bottom
		return (x - left) / width * w, v * h
	})
	got := straighten.Straighten(photo, dpi)
	if !got.Cut {
		t.Fatalf("%v", got.Steps())
	}
	if r := got.Image.Rect; r.Dx() < 700 || r.Dx() > 1000 || r.Dy() < 1100 || r.Dy() > 1450 {
		t.Errorf("cut out to %v", r)
	}
	dark := 0
	for _, v := range got.Image.Pix {
		if v < 128 {
			dark++
		}
	}
	if share := float64(dark) / float64(len(got.Image.Pix)); share > 0.2 {
		t.Errorf("%.0f %% of it are dark: the table is still there", 100*share)
	}
	if gaps := sharp(got.Image); gaps < 200 {
		t.Errorf("%d rows between the lines", gaps)
	}
}

func TestLightIsEvenedOut(t *testing.T) {
	shadow := writing(255, 0)
	for y := range shadow.Rect.Dy() {
		for x := range shadow.Rect.Dx() {
			at := y*shadow.Stride + x
			light := 0.35 + 0.6*float64(x)/float64(shadow.Rect.Dx())
			shadow.Pix[at] = uint8(light * (40 + float64(shadow.Pix[at])*0.8))
		}
	}
	for name, page := range map[string]*image.Gray{"shadow": shadow, "white on black": writing(10, 245), "faint": writing(230, 190)} {
		got := straighten.Straighten(page, dpi)
		if !got.Evened {
			t.Errorf("%s: %v", name, got.Steps())
		}
		ink, paper := got.Image.GrayAt(91, 105).Y, got.Image.GrayAt(40, 600).Y
		right := got.Image.GrayAt(800, 600).Y
		if ink > 80 || paper < 200 || right < 200 {
			t.Errorf("%s: ink at %d, paper at %d and %d: %v", name, ink, paper, right, got.Steps())
		}
	}
}

func TestSpecksAreTakenOut(t *testing.T) {
	page := writing(255, 0)
	random := rand.New(rand.NewPCG(3, 4))
	for range len(page.Pix) / 25 {
		page.Pix[random.IntN(len(page.Pix))] = uint8(255 * random.IntN(2))
	}
	got := straighten.Straighten(page, dpi)
	if !got.Cleaned || got.Skew != 0 {
		t.Errorf("%v", got.Steps())
	}
	specks := 0
	for y := range 80 { // above the first line
		for x := range 827 {
			if got.Image.GrayAt(x, y).Y < 128 {
				specks++
			}
		}
	}
	if specks > 40 {
		t.Errorf("%d specks left", specks)
	}
}

func TestInked(t *testing.T) {
	dust := writing(250, 250)
	for i := 0; i < len(dust.Pix); i += 7001 {
		dust.Pix[i] = 0
	}
	for name, tc := range map[string]struct {
		page *image.Gray
		want bool
	}{
		"writing":        {writing(255, 0), true},
		"faint writing":  {writing(250, 215), true},
		"white on black": {writing(0, 255), true},
		"empty":          {writing(255, 255), false},
		"empty and grey": {writing(120, 120), false},
		"dust":           {dust, false},
	} {
		if got := straighten.Inked(tc.page, dpi); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzStraighten(f *testing.F) {
	f.Add(uint16(1), uint16(1), []byte{0}, uint16(100))
	f.Add(uint16(300), uint16(7), []byte{0, 255, 255, 255, 128}, uint16(300))
	f.Add(uint16(60), uint16(90), []byte{255, 255, 255, 255, 255, 255, 255, 0}, uint16(0))
	f.Fuzz(func(t *testing.T, width, height uint16, pixels []byte, dpi uint16) {
		page := image.NewGray(image.Rect(0, 0, 1+int(width%400), 1+int(height%400)))
		for i := range page.Pix {
			if len(pixels) > 0 {
				page.Pix[i] = pixels[i%len(pixels)]
			}
		}
		straighten.Inked(page, int(dpi))
		got := straighten.Straighten(page, int(dpi)).Image
		if got.Rect.Empty() || got.Rect.Dx() > 1000 || got.Rect.Dy() > 1000 || len(got.Pix) < got.Rect.Dx()*got.Rect.Dy() {
			t.Errorf("%v from %v", got.Rect, page.Rect)
		}
	})
}

func BenchmarkStraighten(b *testing.B) {
	page := skewed(writing(255, 0), 3)
	for b.Loop() {
		straighten.Straighten(page, dpi)
	}
}
