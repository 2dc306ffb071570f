// Package paper is a letter as it stands on paper: blocks of text that the
// writers of Word and PDF files lay out, read from Markdown.
//
// The Markdown is CommonMark with tables and without HTML: what looks like HTML is
// text. Two kinds of fenced block keep their lines as they are: "sender", the
// writer's own address, and "address", where the letter goes.
package paper

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Letter is what is written.
type Letter struct {
	Markdown string // its text
	Title    string
	Author   string // the agency
	Language string // of the fixed text, such as en-GB
	// Mark stands on every page, to warn; empty for none. Label is its first words.
	Mark, Label string
	// Page and Of are the words of "Page 1 of 2".
	Page, Of string
	Font     string  // for a word processor, which may have another in its place
	Size     float64 // of the text, in points
}

// NotProved returns the letter with the mark that says why it is not proved, or
// without one for an empty why.
func (l Letter) NotProved(why string) Letter {
	l.Mark = ""
	if why != "" {
		l.Mark = l.Label + ": " + why
	}
	return l
}

// Blocks returns the parts of the letter.
func (l Letter) Blocks() []Block { return Parse(l.Markdown) }

// Text returns the letter as plain text, without its mark.
func (l Letter) Text() string { return Text(l.Blocks()) }

// Marked returns the letter's Markdown with its mark before it.
func (l Letter) Marked() string {
	if l.Mark == "" {
		return l.Markdown + "\n"
	}
	return "**" + Escape(l.Mark) + "**\n\n" + l.Markdown + "\n"
}

// Kind says what a block is.
type Kind int

// The kinds of block.
const (
	Paragraph Kind = iota
	Heading        // Level 1 to 3
	List           // Items
	Table          // Rows, of which the first is the head
	Sender         // Lines: the writer's address
	Address        // Lines: where the letter goes
	Quote          // Blocks
	Code           // Lines
	Rule           // a line across
)

// Align says where a column's text stands.
type Align int

// The alignments.
const (
	Left Align = iota
	Centre
	Right
)

// Block is a part of the letter. Which fields count depends on its Kind.
type Block struct {
	Kind    Kind
	Level   int
	Runs    []Run
	Ordered bool
	Start   int // number of an ordered list's first item
	Items   [][]Block
	Blocks  []Block
	Rows    [][][]Run // rows, cells, runs
	Aligns  []Align   // of the columns
	Lines   []string
}

// Run is text of one look. A Break is the end of a line and has no text.
type Run struct {
	Text         string
	Bold, Italic bool
	Break        bool
	Link         string // an address of the web, mail or telephone, or empty
}

// maxDepth bounds lists in lists and quotes in quotes; deeper ones are shown at
// this depth.
const maxDepth = 8

// Parse reads Markdown. Any text is Markdown.
func Parse(markdown string) []Block {
	source := []byte(strings.ToValidUTF8(strings.ReplaceAll(markdown, "\x00", "\uFFFD"), "\uFFFD"))
	// As goldmark's own, without those for HTML: a name with a tag in it is a name.
	p := parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(parser.NewEmphasisParser(), 500),
		),
		parser.WithParagraphTransformers(
			util.Prioritized(extension.NewTableParagraphTransformer(), 200),
		),
	)
	r := reader{source: source}
	return r.blocks(p.Parse(text.NewReader(source)), 0)
}

type reader struct{ source []byte }

func (r reader) blocks(parent ast.Node, depth int) []Block {
	var out []Block
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			out = append(out, Block{Kind: Heading, Level: min(n.Level, 3), Runs: r.runs(n)})
		case *ast.Paragraph, *ast.TextBlock:
			if runs := r.runs(n); len(runs) > 0 {
				out = append(out, Block{Kind: Paragraph, Runs: runs})
			}
		case *ast.List:
			out = append(out, r.list(n, depth)...)
		case *extast.Table:
			out = append(out, r.table(n))
		case *ast.FencedCodeBlock:
			if b := r.fenced(n); len(b.Lines) > 0 {
				out = append(out, b)
			}
		case *ast.Blockquote:
			inner := r.blocks(n, depth+1)
			if depth >= maxDepth {
				out = append(out, inner...)
			} else {
				out = append(out, Block{Kind: Quote, Blocks: inner})
			}
		case *ast.ThematicBreak:
			out = append(out, Block{Kind: Rule})
		default: // a block of a kind that is not known here keeps what is in it
			out = append(out, r.blocks(n, depth)...)
		}
	}
	return out
}

// list reads a list; one that is nested too deep becomes its items' blocks.
func (r reader) list(n *ast.List, depth int) []Block {
	b := Block{Kind: List, Ordered: n.IsOrdered(), Start: n.Start}
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		b.Items = append(b.Items, r.blocks(item, depth+1))
	}
	if depth < maxDepth {
		return []Block{b}
	}
	var flat []Block
	for _, item := range b.Items {
		flat = append(flat, item...)
	}
	return flat
}

func (r reader) table(n *extast.Table) Block {
	b := Block{Kind: Table}
	for _, a := range n.Alignments {
		b.Aligns = append(b.Aligns, map[extast.Alignment]Align{extast.AlignCenter: Centre, extast.AlignRight: Right}[a])
	}
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		var cells [][]Run
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			cells = append(cells, r.runs(cell))
		}
		for len(cells) < len(b.Aligns) {
			cells = append(cells, nil)
		}
		b.Rows = append(b.Rows, cells)
	}
	return b
}

func (r reader) fenced(n *ast.FencedCodeBlock) Block {
	b := Block{Kind: Code}
	switch string(n.Language(r.source)) {
	case "sender":
		b.Kind = Sender
	case "address":
		b.Kind = Address
	}
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		b.Lines = append(b.Lines, strings.TrimRight(string(line.Value(r.source)), "\r\n"))
	}
	if b.Kind != Code {
		kept := b.Lines[:0]
		for _, line := range b.Lines {
			if strings.TrimSpace(line) != "" {
				kept = append(kept, strings.TrimSpace(line))
			}
		}
		b.Lines = kept
	}
	return b
}

// runs reads the text of a block, neighbours of one look joined.
func (r reader) runs(n ast.Node) []Run {
	var out []Run
	add := func(run Run) {
		if last := len(out) - 1; last >= 0 && !run.Break && !out[last].Break &&
			out[last].Bold == run.Bold && out[last].Italic == run.Italic && out[last].Link == run.Link {
			out[last].Text += run.Text
			return
		}
		if run.Text != "" || run.Break {
			out = append(out, run)
		}
	}
	var walk func(n ast.Node, look Run)
	walk = func(n ast.Node, look Run) {
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			switch c := c.(type) {
			case *ast.Text:
				look.Text = string(c.Segment.Value(r.source))
				if !c.IsRaw() {
					look.Text = unescape(look.Text)
				}
				add(look)
				switch {
				case c.HardLineBreak():
					add(Run{Break: true})
				case c.SoftLineBreak():
					look.Text = " "
					add(look)
				}
			case *ast.String:
				look.Text = string(c.Value)
				add(look)
			case *ast.Emphasis:
				inner := look
				inner.Bold, inner.Italic = look.Bold || c.Level == 2, look.Italic || c.Level == 1
				walk(c, inner)
			case *ast.Link:
				inner := look
				inner.Link = safeLink(string(c.Destination))
				walk(c, inner)
			case *ast.AutoLink:
				inner := look
				inner.Text, inner.Link = string(c.Label(r.source)), safeLink(string(c.URL(r.source)))
				add(inner)
			default: // code, a picture: their words
				walk(c, look)
			}
		}
	}
	walk(n, Run{})
	return out
}

// unescape reads backslashes and the names of characters, each once.
func unescape(s string) string {
	if !strings.ContainsAny(s, `\&`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && util.IsPunct(s[i+1]):
			i++
		case s[i] == '&':
			if end := strings.IndexByte(s[i:], ';'); end > 0 {
				name := []byte(s[i : i+end+1])
				if found := util.ResolveEntityNames(util.ResolveNumericReferences(name)); string(found) != string(name) {
					b.Write(found)
					i += end
					continue
				}
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// safeLink returns the address of a link that does nothing but lead somewhere.
func safeLink(to string) string {
	for _, scheme := range []string{"https://", "http://", "mailto:", "tel:"} {
		if len(to) > len(scheme) && strings.EqualFold(to[:len(scheme)], scheme) && !strings.ContainsFunc(to, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return to
		}
	}
	return ""
}

// Text writes the blocks as plain text.
func Text(blocks []Block) string {
	var b strings.Builder
	writeText(&b, blocks, "")
	return strings.TrimRight(b.String(), "\n")
}

func writeText(b *strings.Builder, blocks []Block, indent string) {
	for _, block := range blocks {
		switch block.Kind {
		case List:
			for i, item := range block.Items {
				mark := "- "
				if block.Ordered {
					mark = strconv.Itoa(block.Start+i) + ". "
				}
				var inner strings.Builder
				writeText(&inner, item, indent+"  ")
				b.WriteString(indent + mark + strings.TrimPrefix(strings.TrimRight(inner.String(), "\n"), indent+"  ") + "\n")
			}
			b.WriteByte('\n')
		case Table:
			for _, row := range block.Rows {
				cells := make([]string, len(row))
				for i, cell := range row {
					cells[i] = Plain(cell)
				}
				b.WriteString(indent + strings.Join(cells, " | ") + "\n")
			}
			b.WriteByte('\n')
		case Quote:
			writeText(b, block.Blocks, indent+"  ")
		case Rule:
			b.WriteString(indent + "---\n\n")
		case Sender, Address, Code:
			for _, line := range block.Lines {
				b.WriteString(indent + line + "\n")
			}
			b.WriteByte('\n')
		default:
			b.WriteString(indent + Plain(block.Runs) + "\n\n")
		}
	}
}

// Plain returns the text of runs.
func Plain(runs []Run) string {
	var b strings.Builder
	for _, r := range runs {
		if r.Break {
			b.WriteByte('\n')
		}
		b.WriteString(r.Text)
	}
	return b.String()
}

// Escape writes text so that Markdown reads it as that text and as nothing else.
// Line breaks become spaces.
func Escape(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	var b strings.Builder
	for i, r := range s {
		switch {
		case strings.ContainsRune("\\`*_[]<>&#|~", r),
			i == 0 && strings.ContainsRune("-+=:", r),
			(r == '.' || r == ')') && isNumber(s[:i]):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// RightToLeft reports whether text is of a script that runs from right to left.
func RightToLeft(s string) bool {
	for _, r := range s {
		if r >= 0x590 && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko) {
			return true
		}
	}
	return false
}
