package note

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

// Section names a part of the letter, as the answer's fields do.
type Section string

// The sections.
const (
	MattersSection Section = "matters_discussed"
	OursSection    Section = "our_actions"
	YoursSection   Section = "your_actions"
)

// Outcome says what the proof made of a statement.
type Outcome string

// The outcomes. Failed statements are not in the letter: the notes' own words
// stand in their place, marked. Added ones are the notes' own words for what the
// draft left out.
const (
	Proved Outcome = "proved"
	Failed Outcome = "failed"
	Added  Outcome = "added"
)

// Check is what the proof made of one statement of the draft.
type Check struct {
	Section Section
	Text    string
	Lines   []int
	Outcome Outcome
	Reason  string // why it failed, or what was left out
}

// Provenance ties a sentence of the letter to the lines that it rests on.
type Provenance struct {
	Section Section
	Text    string
	Lines   []int
}

// flagMark begins an item whose drafted sentence was not proved.
const flagMark = "⚠ "

// flagNote ends it.
const flagNote = " (The draft said this in a way that the notes do not bear out; these are the words of the notes.)"

func (s *Sections) each(yield func(Section, *Sentence)) {
	for _, part := range []struct {
		name Section
		list []Sentence
	}{{MattersSection, s.Matters}, {OursSection, s.Ours}, {YoursSection, s.Yours}} {
		for i := range part.list {
			yield(part.name, &part.list[i])
		}
	}
}

// provenance lists the letter's sentences with their lines.
func (s *Sections) provenance() []Provenance {
	all := []Provenance{}
	s.each(func(name Section, sentence *Sentence) {
		all = append(all, Provenance{name, sentence.Text, sentence.Lines})
	})
	return all
}

func ownerOf(s Section) Owner {
	switch s {
	case OursSection:
		return Us
	case YoursSection:
		return Client
	}
	return ""
}

// Prove checks every sentence of a letter, whoever wrote it, against the lines
// that it names, and says which items of the notes no sentence restates.
func (r *Record) Prove(s Sections, clientName string) []Check {
	p := r.newProof(clientName)
	checks := []Check{}
	s.each(func(name Section, sentence *Sentence) {
		c := Check{Section: name, Text: sentence.Text, Lines: sentence.Lines, Outcome: Proved}
		if !p.verbatim(name, sentence) {
			if reason := p.fault(draftSentence{sentence.bare(), sentence.Lines}, ownerOf(name)); reason != "" {
				c.Outcome, c.Reason = Failed, reason
			}
		}
		checks = append(checks, c)
	})
	for i := range p.items {
		it := &p.items[i]
		list := s.Matters
		name := MattersSection
		switch it.owner {
		case Us:
			list, name = s.Ours, OursSection
		case Client:
			list, name = s.Yours, YoursSection
		}
		if !it.sentence.heading && !slices.ContainsFunc(list, func(s Sentence) bool { return it.is(s.bare()) }) && !p.restates(list, it) {
			checks = append(checks, Check{Section: name, Lines: it.sentence.Lines, Outcome: Failed, Reason: fmt.Sprintf("what line %d says is left out", it.line.Number)})
		}
	}
	return checks
}

// bare is the sentence without the marks of a flag.
func (s *Sentence) bare() string {
	return strings.TrimSuffix(strings.TrimPrefix(s.Text, flagMark), flagNote)
}

// verbatim tells whether a sentence is the notes' own words for one of the lines
// that it names, as the rules put them into its section.
func (p *proof) verbatim(name Section, s *Sentence) bool {
	owner := ownerOf(name)
	text := s.bare()
	for _, line := range s.Lines {
		for _, i := range p.byLine[line] {
			it := &p.items[i]
			if it.owner == owner && it.is(text) {
				return true
			}
		}
	}
	return slices.ContainsFunc(p.headings, func(h Sentence) bool { return owner == "" && h.Text == text })
}

// is tells whether a text is the item in the notes' own words.
func (it *item) is(text string) bool {
	return text == it.sentence.Text || text == it.whole().Text || it.under != "" && text == it.under+": "+it.sentence.Text
}

// outcome is what became of a draft.
type outcome struct {
	sections Sections
	checks   []Check
	accepted int
	failed   int // sentences not accepted
	omitted  int // items that no accepted sentence restates
	repaired bool
}

func (o *outcome) faults() int { return o.failed + o.omitted }

// reasons lists what was wrong, for the notice.
func (o *outcome) reasons() []string {
	var all []string
	counts := map[Section]int{}
	for _, c := range o.checks {
		if c.Outcome == Added {
			continue
		}
		counts[c.Section]++
		if c.Outcome == Failed {
			all = append(all, fmt.Sprintf("%s: %s", c.Section, c.Reason))
		}
	}
	return all
}

// repairRequest tells a model what was wrong with its draft.
func (o *outcome) repairRequest() string {
	var b strings.Builder
	b.WriteString("Your answer was compared with the notes. These sentences do not stand in the lines that they name:\n")
	n := 0
	for _, c := range o.checks {
		if c.Outcome == Failed && n < maxReasons {
			n++
			fmt.Fprintf(&b, "- %s, %q: %s\n", c.Section, c.Text, c.Reason)
		}
	}
	var lines []int
	for _, c := range o.checks {
		if c.Outcome == Added {
			lines = append(lines, c.Lines...)
		}
	}
	slices.SortFunc(lines, cmp.Compare[int])
	if lines = slices.Compact(lines); len(lines) > 0 {
		fmt.Fprintf(&b, "These lines were left out, or not wholly told in their section: %s\n", strings.Trim(strings.Join(strings.Fields(fmt.Sprint(lines)), ", "), "[]"))
	}
	b.WriteString("Write the whole answer again, in the same form, with these faults put right and nothing else changed.")
	return b.String()
}

var (
	usPromiseRE  = pattern.MustCompile(`(?i)^\W*(?:we|i)(?:['’]ll|\s+(?:will|shall|must|need to|have to|are to|are going to|agreed to))\b`)
	youPromiseRE = pattern.MustCompile(`(?i)^\W*(?:you(?:['’]ll|\s+(?:will|must|need to|should|have to|are to|agreed to|are going to))\b|please\b|your creditors?\b)`)
	// Words that begin a sentence with a capital and name nobody.
	openers = set(`your you please we our this that these those it its there here when if after before because since while although as at by for from in on to with and but also however under over both each
		no not all any some one two three four five what which who where how why then now today tomorrow next first last once until unless currently recently monthly weekly
		discussed explained agreed advised told asked said confirmed noted received spoke rang called phoned paid paying owes owed owing rent council income wages debts debt arrears gas electric electricity water mortgage bank card loan court benefit benefits savings letter
		unfortunately regarding concerning about following during having given using alongside additionally furthermore finally lastly firstly secondly overall together according instead meanwhile remember
	continue whenever should would could can may might will do does did have has let thank thanks dear yours money account accounts amount creditor creditors payment payments option options
	client the an a he she they his her their`)
)
