package note

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"signpost.internal/services/notes-service/internal/pattern"
)

const (
	monthPattern   = `(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)`
	weekdayPattern = `(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)`
	weekPrefix     = `(?:(?:w/e|w/c|w/b|week ending|week commencing|wk ending|wk beginning|week beginning)\s+)?`
	dayPrefix      = weekPrefix + `(?:` + weekdayPattern + `\b\.?,?\s+)?`
	countPattern   = `(?:\d{1,3}|a|an|one|two|three|four|five|six|seven|eight|nine|ten|twelve|couple of|a couple of|a few|few)`
	unitPattern    = `(?:working |calendar |business )?(?:days?|w(?:ee)?ks?|m(?:on)?ths?|fortnights?|years?|yrs?|hours?|hrs?)`
)

var (
	isoDateRE     = pattern.MustCompile(`\b(\d{4})-(\d{2})-(\d{2})\b`)
	numericDateRE = pattern.MustCompile(`(?i)(?:\b` + dayPrefix + `)?\b(\d{1,2})(?:/(\d{1,2})/|-(\d{1,2})-|\.(\d{1,2})\.)(\d{4}|\d{2})\b`)
	dayMonthRE    = pattern.MustCompile(`(?i)(?:\b` + dayPrefix + `)?\b(\d{1,2})/(\d{1,2})\b`)
	monthYearRE   = pattern.MustCompile(`\b(0?[1-9]|1[0-2])/((?:19|20)\d\d)\b`)
	dottedDateRE  = pattern.MustCompile(`(?i)\b(?:by|on|dated|w/e|w/c|until|till|before|from)\s+(\d{1,2}\.\d{1,2})\b`)
	dayRangeRE    = pattern.MustCompile(`(?i)\b\d{1,2}(?:st|nd|rd|th)?\s?(?:-|–|to)\s?\d{1,2}(?:st|nd|rd|th)?\s+` + monthPattern + `\b(?:\s+\d{4}\b)?`)
	dayNameRE     = pattern.MustCompile(`(?i)(?:\b` + dayPrefix + `)?(?:\bthe\s+)?\b(\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?[\s-]*\b(` + monthPattern + `)\b\.?(?:(?:,\s?|[\s-]+)(\d{4})\b|[\s-]?['’](\d{2})\b|[\s-](\d{2})\b)?`)
	nameDayRE     = pattern.MustCompile(`(?i)\b(` + monthPattern + `)\b\.?\s+(?:the\s+)?(\d{1,2})(st|nd|rd|th)?\b(?:,?\s+(\d{4})\b)?`)
	nameYearRE    = pattern.MustCompile(`(?i)\b(` + monthPattern + `)\b\.?(?:,?\s+(\d{4})\b|\s?['’](\d{2})\b)`)
	yearRE        = pattern.MustCompile(`(?i)\b(?:in|since|from|until|till|during|before|back in)\s+((?:19|20)\d{2})\b`)
	ordinalRE     = pattern.MustCompile(`(?i)\b(?:by|on|before|until|till|from|due|since|put|not|make (?:it|that)|meant|sorry|wrote)\s+((?:` + weekdayPattern + `\s+)?(?:the\s+)?\d{1,2}(?:st|nd|rd|th))\b`)
	dayOrdinalRE  = pattern.MustCompile(`(?i)\b` + weekdayPattern + `\s+(?:the\s+)?\d{1,2}(?:st|nd|rd|th)\b`)
	monthAloneRE  = pattern.MustCompile(`(?i)\b(?:in|by|of|since|until|till|from|during|before|after|ends?|ending|due|expires?|starts?|missed|for)\s+((?:(?:the\s+)?(?:end(?:\s+of)?|start of|beginning of|mid|middle of|early|late|last|next|this)[\s-]+)?(` + monthPattern + `))\b`)
	monthPartRE   = pattern.MustCompile(`(?i)\b(?:the\s+)?(?:end(?:\s+of)?|start of|beginning of|mid|middle of|early|late|last|next)[\s-]+(` + monthPattern + `)\b`)
	relativeRE    = pattern.MustCompile(`(?i)\b(?:(?:early |late |later |the end of |end of |end |by the end of |start of )?(?:the coming |this coming |the following |the |this |next |last |following )(?:` + weekdayPattern + `|week|wk|fortnight|month|mth|year|yr|tax year|weekend|quarter)\b(?:\s+(?:week|morning|afternoon|evening))?` +
		`|the day after tomorrow|this (?:morning|afternoon|evening)|(?:xmas|christmas|easter|good friday|boxing day|new year|bank holiday)(?: (?:monday|tuesday|friday|sunday|day|eve|weekend))?|tomorrow|tmrw|tmw|tomoz|2moro|2morrow|tomo|2nite|2day|today|tonight|yesterday|end of (?:week|month|day|year)|eom|month end|close of business|cob|` +
		`(?:in|within) (?:the next )?` + countPattern + `\s?` + unitPattern + `\b(?:['’]? time)?|` +
		countPattern + `\s?` + unitPattern + `['’]? (?:time|ago)|a week on ` + weekdayPattern + `|` + weekdayPattern + ` week)\b`)
	// rankedRE tells "the 1st visit" from "the 1st and".
	rankedRE      = pattern.MustCompile(`^\s(?:[b-z][a-z]{3,}|[a-z]{2,5}er|time|one|call|half|week)\b`)
	weekdayRE     = pattern.MustCompile(`(?i)\b` + weekdayPattern + `\b`)
	dayLeadRE     = pattern.MustCompile(`(?i)(?:\bby|\bon|\bbefore|\buntil|\btill|\bfrom|\bsince|\bevery)\s+$`)
	birthRE       = pattern.MustCompile(`(?i)\b(?:dob|born|d\.o\.b\.?|date of birth)\W*(?:on\s+)?$`)
	notADateRE    = pattern.MustCompile(`(?i)^\s*(?:of (?:the|her|his|their|it|all)\b|price\b|share\b|hours?\b|hrs?\b|creditors\b|debts\b|split\b)`)
	notAnAgeRE    = pattern.MustCompile(`(?i)^\s?(?:%|k\b|p[cawm]+\b|pounds|people|creditors|debts|days|weeks|letters|payments|years|calls|am\b|pm\b|:\d)`)
	certainMonths = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
)

func mayHoldDate(line string) bool { return holdsAny(strings.ToLower(line), dateHints) }

var (
	weekdayHints  = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	relativeHints = []string{
		"this ", "next ", "last ", "following ", "coming ", "the ", "week", "wk", "fortnight", "month", "mth", "year", "yr", "day", "tom", "tmrw", "tmw", "2m", "2n", "2d", "night", "eom", "cob",
		"close", "xmas", "christmas", "easter", "holiday", "hour", "hr",
	}
)

var dateHints = []string{
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "week", "wk", "fortnight", "mth", "year",
	"yr", "tomo", "tmr", "tmw", "2mo", "2nite", "2day", "day", "tonight", "eom", "cob", "this ", "xmas", "christmas", "easter", "new year", "holiday", "hour", "hr", "close of",
}

// numericDates finds dates written in figures.
func (s *scanner) numericDates() {
	if !strings.ContainsAny(s.text, "/-.") {
		return
	}
	strokes := strings.Contains(s.text, "/")
	for _, m := range isoDateRE.FindAllStringSubmatchIndex(s.text, -1) {
		s.date(m[0], m[1], isoDay(s.group(m, 1), s.group(m, 2), s.group(m, 3)))
	}
	for _, m := range numericDateRE.FindAllStringSubmatchIndex(s.text, -1) {
		month := s.group(m, 2) + s.group(m, 3) + s.group(m, 4)
		year := s.year(s.group(m, 5), m[0])
		day, _ := strconv.Atoi(s.group(m, 1))
		if day < 1 || day > 31 || partOfNumber(s.text, m[2]) {
			continue
		}
		value := isoDay(year, month, s.group(m, 1))
		if hasWeekPrefix(s.text[m[0]:m[1]]) {
			value = ""
		}
		s.date(m[0], m[1], value)
	}
	for _, m := range findAllIf(strokes, dayMonthRE, s.text) {
		day, _ := strconv.Atoi(s.group(m, 1))
		month, _ := strconv.Atoi(s.group(m, 2))
		rest := ahead(s.text, m[1])
		switch {
		case day < 1 || day > 31 || month < 1 || month > 12, day == 24 && month == 7:
		case notADateRE.MatchString(rest), strings.HasPrefix(rest, "/"), m[2] > 0 && (s.text[m[2]-1] == '/' || partOfNumber(s.text, m[2])):
		case len(rest) > 1 && rest[0] == '.' && isDigit(rest[1]):
		default:
			s.date(m[0], m[1], "")
		}
	}
	for _, m := range findAllIf(strokes, monthYearRE, s.text) {
		if month, _ := strconv.Atoi(s.group(m, 1)); !partOfNumber(s.text, m[0]) && month >= 1 && month <= 12 {
			s.date(m[0], m[1], fmt.Sprintf("%s-%02d", s.group(m, 2), month))
		}
	}
	for _, m := range findAllIf(strings.Contains(s.text, "."), dottedDateRE, s.text) {
		day, month, _ := strings.Cut(s.group(m, 1), ".")
		d, _ := strconv.Atoi(day)
		n, _ := strconv.Atoi(month)
		if d >= 1 && d <= 31 && n >= 1 && n <= 12 && !notAnAgeRE.MatchString(ahead(s.text, m[1])) {
			s.date(m[2], m[3], "")
		}
	}
}

// findAllIf looks for matches only where there can be any.
func findAllIf(any bool, re *pattern.Pattern, text string) [][]int {
	if !any {
		return nil
	}
	return re.FindAllStringSubmatchIndex(text, -1)
}

// wordDates finds dates that name a month, a weekday or a stretch of time.
// What is not certain (no year, relative to an unknown day) is kept as said.
func (s *scanner) wordDates() {
	if !s.words && !ordinalRE.MatchString(s.text) && !yearRE.MatchString(s.text) {
		return
	}
	months := holdsAny(strings.ToLower(s.text), certainMonths)
	if months {
		s.monthDates()
	}
	lower := strings.ToLower(s.text)
	for _, m := range findAllIf(holdsAny(lower, relativeHints), relativeRE, s.text) {
		s.date(m[0], m[1], "")
	}
	ordinals := []*pattern.Pattern{ordinalRE, monthAloneRE}
	if !months {
		ordinals = ordinals[:1]
	}
	for _, re := range ordinals {
		for _, m := range re.FindAllStringSubmatchIndex(s.text, -1) {
			if re == monthAloneRE && s.group(m, 2) == "may" || re == ordinalRE && rankedRE.MatchString(ahead(s.text, m[1])) {
				continue
			}
			s.date(m[2], m[3], "")
		}
	}
	for _, m := range findAllIf(holdsAny(lower, weekdayHints), dayOrdinalRE, s.text) {
		s.date(m[0], m[1], "")
	}
	for _, m := range findAllIf(months, monthPartRE, s.text) {
		s.date(m[0], m[1], "")
	}
	for _, m := range yearRE.FindAllStringSubmatchIndex(s.text, -1) {
		if !notAnAgeRE.MatchString(ahead(s.text, m[1])) {
			s.date(m[2], m[3], s.group(m, 1))
		}
	}
	for _, m := range findAllIf(holdsAny(lower, weekdayHints), weekdayRE, s.text) {
		word := s.text[m[0]:m[1]]
		ambiguous := word == "sat" || word == "sun" || word == "wed" || word == "mon"
		if !ambiguous || dayLeadRE.MatchString(behind(s.text, m[0])) {
			s.date(m[0], m[1], "")
		}
	}
}

// monthDates finds days of a named month.
func (s *scanner) monthDates() {
	for _, m := range dayRangeRE.FindAllStringIndex(s.text, -1) {
		s.date(m[0], m[1], "")
	}
	for _, m := range dayNameRE.FindAllStringSubmatchIndex(s.text, -1) {
		s.dayName(m)
	}
	for _, m := range nameYearRE.FindAllStringSubmatchIndex(s.text, -1) {
		if year := s.group(m, 2) + s.year(s.group(m, 3), m[0]); len(year) == 4 {
			s.date(m[0], m[1], fmt.Sprintf("%s-%02d", year, monthNumber(s.group(m, 1))))
		}
	}
	for _, m := range nameDayRE.FindAllStringSubmatchIndex(s.text, -1) {
		if word := s.group(m, 1); word == "may" || word == "march" || notAnAgeRE.MatchString(ahead(s.text, m[1])) {
			continue
		}
		s.date(m[0], m[1], isoDay(s.group(m, 4), strconv.Itoa(monthNumber(s.group(m, 1))), s.group(m, 2)))
	}
}

// dayName adds a date of the form "12th March 2025", "12 Mar '25" or "12 March".
func (s *scanner) dayName(m []int) {
	end := m[1]
	year := s.group(m, 3)
	if year == "" {
		year = s.year(s.group(m, 4), m[0])
	}
	if m[10] >= 0 { // a bare two-digit number after the month may be something else
		if notAnAgeRE.MatchString(ahead(s.text, m[1])) || len(s.text) > m[1] && (s.text[m[1]] == ',' || s.text[m[1]] == '.') && len(s.text) > m[1]+1 && isDigit(s.text[m[1]+1]) {
			end = m[10] - 1
		} else {
			year = s.year(s.group(m, 5), m[0])
		}
	}
	value := isoDay(year, strconv.Itoa(monthNumber(s.group(m, 2))), s.group(m, 1))
	if hasWeekPrefix(s.text[m[0]:end]) {
		value = ""
	}
	if day, _ := strconv.Atoi(s.group(m, 1)); day >= 1 && day <= 31 && !partOfNumber(s.text, m[2]) {
		s.date(m[0], end, value)
	}
}

// date adds a date; an empty value means: as said.
func (s *scanner) date(start, end int, value string) {
	end = start + len(strings.TrimRight(s.text[start:end], "., "))
	if !s.free(start, end) {
		return
	}
	if value == "" {
		value = strings.Join(strings.Fields(s.text[start:end]), " ")
	}
	s.add(Fact{Kind: Date, Value: value, Start: start, End: end})
}

func (s *scanner) group(m []int, n int) string {
	if m[2*n] < 0 {
		return ""
	}
	return s.text[m[2*n]:m[2*n+1]]
}

// year completes a two-digit year: 40 to 99 are of the last century, others of
// this one, save in a date of birth, where only the last century is certain.
func (s *scanner) year(digits string, start int) string {
	if len(digits) != 2 {
		return digits
	}
	switch {
	case digits >= "40":
		return "19" + digits
	case birthRE.MatchString(behind(s.text, start)):
		return ""
	}
	return "20" + digits
}

// isoDay returns the day in ISO 8601, or "" when it is not fully given or does
// not exist.
func isoDay(year, month, day string) string {
	y, errY := strconv.Atoi(year)
	m, errM := strconv.Atoi(month)
	d, errD := strconv.Atoi(day)
	if errY != nil || errM != nil || errD != nil || len(year) != 4 {
		return ""
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if t.Year() != y || int(t.Month()) != m || t.Day() != d {
		return ""
	}
	return t.Format(time.DateOnly)
}

func monthNumber(name string) int {
	for i, prefix := range certainMonths {
		if strings.HasPrefix(strings.ToLower(name), prefix) {
			return i + 1
		}
	}
	return 0
}

func hasWeekPrefix(text string) bool {
	lower := strings.ToLower(text)
	return strings.HasPrefix(lower, "w/") || strings.HasPrefix(lower, "week ") || strings.HasPrefix(lower, "wk ")
}
