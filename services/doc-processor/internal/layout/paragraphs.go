package layout

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"signpost.internal/services/doc-processor/internal/document"
)

// Line is one line of text of one column. Coordinates grow to the right and
// upwards.
type Line struct {
	Text                     string
	Left, Bottom, Right, Top float64
	// ColumnLeft and ColumnRight are the edges of the column's text.
	ColumnLeft, ColumnRight float64
	// First is true for the first line of a column.
	First bool
	// Cells is how many pieces stand beside each other in the line.
	Cells int
}

// Paragraphs joins lines into paragraphs, see [Text].
func Paragraphs(lines []Line) string {
	var out strings.Builder
	leading := typicalLeading(lines)
	for i, l := range lines {
		if i == 0 {
			out.WriteString(l.Text)
			continue
		}
		before := lines[i-1]
		if parted(before, l, leading) {
			out.WriteString("\n\n")
			out.WriteString(l.Text)
			continue
		}
		joinLines(&out, before.Text, l.Text)
	}
	return out.String()
}

// joinLines writes the next line of a paragraph.
func joinLines(out *strings.Builder, before, next string) {
	end, size := utf8.DecodeLastRuneInString(before)
	prev, _ := utf8.DecodeLastRuneInString(before[:len(before)-size])
	first, _ := utf8.DecodeRuneInString(next)
	switch {
	case isHyphen(end) && unicode.IsLetter(prev) && unicode.IsLetter(first):
		joined := out.String()
		joined = joined[:len(joined)-size]
		out.Reset()
		out.WriteString(joined)
		out.WriteRune(document.LineHyphen)
	case isHyphen(end) && unicode.IsDigit(prev) && unicode.IsDigit(first):
		// A number or range that was broken at its hyphen: nothing between.
	default:
		out.WriteByte(' ')
	}
	out.WriteString(next)
}

func isHyphen(r rune) bool { return r == '-' || r == '\u00ad' || r == '\u2010' }

// typicalLeading is the median distance from line to line.
func typicalLeading(lines []Line) float64 {
	var steps []float64
	for i := 1; i < len(lines); i++ {
		if step := centre(lines[i-1]) - centre(lines[i]); step > 0 && !lines[i].First {
			steps = append(steps, step)
		}
	}
	return median(steps, 0)
}

func centre(l Line) float64 { return (l.Top + l.Bottom) / 2 }

// parted reports whether a new paragraph starts at l.
func parted(before, l Line, leading float64) bool {
	if marker(l.Text) || before.Cells > 1 && l.Cells > 1 {
		return true
	}
	ended := endsSentence(before.Text)
	width := before.ColumnRight - before.ColumnLeft
	short := before.Right < before.ColumnRight-0.2*width
	if l.First {
		// Text that runs on from the foot of one column to the next stays
		// one paragraph.
		return ended || short || startsUpper(l.Text)
	}
	step := centre(before) - centre(l)
	height := max(before.Top-before.Bottom, l.Top-l.Bottom)
	switch {
	case step > max(1.35*leading, 1.1*height) || step < 0:
		return true
	case sizeChanged(before, l):
		return true
	case l.Left > before.Left+0.8*(l.Top-l.Bottom) && ended:
		return true
	default:
		return short && (ended || startsUpper(l.Text))
	}
}

// sizeChanged reports a change of type size, as between heading and text.
func sizeChanged(a, b Line) bool {
	x, y := a.Top-a.Bottom, b.Top-b.Bottom
	return max(x, y) > 1.45*min(x, y) && min(len(a.Text), len(b.Text)) > 3
}

func endsSentence(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text, `"')]’”`))
	return strings.ContainsRune(".!?:;", r)
}

func startsUpper(text string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, `"'([‘“£`))
	return unicode.IsUpper(r) || unicode.IsDigit(r)
}

// marker reports whether the line starts an item of a list.
func marker(text string) bool {
	first, rest, ok := strings.Cut(text, " ")
	if !ok || rest == "" {
		return false
	}
	switch first {
	case "•", "◦", "▪", "■", "●", "○", "–", "-", "*", "·", "‣", "➢", "✓", "o":
		return true
	}
	if body, ok := strings.CutSuffix(first, ")"); ok {
		body = strings.TrimPrefix(body, "(")
		return body != "" && len(body) <= 4 && !strings.ContainsFunc(body, func(r rune) bool {
			return !unicode.IsDigit(r) && !unicode.IsLower(r)
		})
	}
	if body, ok := strings.CutSuffix(first, "."); ok {
		return body != "" && len(body) <= 3 && !strings.ContainsFunc(body, func(r rune) bool { return !unicode.IsDigit(r) })
	}
	return false
}
