package httpapi

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"strconv"
	"strings"

	"signpost.internal/pkg/fault"
)

// maxBoxes is how many boxes are drawn on a page at most.
const maxBoxes = 100

// box is a part of a page, in fractions of its width and height from the left and
// the top.
type box struct{ left, top, right, bottom float64 }

// parseBoxes reads boxes written as "left,top,right,bottom".
func parseBoxes(texts []string) ([]box, error) {
	if len(texts) > maxBoxes {
		return nil, fault.Newf(fault.Invalid, "At most %d boxes are drawn on a page.", maxBoxes)
	}
	boxes := make([]box, len(texts))
	for i, text := range texts {
		parts := strings.Split(text, ",")
		var numbers [4]float64
		ok := len(parts) == len(numbers)
		for n := 0; ok && n < len(numbers); n++ {
			var err error
			numbers[n], err = strconv.ParseFloat(parts[n], 64)
			ok = err == nil && numbers[n] >= 0 && numbers[n] <= 1
		}
		b := box{numbers[0], numbers[1], numbers[2], numbers[3]}
		if !ok || b.left >= b.right || b.top >= b.bottom {
			return nil, fault.New(fault.Invalid, "A box is left,top,right,bottom, in fractions of the page from 0 to 1, such as box=0.1,0.2,0.5,0.25.")
		}
		boxes[i] = b
	}
	return boxes, nil
}

// highlight turns a JPEG picture into a PNG one, with the boxes marked.
func highlight(picture []byte, boxes []box) ([]byte, error) {
	page, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, fmt.Errorf("the page's picture: %w", err)
	}
	bounds := page.Bounds()
	canvas := image.NewRGBA(bounds)
	draw.Draw(canvas, bounds, page, bounds.Min, draw.Src)
	marker := image.NewUniform(color.RGBA{R: 96, G: 80, A: 96}) // premultiplied: a see-through yellow
	for _, b := range boxes {
		across := func(x float64) int { return bounds.Min.X + int(x*float64(bounds.Dx())) }
		down := func(y float64) int { return bounds.Min.Y + int(y*float64(bounds.Dy())) }
		part := image.Rect(across(b.left), down(b.top), across(b.right)+1, down(b.bottom)+1)
		draw.Draw(canvas, part, marker, image.Point{}, draw.Over)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, canvas); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
