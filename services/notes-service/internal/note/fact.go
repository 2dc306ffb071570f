package note

import (
	"sort"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

// Kind says what a fact is.
type Kind string

// The kinds of fact.
const (
	Amount     Kind = "amount"
	Date       Kind = "date"
	Reference  Kind = "reference"
	Phone      Kind = "phone"
	Percentage Kind = "percentage"
	Action     Kind = "action"
)

// Owner says who is to do an action.
type Owner string

// The owners. Unknown is used wherever the notes do not say.
const (
	Us         Owner = "us"
	Client     Owner = "client"
	ThirdParty Owner = "third_party"
	Unknown    Owner = "unknown"
)

// Fact is one thing that the notes say, with the place where they say it.
type Fact struct {
	Kind Kind
	// Value is the normalised form: "£1,200.00" for an amount, ISO 8601 for a
	// date that is certain (else as said), digits for a phone number, "25%" for
	// a percentage, the thing to be done for an action.
	Value string
	// Text is the span exactly as written.
	Text string
	// Line counts from 1; Start and End are byte offsets within that line.
	Line, Start, End int
	// Period of an amount: "week", "month", "year" and so on, or "".
	Period string
	// Owner and Deadline belong to actions only; Deadline is as said, or "".
	Owner    Owner
	Deadline string
	// Internal facts stand in matter that must not reach the letter.
	Internal bool
	// Superseded facts were corrected later in the notes.
	Superseded bool
	// Day is the day that a date means, in ISO 8601, read against the day of the
	// notes; "" where that is not certain. Urgency of an action is "urgent",
	// "dated" or "". Both are set by [Record.Analyse].
	Day, Urgency string

	by     string // what a superseded fact was corrected to, "" for nothing
	byLine int    // where
}

// span is a half-open byte range of a line.
type span struct{ start, end int }

func (s span) holds(t span) bool { return s.start <= t.start && t.end <= s.end }

// scanner collects the facts of one line; a byte belongs to one fact at most,
// and the recognisers run from the surest to the least sure.
type scanner struct {
	text  string
	taken []bool
	facts []Fact
	words bool // there may be a date in words
}

func (s *scanner) free(from, to int) bool {
	for i := from; i < to; i++ {
		if s.taken[i] {
			return false
		}
	}
	return from < to
}

func (s *scanner) add(f Fact) {
	for i := f.Start; i < f.End; i++ {
		s.taken[i] = true
	}
	f.Text = s.text[f.Start:f.End]
	s.facts = append(s.facts, f)
}

// facts returns what the recognisers find in one line, in order of position.
func facts(line string) []Fact {
	figures, words := strings.ContainsAny(line, "0123456789") || moneyInWordsRE.MatchString(line), mayHoldDate(line)
	if !figures && !words {
		return nil
	}
	s := &scanner{text: line, taken: make([]bool, len(line)), words: words}
	if figures {
		s.references()
		s.phones()
		s.percentages()
		s.numericDates()
	}
	s.wordDates()
	if figures {
		s.amounts()
	}
	if figures {
		s.shapes()
	}
	sort.Slice(s.facts, func(i, j int) bool { return s.facts[i].Start < s.facts[j].Start })
	return s.facts
}

var percentageRE = pattern.MustCompile(`(?i)(\d+(?:\.\d+)?)\s?(?:%|per\s?cent\b|pc\b)`)

func (s *scanner) percentages() {
	for _, m := range findAllIf(strings.ContainsAny(s.text, "%cC"), percentageRE, s.text) {
		if s.free(m[0], m[1]) && !partOfNumber(s.text, m[0]) {
			s.add(Fact{Kind: Percentage, Value: s.text[m[2]:m[3]] + "%", Start: m[0], End: m[1]})
		}
	}
}

// partOfNumber tells whether the byte at i continues a number or word begun before it.
func partOfNumber(text string, i int) bool {
	if i == 0 {
		return false
	}
	c := text[i-1]
	if isAlnum(c) {
		return true
	}
	return (c == '.' || c == ',') && i > 1 && isDigit(text[i-2])
}

var phoneRE = pattern.MustCompile(`(?:\+44[\s-]?(?:\(0\)[\s-]?)?[1-9]|\(0\d{2,4}\)|\b0[1-9])[\d\s-]{5,13}\d`)

func (s *scanner) phones() {
	for _, m := range findAllIf(strings.ContainsAny(s.text, "0+"), phoneRE, s.text) {
		if !s.free(m[0], m[1]) || partOfNumber(s.text, m[0]) || m[1] < len(s.text) && isAlnum(s.text[m[1]]) {
			continue
		}
		digits := strings.Map(onlyDigits, strings.Replace(s.text[m[0]:m[1]], "(0)", "", 1))
		if strings.HasPrefix(s.text[m[0]:], "+44") {
			digits = "0" + digits[2:]
		}
		if len(digits) == 10 || len(digits) == 11 {
			s.add(Fact{Kind: Phone, Value: digits, Start: m[0], End: m[1]})
		}
	}
}

var (
	referenceLabel = pattern.MustCompile(`(?i)\b(ref(?:erence)?s?|a/c|acc(?:oun)?t?s?|claim|case|agreement|policy|customer|invoice|warrant|roll|membership|pcn|nino?|national insurance|sort code|loan|card|client|court|utr)\b\.?` +
		`((?:\s*\b(?:no|nos|num|number|ref|reference|code|id)\b\.?)*)(\s*(?:\bis\b|\bwas\b|:|#|=|-)\s*|\s*)`)
	ninoRE      = pattern.MustCompile(`(?i)\b[a-ceghj-prstw-z]{2}\s?\d{2}\s?\d{2}\s?\d{2}\s?[a-d]\b`)
	tokenRE     = pattern.MustCompile(`^[A-Za-z0-9]+(?:[/-][A-Za-z0-9]+)*`)
	nextGroupRE = pattern.MustCompile(`^ ([A-Z0-9]+(?:[/-][A-Z0-9]+)*)(?:$|[^A-Za-z0-9,%])`)
	unitWordRE  = pattern.MustCompile(`(?i)^\s*(?:%|p\.?[cawm]+\b|per\b|p/|a (?:week|month|year|day)|days?\b|w(?:ee)?ks?\b|m(?:on)?ths?\b|years?\b|yrs?\b|hours?\b|hrs?\b|mins?\b|minutes?\b|pounds?\b|quid\b|k\b|times\b|x\b|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|st\b|nd\b|rd\b|th\b|creditors\b|accounts\b|debts\b|people\b|payments\b|letters\b|calls\b|pages\b|kids\b|children\b)`)
)

func (s *scanner) references() {
	for _, m := range ninoRE.FindAllStringIndex(s.text, -1) {
		s.add(Fact{Kind: Reference, Value: strings.ToUpper(strings.ReplaceAll(s.text[m[0]:m[1]], " ", "")), Start: m[0], End: m[1]})
	}
	for _, m := range referenceLabel.FindAllStringSubmatchIndex(s.text, -1) {
		label := strings.ToLower(s.text[m[2]:m[3]])
		strong := strings.HasPrefix(label, "ref") || label == "pcn" || label == "sort code" || m[4] < m[5] ||
			strings.ContainsAny(s.text[m[6]:m[7]], ":#=")
		if strings.TrimSpace(s.text[m[6]:m[7]]) == "" && m[1] < len(s.text) && m[6] == m[7] {
			continue // the label runs straight on into a word
		}
		end := referenceEnd(s.text, m[1], label == "sort code")
		if end == m[1] || !s.free(m[1], end) {
			continue
		}
		token := s.text[m[1]:end]
		size := len(strings.Map(onlyAlnum, token))
		if size < 3 || !strong && size < 6 || !strings.ContainsAny(token, "0123456789") || label != "sort code" && slashDateRE.MatchString(token) {
			continue
		}
		s.add(Fact{Kind: Reference, Value: token, Start: m[1], End: end})
	}
}

// A reference without a label is known by its shape: letters and digits mixed,
// or long groups of digits.
var shapeRE = pattern.MustCompile(`\b(?:[A-Z]{1,5}[/-]?\d[\dA-Z]*(?:[/-][\dA-Z]+)*|\d[\dA-Z]*[A-Z][\dA-Z]*(?:[/-][\dA-Z]+)*|\d{2,}(?:-\d+){2,}|\d{8,}[A-Z]?)\b`)

// Forms and notices have short names of letters and digits that are no references.
var formRE = pattern.MustCompile(`^(?:[A-Z]{1,3}\d{1,3}[A-Z]?|[A-Z]{1,2}\d[A-Z\d]? ?\d?[A-Z]{0,2}|\d{1,3}(?:ST|ND|RD|TH|AM|PM|K|X|P))$`)

func (s *scanner) shapes() {
	for _, m := range shapeRE.FindAllStringIndex(s.text, -1) {
		token := s.text[m[0]:m[1]]
		size := len(strings.Map(onlyAlnum, token))
		switch {
		case !s.free(m[0], m[1]), partOfNumber(s.text, m[0]), size < 5, formRE.MatchString(token), slashDateRE.MatchString(token):
		case m[0] > 0 && strings.IndexByte("/-@£", s.text[m[0]-1]) >= 0, m[1] < len(s.text) && strings.IndexByte("/-@", s.text[m[1]]) >= 0:
		case size < 6 && !strings.ContainsAny(token, "/-"):
		default:
			s.add(Fact{Kind: Reference, Value: token, Start: m[0], End: m[1]})
		}
	}
}

var slashDateRE = pattern.MustCompile(`^\d{1,2}[/-]\d{1,2}(?:[/-](?:\d{4}|\d{2}))?$`)

// referenceEnd returns where the reference that starts at from ends: one token,
// then further groups of capitals and digits set off by single spaces, as
// account numbers are often written.
func referenceEnd(text string, from int, shortGroups bool) int {
	first := tokenRE.FindString(ahead(text, from))
	if first == "" {
		return from
	}
	end := from + len(first)
	if strings.ToUpper(first) != first {
		return end
	}
	for {
		m := nextGroupRE.FindStringSubmatch(ahead(text, end))
		if m == nil {
			return end
		}
		group, after := m[1], ahead(text, end+1+len(m[1]))
		hasDigit := strings.ContainsAny(group, "0123456789")
		switch {
		case !hasDigit, slashDateRE.MatchString(group), unitWordRE.MatchString(after):
			return end
		case len(group) < 3 && !shortGroups && (end == from+len(first) || counted(after)):
			return end // a short group belongs to the reference only at its end
		case len(after) > 1 && after[0] == '.' && isDigit(after[1]):
			return end
		}
		end += 1 + len(group)
	}
}

// ahead and behind return the text beside a position, as much of it as any
// recogniser looks at: a bound, so that one long line costs no more than many.
func ahead(text string, from int) string  { return text[from:min(len(text), from+lookAround)] }
func behind(text string, upto int) string { return text[max(0, upto-lookAround):upto] }

const lookAround = 64

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isAlnum(c byte) bool { return isDigit(c) || isLetter(c) }

// counted tells whether the word after a number makes it a number of something
// ("12345 14 letters"), as "at" and the like do not.
func counted(after string) bool {
	return lowerNext(after) && !linkWords[wordRE.FindString(after)]
}

var linkWords = set("at with to from for and or re in on is has was by of")

// lowerNext tells whether the text goes on with a word in lower case.
func lowerNext(after string) bool {
	return len(after) > 1 && after[0] == ' ' && after[1] >= 'a' && after[1] <= 'z'
}

func onlyDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

func onlyAlnum(r rune) rune {
	if r < 128 && isAlnum(byte(r)) {
		return r
	}
	return -1
}
