package rag

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/chunk"
)

// Conflict is figures that passages state for what seems to be the same thing.
type Conflict struct {
	Figures []Figure // at least two different ones
}

// Figure is a figure in its place.
type Figure struct {
	Value      string // such as £50,000, 8% or 60 days
	Citation   int    // number of the passage, from 1
	Quote      string // the sentence or the row of a table
	Superseded bool   // by its document's metadata, or by the days and words beside it
}

// mention is a figure with what it is compared by.
type mention struct {
	Figure
	kind     string
	compared string
	terms    map[uint32]bool // of its sentence
	near     map[uint32]bool // of the part of it that it stands in, but for what any figure is called
	places   []bool          // see [language.places]
	at       int             // sentence of the passage
	row      []string        // kinds of the figures of its row of a table; nil for prose
	column   int
}

const (
	// Figures of two passages are about the same thing when they share so many
	// words, and such a share of those of the one with fewer.
	sharedTerms = 3
	sharedShare = 0.6
	// A superseded figure stands within so many sentences of the one in force.
	nearSentences = 3
	// maxConflicts bounds what is shown.
	maxConflicts = 4
)

var (
	dayPattern = `(\d{1,2}(?:st|nd|rd|th)? (?:January|February|March|April|May|June|July|August|September|October|November|December) \d{4})`
	// period has the last day of a period as its only group that is filled.
	period    = regexp.MustCompile(`(?:` + dayPattern + ` (?:to|until|and|–|-) ` + dayPattern + `|\b(?i:until|before|up to|till) ` + dayPattern + `)`)
	anyDay    = regexp.MustCompile(dayPattern)
	past      = regexp.MustCompile(`(?i)\b(?:superseded|out of date|formerly|previously|used to be|no longer applies|before|before that date|before then)\b\W*$|\bsuperseded\b`)
	segmented = regexp.MustCompile(`[,;(] |\. `)
	ordinal   = regexp.MustCompile(`(\d)(?:st|nd|rd|th) `)
)

// overBy reports whether a text says of itself that it was over by a day.
func overBy(text, day string) bool {
	for _, m := range period.FindAllStringSubmatch(text, -1) {
		end := m[2] + m[3]
		if t, err := time.Parse("2 January 2006", ordinal.ReplaceAllString(end, "$1 ")); err == nil && t.Format(time.DateOnly) <= day {
			return true
		}
	}
	return past.MatchString(text)
}

// figuresOf lists the amounts, shares and lengths of time that a passage states.
func (l *language) figuresOf(p Passage, number int, day string) []mention {
	text, _ := withoutOrders(p.Text)
	var out []mention
	var terms map[uint32]bool
	for at, sentence := range chunk.Sentences(text) {
		if slices.Contains(p.Headings, strings.Trim(sentence, "# ")) {
			continue
		}
		// What stands in brackets, such as the source of a rule, is about the
		// sentence before it.
		if own := l.content(bracketed.ReplaceAllString(sentence, " ")); len(own) > 0 || terms == nil {
			terms = own
		}
		plain := digits(sentence)
		var here []mention
		for _, s := range statedIn(plain) {
			if s.kind == "" || s.kind == "a" || s.kind == "p" {
				continue
			}
			from, to := segment(plain, s.from)
			part := plain[from:to]
			value := strings.TrimRight(strings.TrimSpace(plain[s.from:s.to]), ",.")
			if s.kind != "£" && s.kind != "%" {
				value += " " + s.kind
				if s.values[0] != "1" {
					value += "s"
				}
			}
			f := mention{
				Figure: Figure{
					Value: value, Citation: number, Quote: cutWords(sentence, quoteWords),
					Superseded: p.standing(day) == Superseded || overBy(part, day),
				},
				at: at, kind: s.kind, compared: s.values[len(s.values)-1], terms: terms, near: l.calledBy(part),
			}
			if s.kind == "£" {
				f.compared = s.values[0]
			}
			if !anyDay.MatchString(part) && !f.Superseded {
				f.Superseded = overBy(sentence, day) && !strings.Contains(part, " from ")
			}
			f.places = l.placesIn(sentence + "\n" + strings.Join(p.Headings, "\n"))
			here = append(here, f)
		}
		if loc := anyDay.FindStringIndex(plain); loc != nil && loc[0] < 12 && !strings.HasSuffix(sentence, ".") {
			var kinds []string
			for _, f := range here {
				kinds = append(kinds, f.kind)
			}
			for i := range here {
				here[i].row, here[i].column = kinds, i
			}
		}
		out = append(out, here...)
	}
	return out
}

// bracketed is what stands in brackets.
var bracketed = regexp.MustCompile(`\([^()]*\)?`)

// anyFigure are words that any figure may be called by.
var anyFigure = setOf("period rule sum england wales superseded figure ceiling limit amount before from until")

// calledBy returns the terms that say which figure is meant.
func (l *language) calledBy(part string) map[uint32]bool {
	out := map[uint32]bool{}
	for word := range bm25.Words(part) {
		if id := l.analyzer.ID(word); !l.analyzer.IsStop(word) && !anyFigure[word] && !isNumeral(word) && !monthYear.MatchString(word) && (!l.ask[id] || word == "total") {
			out[id] = true
		}
	}
	return out
}

// segment returns where the part of a sentence begins and ends in which a figure
// stands.
func segment(sentence string, at int) (from, to int) {
	to = len(sentence)
	for _, m := range segmented.FindAllStringIndex(sentence, -1) {
		if m[0] < at {
			from = m[1]
		} else {
			return from, m[0]
		}
	}
	return from, to
}

func (l *language) placesIn(text string) []bool {
	words := termSet(l.analyzer, text)
	out := make([]bool, len(l.places))
	for i, names := range l.places {
		out[i] = slices.ContainsFunc(names, func(id uint32) bool { return words[id] })
	}
	return out
}

// conflicts finds figures of the passages that differ where they should not, or
// of which one has superseded the other, as far as they bear on the question.
func (l *language) conflicts(question string, passages []Passage, day string) []Conflict {
	var all []mention
	for i, p := range passages {
		all = append(all, l.figuresOf(p, i+1, day)...)
	}
	asked := l.content(question)
	var out []Conflict
	used := make([]bool, len(all))
	for i, f := range all {
		if used[i] {
			continue
		}
		group := []mention{f}
		members := []int{i}
		for j := i + 1; j < len(all); j++ {
			if g := all[j]; !used[j] && f.kind == g.kind && f.compared != g.compared && l.same(f, g) &&
				!slices.ContainsFunc(group, func(other mention) bool { return other.compared == g.compared && other.Citation == g.Citation }) {
				group, members = append(group, g), append(members, j)
			}
		}
		if len(group) < 2 || !l.bears(group, passages, asked) {
			continue
		}
		for _, m := range members {
			used[m] = true
		}
		var c Conflict
		for _, m := range group {
			c.Figures = append(c.Figures, m.Figure)
		}
		if out = append(out, c); len(out) == maxConflicts {
			break
		}
	}
	return out
}

// same reports whether two figures of one kind seem to be about the same thing.
func (l *language) same(f, g mention) bool {
	if f.Citation == g.Citation {
		if f.row != nil || g.row != nil {
			return slices.Equal(f.row, g.row) && f.column == g.column
		}
		return f.Superseded != g.Superseded && g.at-f.at <= nearSentences && l.alike(f, g)
	}
	if !slices.Equal(f.places, g.places) {
		return false
	}
	shared := 0
	for t := range f.terms {
		if l.says(g.terms, t) {
			shared++
		}
	}
	return shared >= sharedTerms && float64(shared) >= sharedShare*float64(min(len(f.terms), len(g.terms)))
}

// alike reports whether the older of two figures of a passage is called by a word
// of the other's sentence, or by none at all.
func (l *language) alike(f, g mention) bool {
	if f.Superseded {
		f, g = g, f
	}
	for t := range g.near {
		if l.says(f.terms, t) {
			return true
		}
	}
	return len(g.near) == 0
}

// bears reports whether figures have to do with what was asked: a word of the
// question stands beside one of them, and another there, in the passage's headings
// or in the document's title. Rows of a table go by the headings.
func (l *language) bears(group []mention, passages []Passage, asked map[uint32]bool) bool {
	beside, around := map[uint32]bool{}, map[uint32]bool{}
	for _, f := range group {
		quote := bracketed.ReplaceAllString(f.Quote, " ")
		for id := range l.meant(quote) {
			beside[id] = true
		}
		p := passages[f.Citation-1]
		for id := range l.meant(quote + "\n" + p.Title + "\n" + strings.Join(p.Headings, "\n")) {
			around[id] = true
			beside[id] = beside[id] || f.row != nil
		}
	}
	at, near := 0, 0
	for t := range asked {
		if l.says(beside, t) {
			at++
		}
		if l.says(around, t) {
			near++
		}
	}
	return at > 0 && near >= min(2, len(asked))
}

// sideBySide writes conflicts under each other, as they stand in the manuals.
func sideBySide(conflicts []Conflict, passages []Passage) string {
	var b strings.Builder
	for _, c := range conflicts {
		b.WriteString("The manuals state different figures here. Which of them counts depends on the days and the words beside each:")
		for _, f := range c.Figures {
			mark := ""
			if f.Superseded {
				mark = " (superseded)"
			}
			fmt.Fprintf(&b, "\n- %s%s: [%d] “%s” (%s)", f.Value, mark, f.Citation, f.Quote, passages[f.Citation-1].Whence())
		}
		b.WriteString("\n\n")
	}
	return strings.TrimSpace(b.String())
}
