package note

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
)

// Record is what the rules read in one set of notes.
type Record struct {
	Lines []Line
	// Warnings tell the adviser what the rules could not settle.
	Warnings []string

	subjects   subjects
	twoClients bool
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
	r.markInternal()
	r.findCorrections()
	r.subjects = newSubjects(r.Lines, clientName)
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

const labelPattern = `(?:strictly |staff )?(?:internal|confidential|off the record|staff only|for (?:the |our )?file(?: only)?|private notes?|supervision notes?|not for (?:the )?(?:letter|client|ct|coa|release|disclosure))` +
	`(?:\s(?:only|note|notes|remark|remarks|comment|comments|use|use only|info|information|matter))?(?:\s?\([^)]{0,60}\))?`

var (
	// A label opens internal matter: at the start of a sentence or bracket,
	// followed by a colon or dash; elsewhere only with a colon.
	labelRE = regexp.MustCompile(`(?i)(?:(?:^\W*|[.;!?]\s+|[([{*_]+\s*|\s[-–—]\s+)(` + labelPattern + `|private(?: notes?)?)(?:\s*(?::|[-–—]\s))` +
		`|\s(` + labelPattern + `)\s*:)`)
	// Upper case alone is label enough, with or without a colon.
	shoutRE = regexp.MustCompile(`^\W*(INTERNAL|CONFIDENTIAL|NOT FOR LETTER|NOT FOR CLIENT|OFF THE RECORD|STAFF ONLY)\b`)
	// A phrase marks the sentence or line that it stands in.
	phraseRE = regexp.MustCompile(`(?i)\b(?:not (?:for|to go in|to go into|to be put in|to be included in|to be in|in) (?:the |this |her |his |their )?(?:letter|coa|client letter|client['’]s letter|confirmation(?: of advice)?)` +
		`|not for (?:the )?(?:client|ct)\b|not to be (?:shared|disclosed|passed on)(?: (?:with|to) (?:the )?(?:client|ct))?` +
		`|(?:do not|don['’]?t|dont|never|please don['’]?t) (?:put|include|mention|write|state|say|add|repeat|disclose|share|tell)\b[^.;]{0,60}\b(?:letter|coa|client|ct)\b` +
		`|(?:keep|leave|stays?|kept|left) (?:this |that |it )?(?:out of|off) (?:the |this )?(?:letter|coa)` +
		`|internal (?:only|notes?|use|use only|remarks?|comments?|matter)\b|in(?: strict(?:est)?)? confidence|marked confidential|confidential(?: notes?\b|,? please)` +
		`|off the record|staff only|for (?:our )?file only|file only|between ourselves|for (?:my )?supervis(?:or|ion)(?: only)?|eyes only|not for disclosure)`)
	bareLabelRE = regexp.MustCompile(`(?i)^\W*(?:(?:begin|start)(?: of)?\s+)?(?:strictly |staff )?(?:internal|confidential|private|off the record|staff only|not for (?:the )?(?:letter|client|coa|release))(?: (?:only|section|notes?|remarks?|comments?|use only|matters?|info))*(?:\s*[-–—,/(]+\s*(?:not for (?:the )?(?:letter|client|coa)|do not (?:send|share|include)|internal|confidential|internal only))*\W*$`)
	endLabelRE  = regexp.MustCompile(`(?i)^\W*(?:end(?: of)?\s+(?:the\s+)?(?:internal|confidential|private)|/internal|/confidential|(?:ok )?for (?:the )?letter)\b.*$`)
)

// markInternal finds what the adviser marked as not for the client. When the
// extent of a mark is in doubt more is held back rather than less, and a
// warning says so.
func (r *Record) markInternal() {
	inBlock, untilEnd := false, false
	indent := -1
	for i := range r.Lines {
		l := &r.Lines[i]
		trimmed := strings.TrimSpace(l.Text)
		whole := []mark{{span: span{0, len(l.Text)}}}
		switch {
		case endLabelRE.MatchString(trimmed) && inBlock:
			inBlock, untilEnd = false, false
			l.hidden = whole
		case bareLabelRE.MatchString(trimmed):
			inBlock, untilEnd = true, r.endsLater(i+1)
			l.hidden = whole
		case inBlock && trimmed == "" && !untilEnd:
			inBlock = r.nextIsIndented(i)
		case inBlock && !untilEnd && isSectionHeading(trimmed):
			inBlock = false
		case inBlock:
			l.hidden = whole
		case indent >= 0 && trimmed != "" && indentOf(l.Text) > indent:
			l.hidden = whole
		default:
			indent = -1
			l.hidden = hiddenSpans(l.Text)
			if l.allHidden() && labelRE.MatchString(trimmed) {
				indent = indentOf(l.Text)
			}
		}
		for j := range l.Facts {
			f := &l.Facts[j]
			f.Line = l.Number
			f.Internal = len(l.hiddenIn(span{f.Start, f.End})) > 0
		}
		switch {
		case len(l.hidden) == 0 || trimmed == "":
		case l.allHidden():
			r.warn("Line %d is marked internal: it is not in the letter.", l.Number)
		default:
			r.warn("Line %d is partly marked internal: that part is not in the letter.", l.Number)
		}
	}
}

func (r *Record) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

func (r *Record) endsLater(from int) bool {
	for _, l := range r.Lines[from:] {
		trimmed := strings.TrimSpace(l.Text)
		if endLabelRE.MatchString(trimmed) {
			return true
		}
		if bareLabelRE.MatchString(trimmed) {
			return false
		}
	}
	return false
}

func (r *Record) nextIsIndented(blank int) bool {
	return blank+1 < len(r.Lines) && indentOf(r.Lines[blank+1].Text) > 0 && !r.Lines[blank+1].blank()
}

// hiddenSpans finds internal matter within one line.
func hiddenSpans(text string) []mark {
	if shoutRE.MatchString(text) {
		return []mark{{span: span{0, len(text)}}}
	}
	var found []mark
labels:
	for from := 0; from < len(text); {
		m := labelRE.FindStringSubmatchIndex(text[from:])
		if m == nil {
			break
		}
		start := from + max(m[2], m[4])
		switch open := enclosing(text, start); {
		case open.start >= 0:
			found = append(found, mark{open, true})
			from = open.end
		case strings.TrimLeftFunc(text[:start], notLetter) == "" || !sentenceStart(text, start):
			return []mark{{span: span{0, len(text)}}}
		default:
			found = append(found, mark{span: span{start, len(text)}})
			break labels
		}
	}
	for _, m := range phraseRE.FindAllStringIndex(text, -1) {
		within := false
		for _, f := range found {
			within = within || f.holds(span{m[0], m[1]})
		}
		if within {
			continue
		}
		open := enclosing(text, m[0])
		if open.start >= 0 && strings.Trim(text[open.start+1:m[0]]+text[m[1]:open.end], " .,:;-–—)]}") != "" {
			found = append(found, mark{open, true})
			continue
		}
		return []mark{{span: span{0, len(text)}}}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].start < found[j].start })
	return found
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// sentenceStart tells whether the text before i ends a sentence or is set off by a dash.
func sentenceStart(text string, i int) bool {
	before := strings.TrimRight(text[:i], " \t*_")
	return before == "" || strings.ContainsAny(before[len(before)-1:], ".;!?:")
}

// bracketReach bounds the search for an opening bracket, in bytes.
const bracketReach = 2000

// enclosing returns the bracket around position i, from the opening to just
// after the closing one (or the line's end); start is -1 when there is none.
func enclosing(text string, i int) span {
	depth := 0
	for j := i - 1; j >= max(0, i-bracketReach); j-- {
		switch text[j] {
		case ')', ']', '}':
			depth++
		case '(', '[', '{':
			if depth > 0 {
				depth--
				continue
			}
			for k, level := i, 0; k < len(text); k++ {
				switch text[k] {
				case '(', '[', '{':
					level++
				case ')', ']', '}':
					if level == 0 {
						return span{j, k + 1}
					}
					level--
				}
			}
			return span{j, len(text)}
		}
	}
	return span{-1, -1}
}

func indentOf(text string) int { return len(text) - len(strings.TrimLeft(text, " \t")) }

var (
	correctionRE = regexp.MustCompile(`(?i)^[\s,;.:(\-–—/]*(?:\b(?:no|nope|sorry|correction|corrected|scratch that|strike that|i mean|i meant|meant|rather|make that|actually|wait|oops|should be|should read|should say|amend(?:ed)? to|corrected to|not right|wrong|that['’]?s wrong|er|or rather)\b[\s,;.:(\-–—]*)+(?:(?:it['’]?s|it is|its|it was|is|was|to|that['’]?s|should be|should read|make it|checked|ref(?:erence)?|acc(?:oun)?t|a/c)\b[\s.,:]*)*$`)
	insteadRE    = regexp.MustCompile(`(?i)^\s*[,(]?\s*(?:and\s)?not\s+$`)
	crossRE      = regexp.MustCompile(`(?i)\b(?:correction|corrected|correct(?:s|ing)|amend(?:ed|ment)?|should (?:be|read|say)|should have (?:been|said)|got (?:that|it) wrong|wrong|mistake|misread|scratch|i meant|sorry)\b`)
)

// findCorrections settles "£340, no, £304": the letter has the later figure
// only. A line that says a figure of an earlier line was wrong, and names both,
// corrects that line too.
func (r *Record) findCorrections() {
	said := earlier{}
	for i := range r.Lines {
		l := &r.Lines[i]
		for j := 0; j+1 < len(l.Facts); j++ {
			old, next := &l.Facts[j], &l.Facts[j+1]
			between := l.Text[old.End:next.Start]
			if old.Kind != next.Kind || len(between) > lookAround {
				continue
			}
			switch {
			case correctionRE.MatchString(between):
				end := next.Start
				cut := edit{span{old.Start, end}, ""}
				old.Superseded = true
				l.edits = append(l.edits, cut)
				if open := strings.Count(between, "(") - strings.Count(between, ")"); open > 0 {
					if k := strings.IndexByte(ahead(l.Text, next.End), ')'); k >= 0 {
						l.edits = append(l.edits, edit{span{next.End + k, next.End + k + 1}, ""})
					}
				}
				r.warnCorrected(l, old, next)
			case insteadRE.MatchString(between):
				// "£304 not £340": the first stands.
				start, end := old.End, next.End
				if strings.Contains(between, "(") {
					if k := strings.IndexByte(ahead(l.Text, end), ')'); k >= 0 {
						end += k + 1
					}
				}
				next.Superseded = true
				l.edits = append(l.edits, edit{span{start, end}, ""})
				r.warnCorrected(l, next, old)
				r.correctEarlier(said, l, next, old)
				j++
			}
		}
		if len(l.Facts) > 0 && crossRE.MatchString(l.Text) {
			r.crossLine(said, l)
		}
		for j := range l.Facts {
			if f := &l.Facts[j]; !f.Superseded && !f.Internal {
				key := sameFact{f.Kind, f.Value}
				said[key] = append(said[key], place{l, f})
			}
		}
	}
	for i := range r.Lines {
		slices.SortStableFunc(r.Lines[i].edits, byStart)
	}
}

// earlier finds where a fact was said before.
type (
	earlier  map[sameFact][]place
	sameFact struct {
		kind  Kind
		value string
	}
	place struct {
		line *Line
		fact *Fact
	}
)

func (r *Record) warnCorrected(l *Line, old, next *Fact) {
	if !old.Internal && !next.Internal {
		r.warn("Line %d corrects %s to %s: the letter has the corrected one.", l.Number, old.Text, next.Text)
	}
}

// crossLine applies "line 2 should be £304" and "correction: £340 should be
// £304" to earlier lines, where both figures are named.
func (r *Record) crossLine(said earlier, l *Line) {
	corrected := false
	for j := range l.Facts {
		old := &l.Facts[j]
		corrected = corrected || old.Superseded
		if !old.Superseded {
			continue
		}
		for k := j + 1; k < len(l.Facts); k++ {
			if next := &l.Facts[k]; !next.Superseded && old.Kind == next.Kind {
				r.correctEarlier(said, l, old, next)
				break
			}
		}
	}
	if !corrected && strings.Contains(strings.ToLower(l.Text), "correct") && !l.allHidden() {
		r.warn("Line %d speaks of a correction, but not of what: both figures are in the letter. Please check.", l.Number)
	}
}

// correctEarlier puts the next fact in the place of the old one wherever an
// earlier line says the old one.
func (r *Record) correctEarlier(said earlier, l *Line, old, next *Fact) {
	if next.Internal {
		return
	}
	key := sameFact{old.Kind, old.Value}
	for _, p := range said[key] {
		p.fact.Superseded = true
		p.line.edits = append(p.line.edits, edit{span{p.fact.Start, p.fact.End}, next.Text})
		r.warn("Line %d says %s, which line %d corrects to %s: the letter has the corrected one.", p.line.Number, p.fact.Text, l.Number, next.Text)
	}
	delete(said, key)
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
