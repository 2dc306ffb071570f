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
	// Pieces is how many pieces stand beside each other in the line.
	Pieces int
	// Cells are the cells of a table's row, empty ones included; TableStart is
	// true for a table's first row.
	Cells      []string
	TableStart bool
	Size       float64 // of the type, about; 0 where it is not known
}

// Blocks joins lines into paragraphs, headings and tables.
func Blocks(lines []Line) Page {
	var (
		blocks  Page
		sizes   []float64
		text    strings.Builder
		letters int
	)
	flush := func() {
		if len(blocks) > 0 && text.Len() > 0 {
			blocks[len(blocks)-1].Text = text.String()
		}
		text.Reset()
	}
	leading := typicalLeading(lines)
	for i, l := range lines {
		switch {
		case l.Cells != nil && !l.TableStart:
			last := &blocks[len(blocks)-1]
			last.Rows = append(last.Rows, l.Cells)
		case l.Cells != nil:
			flush()
			blocks, sizes = append(blocks, Block{Rows: [][]string{l.Cells}, Left: l.Left, Bottom: l.Bottom, Right: l.Right, Top: l.Top}), append(sizes, l.Size)
		case i == 0 || lines[i-1].Cells != nil || parted(lines[i-1], l, leading):
			flush()
			blocks, sizes = append(blocks, Block{Left: l.Left, Bottom: l.Bottom, Right: l.Right, Top: l.Top}), append(sizes, l.Size)
			text.WriteString(l.Text)
			letters = len(l.Text)
			continue
		default:
			joinLines(&text, lines[i-1].Text, l.Text)
			now := &sizes[len(sizes)-1]
			*now = (*now*float64(letters) + l.Size*float64(len(l.Text))) / float64(max(1, letters+len(l.Text)))
			letters += len(l.Text)
		}
		last := &blocks[len(blocks)-1]
		last.Left, last.Bottom = min(last.Left, l.Left), min(last.Bottom, l.Bottom)
		last.Right, last.Top = max(last.Right, l.Right), max(last.Top, l.Top)
	}
	flush()
	markHeadings(blocks, sizes)
	return blocks
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
	if marker(l.Text) || before.Pieces > 1 && l.Pieces > 1 {
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
	if a.Size > 0 && b.Size > 0 && max(a.Size, b.Size) > 1.2*min(a.Size, b.Size) && min(len(a.Text), len(b.Text)) > 3 {
		return true
	}
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
