package pdftext

import (
	"fmt"
	"math"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ledongthuc/pdf"

	"signpost.internal/services/doc-processor/internal/layout"
)

// Ledongthuc is the [Reader] over ledongthuc/pdf. It knows neither PDFs with
// AES-256 encryption, the direction of turned text, nor the widths of many
// fonts, so that it guesses where words and columns end, and it can loop for
// ever on hostile files.
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

// The library gives no heights. These are the usual proportions of a Latin
// font, in ems.
const (
	ascent  = 0.7
	descent = 0.2
	// wordGap is the least distance between glyphs of different words.
	wordGap = 0.18
)

// Glyphs returns the page's characters, with spaces where the distance of two
// shows that a word ended.
func (d *ledongthucDocument) Glyphs(page int) (glyphs []layout.Glyph, err error) {
	defer recovered(&err)
	p := d.reader.Page(page + 1)
	marks := endMarks(p)
	texts := p.Content().Text
	var last pdf.Text
	begun := false
	end := 0.0 // where the glyph before ends
	for i, t := range texts {
		r, _ := utf8.DecodeRuneInString(t.S)
		if t.S == "" || r == '\n' || r == '\r' {
			continue // the library's own mark at the end of each run of text
		}
		size := math.Abs(t.FontSize)
		if size == 0 {
			size = 10
		}
		if t.S == marks[t.Font] && runEnds(texts, i, size) {
			continue // the same mark, as the font's encoding reads it
		}
		left, width := t.X, t.W
		if width <= 0 || width > 4*size {
			width = usualWidth(r) * size
		}
		sameLine := begun && math.Abs(t.Y-last.Y) < 0.3*size
		if sameLine && last.W == 0 && math.Abs(t.X-last.X) < 2*size {
			// A font whose widths the library does not know: it moves on by
			// what the file says between glyphs only.
			left = end + t.X - last.X
		}
		if sameLine && left-end > wordGap*size && r != ' ' {
			glyphs = append(glyphs, layout.Glyph{Rune: ' '})
		}
		glyphs = append(glyphs, layout.Glyph{Rune: r, Left: left, Right: left + width, Bottom: t.Y - descent*size, Top: t.Y + ascent*size, Size: size})
		last, end, begun = t, left+width, true
	}
	return glyphs, nil
}

// endMarks tells, for each font of the page, as what the library's mark for the
// end of a run of text comes out of the font's encoding.
func endMarks(p pdf.Page) map[string]string {
	marks := map[string]string{}
	for _, name := range p.Fonts() {
		font := p.Font(name)
		base := font.BaseFont()
		if _, plain, ok := strings.Cut(base, "+"); ok {
			base = plain
		}
		if encoder := font.Encoder(); encoder != nil {
			marks[base] = encoder.Decode("\n")
		}
	}
	return marks
}

// runEnds reports whether the text after the i-th goes on elsewhere.
func runEnds(texts []pdf.Text, i int, size float64) bool {
	if i+1 == len(texts) {
		return true
	}
	t, next := texts[i], texts[i+1]
	return next.Y != t.Y || math.Abs(next.X-t.X-t.W) > 0.3*size
}

// usualWidth is the width of a character in an ordinary proportional font, in
// ems.
func usualWidth(r rune) float64 {
	switch {
	case strings.ContainsRune("iljtfI.,;:'’‘!|()[] ", r):
		return 0.27
	case strings.ContainsRune("mwMW—%", r):
		return 0.8
	case unicode.IsUpper(r):
		return 0.64
	default:
		return 0.5
	}
}

// recovered turns the library's panics into errors.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}
