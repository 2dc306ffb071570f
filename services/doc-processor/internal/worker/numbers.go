package worker

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"unicode"

	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/ocr"
	"signpost.internal/services/doc-processor/internal/straighten"
)

const (
	// sureNumber is the confidence of a word with digits from which it is believed
	// without a second look: clean print has 0.9 and more.
	sureNumber = 0.8
	// maxDoubts is how many numbers of a page are looked at again.
	maxDoubts = 30
	// lookHeight is how high, in pixels, what is looked at again is made at least.
	lookHeight = 48
)

// doubts looks again at the numbers that were read with doubt, each by itself and
// larger, and returns those of which both looks together do not make sure.
func (d *desk) doubts(page straighten.Page, original *image.Gray, words []ocr.Word, placed []document.Word) []document.Doubt {
	var found []document.Doubt
	for i, w := range words {
		if w.Confidence >= sureNumber || !strings.ContainsFunc(w.Text, unicode.IsDigit) {
			continue
		}
		if len(found) == maxDoubts {
			break
		}
		doubt := document.Doubt{Word: placed[i]}
		around := w.Box.Inset(-max(3, w.Box.Dy()/4)).Intersect(page.Image.Rect)
		if around.Empty() {
			continue
		}
		part := straighten.Enlarge(cut(page.Image, around), (lookHeight+around.Dy()-1)/around.Dy())
		again, err := d.ocr.ReadLine(part, 300)
		if err == nil && len(again.Words) == 1 {
			second := again.Words[0]
			switch {
			case second.Text != w.Text:
				doubt.Other = second.Text
			case second.Confidence >= sureNumber:
				placed[i].Confidence = second.Confidence
				continue
			}
		}
		doubt.Crop = crop(original, doubt.Box)
		found = append(found, doubt)
	}
	return found
}

// place returns the words' boxes in fractions of the image that the page was made of.
func place(page straighten.Page, original *image.Gray, words []ocr.Word) []document.Word {
	wide, high := float64(original.Rect.Dx()), float64(original.Rect.Dy())
	placed := make([]document.Word, len(words))
	for i, w := range words {
		box := document.Box{Left: 1, Top: 1}
		for _, corner := range [...]image.Point{w.Box.Min, w.Box.Max, {X: w.Box.Min.X, Y: w.Box.Max.Y}, {X: w.Box.Max.X, Y: w.Box.Min.Y}} {
			x, y := page.Origin(float64(corner.X), float64(corner.Y))
			x, y = max(0, min(1, x/wide)), max(0, min(1, y/high))
			box.Left, box.Right = min(box.Left, x), max(box.Right, x)
			box.Top, box.Bottom = min(box.Top, y), max(box.Bottom, y)
		}
		placed[i] = document.Word{Text: w.Text, Box: box.Rounded(), Confidence: w.Confidence}
	}
	return placed
}

// crop is a picture of a part of the image and a little around it.
func crop(img *image.Gray, b document.Box) []byte {
	const around = 0.012
	wide, high := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	part := image.Rect(int((b.Left-around)*wide), int((b.Top-around/2)*high), int((b.Right+around)*wide), int((b.Bottom+around/2)*high)).Intersect(img.Rect)
	if part.Empty() {
		return nil
	}
	var out bytes.Buffer
	if err := png.Encode(&out, cut(img, part)); err != nil {
		return nil // to a buffer: only an impossible size fails
	}
	return out.Bytes()
}

// cut copies a part of the image.
func cut(img *image.Gray, part image.Rectangle) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, part.Dx(), part.Dy()))
	for y := range part.Dy() {
		at := (part.Min.Y+y)*img.Stride + part.Min.X
		copy(out.Pix[y*out.Stride:(y+1)*out.Stride], img.Pix[at:at+part.Dx()])
	}
	return out
}
