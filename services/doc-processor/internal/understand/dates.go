package understand

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const months = `(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)`

// datePattern finds dates as letters in Britain write them.
const datePattern = `\b(?:\d{1,2}(?:st|nd|rd|th)?\s+(?:of\s+)?` + months + `\.?,?\s+\d{4}|` + months + `\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}|\d{4}-\d{2}-\d{2}|\d{1,2}[/.\-]\d{1,2}[/.\-](?:\d{4}|\d{2}))\b`

var (
	date      = regexp.MustCompile(`(?i)` + datePattern)
	dateOnly  = regexp.MustCompile(`(?i)^(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?(` + datePattern + `)$`)
	dayFirst  = regexp.MustCompile(`(?i)^(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?([a-z]+)\.?,?\s+(\d{4})$`)
	monthName = regexp.MustCompile(`(?i)^([a-z]+)\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})$`)
	figures   = regexp.MustCompile(`^(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4}|\d{2})$`)
)

// parseDate reads a date; days come before months, and years of two digits are
// of this century. A day that there is not is no date.
func parseDate(s string) (time.Time, bool) {
	s = strings.Join(strings.Fields(s), " ")
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, true
	}
	var day, year int
	var month time.Month
	if m := dayFirst.FindStringSubmatch(s); m != nil {
		day, month, year = number(m[1]), monthOf(m[2]), number(m[3])
	} else if m := monthName.FindStringSubmatch(s); m != nil {
		day, month, year = number(m[2]), monthOf(m[1]), number(m[3])
	} else if m := figures.FindStringSubmatch(s); m != nil {
		if day, month, year = number(m[1]), time.Month(number(m[2])), number(m[3]); year < 100 {
			year += 2000
		}
	}
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return t, month >= 1 && day >= 1 && year >= 1900 && t.Day() == day && t.Month() == month
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

func monthOf(name string) time.Month {
	name = strings.ToLower(name)
	if len(name) >= 3 {
		for m := time.January; m <= time.December; m++ {
			if strings.HasPrefix(strings.ToLower(m.String()), name[:3]) {
				return m
			}
		}
	}
	return 0
}

// dated makes a field of the date at the place.
func (t *text) dated(label string, from, to int) (Field, bool) {
	f := t.found(label, from, to)
	when, ok := parseDate(*f.Value)
	if !ok {
		return Field{}, false
	}
	iso := when.Format(time.DateOnly)
	f.Value = &iso
	return f, true
}

// allDates lists every date, with the words before it on its line.
func (t *text) allDates() []Field {
	all := []Field{}
	for _, at := range date.FindAllStringIndex(t.all, -1) {
		if f, ok := t.dated(t.labelBefore(at[0]), at[0], at[1]); ok {
			all = append(all, f)
		}
	}
	return all
}

// labelWords is how many words before a value make its label.
const labelWords = 8

// labelBefore returns the words before a place on its line.
func (t *text) labelBefore(at int) string {
	line := t.all[strings.LastIndexByte(t.all[:at], '\n')+1 : at]
	words := strings.Fields(strings.Trim(strings.NewReplacer("|", " ", "*", "", "#", "").Replace(line), " :-"))
	return strings.Join(words[max(0, len(words)-labelWords):], " ")
}

var (
	dateLabel = regexp.MustCompile(`(?i)^(?:date|dated|(?:bill|statement|issue|issued|pay|payment|invoice|letter|notice) date|date of (?:issue|(?:this )?(?:notice|letter|order|bill|invoice|statement|agreement|demand|judgment|service))|date issued|issued(?: on)?|signed on)\s*:?$`)
	// labelled finds a label and a date that follow each other in one cell.
	labelled = regexp.MustCompile(`(?i)^(.*?)[:\s]+(?:on )?(` + datePattern + `)(?:\s.*)?$`)
	period   = regexp.MustCompile(`(?i)(?:statement|assessment|billing|bill) period:?\s+(?:from )?(?:\d{1,2}(?:st|nd|rd|th)? ` + months + `(?: \d{4})?|` + datePattern + `)\s*(?:to|-|–|until)\s*(` + datePattern + `)`)
)

// letterDate finds the date that the document bears.
func (t *text) letterDate() Field {
	for _, l := range t.lines {
		for i, c := range l.cells {
			if dateLabel.MatchString(c.text) && i+1 < len(l.cells) {
				if m := dateOnly.FindStringSubmatchIndex(l.cells[i+1].text); m != nil {
					if f, ok := t.dated(c.text, l.cells[i+1].from+m[2], l.cells[i+1].from+m[3]); ok {
						return f
					}
				}
			}
			if m := labelled.FindStringSubmatchIndex(c.text); m != nil && dateLabel.MatchString(c.text[:m[3]]) {
				if f, ok := t.dated(c.text[:m[3]], c.from+m[4], c.from+m[5]); ok {
					return f
				}
			}
		}
	}
	for _, l := range t.lines {
		for _, c := range l.cells {
			m := dateOnly.FindStringSubmatchIndex(c.text)
			// A date beside others is an entry of a table.
			if m == nil || len(l.cells) > 2 || len(l.cells) == 2 && strings.ContainsAny(l.cells[0].text+l.cells[1].text, "£:") {
				continue
			}
			if len(l.cells) == 2 && l.cells[0] == c {
				continue
			}
			if f, ok := t.dated("", c.from+m[2], c.from+m[3]); ok {
				return f
			}
		}
	}
	if m := period.FindStringSubmatchIndex(t.all); m != nil {
		if f, ok := t.dated("end of the period", m[2], m[3]); ok {
			return f
		}
	}
	return missing("no date stands by itself or under a name such as \"Date\"")
}
