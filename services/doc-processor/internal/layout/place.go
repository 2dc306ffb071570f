package layout

import (
	"math"
	"strings"
	"unicode"
)

// GlyphWords are the words of a page's glyphs at their places, in the order of the
// content stream.
func GlyphWords(glyphs []Glyph) []Word {
	var words []Word
	var text strings.Builder
	var now Word
	var last Glyph
	flush := func() {
		if text.Len() > 0 {
			now.Text = text.String()
			words = append(words, now)
			text.Reset()
		}
	}
	for _, g := range glyphs {
		if unicode.IsSpace(g.Rune) {
			flush()
			continue
		}
		left, right := min(g.Left, g.Right), max(g.Left, g.Right)
		bottom, top := min(g.Bottom, g.Top), max(g.Bottom, g.Top)
		if text.Len() > 0 {
			reach := max(now.Top-now.Bottom, top-bottom)
			if g.Quarter&1 == 1 {
				reach = max(now.Right-now.Left, right-left)
			}
			across := max(0, left-max(last.Left, last.Right), min(last.Left, last.Right)-right)
			down := max(0, bottom-now.Top, now.Bottom-top)
			if g.Quarter != last.Quarter || across > 0.5*reach && g.Quarter&1 == 0 || math.Max(across, down) > 1.5*reach {
				flush()
			}
		}
		if text.Len() == 0 {
			now = Word{Left: left, Bottom: bottom, Right: right, Top: top}
		}
		now.Left, now.Bottom = min(now.Left, left), min(now.Bottom, bottom)
		now.Right, now.Top = max(now.Right, right), max(now.Top, top)
		text.WriteRune(g.Rune)
		last = g
	}
	flush()
	return words
}

// Askew parts the glyphs into those that stand level or at right angles and the
// lines of those that do not, as a stamp's or a watermark's. Where most are askew
// the page itself is.
func Askew(glyphs []Glyph) (level []Glyph, stamps []string) {
	askew, all := 0, 0
	for _, g := range glyphs {
		if !unicode.IsSpace(g.Rune) {
			all++
			if g.Askew {
				askew++
			}
		}
	}
	if askew == 0 || 2*askew > all {
		return glyphs, nil
	}
	var text strings.Builder
	flush := func() {
		if stamp := strings.Join(strings.Fields(text.String()), " "); stamp != "" {
			stamps = append(stamps, stamp)
		}
		text.Reset()
	}
	in := false
	for _, g := range glyphs {
		switch {
		case unicode.IsSpace(g.Rune) && in && g.Rune != '\n':
			text.WriteByte(' ')
		case unicode.IsSpace(g.Rune):
			flush()
			in = false
			level = append(level, g)
		case g.Askew:
			in = true
			text.WriteRune(g.Rune)
		default:
			if in {
				flush()
				in = false
				level = append(level, Glyph{Rune: '\n'})
			}
			level = append(level, g)
		}
	}
	flush()
	return level, stamps
}

// marginLength is the most characters that a running header or footer has.
const marginLength = 160

// Margins are the page's first and last two paragraphs, outermost first.
func (p Page) Margins() (head, foot Page) {
	const most = 2
	for i := 0; i < min(most, len(p)) && p[i].Rows == nil && len(p[i].Text) <= marginLength; i++ {
		head = append(head, p[i])
	}
	for i := len(p) - 1; i >= max(len(head), len(p)-most) && p[i].Rows == nil && len(p[i].Text) <= marginLength; i-- {
		foot = append(foot, p[i])
	}
	return head, foot
}
