package layout

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

// segment is an unbroken piece of one line, as the content stream gave it.
type segment struct {
	text                     string
	left, bottom, right, top float64
	order                    int // place in the content stream
	words                    int
	size                     float64 // of the type, about; 0 where nothing tells
	whole                    bool    // its words are complete: none goes on in another piece
}

func (s segment) height() float64 { return s.top - s.bottom }
func (s segment) middle() float64 { return (s.top + s.bottom) / 2 }

// segments cuts the stream of glyphs at line ends, jumps and wide gaps.
func segments(glyphs []Glyph) []segment {
	var (
		out     []segment
		text    strings.Builder
		now     segment
		last    Glyph
		spacing mean // between the letters of the segment
		size    mean
		space   bool
		begun   bool
	)
	flush := func() {
		if begun {
			now.text = text.String()
			now.words = len(strings.Fields(now.text))
			now.order, now.size = len(out), size.mean()
			out = append(out, now)
		}
		text.Reset()
		begun, space = false, false
	}
	usual := typicalHeight(glyphs) / 0.47 // most letters are of x-height
	for _, g := range glyphs {
		if g.Rune == '\n' || g.Rune == '\r' {
			flush()
			continue
		}
		if unicode.IsSpace(g.Rune) {
			space = begun
			continue
		}
		if g.Right < g.Left {
			g.Left, g.Right = g.Right, g.Left
		}
		if g.Top < g.Bottom {
			g.Bottom, g.Top = g.Top, g.Bottom
		}
		if begun && broken(now, g, usual) {
			flush()
		}
		if begun {
			gap := g.Left - last.Right
			if !space && wordEnds(last.Rune, g.Rune, gap/max(usual, now.height()), spacing.mean()/usual) {
				space = true
			}
			if !space {
				spacing.add(gap)
			}
		}
		if space {
			text.WriteByte(' ')
			space = false
		}
		text.WriteRune(g.Rune)
		last = g
		if !begun {
			now = segment{left: g.Left, bottom: g.Bottom, right: g.Right, top: g.Top}
			begun, spacing, size = true, mean{}, mean{}
		}
		if g.Size > 0 {
			size.add(g.Size)
		} else if guess := em(string(g.Rune), g.Top-g.Bottom); guess > 0 {
			size.add(guess)
		}
		now.left, now.bottom = min(now.left, g.Left), min(now.bottom, g.Bottom)
		now.right, now.top = max(now.right, g.Right), max(now.top, g.Top)
	}
	flush()
	return out
}

// broken reports whether the glyph starts a new segment after s.
func broken(s segment, g Glyph, em float64) bool {
	size := max(em, s.height())
	middle := (g.Top + g.Bottom) / 2
	if middle > s.top+0.35*size || middle < s.bottom-0.35*size {
		return true
	}
	return g.Left > s.right+1.5*size || g.Right < s.right-1.5*size && g.Left < s.right-2*size
}

// mean is a running mean.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }

func (m *mean) mean() float64 {
	if m.n == 0 {
		return 0
	}
	return m.sum / float64(m.n)
}

// wordEnds reports whether the gap between two glyphs, in ems, parts words
// though no space stands there: some programs move on instead of writing one.
// Glyphs that are set wide apart as a matter of course are one word, and
// digits are parted only by the widest gaps, for they may be one number.
func wordEnds(a, b rune, gap, usual float64) bool {
	least := 0.28
	switch {
	case unicode.IsDigit(a) && unicode.IsDigit(b):
		least = 0.7
	case !unicode.IsLetter(b) && !unicode.IsDigit(b):
		return false
	case unicode.IsLetter(a) || unicode.IsDigit(a):
	case strings.ContainsRune(".,;:!?)", a):
		least = 0.33 // in fixed-width type these stand well apart
	default:
		return false
	}
	return gap > max(least, 3*usual)
}

// typicalHeight is the median height of the letters, in points.
func typicalHeight(glyphs []Glyph) float64 {
	heights := make([]float64, 0, len(glyphs))
	for _, g := range glyphs {
		if unicode.IsLetter(g.Rune) {
			heights = append(heights, math.Abs(g.Top-g.Bottom))
		}
	}
	return median(heights, 5)
}

func median(values []float64, none float64) float64 {
	if len(values) == 0 {
		return none
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
