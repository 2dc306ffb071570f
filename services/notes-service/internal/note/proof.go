package note

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"signpost.internal/services/notes-service/internal/pattern"
)

// maxSentence bounds a sentence of the model's, in characters.
const maxSentence = 600

// proof checks a model's draft against the record. A sentence may only say
// what the parts of the lines it names say that belong to its section.
type proof struct {
	items    []item
	byLine   map[int][]int // line number to indices of items
	names    string        // the client's name, lower case
	headings []Sentence
	out      outcome
	read     map[string][]Fact // the facts of texts read so far
}

// facts reads a text once.
func (p *proof) facts(text string) []Fact {
	found, ok := p.read[text]
	if !ok {
		found = facts(text)
		p.read[text] = found
	}
	return found
}

// newProof makes the record ready to be proved against.
func (r *Record) newProof(clientName string) *proof {
	p := &proof{items: r.items(), byLine: map[int][]int{}, names: strings.ToLower(clientName), read: map[string][]Fact{}}
	heading := ""
	for i := range p.items {
		it := &p.items[i]
		if it.sentence.heading {
			heading = strings.TrimSuffix(it.sentence.Text, ":")
			p.headings = append(p.headings, it.sentence)
			continue
		}
		if it.sentence.gap {
			heading = ""
		}
		it.under = heading
		p.byLine[it.line.Number] = append(p.byLine[it.line.Number], i)
	}
	return p
}

// prove makes the letter's sections of a draft: its accepted sentences, and the
// rule's own wording for whatever no accepted sentence covers.
func (r *Record) prove(d draft, clientName string) *outcome {
	p := r.newProof(clientName)
	p.out.sections = Sections{
		Matters: p.section(MattersSection, d.Matters),
		Ours:    p.section(OursSection, d.Ours),
		Yours:   p.section(YoursSection, d.Yours),
	}
	return &p.out
}

// section proves one list of the draft and fills it up by rule.
func (p *proof) section(name Section, drafted []draftSentence) []Sentence {
	owner := ownerOf(name)
	var accepted []Sentence
	failed := map[int]bool{} // lines that a failed sentence names
	fail := func(text string, lines []int, reason string) {
		p.out.failed++
		p.out.checks = append(p.out.checks, Check{Section: name, Text: text, Lines: lines, Outcome: Failed, Reason: reason})
		for _, line := range lines {
			failed[line] = true
		}
	}
	for _, d := range drafted {
		if reason := p.fault(d, owner); reason != "" {
			fail(d.Text, d.Lines, reason)
			continue
		}
		lines := slices.Clone(d.Lines)
		slices.Sort(lines)
		accepted = append(accepted, Sentence{Text: sentence(strings.Join(strings.Fields(d.Text), " ")), Lines: slices.Compact(lines)})
	}
	covered := map[int]bool{} // lines all of whose items accepted sentences cover
	for i := range p.items {
		it := &p.items[i]
		if it.owner != owner || it.sentence.heading {
			continue
		}
		line := it.line.Number
		if _, seen := covered[line]; !seen {
			covered[line] = true
		}
		if !p.restates(accepted, it) {
			covered[line] = false
		}
	}
	var out []Sentence
	for _, s := range accepted {
		if slices.ContainsFunc(s.Lines, func(line int) bool { return covered[line] }) {
			p.out.accepted++
			p.out.checks = append(p.out.checks, Check{Section: name, Text: s.Text, Lines: s.Lines, Outcome: Proved})
			out = append(out, s)
		} else {
			fail(s.Text, s.Lines, fmt.Sprintf("it leaves out part of line %d", s.Lines[0]))
		}
	}
	for i := range p.items {
		it := &p.items[i]
		var add Sentence
		switch {
		case it.sentence.heading && owner == "" && (i+1 == len(p.items) || p.items[i+1].sentence.heading):
			out = append(out, Sentence{Text: it.sentence.Text, Lines: it.sentence.Lines})
			continue
		case it.sentence.heading || it.owner != owner || covered[it.line.Number]:
			continue
		case it.under != "" && owner == "":
			add = Sentence{Text: it.under + ": " + it.sentence.Text, Lines: it.sentence.Lines}
		default:
			add = it.whole()
		}
		p.out.omitted++
		p.out.checks = append(p.out.checks, Check{Section: name, Text: add.Text, Lines: add.Lines, Outcome: Added, Reason: fmt.Sprintf("the draft does not say all that line %d says", it.line.Number)})
		if failed[it.line.Number] {
			add.Text = flagMark + add.Text + flagNote
		}
		out = append(out, add)
	}
	slices.SortStableFunc(out, func(a, b Sentence) int { return cmp.Compare(a.Lines[0], b.Lines[0]) })
	return out
}

// evidence is what a sentence of a section may rest on.
type evidence struct {
	text  string // as the notes say it and as the letter would, short forms spelled out
	facts map[string]bool
	nums  map[string]bool
	words map[string]bool
}

func (e *evidence) add(all []Fact) {
	for _, f := range all {
		for _, form := range canonical(f) {
			e.facts[form] = true
		}
	}
}

// standing returns the facts of a stretch of the line that are neither internal
// nor corrected.
func (l *Line) standing(s span) []Fact {
	return slices.DeleteFunc(slices.Clone(l.factsIn(s)), func(f Fact) bool { return f.Superseded || f.Internal })
}

func (p *proof) evidence(lines []int, owner Owner) (evidence, string) {
	e := evidence{facts: map[string]bool{}, nums: map[string]bool{}, words: map[string]bool{}}
	var b strings.Builder
	if len(lines) == 0 {
		return e, "it names no line of the notes"
	}
	for _, line := range lines {
		found := false
		for _, i := range p.byLine[line] {
			it := &p.items[i]
			if it.owner != owner {
				continue
			}
			found = true
			whole := it.whole().Text
			b.WriteString(it.said() + "\n" + whole + "\n")
			e.add(p.facts(whole))
			if it.under != "" {
				b.WriteString(it.under + ".\n")
				e.add(p.facts(it.under))
			}
			for _, s := range it.segments {
				e.add(it.line.standing(s.span))
			}
			for _, w := range contentWords(it.under) {
				e.words[stem(w)] = true
			}
		}
		if !found {
			return e, fmt.Sprintf("line %d has nothing that belongs there", line)
		}
	}
	e.text = b.String()
	for _, n := range numbers(e.text) {
		e.nums[n] = true
	}
	for _, w := range contentWords(e.text) {
		e.words[stem(w)] = true
	}
	return e, ""
}

// said returns the item in the notes' own words.
func (it *item) said() string {
	var parts []string
	for _, s := range it.segments {
		parts = append(parts, it.line.said(s))
	}
	return strings.Join(parts, " ")
}

var (
	promiseRE  = pattern.MustCompile(`(?i)\b(?:we|i|us)(?:['’]ll|\s+(?:will|shall|are going to|am going to|promise|agreed to|undertake))\b|\byou(?:['’]ll|\s+(?:will|must|need to|should|have to|are to|agreed to))\b|^\s*please\b`)
	negationRE = pattern.MustCompile(`(?i)\b(?:not|no|never|none|without|cannot|can['’]?t|won['’]?t|nor|neither|nothing|unable|refus\w+|w/o)\b|n['’]t\b`)
	strongRE   = pattern.MustCompile(`(?i)\b(guarantee\w*|promis\w+|definite\w*|certain\w*|ensur\w+|approv\w+|accept\w*|grant\w*|cancel\w*|clear\w*|writ\w* off|wrote off|refund\w*|protect\w*|freez\w*|froze\w*|stop\w*|eligib\w*|qualif\w*|illegal\w*|entitle\w*|safe\w*|always|free|full|all|every|immediate\w*|urgent\w*|prison|court)\b`)
	nameRE     = pattern.MustCompile(`\p{Lu}[\p{L}'’&-]*`)
)

// fault says why a sentence cannot be accepted, or "" when it can.
func (p *proof) fault(d draftSentence, owner Owner) string {
	text := strings.TrimSpace(d.Text)
	switch {
	case text == "":
		return "it is empty"
	case utf8.RuneCountInString(text) > maxSentence:
		return "it is too long"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "it holds control characters"
	}
	e, reason := p.evidence(d.Lines, owner)
	if reason != "" {
		return reason
	}
	where := "line " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(d.Lines)), ", "), "[]")
	taken := make([]bool, len(text))
	for _, f := range p.facts(text) {
		for i := f.Start; i < f.End; i++ {
			taken[i] = true
		}
		if !e.facts[canonical(f)[0]] { // the fullest form: a year must stand in the lines too
			return fmt.Sprintf("the %s “%s” is not in %s", f.Kind, f.Text, where)
		}
	}
	rest := []byte(text)
	for i, t := range taken {
		if t {
			rest[i] = ' '
		}
	}
	for _, n := range numbers(string(rest)) {
		if !e.nums[n] {
			return fmt.Sprintf("the number “%s” is not in %s", n, where)
		}
	}
	switch {
	case owner == Us && youPromiseRE.MatchString(text) && !youPromiseRE.MatchString(e.text):
		return "it gives to the client what we are to do"
	case owner == Client && usPromiseRE.MatchString(text):
		return "it gives to us what the client is to do"
	}
	if owner == "" && promiseRE.MatchString(text) {
		return "it promises or asks something under the matters discussed"
	}
	if negationRE.MatchString(text) != negationRE.MatchString(e.text) {
		return "it says yes where the notes say no, or the other way round (" + where + ")"
	}
	for _, m := range strongRE.FindAllString(text, -1) {
		if !e.words[stem(strings.ToLower(strings.Fields(m)[0]))] {
			return fmt.Sprintf("the word “%s” is not in %s", m, where)
		}
	}
	lower := strings.ToLower(e.text)
	for _, m := range nameRE.FindAllStringIndex(string(rest), -1) {
		name := text[m[0]:m[1]]
		if name == "I" || startsSentence(text, m[0]) && p.opener(name, e) {
			continue
		}
		base := strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(name, "'s"), "’s"))
		if !strings.Contains(lower, base) && !strings.Contains(p.names, base) {
			return fmt.Sprintf("the name “%s” is not in %s", name, where)
		}
	}
	words := contentWords(string(rest))
	known := 0
	for _, w := range words {
		if e.words[stem(w)] {
			known++
		}
	}
	if known*10 < len(words)*6 || len(words) == 0 {
		return "most of it does not stand in " + where
	}
	return ""
}

// opener tells whether a word with which a sentence begins names nobody: a word of
// every letter, or of the lines.
func (p *proof) opener(word string, e evidence) bool {
	lower := strings.ToLower(word)
	return openers[lower] || plainWords[lower] || e.words[stem(lower)] || baseVerb(lower) != "" || strings.Contains(p.names, lower)
}

func startsSentence(text string, i int) bool {
	before := strings.TrimRight(text[:i], " \t\"'“‘(")
	return before == "" || strings.ContainsAny(before[len(before)-1:], ".!?:")
}

// restates tells whether the accepted sentences that name an item's line say
// all its facts and most of its words.
func (p *proof) restates(accepted []Sentence, it *item) bool {
	var b strings.Builder
	for _, s := range accepted {
		if slices.Contains(s.Lines, it.line.Number) {
			b.WriteString(s.Text + "\n")
		}
	}
	if b.Len() == 0 {
		return false
	}
	have, nums, words := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(b.String()) {
		for _, f := range p.facts(strings.TrimSuffix(line, "\n")) {
			for _, form := range canonical(f) {
				have[form] = true
			}
		}
	}
	for _, n := range numbers(b.String()) {
		nums[n] = true
	}
	for _, w := range contentWords(b.String()) {
		words[stem(w)] = true
	}
	said := it.said()
	rest := []byte(said)
	for _, f := range p.facts(said) {
		for i := f.Start; i < f.End; i++ {
			rest[i] = ' '
		}
		if !slices.ContainsFunc(canonical(f), func(form string) bool { return have[form] }) {
			return false
		}
	}
	for _, n := range numbers(string(rest)) {
		if !nums[n] {
			return false
		}
	}
	spelled := contentWords(it.sentence.Text)
	known := 0
	for _, w := range spelled {
		if words[stem(w)] {
			known++
		}
	}
	return known*2 >= len(spelled)
}

// canonical returns the forms under which two facts are the same. A date with
// its year also answers to itself without, never the other way round.
func canonical(f Fact) []string {
	switch f.Kind {
	case Amount:
		return []string{string(f.Kind) + f.Value + "/" + f.Period}
	case Reference:
		return []string{"number" + strings.ToLower(strings.Map(onlyAlnum, f.Value))}
	case Phone:
		return []string{"number" + f.Value}
	case Date:
		return canonicalDate(f)
	}
	return []string{string(f.Kind) + f.Value}
}

var (
	dateNumbersRE = pattern.MustCompile(`\d+`)
	dateWordRE    = pattern.MustCompile(`(?i)[a-z/]+`)
	dateFiller    = set("the of on st nd rd th and to by in")
)

func canonicalDate(f Fact) []string {
	if isoDateRE.MatchString(f.Value) {
		return []string{"date" + f.Value, "date" + f.Value[len("2006-"):]}
	}
	if m := dayMonthRE.FindStringSubmatch(f.Value); m != nil && strings.TrimLeft(f.Value, "0123456789/") == "" {
		return []string{fmt.Sprintf("date%02s-%02s", m[2], m[1])}
	}
	if m := dayNameRE.FindStringSubmatch(f.Value); m != nil && len(m[0]) == len(f.Value) && m[3]+m[4]+m[5] == "" && startsWithDigit(f.Value) {
		return []string{fmt.Sprintf("date%02d-%02s", monthNumber(m[2]), m[1])}
	}
	var words []string
	for _, w := range dateWordRE.FindAllString(strings.ToLower(f.Value), -1) {
		if dateFiller[w] {
			continue
		}
		if n := monthNumber(w); n > 0 && len(w) > 2 && w != "month" && w != "months" {
			w = fmt.Sprintf("month%d", n)
		} else if len(w) > 2 && weekdayRE.MatchString(w) {
			w = w[:3]
		}
		switch w {
		case "wk", "wks", "weeks":
			w = "week"
		case "mth", "mths", "months":
			w = "month"
		case "days":
			w = "day"
		case "tmrw", "tomoz":
			w = "tomorrow"
		}
		words = append(words, w)
	}
	return []string{"date " + strings.Join(words, " ") + " " + strings.Join(dateNumbersRE.FindAllString(f.Value, -1), " ")}
}

func startsWithDigit(s string) bool { return s != "" && isDigit(s[0]) }

var (
	digitsRE    = pattern.MustCompile(`\d+(?:[.,:/]\d+)*`)
	numberWords = map[string]string{
		"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
		"eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16", "twenty": "20", "thirty": "30",
		"forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100", "thousand": "1000",
		"million": "1000000", "dozen": "12", "half": "half", "quarter": "quarter", "twice": "2", "double": "2", "both": "2", "fortnight": "fortnight",
	}
)

// numbers returns the numbers of a text, in figures and in words, in one form.
func numbers(text string) []string {
	var found []string
	for _, d := range digitsRE.FindAllString(text, -1) {
		found = append(found, strings.ReplaceAll(d, ",", ""))
	}
	for _, w := range wordRE.FindAllString(strings.ToLower(text), -1) {
		for _, part := range strings.Split(w, "-") {
			if n, ok := numberWords[strings.Trim(part, ".'’")]; ok {
				found = append(found, n)
			}
		}
	}
	return found
}

// Words that carry no matter of their own, and those that a letter adds to
// make sentences of notes.
var plainWords = set(`a an the and or but so if then than that this these those it its is are was were be been being am
	has have had having do does did done will would shall should can could may might must to of in on at by for from with about
	as into out up off over under you your yours we our us i me my he she they them his her their him who which what when where
	there here also too very just now still however because since until while need needs told tell said say says explained explain
	discussed talked spoke speak speaking asked ask agreed agree mentioned client please let know one per each re ct`)

func contentWords(text string) []string {
	var out []string
	for _, w := range wordRE.FindAllString(strings.ToLower(text), -1) {
		w = strings.Trim(w, ".'’&/-")
		w = strings.TrimSuffix(strings.TrimSuffix(w, "'s"), "’s")
		if w == "" || plainWords[w] || isDigit(w[0]) {
			continue
		}
		if _, number := numberWords[w]; !number {
			out = append(out, w)
		}
	}
	return out
}

// stem cuts the endings of English inflection, roughly: equal stems are taken
// for the same word.
func stem(w string) string {
	for _, ending := range []string{"ing", "ies", "ied", "ed", "es", "s", "e", "y"} {
		if cut, ok := strings.CutSuffix(w, ending); ok && len(cut) >= 3 && !strings.HasSuffix(w, "ss") {
			w = cut
			break
		}
	}
	if n := len(w); n > 3 && w[n-1] == w[n-2] {
		w = w[:n-1]
	}
	return w
}
