package understand

import (
	"regexp"
	"strings"
	"time"
)

const (
	count   = `(\d{1,3}|one|two|three|four|five|six|seven|ten|fourteen|twenty[- ]one|twenty[- ]eight|thirty)`
	someDay = `(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?`
)

// limit is a wording that sets a time, and how sure it is that something is to
// be done by then. The first group is the date, or the time.
type limit struct {
	weight  int
	pattern *regexp.Regexp
}

func limitOf(weight int, words string) limit {
	words = strings.NewReplacer("DATE", someDay+`(`+datePattern+`)`, "TIME", `(`+count+`\s+(?:working\s+)?(?:calendar\s+)?(?:hours?|days?|weeks?|months?))`, " ", `\s+`, "[^.]", `(?:[^.]|\.\d)`).Replace(words)
	return limit{weight, regexp.MustCompile(`(?is)` + words)}
}

// doing are the things that a reader may have to do.
const doing = `\b(?:pay|paying|paid|payment|payable|reply|respond|return|contact|call|deal|file|arrangement|arrears|clear|bring|settle|appeal|complete|repay|received|reach us|hear from you|disagree|look at it|agree)\b`

var limits = []limit{
	limitOf(100, `\b(?:will be heard|hearing|appear|summoned|evict you|attend|evict)\b.{0,120}?\bon:? DATE`),
	limitOf(90, `required to leave.{0,60}?\b(?:after|by|before) DATE`),
	limitOf(88, `not begin (?:earlier than|before|until(?: after)?) DATE`),
	limitOf(88, `may be begun (?:on or )?after DATE`),
	limitOf(86, `take notice that on DATE`),
	limitOf(76, `\buntil DATE (?:to|at the latest)\b`),
	limitOf(74, `\bperiod of TIME (?:beginning|starting)`),
	limitOf(80, doing+`[^.]{0,160}?\b(?:by|before|no later than|on or before|not later than) DATE`),
	limitOf(78, `\b(?:unless|if)\b[^.]{0,120}?\b(?:by|before) DATE`),
	limitOf(72, doing+`[^.]{0,160}?\b(?:within|in the next) TIME`),
	limitOf(70, `(?:payment )?due (?:by|on|date):?[\s|]+DATE`),
	limitOf(70, `\b(?:pay|payable) (?:by|before)[\s|:]+DATE`),
	limitOf(60, `\b(?:within|in the next) TIME`),
	limitOf(50, `\bdecision date (?:is|:) DATE`),
	limitOf(40, `\bdeadline[^.]{0,40}?DATE`),
}

// notDue are wordings in which a time is an offer or a payment to the reader.
var notDue = regexp.MustCompile(`(?is)\breduced\b|\bdiscount\b|paid (?:to|into)|we will pay|will be paid`)

var (
	fromLetter = regexp.MustCompile(`(?i)^\s*(?:of|from) the date (?:of|on|shown on) (?:this|the) (?:letter|notice|bill|demand|order)|^\s*(?:of|from) (?:this letter|today)`)
	fromOther  = regexp.MustCompile(`(?i)^\s*((?:of|from|after) (?:the )?[^.,;]{3,60}?(?:service|served|receiv\w+|delivery|deemed\w*)[^.,;]{0,40})`)
)

// deadline finds by when something is to be done.
func (t *text) deadline(k kind, letter Field) Deadline {
	var (
		best     Deadline
		score    int
		sentence sentence
	)
	for _, s := range t.sentences() {
		words := t.all[s.from:s.to]
		for _, l := range limits {
			m := l.pattern.FindStringSubmatchIndex(words)
			if m == nil || l.weight <= score || notDue.MatchString(words[m[0]:min(len(words), m[1]+40)]) {
				continue
			}
			if d, ok := t.deadlineAt(s.from+m[0], s.from+m[2], s.from+m[3], letter); ok {
				best, score, sentence = d, l.weight, s
			}
		}
	}
	if score == 0 {
		best.Field = missing("no day is named by which something is to be done")
		best.Consequence = missing("there is no deadline")
		return best
	}
	best.Consequence = t.consequence(k, sentence)
	return best
}

// deadlineAt makes a deadline of the date or time at the place.
func (t *text) deadlineAt(begin, from, to int, letter Field) (Deadline, bool) {
	var d Deadline
	if f, ok := t.dated(t.labelBefore(from), from, to); ok {
		if letter.Value != nil && *f.Value < *letter.Value { // ISO dates sort as days do
			return d, false
		}
		d.Field = f
		return d, true
	}
	if strings.ContainsFunc(t.all[from:to], func(r rune) bool { return r == '/' }) || date.MatchString(t.all[from:to]) {
		return d, false // a date that there is not
	}
	// A time: the span is the whole wording, from "within" on.
	if at := strings.LastIndex(strings.ToLower(t.all[begin:from]), "within"); at >= 0 {
		begin += at
	} else {
		begin = from
	}
	rest := t.all[to:]
	end := to
	switch m := fromLetter.FindStringIndex(rest); {
	case m != nil:
		end = to + m[1]
		d.Reckoned = reckon(t.all[from:to], letter)
	default:
		if o := fromOther.FindStringIndex(rest); o != nil {
			end = to + o[1]
		}
	}
	d.Span = t.span(begin, end)
	d.Label = strings.Join(strings.Fields(d.Span.Text), " ")
	switch {
	case d.Reckoned != nil:
		d.Reason = "no day is named; it was counted from the letter's date"
	case letter.Value == nil && end > to:
		d.Reason = "no day is named, and the day from which it counts is not known"
	default:
		d.Reason = "no day is named; it counts from a day that is not in the document"
	}
	return d, true
}

// reckon counts a time from the letter's date.
func reckon(words string, letter Field) *string {
	if letter.Value == nil || strings.Contains(strings.ToLower(words), "working") {
		return nil
	}
	day, err := time.Parse(time.DateOnly, *letter.Value)
	fields := strings.Fields(strings.ToLower(words))
	if err != nil || len(fields) < 2 {
		return nil
	}
	n, ok := map[string]int{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10, "fourteen": 14, "thirty": 30}[fields[0]]
	if !ok {
		if n = number(fields[0]); n < 1 {
			return nil
		}
	}
	switch unit := fields[len(fields)-1]; {
	case strings.HasPrefix(unit, "day"):
		day = day.AddDate(0, 0, n)
	case strings.HasPrefix(unit, "hour"):
		return nil
	case strings.HasPrefix(unit, "week"):
		day = day.AddDate(0, 0, 7*n)
	default:
		day = day.AddDate(0, n, 0)
	}
	iso := day.Format(time.DateOnly)
	return &iso
}

// otherwise are the wordings of what happens when a time passes.
var otherwise = regexp.MustCompile(`(?is)\bif (?:you|we|payment|it|the|this)\b[^.]{0,80}?\b(?:do not|don['’]t|does not|is not|isn['’]t|are not|have not|fail|neither|nothing|cannot|not (?:paid|received|taken))\b|\bunless\b|\botherwise\b|\bor (?:we|you) (?:may|will|could|can)\b|\bfailure to\b|\bif you do nothing\b|\bIF THE ACTION REQUIRED\b|\bcourt will consider\b|\bwill lead to\b|\bor you could\b|\byou (?:could )?risk\b`)

// outcome are things that creditors and courts do.
var outcome = regexp.MustCompile(`(?i)\b(?:court|judgment|possession|evict|bailiff|enforcement|warrant|legal|terminate|repossess|disconnect|prepayment|prosecut|deduct|petition|bankrupt|visit|charge certificate|liability order|summons|notice|instalments|goods|sell|leave the property)`)

// consequence finds the sentence that says what happens otherwise: that of the
// deadline, the next that does, or any.
func (t *text) consequence(k kind, of sentence) Field {
	all := t.sentences()
	says := func(s sentence) bool {
		words := t.all[s.from:s.to]
		return otherwise.MatchString(words) && (outcome.MatchString(words) || regexp.MustCompile(`(?i)\b(?:may|will|could)\b`).MatchString(words))
	}
	at := 0
	for i, s := range all {
		if s == of {
			at = i
		}
	}
	order := append([]sentence{of}, all[at+1:]...)
	order = append(order, all[:at]...)
	for _, s := range order {
		if says(s) {
			return t.found("", s.from, s.to)
		}
	}
	if k.class == CourtDocument || k.name == "notice_seeking_possession" {
		// What the day itself is: a hearing, an eviction.
		if outcome.MatchString(t.all[of.from:of.to]) {
			return t.found("", of.from, of.to)
		}
	}
	return missing("the document does not say what happens after the deadline")
}
