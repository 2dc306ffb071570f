package ocr

import (
	"image"
	"image/draw"
	"testing"

	"github.com/otiai10/gosseract/v2"
)

// What looks like words and is in none is found; rules, specks and pictures are not.
func TestUnread(t *testing.T) {
	const dpi = 100
	img := image.NewGray(image.Rect(0, 0, 827, 1169))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	black := func(left, top, right, bottom int) {
		draw.Draw(img, image.Rect(left, top, right, bottom), image.Black, image.Point{}, draw.Src)
	}
	var words []Word
	for y := 100; y < 500; y += 25 {
		black(80, y, 140, y+11)
		words = append(words, Word{Box: image.Rect(80, y, 140, y+11)})
	}
	if regions, seeming := unread(img, dpi, words); len(regions) != 0 || seeming != 0 {
		t.Fatalf("all is read: %v, %d", regions, seeming)
	}
	black(60, 90, 700, 92)    // a rule
	black(60, 90, 62, 520)    // another
	black(400, 700, 700, 900) // a picture
	black(300, 1000, 302, 1002)
	if regions, seeming := unread(img, dpi, words); len(regions) != 0 || seeming != 0 {
		t.Errorf("none of it is writing: %v, %d", regions, seeming)
	}
	for y := 100; y < 500; y += 25 {
		black(600, y, 650, y+11) // a column of figures
	}
	regions, seeming := unread(img, dpi, words)
	if len(regions) != 1 || seeming != 16 || !image.Rect(600, 100, 650, 486).In(regions[0]) {
		t.Errorf("%v, %d", regions, seeming)
	}
}

func TestAgain(t *testing.T) {
	words := []Word{{Text: "Reading", Box: image.Rect(100, 100, 130, 120)}}
	for _, tc := range []struct {
		text string
		box  image.Rectangle
		want bool
	}{
		{"Reading", image.Rect(100, 100, 170, 120), true},
		{"ding", image.Rect(134, 100, 170, 120), true},
		{"Units", image.Rect(134, 100, 170, 120), false},
		{"Units", image.Rect(110, 100, 170, 120), true}, // over it
		{"ding", image.Rect(300, 100, 340, 120), false},
	} {
		if got := again(gosseract.BoundingBox{Word: tc.text, Box: tc.box}, words); got != tc.want {
			t.Errorf("%s at %v: %t", tc.text, tc.box, got)
		}
	}
}
