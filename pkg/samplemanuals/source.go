package samplemanuals

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Form says what a manual's PDF is like to read back; the package comment
// describes each.
type Form string

// The forms.
const (
	Text      Form = "text"
	Columns   Form = "columns"
	Ligatures Form = "ligatures"
	Scan      Form = "scan"
)

var forms = []Form{Text, Columns, Ligatures, Scan}

// Source is a manual as written.
type Source struct {
	Title        string
	Edition      string
	Effective    string // the date from which the edition applies, in words
	Stated       string // the date as at which the law is stated, in words
	Jurisdiction string
	Form         Form

	blocks []block
}

type blockKind int

const (
	heading blockKind = iota
	paragraph
	list
	table
)

// block is one piece of the page: spans for a heading or paragraph, items for
// a list, rows (the first is the head) for a table.
type block struct {
	kind    blockKind
	level   int // of a heading
	ordered bool
	first   int // number of an ordered list's first item
	spans   []span
	items   [][]span
	rows    [][][]span
}

type span struct {
	text string
	face face
}

// Parse reads a manual. The front matter stands between two lines of three
// hyphens as "name: value" lines; the names are title, edition, effective,
// stated, jurisdiction and form. A text without front matter is a [Text]
// manual with no title. Markdown that the typesetter does not know is an
// error, so that no sentence is lost.
func Parse(markdown string) (Source, error) {
	s := Source{Form: Text}
	body := markdown
	if rest, ok := strings.CutPrefix(markdown, "---\n"); ok {
		head, after, found := strings.Cut(rest, "\n---\n")
		if !found {
			return Source{}, fmt.Errorf("front matter has no closing --- line")
		}
		if err := s.parseFrontMatter(head); err != nil {
			return Source{}, err
		}
		body = after
	}
	src := []byte(body)
	doc := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(src))
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		b, err := parseBlock(n, src)
		if err != nil {
			return Source{}, err
		}
		s.blocks = append(s.blocks, b)
	}
	return s, nil
}

func (s *Source) parseFrontMatter(head string) error {
	form := ""
	fields := map[string]*string{
		"title": &s.Title, "edition": &s.Edition, "effective": &s.Effective,
		"stated": &s.Stated, "jurisdiction": &s.Jurisdiction, "form": &form,
	}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		field, ok := fields[name]
		if !ok {
			return fmt.Errorf("front matter: unknown name %q", name)
		}
		*field = strings.TrimSpace(value)
	}
	for name, field := range fields {
		if *field == "" {
			return fmt.Errorf("front matter: %s is missing", name)
		}
	}
	s.Form = Form(form)
	return s.Form.check()
}

func (f Form) check() error {
	if !slices.Contains(forms, f) {
		return fmt.Errorf("form %q: must be one of %v", string(f), forms)
	}
	return nil
}

func parseBlock(n ast.Node, src []byte) (block, error) {
	switch n := n.(type) {
	case *ast.Heading:
		spans, err := parseSpans(n, src, headingFace)
		return block{kind: heading, level: n.Level, spans: spans}, err
	case *ast.Paragraph:
		spans, err := parseSpans(n, src, body)
		return block{kind: paragraph, spans: spans}, err
	case *ast.List:
		b := block{kind: list, ordered: n.IsOrdered(), first: n.Start}
		for item := n.FirstChild(); item != nil; item = item.NextSibling() {
			if item.ChildCount() != 1 {
				return b, fmt.Errorf("a list item must be one paragraph")
			}
			if kind := item.FirstChild().Kind(); kind != ast.KindTextBlock && kind != ast.KindParagraph {
				return b, fmt.Errorf("a list item must be one paragraph, not %s", kind)
			}
			spans, err := parseSpans(item.FirstChild(), src, body)
			if err != nil {
				return b, err
			}
			b.items = append(b.items, spans)
		}
		return b, nil
	case *extast.Table:
		b := block{kind: table}
		for row := n.FirstChild(); row != nil; row = row.NextSibling() {
			cellFace := body
			if row.Kind() == extast.KindTableHeader {
				cellFace = bold
			}
			var cells [][]span
			for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
				spans, err := parseSpans(cell, src, cellFace)
				if err != nil {
					return b, err
				}
				cells = append(cells, spans)
			}
			b.rows = append(b.rows, cells)
		}
		return b, nil
	}
	return block{}, fmt.Errorf("unsupported Markdown block %s", n.Kind())
}

// parseSpans flattens the inline nodes under n: plain, *italic* and **bold**.
func parseSpans(n ast.Node, src []byte, f face) ([]span, error) {
	var spans []span
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			t := string(util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences(c.Segment.Value(src)))))
			if c.SoftLineBreak() || c.HardLineBreak() {
				t += " "
			}
			spans = append(spans, span{t, f})
		case *ast.Emphasis:
			inner := italic
			if c.Level == 2 {
				inner = bold
			}
			nested, err := parseSpans(c, src, inner)
			if err != nil {
				return nil, err
			}
			spans = append(spans, nested...)
		default:
			return nil, fmt.Errorf("unsupported Markdown %s near %q", c.Kind(), plain(spans))
		}
	}
	return spans, nil
}

func plain(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.text)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
