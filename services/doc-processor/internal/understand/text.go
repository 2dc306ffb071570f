package understand

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// text is the text of some pages with the places of its pieces.
type text struct {
	pages []Page
	all   string // the pages' texts, a line end between them
	start []int  // of each page in all, in bytes
	lines []line

	known string           // the kind, once it is known
	words map[int][]placed // by page, once they were looked for
}

// kind is the name of the text's kind.
func (t *text) kind() string {
	if t.known == "" {
		t.known = t.classify().kind.name
	}
	return t.known
}

// line is a line without its Markdown, cut into the cells that wide gaps or bars
// make. Places are in bytes of the whole text.
type line struct {
	from, to int
	cells    []cell
}

type cell struct {
	from, to int
	text     string
}

var (
	// gap separates what stands side by side.
	gap = regexp.MustCompile(`\t+| {2,}|\s*\|\s*`)
	// rule is the line under a table's head.
	rule = regexp.MustCompile(`^[|\s:\-]+$`)
)

func newText(pages []Page) *text {
	t := &text{pages: pages, words: map[int][]placed{}}
	var b strings.Builder
	for i, p := range pages {
		if i > 0 {
			b.WriteByte('\n')
		}
		t.start = append(t.start, b.Len())
		b.WriteString(p.Text)
	}
	t.all = b.String()
	at := 0
	for raw := range strings.SplitSeq(t.all, "\n") {
		if !rule.MatchString(raw) {
			if l := newLine(raw, at); len(l.cells) > 0 {
				t.lines = append(t.lines, l)
			}
		}
		at += len(raw) + 1
	}
	return t
}

func newLine(raw string, at int) line {
	l := line{from: at, to: at + len(raw)}
	add := func(from, to int) {
		piece := raw[from:to]
		trimmed := strings.TrimLeft(piece, " #*_>-\u00a0")
		from += len(piece) - len(trimmed)
		trimmed = strings.TrimRight(trimmed, " *_\u00a0\r")
		if trimmed != "" {
			l.cells = append(l.cells, cell{at + from, at + from + len(trimmed), trimmed})
		}
	}
	last := 0
	// What a PDF sets side by side, or line under line, may have become one line:
	// a label in its middle begins a cell too.
	begin := func(from, to int) {
		for _, m := range inner.FindAllStringSubmatchIndex(raw[from:to], -1) {
			if at := from + m[2]; raw[at] >= 'A' && raw[at] <= 'Z' {
				add(last, at)
				last = at
			}
		}
		add(last, to)
	}
	for _, g := range gap.FindAllStringIndex(raw, -1) {
		begin(last, g[0])
		last = g[1]
	}
	begin(last, len(raw))
	return l
}

// inner is a label within a line: one with a colon, or a date's with the date.
var inner = regexp.MustCompile(`(?i)\s((?:(?:bill|statement|issue|pay|payment|invoice) date|date(?: issued| of [a-z]+(?: [a-z]+)?)?|borrower|lender|(?:claimant|defendant)(?: \(name and address\))?|creditor|applicant|respondent|tenant|landlord|employee(?: no| number| name)?|(?:payroll|member|customer|account|agreement|claim|licen[cs]e|invoice|card|tenancy)(?: no| number| reference)|(?:client|our|your) ref(?:erence)?|reference|sort code|tax code|tax period|ni number|telephone|tel)\.?\s*:|date(?: issued| of issue)?\s+` + datePattern + `)`)

// text is a line's words, its cells joined.
func (l line) text() string {
	words := make([]string, len(l.cells))
	for i, c := range l.cells {
		words[i] = c.text
	}
	return strings.Join(words, "  ")
}

// span makes a span of the bytes from and to of the whole text. What would reach
// over a page's end is cut there.
func (t *text) span(from, to int) *Span {
	page := 0
	for page+1 < len(t.start) && t.start[page+1] <= from {
		page++
	}
	if page+1 < len(t.start) {
		to = min(to, t.start[page+1]-1)
	}
	before := utf8.RuneCountInString(t.all[t.start[page]:from])
	words, ok := t.words[page]
	if !ok {
		words = places(t.pages[page].Text, t.pages[page].Words)
		t.words[page] = words
	}
	return &Span{
		Page: t.pages[page].Number, From: before, To: before + utf8.RuneCountInString(t.all[from:to]),
		Text: t.all[from:to], Box: boxOf(words, from-t.start[page], to-t.start[page]),
	}
}

// found is a field with the words at the place as its value.
func (t *text) found(label string, from, to int) Field {
	s := t.span(from, to)
	value := strings.Join(strings.Fields(s.Text), " ")
	f := Field{Value: &value, Label: label, Span: s}
	for _, p := range t.pages {
		if p.Number == s.Page {
			f.Doubtful = slices.ContainsFunc(p.Doubts, func(d string) bool { return d != "" && strings.Contains(s.Text, d) })
		}
	}
	return f
}

func missing(reason string) Field { return Field{Reason: reason} }

// sentence is a piece of running text.
type sentence struct{ from, to int }

// sentenceEnd is a full stop, or the end of a paragraph or of a line with cells.
var sentenceEnd = regexp.MustCompile(`[.!?](?:\s+|$)|\n\s*\n`)

// noEnd are the words before a full stop that ends no sentence.
var noEnd = regexp.MustCompile(`(?i)\b(?:mr|mrs|ms|dr|no|ref|st|co|ltd|e\.g|i\.e|para|sect?|art|\d)\.$`)

// sentences cuts the text into sentences. A sentence may run over lines, and so
// may take a heading with it; what matters is that no end is missed.
func (t *text) sentences() []sentence {
	var all []sentence
	last := 0
	add := func(to int) {
		from := last
		for from < to && strings.ContainsRune(" \n\t#*|>", rune(t.all[from])) {
			from++
		}
		if from < to {
			all = append(all, sentence{from, to})
		}
	}
	for _, end := range sentenceEnd.FindAllStringIndex(t.all, -1) {
		stop := end[0]
		if t.all[stop] != '\n' {
			stop++
			if noEnd.MatchString(t.all[max(0, stop-8):stop]) && end[1] < len(t.all) && !strings.Contains(t.all[stop:end[1]], "\n") {
				continue
			}
		}
		add(stop)
		last = end[1]
	}
	add(len(t.all))
	return all
}
