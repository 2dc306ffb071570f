package ocr

import (
	"image"
	"image/draw"
	"math"
	"testing"

	"github.com/otiai10/gosseract/v2"
)

func box(word string, x, y, block, line int, confidence float64) gosseract.BoundingBox {
	return gosseract.BoundingBox{
		Word: word, Confidence: confidence, BlockNum: block, ParNum: 1, LineNum: line,
		Box: image.Rect(x, y, x+12*len(word), y+20),
	}
}

func TestAssemble(t *testing.T) {
	got := assemble([]gosseract.BoundingBox{
		box("The", 10, 10, 1, 1, 90), box("repay-", 50, 10, 1, 1, 80),
		box("ment", 10, 40, 1, 2, 100), box(" ", 70, 40, 1, 2, 0), box("|", 70, 40, 1, 2, 10), box("plan.", 70, 40, 1, 2, 90),
		box("Next", 10, 200, 2, 1, 90),
	})
	if want := "The repay\u00adment plan.\n\nNext"; got.Page.Text() != want || len(got.Words) != 5 || math.Abs(got.Confidence-0.9) > 1e-9 {
		t.Errorf("got %+v, want %q", got, want)
	}
	if empty := assemble(nil); len(empty.Page) > 0 || len(empty.Words) > 0 || empty.Confidence != 0 {
		t.Errorf("of nothing: %+v", empty)
	}
}

// paper is an A4 page at 100 dpi with lines of ink between the given edges.
func paper(columns ...[2]int) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, 827, 1169))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	for y := 100; y < 1000; y += 20 {
		for _, c := range columns {
			draw.Draw(img, image.Rect(c[0], y, c[1], y+10), image.Black, image.Point{}, draw.Src)
		}
	}
	return img
}

func TestSegmentation(t *testing.T) {
	for _, tc := range []struct {
		name string
		img  *image.Gray
		want string
	}{
		{"one column", paper([2]int{80, 740}), oneColumn},
		{"two columns", paper([2]int{80, 390}, [2]int{430, 740}), findColumns},
		{"list numbers", paper([2]int{80, 90}, [2]int{110, 740}), oneColumn},
		{"blank", paper(), oneColumn},
		{"tiny", image.NewGray(image.Rect(0, 0, 1, 1)), oneColumn},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := segmentation(tc.img, 100); got != tc.want {
				t.Errorf("got %s", got)
			}
		})
	}
}
