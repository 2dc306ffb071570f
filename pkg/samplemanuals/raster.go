package samplemanuals

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// scanDPI is the resolution of a scanned page.
const scanDPI = 200

// rasteriser draws sheets as an office scanner sees them: grey, slightly noisy.
type rasteriser struct {
	faces *typeface
	cut   map[faceSize]font.Face
}

type faceSize struct {
	face face
	size float64
}

func newRasteriser(faces *typeface) *rasteriser {
	return &rasteriser{faces: faces, cut: map[faceSize]font.Face{}}
}

func (r *rasteriser) draw(s *sheet, seed uint64) (*image.Gray, error) {
	page := image.NewGray(image.Rect(0, 0, pixels(pageWidth), pixels(pageHeight)))
	fill(page, page.Bounds(), 250)
	for _, b := range s.shades {
		fill(page, image.Rect(pixels(b.x), pixels(b.y), pixels(b.x+b.w), pixels(b.y+b.h)), 232)
	}
	for _, b := range s.rules {
		fill(page, image.Rect(pixels(b.x), pixels(b.y), pixels(b.x+b.w)+2, pixels(b.y+b.h)+2), 110)
	}
	ink := image.NewUniform(color.Gray{Y: 25})
	for _, t := range s.runs {
		f, err := r.font(faceSize{t.face, t.size})
		if err != nil {
			return nil, err
		}
		d := font.Drawer{Dst: page, Src: ink, Face: f, Dot: fixed.Point26_6{X: subpixels(t.x), Y: subpixels(t.y)}}
		d.DrawString(t.text)
	}
	noise := rand.New(rand.NewPCG(seed, 1))
	for i, v := range page.Pix {
		page.Pix[i] = uint8(min(255, max(0, int(v)+noise.IntN(9)-4)))
	}
	return page, nil
}

func (r *rasteriser) font(k faceSize) (font.Face, error) {
	if f, ok := r.cut[k]; ok {
		return f, nil
	}
	f, err := opentype.NewFace(r.faces.fonts[k.face], &opentype.FaceOptions{Size: k.size, DPI: scanDPI, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("cut font: %w", err)
	}
	r.cut[k] = f
	return f, nil
}

func fill(page *image.Gray, r image.Rectangle, grey uint8) {
	draw.Draw(page, r, image.NewUniform(color.Gray{Y: grey}), image.Point{}, draw.Src)
}

// pixels turns points into scanner pixels.
func pixels(points float64) int { return int(points*scanDPI/72 + 0.5) }

func subpixels(points float64) fixed.Int26_6 { return fixed.Int26_6(points * scanDPI / 72 * 64) }
