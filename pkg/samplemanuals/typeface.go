package samplemanuals

import (
	"fmt"

	"codeberg.org/go-fonts/dejavu/dejavusans"
	"codeberg.org/go-fonts/dejavu/dejavusansbold"
	"codeberg.org/go-fonts/dejavu/dejavuserif"
	"codeberg.org/go-fonts/dejavu/dejavuserifbold"
	"codeberg.org/go-fonts/dejavu/dejavuserifitalic"
	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"codeberg.org/go-fonts/liberation/liberationserifbold"
	"codeberg.org/go-fonts/liberation/liberationserifitalic"
	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// face is a role on the page; a typeface has a font for each.
type face int

const (
	body face = iota
	bold
	italic
	headingFace
	small
	faceCount
)

// typeface holds one font for each face.
type typeface struct {
	ttf   [faceCount][]byte
	fonts [faceCount]*sfnt.Font
	buf   sfnt.Buffer
}

// openTypeface returns DejaVu for the ligature form (Liberation has no ff, ffi
// or ffl glyph) and Liberation for the others.
func openTypeface(form Form) (*typeface, error) {
	t := &typeface{ttf: [faceCount][]byte{
		body: liberationserifregular.TTF, bold: liberationserifbold.TTF, italic: liberationserifitalic.TTF,
		headingFace: liberationsansbold.TTF, small: liberationsansregular.TTF,
	}}
	if form == Ligatures {
		t.ttf = [faceCount][]byte{
			body: dejavuserif.TTF, bold: dejavuserifbold.TTF, italic: dejavuserifitalic.TTF,
			headingFace: dejavusansbold.TTF, small: dejavusans.TTF,
		}
	}
	for i, ttf := range t.ttf {
		f, err := sfnt.Parse(ttf)
		if err != nil {
			return nil, fmt.Errorf("parse font: %w", err)
		}
		t.fonts[i] = f
	}
	return t, nil
}

// width is the advance of s in points. A character that the font lacks is an
// error, because the page would not show it.
func (t *typeface) width(s string, f face, size float64) (float64, error) {
	font := t.fonts[f]
	em := fixed.I(int(font.UnitsPerEm()))
	var sum fixed.Int26_6
	for _, r := range s {
		glyph, err := font.GlyphIndex(&t.buf, r)
		if err != nil {
			return 0, fmt.Errorf("glyph for %q: %w", r, err)
		}
		if glyph == 0 {
			return 0, fmt.Errorf("the font has no glyph for %q", r)
		}
		advance, err := font.GlyphAdvance(&t.buf, glyph, em, 0)
		if err != nil {
			return 0, fmt.Errorf("advance of %q: %w", r, err)
		}
		sum += advance
	}
	return float64(sum) / float64(em) * size, nil
}
