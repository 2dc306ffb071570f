package straighten_test

import (
	"image"
	"testing"

	"signpost.internal/services/doc-processor/internal/straighten"
)

// letters is a page of lines of small letters, of which some have a stroke that
// goes up and fewer one that goes down.
func letters() *image.Gray {
	page := writing(255, 255)
	for line, top := 0, 100; top < 1000; line, top = line+1, top+20 {
		for n, x := 0, 90; x < 700; n, x = n+1, x+9 {
			mark(page, x, top, x+2, top+8, 0)
			mark(page, x+4, top, x+6, top+8, 0)
			mark(page, x, top, x+6, top+2, 0)
			switch (n + line) % 12 {
			case 0, 3, 7:
				mark(page, x, top-4, x+2, top, 0)
			case 5:
				mark(page, x, top+8, x+2, top+12, 0)
			}
		}
	}
	return page
}

func TestUpsideDown(t *testing.T) {
	page := letters()
	if straighten.UpsideDown(page, dpi) {
		t.Error("upright")
	}
	if !straighten.UpsideDown(straighten.Turn(page, 2), dpi) {
		t.Error("on its head")
	}
	if straighten.UpsideDown(image.NewGray(image.Rect(0, 0, 3, 3)), dpi) {
		t.Error("nothing")
	}
}

// A point of a straightened page comes from where it was.
func TestOrigin(t *testing.T) {
	page := writing(255, 0)
	mark(page, 200, 1080, 240, 1120, 0) // a square below the lines
	for name, img := range map[string]*image.Gray{
		"level": page, "skewed": skewed(page, 5), "sideways": straighten.Turn(skewed(page, -3), 1),
	} {
		got := straighten.Straighten(img, dpi)
		enlarged := got.Enlarged(2)
		for _, p := range []straighten.Page{got, got.Turned(2), got.Turned(1), enlarged} {
			wrong, looked := 0, 0
			for y := 40; y < p.Image.Rect.Dy()-40; y += 7 {
				for x := 40; x < p.Image.Rect.Dx()-40; x += 7 {
					fromX, fromY := p.Origin(float64(x)+0.5, float64(y)+0.5)
					from := image.Pt(int(fromX), int(fromY))
					if !from.In(img.Rect) {
						continue
					}
					looked++
					if d := int(p.Image.GrayAt(x, y).Y) - int(img.GrayAt(from.X, from.Y).Y); d > 130 || d < -130 {
						wrong++
					}
				}
			}
			if looked < 1000 || wrong*20 > looked {
				t.Errorf("%s: %d of %d points differ", name, wrong, looked)
			}
		}
	}
}
