package note

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"signpost.internal/services/notes-service/internal/pattern"
)

// Sentence is one item of the letter, with the lines of the notes it rests on.
type Sentence struct {
	Text  string
	Lines []int
	// heading items are the notes' own headings; a gap ends what stands under one.
	heading, gap bool
}

// Sections are the letter's three parts.
type Sections struct{ Matters, Ours, Yours []Sentence }

// item is a stretch of the notes that the letter must restate.
type item struct {
	line     *Line
	segments []segment // one for an action; the line's other matter together
	owner    Owner     // Us or Client for an action of that section, else ""
	sentence Sentence
	under    string // the notes' heading it stands under; set for the proof
	before   string // what the notes say just before, where a pronoun needs it
}

// items returns everything of the notes that the letter must hold, in order.
func (r *Record) items() []item {
	if r.made == nil {
		r.made = r.makeItems()
	}
	return slices.Clone(r.made)
}

func (r *Record) makeItems() []item {
	var all []item
	under, gap := false, false
	for i := range r.Lines {
		l := &r.Lines[i]
		if l.blank() {
			gap = under
			continue
		}
		if l.heading {
			under, gap = !l.actions, false
			if text := headingText(l.Text); !l.actions {
				all = append(all, item{line: l, sentence: Sentence{Text: text, Lines: []int{l.Number}, heading: true}})
			}
			continue
		}
		var matter []segment
		at := len(all)
		for j, s := range l.segments {
			switch {
			case s.hidden:
			case s.action && (s.owner == Us || s.owner == Client):
				text := l.render(s)
				it := item{line: l, segments: []segment{s}, owner: s.owner, sentence: Sentence{Text: text, Lines: []int{l.Number}}}
				if pronounRE.MatchString(text) {
					it.before = r.referent(i, j, s.owner)
				}
				all = append(all, it)
			default:
				matter = append(matter, s)
			}
		}
		if len(matter) == 0 {
			continue
		}
		var texts []string
		for _, s := range matter {
			if text := l.render(s); text != "" {
				texts = append(texts, text)
			}
		}
		if len(texts) > 0 {
			it := item{line: l, segments: matter, sentence: Sentence{Text: strings.Join(texts, " "), Lines: []int{l.Number}, gap: gap}}
			under, gap = under && !gap, false
			all = append(all[:at], append([]item{it}, all[at:]...)...)
		}
	}
	return all
}

// Sections assembles the letter's parts by rule: every item restates one
// stretch of the notes, and every stretch that is not internal is there.
func (r *Record) Sections() Sections {
	var s Sections
	for _, it := range r.items() {
		switch it.owner {
		case Us:
			s.Ours = append(s.Ours, it.whole())
		case Client:
			s.Yours = append(s.Yours, it.whole())
		default:
			s.Matters = append(s.Matters, it.sentence)
		}
	}
	return s
}

// referent tells what a pronoun of a line's j-th segment stands for: the name of
// the other party that the segment before it names, or all that segment says. It
// is "" where that is internal, nothing, or somebody else's action.
func (r *Record) referent(i, j int, owner Owner) string {
	l := &r.Lines[i]
	if j == 0 && i > 0 {
		l = &r.Lines[i-1]
		j = len(l.segments)
	}
	if j == 0 || l.segments[j-1].hidden {
		return ""
	}
	s := l.segments[j-1]
	body := strings.TrimRight(l.body(s, s.start), ".!?;, ")
	if name := r.subjects.onlyOther(body); name != "" {
		return name
	}
	if s.action && s.owner != owner {
		return ""
	}
	return "our note before this: " + body
}

// onlyOther returns the one other party that a text names, or "".
func (s subjects) onlyOther(text string) string {
	found := ""
	for _, m := range properRE.FindAllString(text, -1) {
		lower := strings.ToLower(m)
		if first, _, _ := strings.Cut(lower, " "); !s.others[lower] && !listedOthers[lower] && !organisation.MatchString(lower) && !s.others[first] {
			continue
		}
		if found != "" && found != m {
			return ""
		}
		found = m
	}
	return found
}

var properRE = pattern.MustCompile(`\b\p{Lu}[\p{L}\d&'’-]+(?: \p{Lu}[\p{L}\d&'’-]+)*`)

// whole returns the item as it stands in the letter. An action that speaks of
// "them" is moved away from what told who they are, so that comes with it.
func (it *item) whole() Sentence {
	s := it.sentence
	if it.before != "" {
		s.Text = strings.TrimSuffix(s.Text, ".") + " (" + it.before + ")."
	}
	return s
}

func headingText(text string) string {
	text = strings.Trim(strings.TrimSpace(bulletRE.ReplaceAllString(text, "")), "#*_ ")
	return capitalise(strings.TrimRight(text, ": ")) + ":"
}

var (
	// pronounRE finds a pronoun so early that what it stands for was said before.
	pronounRE = pattern.MustCompile(`(?i)^\W*(?:\S+\s+){1,2}(?:them|it|this|that|these|those|they|him)\b`)
	spacesRE  = pattern.MustCompile(`\s+`)
	beforeCut = pattern.MustCompile(`\s+([.,;:)!?])`)
	dashesRE  = pattern.MustCompile(`(?:\s[-–—,]){2,}`)
	emptyRE   = pattern.MustCompile(`\(\s*\)|\[\s*\]`)
	clientRE  = pattern.MustCompile(`(?i)(\bthe\s+)?\b(ct|cl|clt)(['’]?s)?\b`)
	// A verb or the like after "CT" shows that the client is meant.
	afterClient  = pattern.MustCompile(`(?i)^(?:$|[.,;:!?)]|\s+(?:to|will|is|was|has|had|can|could|does|did|do|and|or|would|may|might|must|should|also|not|says?|said|thinks?|thought|feels?|felt|wants?|wanted|needs?|needed|owes?|owed|gets?|got|lives?|lived|works?|worked|rents?|pays?|paid|earns?|receives?|received|rang|called|phoned|came|attended|agreed?|agrees|confirmed|confirms|explained|reports?|reported|understands?|understood|asked|asks|told|tells|lost|has|brought|sent|told|stated|states|unable|able|worried|happy|aware|advised|who|isn|hasn|doesn|didn|can|won|wasn|couldn|cannot|in|on|at|by|with|for|re|about|that|if|when|today|now|still|then|been|being|very|really|struggling|self|aged|born|lives|separated|divorced|single|married|unemployed)\b|['’](?:ll|d|ve))`)
	beforeClient = pattern.MustCompile(`(?i)\b(?:to|with|for|from|by|asked|told|advised|called|rang|phoned|met|saw|emailed|texted|reminded|explained to|sent|gave|the|our|if|that|because|when|where|what|how|whether)\s+(?:the\s+)?$`)
	councilTax   = pattern.MustCompile(`(?i)^\s+(?:arrears|bill|bills|debt|debts|band|account|acct|a/c|liability|reduction|support|summons|exemption|discount|£|charge|payments?|refund|recovery|dept|department|office|team|instal)`)
)

// render returns a segment as an item of the letter: without its subject where
// the section's heading says it, with corrections made and short forms spelled
// out, as a sentence.
func (l *Line) render(s segment) string {
	from := s.start
	if s.action && s.strip && (s.owner == Us || s.owner == Client) {
		from = s.verb
	}
	return sentence(l.body(s, from))
}

func (l *Line) body(s segment, from int) string {
	within := span{from, s.end}
	text := l.Text
	edits := l.editsIn(within)
	for _, h := range l.hiddenIn(within) {
		if within.holds(h.span) {
			edits = append(edits, edit{h.span, ""})
		}
	}
	if m := taggedRE.FindStringSubmatchIndex(text[from:s.end]); m != nil && s.action {
		end := m[1]
		if m[10] >= 0 { // the deadline after the tag stays
			end = m[10]
		}
		edits = append(edits, edit{span{from + m[0], from + end}, ""})
	}
	for _, e := range append(trade.edits(text, from, s.end), clientEdits(text, from, s.end)...) {
		if !l.inFact(e.span) {
			edits = append(edits, e)
		}
	}
	for _, f := range l.factsIn(within) {
		if f.Kind == Amount && f.Period != "" && within.holds(span{f.Start, f.End}) {
			if e, ok := periodEdit(f, text); ok {
				edits = append(edits, e)
			}
		}
	}
	out := apply(text, within, edits)
	out = emptyRE.ReplaceAllString(out, "")
	out = dashesRE.ReplaceAllString(spacesRE.ReplaceAllString(out, " "), " -")
	return strings.TrimSpace(beforeCut.ReplaceAllString(out, "$1"))
}

func (l *Line) inFact(s span) bool { return len(l.factsIn(s)) > 0 }

var shortPeriod = pattern.MustCompile(`(?i)\s?(?:p\.?/?w\.?|p\.?c\.?m\.?|p\.?/?m\.?|p\.?/?a\.?|p\.?f|/\s?(?:wk|week|mth|month|yr|year|day))$`)

// periodEdit spells out "pw", "pcm" and the like after an amount.
func periodEdit(f Fact, text string) (edit, bool) {
	m := shortPeriod.FindStringIndex(text[f.Start:f.End])
	if m == nil {
		return edit{}, false
	}
	words := map[string]string{"week": " a week", "month": " a month", "year": " a year", "day": " a day", "fortnight": " a fortnight"}
	with, ok := words[f.Period]
	return edit{span{f.Start + m[0], f.End}, with}, ok
}

// clientEdits spells out "CT" where the words around it show that it is the
// client; where it may be council tax it stays.
func clientEdits(text string, from, to int) []edit {
	var found []edit
	for _, m := range clientRE.FindAllStringSubmatchIndex(text[from:to], -1) {
		start, end := from+m[0], from+m[1]
		after, before := ahead(text, end), behind(text, start)
		possessive := m[6] >= 0
		switch {
		case start > 0 && isWordByte(text[start-1]), end < len(text) && isWordByte(text[end]):
			continue
		case councilTax.MatchString(after) && !possessive:
			continue
		case !possessive && start == from && lowerNext(after) && !councilTax.MatchString(after):
		case possessive && text[from+m[6]] == 's': // "CTs": several clients, or a slip
			continue
		case !possessive && !afterClient.MatchString(after) && !beforeClient.MatchString(before) && m[2] < 0:
			continue
		}
		with := "the client"
		if possessive {
			with += "'s"
		}
		found = append(found, edit{span{start, end}, with})
	}
	for _, m := range numberedRE.FindAllStringSubmatchIndex(text[from:to], -1) {
		found = append(found, edit{span{from + m[0], from + m[1]}, "client " + text[from+m[2]:from+m[3]]})
	}
	return found
}

var numberedRE = pattern.MustCompile(`\b(?i:ct|cl|clt)([12])\b`)

// sentence gives text a capital and a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(strings.Trim(text, ",; \t"))
	text = strings.TrimSpace(strings.TrimLeft(text, "-–—:. "))
	if text == "" {
		return ""
	}
	if last, _ := utf8.DecodeLastRuneInString(text); !strings.ContainsRune(".!?:…", last) {
		text += "."
	}
	return capitalise(text)
}

func capitalise(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError {
		return text
	}
	return string(unicode.ToUpper(r)) + text[size:]
}

// The fixed text of the letter. It states no fact about the case and promises
// nothing.
const (
	rulesMark = "DRAFT, made from the notes by rule, without a language model. Check every line against the notes before it is sent."
	modelMark = "DRAFT, written with a language model from the notes. Check every line against the notes before it is sent."

	thanks  = "Thank you for speaking to us. The points below keep the words of our notes."
	proved  = "Thank you for speaking to us. This letter sets out what our notes say."
	means   = "Where this letter says “the client”, it means you."
	closing = "Please read this letter with care. If something in it is wrong, or is not clear, please tell us."

	mattersHeading = "Matters we discussed"
	oursHeading    = "What we will do"
	yoursHeading   = "What you need to do"

	// What the sections say when the notes record nothing for them.
	NoMatters = "Our notes do not record any."
	NoOurs    = "Our notes do not record anything for us to do."
	NoYours   = "Our notes do not record anything for you to do."
)

// text writes a section as the contract's string.
func text(section []Sentence, none string) string {
	if len(section) == 0 {
		return none
	}
	var b strings.Builder
	for i, s := range section {
		switch {
		case s.heading && i > 0:
			b.WriteString("\n" + s.Text)
		case s.gap && i > 0:
			b.WriteString("\n- " + s.Text)
		case s.heading:
			b.WriteString(s.Text)
		default:
			b.WriteString("- " + s.Text)
		}
		if i < len(section)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// full writes the whole letter.
func full(mark, clientName, matters, ours, yours string) string {
	var b strings.Builder
	para := func(s string) { b.WriteString(s + "\n\n") }
	para(mark)
	para("Dear " + greeting(clientName) + ",")
	opening := thanks
	if mark == modelMark {
		opening = proved
	}
	if strings.Contains(strings.ToLower(matters+ours+yours), "the client") {
		opening += " " + means
	}
	para(opening)
	para(mattersHeading + "\n\n" + matters)
	para(oursHeading + "\n\n" + ours)
	para(yoursHeading + "\n\n" + yours)
	para(closing)
	b.WriteString("Yours sincerely")
	return b.String()
}

func greeting(clientName string) string {
	if name := strings.TrimSpace(clientName); name != "" && !strings.EqualFold(name, DefaultClient) {
		return name
	}
	return "client"
}
