// Package chunk cuts the pages of a document into passages that can be searched
// and quoted.
//
// A passage never crosses a page, so that its page number is exact. It follows
// headings and paragraphs, and knows the headings that it stands under. Lines
// that repeat at the top or bottom of pages are dropped after their first
// appearance; tables of contents and indexes are kept apart, because they match
// every question and answer none.
package chunk

import (
	"slices"
	"strings"
)

// Version changes whenever the same pages would be cut or placed differently.
const Version = 3

// The sizes of passages, in words.
const (
	maxWords     = 220 // a passage is never longer
	targetWords  = 160 // a passage that reaches this is closed at the next paragraph
	sectionWords = 100 // a passage shorter than this is not closed by a heading
	tailWords    = 40  // a last passage of a page shorter than this joins the one before
)

// Page is one page of text. Number counts from 1; 0 means that the source has
// no pages. Words are those of the page with their places, in any order; none
// where these are not known.
type Page struct {
	Number int
	Text   string
	Words  []Word
}

// Passage is a part of one page.
type Passage struct {
	Page int // as in [Page]
	// Headings are the titles that the passage stands under, outermost first,
	// followed by those that stand inside it.
	Headings []string
	// Text is the passage in the words of the page, a line for each paragraph
	// or heading, with white space normalised.
	Text string
	// Contents marks a table of contents or an index.
	Contents bool
	// Boxes are the passage's lines on the page; none where they are not known.
	Boxes []Box
}

// Document is a document cut into passages, in reading order.
type Document struct {
	Title    string // its first heading or short first line; may be empty
	Passages []Passage
}

// Split cuts pages into passages. Every word of the pages stands in a passage,
// in order, but for page numbers and repetitions of running headers and footers.
func Split(pages []Page) Document {
	text := clean(pages)
	known := contentsEntries(text)
	var doc Document
	var path path
	for i, lines := range text {
		page, first := pages[i].Number, len(doc.Passages)
		for _, part := range separateContents(lines, len(pages)) {
			if part.contents {
				doc.Passages = append(doc.Passages, contentsPassages(page, part.lines)...)
				continue
			}
			blocks := blocksOf(part.lines, shape{known: known, markdown: page == 0})
			if doc.Title == "" && len(doc.Passages) == 0 {
				doc.Title = title(blocks)
			}
			doc.Passages = append(doc.Passages, pack(page, blocks, &path)...)
		}
		place(doc.Passages[first:], pages[i].Words)
	}
	return doc
}

// title guesses a document's title from its first blocks: the first short one
// that does not end like a sentence.
func title(blocks []block) string {
	for _, b := range blocks[:min(len(blocks), 4)] {
		text := stripMarkup(b.text)
		if n := wordCount(text); n > 0 && n <= 14 && !strings.HasSuffix(text, ".") {
			return strings.TrimRight(text, " :")
		}
	}
	return ""
}

// path is the stack of headings above the current line.
type path []block

func (p *path) enter(h block) {
	for len(*p) > 0 && (*p)[len(*p)-1].level >= h.level {
		*p = (*p)[:len(*p)-1]
	}
	*p = append(*p, h)
}

func (p path) names() []string {
	names := make([]string, len(p))
	for i, h := range p {
		names[i] = stripMarkup(h.text)
	}
	return names
}

// packer fills passages with the blocks of one page.
type packer struct {
	page     int
	path     *path
	done     []Passage
	lines    []string
	headings []string
	words    int
	body     bool // there is more than headings in lines
}

func pack(page int, blocks []block, path *path) []Passage {
	p := &packer{page: page, path: path}
	for _, b := range blocks {
		p.add(b)
	}
	p.flush()
	p.joinTail()
	return p.done
}

func (p *packer) add(b block) {
	if b.level > 0 {
		if p.body && p.words >= sectionWords {
			p.flush()
		}
		p.path.enter(b)
		p.note(p.path.names())
		p.lines = append(p.lines, b.text)
		p.words += wordCount(b.text)
		return
	}
	for _, piece := range pieces(b.text) {
		n := wordCount(piece)
		if p.body && (p.words+n > maxWords || p.words >= targetWords) {
			p.flush()
		}
		p.note(p.path.names())
		p.lines = append(p.lines, piece)
		p.words += n
		p.body = true
	}
}

// note adds the headings that are not noted yet.
func (p *packer) note(names []string) {
	for _, name := range names {
		if !slices.Contains(p.headings, name) {
			p.headings = append(p.headings, name)
		}
	}
}

func (p *packer) flush() {
	if len(p.lines) > 0 {
		p.done = append(p.done, Passage{Page: p.page, Headings: p.headings, Text: strings.Join(p.lines, "\n")})
	}
	p.lines, p.headings, p.words, p.body = nil, nil, 0, false
}

// joinTail joins a very short last passage to the one before it.
func (p *packer) joinTail() {
	n := len(p.done)
	if n < 2 {
		return
	}
	last, before := p.done[n-1], &p.done[n-2]
	tail := wordCount(last.Text)
	if tail >= tailWords || tail+wordCount(before.Text) > maxWords {
		return
	}
	before.Text += "\n" + last.Text
	for _, h := range last.Headings {
		if !slices.Contains(before.Headings, h) {
			before.Headings = append(before.Headings, h)
		}
	}
	p.done = p.done[:n-1]
}

// contentsPassages keeps the lines of a table of contents, cut by size only.
func contentsPassages(page int, lines []string) []Passage {
	var out []Passage
	var text []string
	words := 0
	flush := func() {
		if len(text) > 0 {
			out = append(out, Passage{Page: page, Text: strings.Join(text, "\n"), Contents: true})
		}
		text, words = nil, 0
	}
	for _, line := range lines {
		if line == "" {
			continue
		}
		for _, piece := range pieces(line) {
			if words+wordCount(piece) > maxWords {
				flush()
			}
			text = append(text, piece)
			words += wordCount(piece)
		}
	}
	flush()
	return out
}

// pieces cuts a paragraph that is too long for a passage, between sentences if
// it can.
func pieces(text string) []string {
	if wordCount(text) <= maxWords {
		return []string{text}
	}
	var out []string
	var current []string
	flush := func() {
		if len(current) > 0 {
			out = append(out, strings.Join(current, " "))
		}
		current = nil
	}
	for _, s := range Sentences(text) {
		words := strings.Fields(s)
		if len(current)+len(words) > targetWords {
			flush()
		}
		for len(words) > maxWords {
			n := cut(words)
			out = append(out, strings.Join(words[:n], " "))
			words = words[n:]
		}
		current = append(current, words...)
	}
	flush()
	return out
}

// unitWords is how far back a cut looks for a place that parts no number from what
// it counts.
const unitWords = 8

// cut returns how many of the words, more than maxWords, make the next piece: a
// number stays with the word after it, and a sign of money with its number.
func cut(words []string) int {
	for n := maxWords; n > maxWords-unitWords; n-- {
		if last := words[n-1]; !strings.ContainsAny(last, "0123456789") && last != "£" {
			return n
		}
	}
	return maxWords
}

func wordCount(text string) int {
	n := 0
	for range strings.FieldsSeq(text) {
		n++
	}
	return n
}
