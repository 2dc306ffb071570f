package note

import (
	"cmp"
	"strconv"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

const numberPattern = `\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?`

var (
	sterlingRE = pattern.MustCompile(`(?i)(?:£|\bGBP)\s?(` + numberPattern + `)(?:\s?(k|grand|thousand|million|mn)\b)?`)
	poundsRE   = pattern.MustCompile(`(?i)(` + numberPattern + `)\s?(k|grand|thousand pounds?|million pounds?|pounds?|quid|gbp)\b`)
	penceRE    = pattern.MustCompile(`(?i)(\d{1,3})(?:p|\s?pence)(?:$|[^\w/.]|[.]\W|[.]$)`)
	bareRE     = pattern.MustCompile(numberPattern)
	rangeEndRE = pattern.MustCompile(`^[-–](\d[\d,]*(?:\.\d\d)?)`)
	clockRE    = pattern.MustCompile(`^\d{1,2}(?:[.:]\d\d)?$`)

	periodRE = pattern.MustCompile(`(?i)^(?:ish)?\s?(?:` +
		`(?P<week>p\.w\.|p\.w\b|p/?w\b|/\s?w(?:(?:ee)?k)?\b|(?:per|a|each|every) w(?:ee)?k\b|weekly\b|wkly\b)|` +
		`(?P<fortnight>(?:per|a|each|every) (?:fortnight|f/?n|2 w(?:ee)?ks|two weeks|other week)\b|fortnightly\b|f/?nightly\b|p\.?/?f\b|/\s?(?:f/?n|fortnight)\b)|` +
		`(?P<fourweeks>(?:per|every|each) (?:4|four) w(?:ee)?ks\b|/?\s?(?:4|four)[- ]?w(?:ee)?kly\b|/\s?4\s?w(?:ee)?ks?\b)|` +
		`(?P<month>p\.c\.m\.|p\.c\.m\b|pcm\b|p\.m\.|p\.m\b|p/?m\b|p/?mth\b|/\s?m(?:(?:on)?th)?\b|(?:per|a|each|every) (?:calendar )?m(?:on)?th\b|monthly\b|mthly\b|p/c/m\b)|` +
		`(?P<quarter>(?:per|a|each|every) quarter\b|quarterly\b)|` +
		`(?P<year>p\.a\.|p\.a\b|p/?a\b|/\s?y(?:(?:ea)?r)?\b|p/?yr\b|(?:per|a|each|every) (?:year|annum|yr)\b|yearly\b|annually\b)|` +
		`(?P<day>(?:per|a|each|every) day\b|/\s?d(?:ay)?\b|p/?d\b|daily\b))`)
	// "21.80 CB weekly": the benefit stands between.
	benefitPeriodRE = pattern.MustCompile(`^ [A-Z]{2,4} ((?i:weekly|monthly|pw|pcm|pm|pa|p/w|a week|a month|per week|per month|4 ?wkly|4[- ]weekly|fortnightly))\b`)
	periodNames     = map[string]string{"fourweeks": "four weeks"}
)

func (s *scanner) amounts() {
	lower := strings.ToLower(s.text)
	for _, m := range findAllIf(holdsAny(lower, []string{"£", "gbp"}), sterlingRE, s.text) {
		if !s.amount(m[0], m[1], m[2], m[3], m[4], m[5]) {
			continue
		}
		last := s.facts[len(s.facts)-1]
		if r := rangeEndRE.FindStringSubmatchIndex(ahead(s.text, last.End)); r != nil {
			s.amount(last.End+r[2], last.End+r[3], last.End+r[2], last.End+r[3], -1, -1)
		}
	}
	for _, m := range findAllIf(holdsAny(lower, []string{"k", "grand", "thousand", "pound", "quid", "gbp", "million"}), poundsRE, s.text) {
		if !partOfNumber(s.text, m[0]) {
			s.amount(m[0], m[1], m[2], m[3], m[4], m[5])
		}
	}
	for _, m := range findAllIf(strings.Contains(lower, "p"), penceRE, s.text) {
		end := m[3] + len("p")
		if strings.Contains(s.text[m[3]:m[1]], "ence") {
			end = m[3] + strings.Index(s.text[m[3]:m[1]], "ence") + len("ence")
		}
		if partOfNumber(s.text, m[0]) || !s.free(m[0], end) {
			continue
		}
		pence, _ := strconv.ParseInt(s.text[m[2]:m[3]], 10, 64)
		s.add(Fact{Kind: Amount, Value: pounds(pence), Start: m[0], End: end})
	}
	for _, m := range bareRE.FindAllStringIndex(s.text, -1) {
		if partOfNumber(s.text, m[0]) || m[0] > 0 && s.text[m[0]-1] == '/' || s.text[m[0]:m[1]] == "4" && m[1] < len(s.text) && s.text[m[1]] == 'w' {
			continue
		}
		p := periodRE.FindString(ahead(s.text, m[1]))
		clock := clockRE.MatchString(s.text[m[0]:m[1]]) && strings.HasPrefix(strings.ToLower(strings.TrimSpace(p)), "p")
		if p != "" && (!clock || notAnHour(s.text[m[0]:m[1]])) {
			s.amount(m[0], m[1], m[0], m[1], -1, -1)
		}
	}
	s.inWords()
	s.bareAmounts()
}

// notAnHour tells whether a number before "pm" can only be money.
func notAnHour(number string) bool {
	hour, _, _ := strings.Cut(number, ".")
	n, err := strconv.Atoi(hour)
	return err != nil || n > 12
}

// amount adds the amount at [start, end), whose number is at [from, to) and
// whose multiplier, if any, at [unitFrom, unitTo). A number that cannot be
// read for certain ("£1,20") is kept whole, with its value as said.
func (s *scanner) amount(start, end, from, to, unitFrom, unitTo int) bool {
	if !s.free(start, end) {
		return false
	}
	unit := ""
	if unitFrom >= 0 {
		unit = strings.ToLower(s.text[unitFrom:unitTo])
	}
	var value string
	if rest := oddTail(s.text[end:]); rest > 0 {
		end += rest
		value = s.text[start:end]
	} else if pence, ok := parsePence(s.text[from:to], unit); ok {
		value = pounds(pence)
	} else {
		value = s.text[start:end]
	}
	period := ""
	if m := periodRE.FindStringSubmatchIndex(ahead(s.text, end)); m != nil && s.free(end, end+m[1]) {
		for i, name := range periodRE.SubexpNames() {
			if name != "" && m[2*i] >= 0 {
				period = name
				if full, ok := periodNames[name]; ok {
					period = full
				}
			}
		}
		end += m[1]
	}
	if m := benefitPeriodRE.FindStringSubmatch(ahead(s.text, end)); period == "" && m != nil {
		if p := periodRE.FindStringSubmatch(m[1]); p != nil {
			for i, name := range periodRE.SubexpNames() {
				if name != "" && p[i] != "" {
					period = cmp.Or(periodNames[name], name)
				}
			}
		}
	}
	if !s.free(start, end) {
		return false
	}
	s.add(Fact{Kind: Amount, Value: value, Period: period, Start: start, End: end})
	return true
}

// oddTail returns the length of digits that continue a number in a way that
// no amount is written ("£1,20", "£1.2.3").
func oddTail(rest string) int {
	n := 0
	for n+1 < len(rest) && (rest[n] == ',' || rest[n] == '.') && isDigit(rest[n+1]) {
		n++
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
	}
	return n
}

// parsePence reads a number of pounds, with its multiplier, into pence. It
// refuses what is not a whole number of pence or is out of all proportion.
func parsePence(number, unit string) (int64, bool) {
	whole, fraction, _ := strings.Cut(strings.ReplaceAll(number, ",", ""), ".")
	places := 2
	switch word, _, _ := strings.Cut(unit, " "); word {
	case "k", "grand", "thousand":
		places = 5
	case "million", "mn":
		places = 8
	default:
		if len(fraction) > 2 {
			return 0, false
		}
	}
	if len(fraction) > places || len(whole) > 10 {
		return 0, false
	}
	fraction += strings.Repeat("0", places-len(fraction))
	pence, err := strconv.ParseInt(whole+fraction, 10, 64)
	return pence, err == nil
}

// pounds writes pence as "£1,200.00".
func pounds(pence int64) string {
	digits := strconv.FormatInt(pence/100, 10)
	var b strings.Builder
	b.WriteString("£")
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	b.WriteByte('.')
	b.WriteByte(byte('0' + pence%100/10))
	b.WriteByte(byte('0' + pence%10))
	return b.String()
}
