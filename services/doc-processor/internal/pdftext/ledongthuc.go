package pdftext

import (
	"fmt"
	"math"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/ledongthuc/pdf"

	"signpost.internal/services/doc-processor/internal/layout"
)

// Ledongthuc is the [Reader] over ledongthuc/pdf. It knows neither PDFs with
// AES-256 encryption nor the direction of turned text, guesses where words end
// from the glyphs' distances, and can loop for ever on hostile files.
type Ledongthuc struct{}

// Open reads the file's structure.
func (Ledongthuc) Open(path string) (doc Document, err error) {
	defer recovered(&err)
	file, reader, err := pdf.Open(path)
	if err != nil {
		if strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "encrypt") {
			return nil, ErrEncrypted
		}
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &ledongthucDocument{file: file, reader: reader}, nil
}

// Close does nothing: the reader holds nothing.
func (Ledongthuc) Close() error { return nil }

type ledongthucDocument struct {
	file   *os.File
	reader *pdf.Reader
}

func (d *ledongthucDocument) Pages() int   { return d.reader.NumPage() }
func (d *ledongthucDocument) Close() error { return d.file.Close() }

// The library gives no heights and, for some fonts, no widths. These are the
// usual proportions of a Latin font, in ems.
const (
	ascent       = 0.7
	descent      = 0.2
	averageWidth = 0.5
	// wordGap is the least distance between glyphs of different words.
	wordGap = 0.18
)

// Glyphs returns the page's characters, with spaces where the distance of two
// shows that a word ended.
func (d *ledongthucDocument) Glyphs(page int) (glyphs []layout.Glyph, err error) {
	defer recovered(&err)
	content := d.reader.Page(page + 1).Content()
	var last pdf.Text
	begun := false
	end := 0.0 // where the glyph before ends
	for _, t := range content.Text {
		r, _ := utf8.DecodeRuneInString(t.S)
		if t.S == "" || r == '\n' || r == '\r' {
			continue // the library's own mark, also between the pieces of a line
		}
		size := math.Abs(t.FontSize)
		if size == 0 {
			size = 10
		}
		left := t.X
		if begun && t.X == last.X && t.Y == last.Y {
			left = end // a font without widths: its glyphs all have one place
		}
		width := t.W
		if width <= 0 || width > 4*size {
			width = averageWidth * size
		}
		if begun && math.Abs(t.Y-last.Y) < 0.3*size && left-end > wordGap*size && r != ' ' {
			glyphs = append(glyphs, layout.Glyph{Rune: ' '})
		}
		glyphs = append(glyphs, layout.Glyph{Rune: r, Left: left, Right: left + width, Bottom: t.Y - descent*size, Top: t.Y + ascent*size})
		last, end, begun = t, left+width, true
	}
	return glyphs, nil
}

// recovered turns the library's panics into errors.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}
