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

const labelPattern = `(?:strictly |staff )?(?:internal|confidential|conf|confid|int|priv|p ?& ?c|off (?:the )?record|(?:staff|team|office|adviser|advisor|admin|manager|managers|management|us|file|log|casebook|crm|aic)(?: use)? only|for (?:the |our |my )?(?:file|us|staff|office|team|supervisor|supervision|manager)(?: only)?|private(?: (?:&|and) confidential| notes?)|(?:supervision|supervisor|handover|admin|file|management|mgmt|casework|colleague|team|safeguarding|self) notes?|sup|s/v|supervisor|ps? for (?:the )?file|(?:memo|reminder|notes?|message|query|question) (?:to|for) (?:self|me|file|supervisor|colleagues?|manager|team|reception|admin|gill|us)|fao (?:supervisor|manager|colleagues?|team)|nts|n2s|nfd|nfl|nfc|aside|sensitive|safeguarding|secret|redact(?:ed)?|withhold|between (?:us|ourselves|you and me)|(?:adviser|advisor|staff|our|your) eyes only|not for (?:the )?(?:letter|client|ct|coa|release|disclosure))` +
	`(?:\s(?:only|note|notes|remark|remarks|comment|comments|use|use only|info|information|matter))?(?:\s?\([^)]{0,60}\))?`

var (
	// A label opens internal matter: at the start of a sentence or bracket,
	// followed by a colon or dash; elsewhere only with a colon.
	labelRE = regexp.MustCompile(`(?i)(?:(?:^\W*|[.;!?]\s+|[([{*_]+\s*|\s[-–—]\s+)(` + labelPattern + `|private(?: notes?)?)(?:\s*(?::|[-–—]\s))` +
		`|\s(` + labelPattern + `)\s*:)`)
	// A label in brackets or as a tag opens a line or sentence without a colon.
	tagRE = regexp.MustCompile(`(?i)^\W*[(\[{<*]\s*(?:` + labelPattern + `|private)\s*[)\]}>*]`)
	// Elements of markup hold internal matter, on one line or several.
	openTagRE  = regexp.MustCompile(`(?i)<\s*(?:internal|conf|confidential|private|staff)\s*>`)
	closeTagRE = regexp.MustCompile(`(?i)<\s*/\s*(?:internal|conf|confidential|private|staff)\s*>`)
	// Upper case alone is label enough, with or without a colon.
	shoutRE = regexp.MustCompile(`^\W*(INTERNAL|CONFIDENTIAL|NOT FOR LETTER|NOT FOR CLIENT|OFF THE RECORD|STAFF ONLY)\b`)
	// A phrase marks the sentence or line that it stands in.
	phraseRE = regexp.MustCompile(`(?i)\b(?:not (?:for|to go in|to go into|to be put in|to be included in|to be in|in) (?:the |this |her |his |their )?(?:letter|coa|client letter|client['’]s letter|confirmation(?: of advice)?)` +
		`|not for (?:the )?(?:client|ct)\b|not to be (?:shared|disclosed|passed on)(?: (?:with|to) (?:the )?(?:client|ct))?` +
		`|(?:do not|don['’]?t|dont|never|please don['’]?t) (?:put|include|mention|write|state|say|add|repeat|disclose|share|tell)\b[^.;]{0,60}\b(?:letter|coa|client|ct)\b` +
		`|(?:keep|leave|stays?|kept|left) (?:this |that |it )?(?:out of|off) (?:the |this )?(?:letter|coa)` +
		`|internal (?:only|notes?|use|use only|remarks?|comments?|matter)\b|in(?: strict(?:est)?)? confidence|marked confidential|confidential(?: notes?\b|,? please)` +
		`|off (?:the )?record|staff only|for (?:our )?file only|file only|between (?:ourselves|us|you and me|you, me)\b|for (?:my )?supervis(?:or|ion)(?: only)?|eyes only|not for disclosure` +
		`|(?:do not|don['’]?t|dont|never|must not|mustn['’]?t) (?:disclose|repeat|minute|quote)\b|(?:do not|don['’]?t|dont|never|must not|mustn['’]?t) (?:mention|tell|say|share)\b[^.;]{0,60}\b(?:anyone|anybody|her|him|them|partner|husband|wife|family)\b` +
		`|(?:not|(?:does|do|did|is|was|should|must|need|wo|ca|has|have|would)n['’]?t|no) (?:want|wish|like)(?:s|ed|ing)?\b[^.;]{0,40}\b(?:known|in writing|written down|mentioned|shared|disclosed|on paper|in the letter)\b|nobody (?:is to|must|should) know|keep (?:this |that |it )?(?:quiet|private|between)` +
		`|(?:note|memo|reminder) to (?:self|me|myself)|remind me\b|nts\b|n2s\b` +
		`|(?:do not|don['’]?t|dont|never|not to be|must not be|mustn['’]?t be|not for|no) (?:be )?(?:send|sent|print(?:ed|ing)?|typ(?:e|ed|ing)|releas(?:e|ed)|publish(?:ed)?|forward(?:ed)?|record(?:ed)?|log(?:ged)?|pass(?:ed)? on)\b[^.;]{0,30}(?:this|it|that|bit|part|to (?:the )?(?:client|cl|ct|her|him|them)|$)` +
		`|(?:omit|exclude|remove|delete|strip|cut|redact|withhold|keep|leave|take)(?:d|ed)?\b[^.;]{0,40}\b(?:from|out of|off|before) (?:the |this |her |his |their |any |client['’]?s? )?(?:letter|coa|sending|it goes|send|post)` +
		`|(?:not|(?:does|do|did|is|was|should|must|need|wo|ca|has|have|would)n['’]?t|never|nothing)\b[^.;]{0,30}\b(?:in|into|for|on) (?:the |this |her |his |their )?(?:client['’]?s? )?(?:letter|coa|confirmation of advice)\b` +
		`|(?:leave|keep|miss) (?:this|that|it|these|those|all this|him|her) (?:out|back|off|to (?:our|your|my)sel(?:f|ves)|under wraps|in[- ]house)\b|leave out\b|in[- ]house only|stays? (?:here|with us|in[- ]house|between)|under wraps|hush|let on\b|not to be (?:mentioned|repeated|quoted|known|written|noted|copied)|need not know|needn['’]?t know|(?:behind|within) (?:closed doors|these (?:four )?walls)` +
		`|not client[- ]facing|(?:for )?(?:us|team|staff|office|our|casebook|crm|file|adviser|advisor|case notes?|management|managers?) (?:use |info(?:rmation)? |eyes |notes? )?only\b|just for us|for our eyes|not to (?:go to )?(?:the )?(?:client|cl|ct)\b` +
		`|(?:told|said|mentioned|disclosed|admitted)\b[^.;]{0,30}\b(?:in confidence|confidentially|privately|on the quiet|in secret)|confided|confidentially` +
		`|asked (?:me|us) (?:not to|to keep)|(?:prefers?|rather|would like|wants?|wishes|asked|asks)\b[^.;]{0,40}\b(?:not (?:be )?(?:writ|record|mention|shar|note|put|say|known|told)|kept (?:private|secret|quiet|out|off|between))` +
		`|(?:must|should|can) ?(?:not|n['’]t) (?:know|find out|hear|see this|be told|learn)|(?:does ?n['’]?t|does not|do not|don['’]?t|dont|did ?n['’]?t) want\b[^.;]{0,40}\bto (?:know|find out|hear|see)|without (?:her|his|their|the) (?:partner|husband|wife|spouse|family|parents?|mum|dad|boss|employer)\b[^.;]{0,20}(?:knowing|finding out)|(?:has ?n['’]?t|has not|hav(?:e|ing) not) told (?:her|his|their) (?:partner|husband|wife|spouse|family|parents?|mum|dad)|secretly|in secret|hiding (?:it|this|that|the|her|his|money|assets?)|behind (?:her|his|their) (?:partner|husband|wife|spouse)['’]?s? back` +
		`|conflict (?:of interest|check|search)|(?:also|former|ex-?) ?(?:our|a) client of ours|we (?:also )?(?:act|acted) for (?:her|his|their|the)` +
		`|\bmlro\b|suspicious activity|tipping off|money launder|\bpoca\b` +
		`|raise (?:it |this |that )?(?:w/|with|at|in) (?:my |our |the )?(?:supervis|manager|case review|team meeting)|(?:ask|check with|discuss with|speak to|flag to|run past|tell) (?:my |our |the )?(?:supervisor|manager|line manager|boss at|md|deputy)\b|case review\b|for supervis` +
		`|\bimh?o\b|\btbh\b|gut feel|i (?:think|reckon|feel|fear|bet|guess|believe) (?:that )?(?:he|she|they|cl|client|ct)(?:['’]s| is| are|['’]re| was| may be| might be| has| have)? (?:not |been |being )?(?:ly|lie|dishonest|hiding|exaggerat|evasive|unreliable|drunk|drink|using|on drugs|difficult|making|having us|confus|fibb|telling|withhold|spending|gambl)` +
		`|(?:is|was|seems?|seemed|looks?|sounds?|being|very|bit|quite) (?:a bit |rather |very |quite )?(?:lying|evasive|shifty|dodgy|fishy|dishonest|untruthful|aggressive|abusive|unpleasant|drunk|intoxicated|under the influence|a (?:liar|pain|nightmare|time ?waster|nuisance))` +
		`|my (?:own |personal )?(?:view|opinion|feeling|hunch|impression|suspicion|guess|gut feeling)\b|i (?:suspect|doubt|don['’]?t (?:think|believe|trust)|do not (?:think|believe|trust)|am not (?:sure|convinced)|['’]?m not (?:sure|convinced)) (?:that )?(?:he|she|they|him|her|them|cl|client|ct)(?:['’]\w+)?\b` +
		`|not being (?:straight|honest|truthful|open)|(?:smelt|smelled|smells|reeked|stank) of (?:drink|alcohol|cannabis|weed))`)
	// Some lines say it of others: those before ("^^ above line not for letter")
	// or after them ("next 2 lines confidential").
	aboveRE     = regexp.MustCompile(`(?i)^\W*(?:\^+\s*|(?:the )?(?:above|previous|preceding|last)\b)(?:.{0,40})?(?:confidential|\bconf\b|internal|private|off (?:the )?record|not (?:for|in|to go))`)
	belowRE     = regexp.MustCompile(`(?i)^\W*(?:the )?(?:next|following|below|rest)\b.{0,40}(?:confidential|\bconf\b|internal|private|off (?:the )?record|not (?:for|in|to go))`)
	countRE     = regexp.MustCompile(`(?i)\b(\d|two|three|four|five|six)\b`)
	manyRE      = regexp.MustCompile(`(?i)\b(?:lines|points|sentences|bullets|items)\b`)
	restRE      = regexp.MustCompile(`(?i)\b(?:rest|para|paragraph|section|part|bit)\b`)
	bareLabelRE = regexp.MustCompile(`(?i)^\W*(?:(?:begin|start)(?: of)?\s+)?(?:strictly |staff )?(?:internal|confidential|private|conf|off (?:the )?record|staff only|notes? to self|not for (?:the )?(?:letter|client|coa|release))(?:\s*(?:&|and|\+|/)\s*(?:confidential|private|internal))?(?: (?:only|section|notes?|remarks?|comments?|use only|matters?|info))*(?:\s*[-–—,/(]+\s*(?:not for (?:the )?(?:letter|client|coa)|do not (?:send|share|include)|(?:adviser|advisor|staff|our) (?:eyes )?only|internal|confidential|internal only))*\W*$`)
	onlyLabelRE = regexp.MustCompile(`(?i)^\W*(?:` + labelPattern + `)\W*$`)
	endLabelRE  = regexp.MustCompile(`(?i)^\W*(?:end(?: of)?\s+(?:the\s+)?(?:internal|confidential|private)|/internal|/confidential|(?:ok )?for (?:the )?letter)\b.*$`)
)

// markInternal finds what the adviser marked as not for the client. When the
// extent of a mark is in doubt more is held back rather than less, and a
// warning says so.
func (r *Record) markInternal() {
	inBlock, untilEnd, inTag := false, false, false
	ahead := 0 // lines that an earlier one says are internal; -1 for all to a blank one
	indent := -1
	for i := range r.Lines {
		l := &r.Lines[i]
		trimmed := strings.TrimSpace(l.Text)
		whole := []mark{{span: span{0, len(l.Text)}}}
		switch {
		case inTag || openTagRE.MatchString(l.Text):
			l.hidden, inTag = tagged(l.Text, inTag)
		case ahead != 0 && trimmed != "":
			l.hidden = whole
			ahead = max(ahead-1, -1)
		case aboveRE.MatchString(trimmed):
			l.hidden = whole
			r.hideBefore(i, reachOf(trimmed))
		case belowRE.MatchString(trimmed):
			l.hidden = whole
			ahead = reachOf(trimmed)
		case endLabelRE.MatchString(trimmed) && inBlock:
			inBlock, untilEnd = false, false
			l.hidden = whole
		case bareLabelRE.MatchString(trimmed) || onlyLabelRE.MatchString(trimmed):
			inBlock, untilEnd = true, r.endsLater(i+1)
			l.hidden = whole
		case ahead < 0 && trimmed == "":
			ahead = 0
		case inBlock && trimmed == "" && !untilEnd:
			// A blank line right after the label does not end what it opens.
			inBlock = r.nextIsIndented(i) || i > 0 && onlyLabel(r.Lines[i-1].Text)
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
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		for j := range l.Facts {
			f := &l.Facts[j]
			f.Line = l.Number
			f.Internal = len(l.hiddenIn(span{f.Start, f.End})) > 0
		}
		switch {
		case len(l.hidden) == 0 || l.blank():
		case l.allHidden():
			r.warn("Line %d is marked internal: it is not in the letter.", l.Number)
		default:
			r.warn("Line %d is partly marked internal: that part is not in the letter.", l.Number)
		}
	}
}

func onlyLabel(text string) bool {
	text = strings.TrimSpace(text)
	return bareLabelRE.MatchString(text) || onlyLabelRE.MatchString(text)
}

// reachOf says of how many lines a line speaks: -1 for all to the next blank one.
func reachOf(text string) int {
	if m := countRE.FindString(text); m != "" {
		if n := strings.Index("123456789", m); n >= 0 {
			return n + 1
		}
		return slices.Index([]string{"two", "three", "four", "five", "six"}, strings.ToLower(m)) + 2
	}
	if manyRE.MatchString(text) || restRE.MatchString(text) {
		return -1
	}
	return 1
}

// hideBefore hides the lines before the one at i that it speaks of.
func (r *Record) hideBefore(i, reach int) {
	for i--; i >= 0 && reach != 0; i-- {
		l := &r.Lines[i]
		if l.blank() {
			if reach < 0 && i+1 < len(r.Lines) {
				return
			}
			continue
		}
		l.hidden = []mark{{span: span{0, len(l.Text)}}}
		reach = max(reach-1, -1)
	}
}

// tagged finds what stands between tags of internal matter, and whether the last
// of them is still open.
func tagged(text string, open bool) (found []mark, still bool) {
	for at := 0; ; {
		if !open {
			m := openTagRE.FindStringIndex(text[at:])
			if m == nil {
				return found, false
			}
			at += m[0]
		}
		m := closeTagRE.FindStringIndex(text[at:])
		if m == nil {
			if at == 0 {
				return []mark{{span: span{0, len(text)}}}, true
			}
			return append(found, mark{span: span{at, len(text)}}), true
		}
		end := at + m[1]
		if at == 0 && strings.TrimSpace(text[end:]) == "" {
			return []mark{{span: span{0, len(text)}}}, false
		}
		found = append(found, mark{span{at, end}, true})
		at, open = end, false
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
	if shoutRE.MatchString(text) || tagRE.MatchString(text) {
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
	correctionRE = regexp.MustCompile(`(?i)^\s*(?:-+>|=+>|→|➔|⇒|[?]+)\s*$|^[\s,;.:(\-–—/]*(?:\b(?:no|nope|sorry|correction|corrected|(?:scratch|strike|scrap|delete|ignore|forget|cancel) (?:that|this|it)|my mistake|my error|my bad|typo|tell a lie|i lie|hang on|hold on|let me check|i stand corrected|misread|misheard|miskeyed|mistyped|error|now|now (?:confirmed|known|shown)(?: as)?|confirmed (?:as|at)|updated?(?: to)?|revised(?: to)?|changed?(?: to)?|really|in fact|ought to be|should['’]?ve been|should have been|supposed to be|erm?|um|uh|x+|✗|apologies|apols|soz|oh no|i mean|i meant|meant|rather|make that|actually|wait|oops|should be|should read|should say|amend(?:ed)? to|corrected to|not right|wrong|that['’]?s wrong|er|or rather)\b[\s,;.:(\-–—]*)+(?:(?:it['’]?s|it is|its|it was|is|was|to|that['’]?s|should be|should read|make it|by|on|at|before|for|checked|ref(?:erence)?|acc(?:oun)?t|a/c)\b[\s.,:]*)*$`)
	insteadRE    = regexp.MustCompile(`(?i)^\s*(?:a (?:week|month|year)|per (?:week|month|year)|pcm|pw|pm)?\s*[,(]?\s*(?:and\s)?(?:not|rather than|instead of|never)\s+(?:the\s|on\s|by\s|at\s)?$`)
	butRE        = regexp.MustCompile(`(?i)^[\s,;.]*(?:but|it['’]?s|it is|rather|just|only)\b[\s,]*(?:just|only|rather|by|on|at|to|is)?\s*$`)
	notRE        = regexp.MustCompile(`(?i)\b(?:not|isn['’]?t|wasn['’]?t|never)\s+(?:on |by |at |the )?$`)
	crossRE      = regexp.MustCompile(`(?i)\b(?:correction|corrected|correct(?:s|ing)|amend(?:ed|ment)?|should (?:be|read|say)|should have (?:been|said)|got (?:that|it) wrong|wrong|mistake|misread|scratch|i meant|sorry)\b`)
)

// findCorrections settles "£340, no, £304": the letter has the later figure
// only. A line that says a figure of an earlier line was wrong, and names both,
// corrects that line too.
func (r *Record) findCorrections() {
	said := earlier{}
	for i := range r.Lines {
		l := &r.Lines[i]
		r.strikeOut(l)
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
			case butRE.MatchString(between) && notRE.MatchString(behind(l.Text, old.Start)):
				// "not £340 but £304".
				near := behind(l.Text, old.Start)
				start := old.Start - len(near) + notRE.FindStringIndex(near)[0]
				old.Superseded = true
				l.edits = append(l.edits, edit{span{start, next.Start}, ""})
				r.warnCorrected(l, old, next)
				r.correctEarlier(said, l, old, next)
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
		r.secondThought(said, i)
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

var (
	struckRE  = regexp.MustCompile(`~~[^~\n]{1,200}~~`)
	starredRE = regexp.MustCompile(`^\s*\*+\s*(?:i mean|meant|sorry|should be)?[\s:]*$`)
	// What a line begins with that takes back what was said before.
	secondRE  = regexp.MustCompile(`(?i)^\W*(?:update|correction|corrected|amend(?:ment|ed)?|edit|on checking|having checked|checked|turns out|actually|now (?:know|confirmed|seen)|in fact|later|revised?|re-?checked|after checking|since (?:seen|checked|had)|apologies|sorry|my mistake|typo)\b`)
	thenRE    = regexp.MustCompile(`(?i)(?:on checking|having checked|when (?:i |we )?checked|turns out|actually|in fact|it['’]?s really|really)\b[^.;]{0,30}$`)
	capitalRE = regexp.MustCompile(`\b\p{Lu}[\p{L}&'’-]{2,}`)
)

// strikeOut takes out what is struck through.
func (r *Record) strikeOut(l *Line) {
	for _, m := range struckRE.FindAllStringIndex(l.Text, -1) {
		l.edits = append(l.edits, edit{span{m[0], m[1]}, ""})
		for j := range l.Facts {
			if f := &l.Facts[j]; f.Start >= m[0] && f.End <= m[1] {
				f.Superseded = true
			}
		}
	}
}

// secondThought applies a line that gives one figure anew, without the old one:
// the last figure of the same kind that an earlier line says of the same name
// ("Correction: Dune is £1,240"), or that the line before says ("*£12pw").
func (r *Record) secondThought(said earlier, i int) {
	l := &r.Lines[i]
	for j := range l.Facts {
		next := &l.Facts[j]
		if next.Superseded || next.Internal || next.Kind != Amount && next.Kind != Date && next.Kind != Reference && next.Kind != Percentage {
			continue
		}
		before := behind(l.Text, next.Start)
		starred := j == 0 && starredRE.MatchString(before)
		second := secondRE.MatchString(before) && next.Start <= lookAround
		then := thenRE.MatchString(before)
		if !starred && !second && !then {
			continue
		}
		if old, ok := r.retracted(i, next, starred || then, names(before)); ok {
			key := sameFact{old.Kind, old.Value}
			if len(said[key]) == 0 { // of this line
				old.Superseded = true
				l.edits = append(l.edits, edit{span{old.Start, old.End}, next.Text})
				r.warnCorrected(l, old, next)
				continue
			}
			r.correctEarlier(said, l, old, next)
		}
	}
}

// names are the words of a text that begin with a capital, but for those that
// take something back.
func names(text string) []string {
	var out []string
	for _, name := range capitalRE.FindAllString(text, -1) {
		if !secondRE.MatchString(name) {
			out = append(out, strings.ToLower(name))
		}
	}
	return out
}

// maxRetracted is how many facts are looked at for the one that is taken back.
const maxRetracted = 40

// retracted finds the fact that the one of line i takes the place of.
func (r *Record) retracted(i int, next *Fact, near bool, of []string) (*Fact, bool) {
	looked := 0
	for k := i; k >= max(0, i-12); k-- {
		l := &r.Lines[k]
		for j := len(l.Facts) - 1; j >= 0; j-- {
			if looked++; looked > maxRetracted {
				return nil, false
			}
			old := &l.Facts[j]
			if old.Kind != next.Kind || old.Superseded || old.Internal || old.Value == next.Value || k == i && old.Start >= next.Start {
				continue
			}
			if len(of) > 0 {
				start := 0
				if j > 0 {
					start = l.Facts[j-1].End
				}
				for _, name := range names(l.Text[max(start, old.Start-lookAround):old.Start]) {
					if slices.Contains(of, name) {
						return old, true
					}
				}
				continue
			}
			if near && k >= i-1 {
				return old, true
			}
		}
		if near && len(of) == 0 && k < i && !l.blank() {
			break
		}
	}
	return nil, false
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
