package layout

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

// Block is a paragraph, a heading or a table of a page.
type Block struct {
	Text string // of a paragraph or heading
	// Level is 1 to 3 for a heading, 1 the largest; 0 for everything else.
	Level int
	// Rows are a table's rows, each with as many cells; nil for all else.
	Rows [][]string
	// Left, Bottom, Right and Top are its edges, as those of what it was made of.
	Left, Bottom, Right, Top float64
}

// Page is what stands on a page, in reading order.
type Page []Block

// Text is the page's plain text: paragraphs, headings and the rows of tables
// parted by blank lines, the cells of a row by spaces.
func (p Page) Text() string {
	var parts []string
	for _, b := range p {
		if b.Rows == nil {
			parts = append(parts, b.Text)
			continue
		}
		for _, row := range b.Rows {
			parts = append(parts, strings.Join(slices.DeleteFunc(slices.Clone(row), func(s string) bool { return s == "" }), " "))
		}
	}
	return strings.Join(parts, "\n\n")
}

// Markdown is the page's text with its headings and tables marked.
func (p Page) Markdown() string {
	var parts []string
	for _, b := range p {
		switch {
		case b.Rows != nil:
			parts = append(parts, markdownTable(b.Rows))
		case b.Level > 0:
			parts = append(parts, strings.Repeat("#", b.Level)+" "+b.Text)
		default:
			parts = append(parts, unmarked(b.Text))
		}
	}
	return strings.Join(parts, "\n\n")
}

// unmarked escapes a sign at the start of a paragraph that Markdown would take
// for a mark of its own.
func unmarked(text string) string {
	if strings.HasPrefix(text, "#") || strings.HasPrefix(text, ">") || strings.HasPrefix(text, "|") {
		return `\` + text
	}
	return text
}

var cellEscapes = strings.NewReplacer("|", `\|`, "\n", " ")

func markdownTable(rows [][]string) string {
	var out strings.Builder
	for i, row := range rows {
		for _, cell := range row {
			out.WriteString("| " + cellEscapes.Replace(cell) + " ")
		}
		out.WriteString("|")
		if i == 0 {
			out.WriteString("\n" + strings.Repeat("| --- ", len(row)) + "|")
		}
		if i < len(rows)-1 {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// How much larger than the page's usual type a heading's is, by level.
var headingSizes = [...]float64{1.75, 1.35, 1.14}

const (
	// headingLength is the most characters that a heading has.
	headingLength = 120
	// leastBody is the share of the letters that must be of one size for it to
	// be the usual one.
	leastBody = 0.3
)

// markHeadings makes headings of what is set in larger type than most of the page.
func markHeadings(blocks []Block, sizes []float64) {
	usual := bodySize(blocks, sizes)
	if usual == 0 {
		return
	}
	for i := range blocks {
		b := &blocks[i]
		if b.Rows != nil || len(b.Text) > headingLength || !strings.ContainsFunc(b.Text, unicode.IsLetter) || len(b.Text) < 3 || marker(b.Text) {
			continue
		}
		for level, least := range headingSizes {
			if sizes[i] >= least*usual {
				b.Level = level + 1
				break
			}
		}
	}
}

// bodySize is the type size of most letters, 0 where no size is that of many.
func bodySize(blocks []Block, sizes []float64) float64 {
	letters := map[int]int{} // by size in steps of a twentieth
	all := 0
	step := func(size float64) int { return int(math.Round(20 * math.Log(max(size, 0.01)))) }
	for i, b := range blocks {
		n := len(b.Text)
		for _, row := range b.Rows {
			for _, cell := range row {
				n += len(cell)
			}
		}
		letters[step(sizes[i])] += n
		all += n
	}
	best, most := 0, 0
	for s, n := range letters {
		if n += letters[s-1] + letters[s+1]; n > most || n == most && s > best {
			best, most = s, n
		}
	}
	if float64(most) < leastBody*float64(all) {
		return 0
	}
	return math.Exp(float64(best) / 20)
}
