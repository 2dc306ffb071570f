package note

import (
	"slices"
	"sort"
	"strings"
)

// Record is what the rules read in one set of notes.
type Record struct {
	Lines []Line
	// Warnings tell the adviser what the rules could not settle.
	Warnings []string

	subjects       subjects
	twoClients     bool
	twoClientLines []int
	made           []item
	doubts         int // warnings that the adviser must settle
}

// Line is one line of the notes.
type Line struct {
	// Number counts from 1; blank lines count.
	Number int
	// Text is the line as written, without its line break.
	Text string
	// Facts of the line other than actions, by position.
	Facts []Fact

	hidden   []mark // internal matter
	edits    []edit // corrections to apply in the letter
	segments []segment
	heading  bool
	section  Owner // whose actions a heading announces, "" if it announces none
	actions  bool  // the heading announces actions
}

// mark is a stretch of internal matter: a bracket within the line, or all from
// its start to the line's end.
type mark struct {
	span
	bracket bool
}

// edit replaces a span of a line in the letter.
type edit struct {
	span
	with string
}

// segment is a stretch of a line that becomes one item of the letter.
type segment struct {
	span
	hidden   bool
	action   bool
	owner    Owner
	deadline string
	verb     int  // where the thing to be done begins
	strip    bool // the letter leaves the subject out: the section says it
}

// Read reads the notes by rule. It never fails: what no rule understands is
// matter that was discussed.
func Read(notes, clientName string) *Record {
	r := &Record{}
	for i, text := range splitLines(notes) {
		r.Lines = append(r.Lines, Line{Number: i + 1, Text: text, Facts: facts(text)})
	}
	r.subjects = newSubjects(r.Lines, clientName)
	r.markInternal()
	r.findCorrections()
	r.findActions()
	r.look()
	return r
}

// Facts returns all facts in order of line and position; an action comes
// before the facts within it.
func (r *Record) Facts() []Fact {
	all := []Fact{}
	for i := range r.Lines {
		line := &r.Lines[i]
		found := append([]Fact{}, line.Facts...)
		for _, s := range line.segments {
			if s.action {
				found = append(found, Fact{
					Kind: Action, Value: line.plain(s.verb, s.end), Text: line.Text[s.start:s.end], Line: line.Number,
					Start: s.start, End: s.end, Owner: s.owner, Deadline: s.deadline, Internal: s.hidden,
				})
			}
		}
		sort.SliceStable(found, func(i, j int) bool {
			if found[i].Start != found[j].Start {
				return found[i].Start < found[j].Start
			}
			return found[i].Kind == Action && found[j].Kind != Action
		})
		all = append(all, found...)
	}
	return all
}

// plain returns a stretch of the line with corrections applied and nothing else.
func (l *Line) plain(from, to int) string {
	return strings.TrimRight(strings.TrimSpace(apply(l.Text, span{from, to}, l.editsIn(span{from, to}))), ".;, ")
}

// within returns those of the things, sorted by position, that overlap s.
func within[T any](all []T, at func(T) span, s span) []T {
	from := sort.Search(len(all), func(i int) bool { return at(all[i]).start >= s.start })
	for from > 0 && at(all[from-1]).end > s.start {
		from--
	}
	to := from
	for to < len(all) && at(all[to]).start < s.end {
		to++
	}
	return all[from:to]
}

func (l *Line) factsIn(s span) []Fact {
	return within(l.Facts, func(f Fact) span { return span{f.Start, f.End} }, s)
}

func (l *Line) hiddenIn(s span) []mark {
	return within(l.hidden, func(m mark) span { return m.span }, s)
}

// editsIn returns the corrections within a stretch of the line.
func (l *Line) editsIn(s span) []edit {
	return slices.Clone(within(l.edits, func(e edit) span { return e.span }, s))
}

func (l *Line) blank() bool { return strings.TrimSpace(l.Text) == "" }

// allHidden tells whether nothing of the line may reach the letter.
func (l *Line) allHidden() bool {
	return len(l.hidden) == 1 && l.hidden[0].start == 0 && l.hidden[0].end == len(l.Text)
}

func splitLines(notes string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(notes), "\n")
}

func byStart(a, b edit) int { return a.start - b.start }

// apply returns the text of the span with the edits made. Of edits that
// overlap the earlier one is made; one that crosses the span's ends is cut to it.
func apply(text string, within span, edits []edit) string {
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, byStart)
	var b strings.Builder
	at := within.start
	for _, e := range sorted {
		if e.end <= at || e.start >= within.end {
			continue
		}
		if e.start < at {
			at = min(e.end, within.end)
			continue
		}
		b.WriteString(text[at:e.start])
		b.WriteString(e.with)
		at = min(e.end, within.end)
	}
	b.WriteString(text[min(at, within.end):within.end])
	return b.String()
}
