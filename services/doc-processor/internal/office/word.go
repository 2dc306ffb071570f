package office

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// readWord reads a Word file (ECMA-376, WordprocessingML): the letterhead of its
// headers, the body, notes, and footers.
func readWord(data []byte) ([]document.PageText, error) {
	a, err := openZip(data, "Word file")
	if err != nil {
		return nil, err
	}
	w, err := openWord(a)
	if err != nil {
		return nil, wordFault(err)
	}
	var pages []document.PageText
	body, err := w.read(w.main, true)
	if err != nil {
		return nil, wordFault(err)
	}
	for _, blocks := range body {
		pages = append(pages, document.PageText{Text: strings.Join(blocks, "\n\n")})
	}
	first, last := &pages[0], &pages[len(pages)-1]
	margins := func(kind string) (string, error) {
		var blocks []string
		for _, name := range w.related(kind) {
			read, err := w.read(name, false)
			if err != nil {
				return "", err
			}
			for _, block := range read[0] {
				if !slices.Contains(blocks, block) { // first, even and odd pages often share theirs
					blocks = append(blocks, block)
				}
			}
		}
		return strings.Join(blocks, "\n\n"), nil
	}
	add := func(text string, p *document.PageText, before bool) {
		switch {
		case text == "":
		case p.Text == "":
			p.Text = text
		case before:
			p.Text = text + "\n\n" + p.Text
		default:
			p.Text += "\n\n" + text
		}
	}
	for _, part := range []struct {
		kind   string
		page   *document.PageText
		before bool
	}{{"header", first, true}, {"footnotes", last, false}, {"endnotes", last, false}, {"footer", last, false}} {
		text, err := margins(part.kind)
		if err != nil {
			return nil, wordFault(err)
		}
		add(text, part.page, part.before)
	}
	if w.pictures > 0 {
		first.Notice = joined(first.Notice, fmt.Sprintf("and those after it show %d pictures, whose words are not read: send them as images or as a PDF", w.pictures))
	}
	if w.hidden {
		first.Notice = joined(first.Notice, "is of a file with hidden words, which are left out")
	}
	return pages, nil
}

func wordFault(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return damaged(err, "Word file")
}

// word is an open Word file.
type word struct {
	archive   *archive
	main      string // the name of the part with the body
	relations map[string]relation
	headings  map[string]int    // level by style
	listed    map[string]listAt // the list that a style is of
	lists     map[string][]listLevel
	counters  map[string][]int
	pictures  int
	hidden    bool
}

type relation struct{ kind, target string }

type listAt struct {
	id    string
	level int
}

type listLevel struct {
	format, text string
	start        int
}

func openWord(a *archive) (*word, error) {
	w := &word{archive: a, headings: map[string]int{}, listed: map[string]listAt{}, lists: map[string][]listLevel{}, counters: map[string][]int{}}
	top, err := relations(a, "")
	if err != nil {
		return nil, err
	}
	for _, r := range top {
		if r.kind == "officeDocument" {
			w.main = r.target
		}
	}
	if a.files[w.main] == nil {
		w.main = "word/document.xml"
	}
	if a.files[w.main] == nil {
		return nil, errors.New("no part with the body")
	}
	if w.relations, err = relations(a, w.main); err != nil {
		return nil, err
	}
	if err := w.readStyles(); err != nil {
		return nil, err
	}
	return w, w.readLists()
}

// relations reads what a part refers to, by the reference's ID.
func relations(a *archive, part string) (map[string]relation, error) {
	dir, name := path.Split(part)
	data, err := a.part(dir + "_rels/" + name + ".rels")
	if err != nil || data == nil {
		return nil, err
	}
	var list struct {
		All []struct {
			ID     string `xml:"Id,attr"`
			Type   string `xml:"Type,attr"`
			Target string `xml:"Target,attr"`
			Mode   string `xml:"TargetMode,attr"`
		} `xml:"Relationship"`
	}
	if err := xml.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	found := map[string]relation{}
	for _, r := range list.All {
		target := r.Target
		if r.Mode != "External" {
			if strings.HasPrefix(target, "/") {
				target = strings.TrimPrefix(path.Clean(target), "/")
			} else {
				target = strings.TrimPrefix(path.Join("/", dir, target), "/")
			}
		}
		found[r.ID] = relation{kind: path.Base(r.Type), target: target}
	}
	return found, nil
}

// related lists the parts of a kind by name.
func (w *word) related(kind string) []string {
	var names []string
	for _, r := range w.relations {
		if r.kind == kind && w.archive.files[r.target] != nil {
			names = append(names, r.target)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

type valued struct {
	Val string `xml:"val,attr"`
}

// readStyles learns which styles are headings and which are of lists.
func (w *word) readStyles() error {
	names := w.related("styles")
	if len(names) == 0 {
		return nil
	}
	data, err := w.archive.part(names[0])
	if err != nil {
		return err
	}
	var sheet struct {
		Styles []struct {
			ID    string `xml:"styleId,attr"`
			Name  valued `xml:"name"`
			Base  valued `xml:"basedOn"`
			Level valued `xml:"pPr>outlineLvl"`
			List  valued `xml:"pPr>numPr>numId"`
			Depth valued `xml:"pPr>numPr>ilvl"`
		} `xml:"style"`
	}
	if err := xml.Unmarshal(data, &sheet); err != nil {
		return err
	}
	bases := map[string]string{}
	for _, s := range sheet.Styles {
		name := strings.ToLower(s.Name.Val)
		bases[s.ID] = s.Base.Val
		switch level, err := strconv.Atoi(s.Level.Val); {
		case name == "title":
			w.headings[s.ID] = 1
		case strings.HasPrefix(name, "heading ") && len(name) == len("heading 1") && name[8] >= '1' && name[8] <= '9':
			w.headings[s.ID] = int(name[8] - '0')
		case err == nil && level >= 0 && level < 9:
			w.headings[s.ID] = level + 1
		}
		if s.List.Val != "" {
			level, _ := strconv.Atoi(s.Depth.Val)
			w.listed[s.ID] = listAt{s.List.Val, level}
		}
	}
	for id := range bases { // a style has what the one has that it is based on
		for base, steps := bases[id], 0; base != "" && steps < 20; base, steps = bases[base], steps+1 {
			if _, ok := w.headings[id]; !ok && w.headings[base] > 0 {
				w.headings[id] = w.headings[base]
			}
			if _, ok := w.listed[id]; !ok && w.listed[base].id != "" {
				w.listed[id] = w.listed[base]
			}
		}
	}
	return nil
}

// readLists learns how the paragraphs of lists are numbered.
func (w *word) readLists() error {
	names := w.related("numbering")
	if len(names) == 0 {
		return nil
	}
	data, err := w.archive.part(names[0])
	if err != nil {
		return err
	}
	var numbering struct {
		Abstract []struct {
			ID     string `xml:"abstractNumId,attr"`
			Levels []struct {
				Start  valued `xml:"start"`
				Format valued `xml:"numFmt"`
				Text   valued `xml:"lvlText"`
			} `xml:"lvl"`
		} `xml:"abstractNum"`
		Lists []struct {
			ID       string `xml:"numId,attr"`
			Abstract valued `xml:"abstractNumId"`
		} `xml:"num"`
	}
	if err := xml.Unmarshal(data, &numbering); err != nil {
		return err
	}
	abstract := map[string][]listLevel{}
	for _, a := range numbering.Abstract {
		for _, l := range a.Levels {
			start, err := strconv.Atoi(l.Start.Val)
			if err != nil {
				start = 1
			}
			abstract[a.ID] = append(abstract[a.ID], listLevel{l.Format.Val, l.Text.Val, start})
		}
	}
	for _, l := range numbering.Lists {
		w.lists[l.ID] = abstract[l.Abstract.Val]
	}
	return nil
}

// bullet is what stands before a paragraph of a list, with its place in the
// list counted.
func (w *word) bullet(at listAt) string {
	levels := w.lists[at.id]
	if at.id == "" || at.id == "0" || at.level < 0 || at.level > 8 {
		return ""
	}
	indent := strings.Repeat("  ", at.level)
	if at.level >= len(levels) || levels[at.level].format == "bullet" || levels[at.level].format == "none" {
		return indent + "- "
	}
	counters := w.counters[at.id]
	for len(counters) <= at.level {
		counters = append(counters, levels[len(counters)].start-1)
	}
	counters = counters[:at.level+1]
	counters[at.level]++
	w.counters[at.id] = counters
	text := levels[at.level].text
	for n := range counters {
		text = strings.ReplaceAll(text, fmt.Sprintf("%%%d", n+1), numeral(counters[n], levels[n].format))
	}
	return indent + strings.TrimSpace(text) + " "
}

// numeral writes a number as lists do.
func numeral(n int, format string) string {
	switch {
	case strings.HasSuffix(format, "Letter") && n >= 1 && n <= 26*26:
		s := strings.Repeat(string(rune('a'+(n-1)%26)), (n-1)/26+1)
		if format == "upperLetter" {
			s = strings.ToUpper(s)
		}
		return s
	case strings.HasSuffix(format, "Roman") && n >= 1 && n < 4000:
		var b strings.Builder
		for _, r := range []struct {
			value int
			sign  string
		}{{1000, "m"}, {900, "cm"}, {500, "d"}, {400, "cd"}, {100, "c"}, {90, "xc"}, {50, "l"}, {40, "xl"}, {10, "x"}, {9, "ix"}, {5, "v"}, {4, "iv"}, {1, "i"}} {
			for ; n >= r.value; n -= r.value {
				b.WriteString(r.sign)
			}
		}
		if format == "upperRoman" {
			return strings.ToUpper(b.String())
		}
		return b.String()
	}
	return strconv.Itoa(n)
}

// paragraph is one that is being read.
type paragraph struct {
	text  strings.Builder
	level int // of a heading, 0 for none
	list  listAt
}

// grid is a table that is being read; its cells are blocks of Markdown.
type grid struct {
	rows [][]string
	cell []string
	span int
}

// reader reads one part of a Word file.
type reader struct {
	w          *word
	relations  map[string]relation
	paged      bool
	pages      [][]string
	paragraphs []*paragraph // one in the other, by boxes
	grids      []*grid
	links      []link
	runHidden  bool
	written    int
}

type link struct {
	target string
	from   int // where its words begin
}

func (w *word) read(name string, paged bool) ([][]string, error) {
	data, err := w.archive.part(name)
	if err != nil {
		return nil, err
	}
	own, err := relations(w.archive, name)
	if err != nil {
		return nil, err
	}
	r := &reader{w: w, relations: own, paged: paged, pages: make([][]string, 1)}
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		// Strict, and so without any entity but XML's own five.
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return r.trimmed(), nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := r.start(d, t); err != nil {
				return nil, err
			}
		case xml.EndElement:
			r.end(t.Name.Local)
		}
		if r.written > maxMarkdown {
			return r.trimmed(), nil // the page says that it is cut off
		}
	}
}

// trimmed drops an empty page at the end.
func (r *reader) trimmed() [][]string {
	for _, page := range r.pages {
		for i := range page {
			page[i] = strings.TrimPrefix(page[i], listMark)
		}
	}
	if last := len(r.pages) - 1; last > 0 && len(r.pages[last]) == 0 {
		return r.pages[:last]
	}
	return r.pages
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (r *reader) paragraph() *paragraph {
	if len(r.paragraphs) == 0 {
		return &paragraph{} // words where none belong are dropped with it
	}
	return r.paragraphs[len(r.paragraphs)-1]
}

func (r *reader) start(d *xml.Decoder, t xml.StartElement) error {
	p := r.paragraph()
	switch t.Name.Local {
	case "Fallback", "del", "moveFrom", "instrText", "delText", "rPrChange", "pPrChange", "commentReference":
		// A second form of what was read, what was struck out, and no words.
		return d.Skip()
	case "footnote", "endnote":
		if attr(t, "type") != "" { // the line above the notes
			return d.Skip()
		}
	case "p":
		if len(r.paragraphs) >= maxDepth {
			return errors.New("boxes are nested too deeply")
		}
		r.paragraphs = append(r.paragraphs, &paragraph{})
	case "pStyle":
		style := attr(t, "val")
		p.level = max(p.level, r.w.headings[style])
		if p.list.id == "" {
			p.list = r.w.listed[style]
		}
	case "outlineLvl":
		if n, err := strconv.Atoi(attr(t, "val")); err == nil && n >= 0 && n < 9 {
			p.level = n + 1
		}
	case "ilvl":
		p.list.level, _ = strconv.Atoi(attr(t, "val"))
	case "numId":
		p.list.id = attr(t, "val")
	case "r":
		r.runHidden = false
	case "vanish":
		r.runHidden = !slices.Contains([]string{"0", "false", "off"}, attr(t, "val"))
	case "t":
		var text string
		if err := d.DecodeElement(&text, &t); err != nil {
			return err
		}
		r.words(text)
	case "tab", "ptab":
		if len(r.paragraphs) > 0 && p.text.Len() > 0 {
			r.words(" ")
		}
	case "cr":
		r.words("\n")
	case "br":
		if attr(t, "type") == "page" {
			r.breakPage()
		} else {
			r.words("\n")
		}
	case "lastRenderedPageBreak":
		r.breakPage()
	case "noBreakHyphen":
		r.words("-")
	case "footnoteReference", "endnoteReference":
		r.words("[" + attr(t, "id") + "]")
	case "blip", "imagedata":
		r.w.pictures++
	case "hyperlink":
		r.links = append(r.links, link{r.relations[attr(t, "id")].target, p.text.Len()})
	case "tbl":
		if len(r.grids) >= maxDepth {
			return errors.New("tables are nested too deeply")
		}
		r.grids = append(r.grids, &grid{})
	case "tr":
		if g := r.grid(); g != nil {
			g.rows = append(g.rows, nil)
		}
	case "tc":
		if g := r.grid(); g != nil {
			g.cell, g.span = nil, 1
		}
	case "gridSpan":
		if g := r.grid(); g != nil {
			if n, err := strconv.Atoi(attr(t, "val")); err == nil && n >= 1 && n <= 63 {
				g.span = n
			}
		}
	}
	return nil
}

func (r *reader) words(text string) {
	if r.runHidden {
		r.w.hidden = r.w.hidden || strings.TrimSpace(text) != ""
		return
	}
	if len(r.paragraphs) > 0 {
		r.paragraph().text.WriteString(text)
		r.written += len(text)
	}
}

func (r *reader) grid() *grid {
	if len(r.grids) == 0 {
		return nil
	}
	return r.grids[len(r.grids)-1]
}

func (r *reader) end(name string) {
	switch name {
	case "p":
		if n := len(r.paragraphs); n > 0 {
			p := r.paragraphs[n-1]
			r.paragraphs = r.paragraphs[:n-1]
			r.finish(p)
		}
	case "hyperlink":
		if n := len(r.links); n > 0 {
			r.linked(r.links[n-1])
			r.links = r.links[:n-1]
		}
	case "tc":
		if g := r.grid(); g != nil && len(g.rows) > 0 {
			row := &g.rows[len(g.rows)-1]
			*row = append(*row, strings.Join(g.cell, " "))
			for range g.span - 1 {
				*row = append(*row, "")
			}
			g.cell = nil
		}
	case "tbl":
		if g := r.grid(); g != nil {
			r.grids = r.grids[:len(r.grids)-1]
			r.block(table(g.rows))
		}
	}
}

// linked makes the words since the link began one.
func (r *reader) linked(l link) {
	p := r.paragraph()
	text := p.text.String()
	if l.target == "" || l.from >= len(text) || !followable(l.target) || strings.TrimSpace(text[l.from:]) == "" {
		return
	}
	p.text.Reset()
	p.text.WriteString(text[:l.from] + "[" + text[l.from:] + "](" + strings.NewReplacer(" ", "%20", ")", "%29").Replace(l.target) + ")")
}

// finish writes a paragraph out.
func (r *reader) finish(p *paragraph) {
	lines := strings.Split(p.text.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	text := strings.Trim(strings.Join(lines, "\n"), "\n")
	if text == "" {
		return
	}
	bullet := r.w.bullet(p.list)
	switch {
	case len(r.grids) > 0:
	case p.level > 0:
		text = strings.Repeat("#", min(p.level, 6)) + " " + strings.TrimSpace(bullet) + " " + strings.ReplaceAll(text, "\n", " ")
		r.block(strings.Join(strings.Fields(text), " "))
		return
	case bullet != "":
		r.listItem(bullet + text)
		return
	}
	r.block(strings.TrimSpace(bullet + text))
}

// listItem adds to the list before it.
func (r *reader) listItem(text string) {
	page := &r.pages[len(r.pages)-1]
	if n := len(*page); n > 0 && strings.HasPrefix((*page)[n-1], listMark) {
		(*page)[n-1] += "\n" + text
		return
	}
	r.block(listMark + text)
}

// listMark stands before a list while it may grow.
const listMark = "\x00"

// block adds a block of Markdown to the cell or page that is open.
func (r *reader) block(text string) {
	if text == "" {
		return
	}
	if g := r.grid(); g != nil {
		g.cell = append(g.cell, text)
		return
	}
	page := &r.pages[len(r.pages)-1]
	if n := len(*page); n > 0 && !strings.HasPrefix(text, listMark) {
		(*page)[n-1] = strings.TrimPrefix((*page)[n-1], listMark)
	}
	*page = append(*page, text)
}

// breakPage begins a page, in the middle of a paragraph too, but not within
// tables and boxes.
func (r *reader) breakPage() {
	if !r.paged || len(r.grids) > 0 || len(r.paragraphs) > 1 {
		return
	}
	if len(r.paragraphs) == 1 {
		p := r.paragraphs[0]
		if p.text.Len() > 0 {
			r.paragraphs[0] = &paragraph{}
			r.finish(p)
			r.links = nil
		}
	}
	if len(r.pages[len(r.pages)-1]) > 0 {
		r.pages = append(r.pages, nil)
	}
}
