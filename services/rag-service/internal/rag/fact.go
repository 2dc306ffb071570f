package rag

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	figure    = regexp.MustCompile(`(£\s?)?([0-9][0-9,]*(?:\.[0-9]+)?)(\s?%|\s?per\s?cent|\s?pounds\b|(?:st|nd|rd|th)\b|[kKmM]\b|p\b)?`)
	monthYear = regexp.MustCompile(`(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b`)
	// measure is what a number counts, at once after it or after other numbers: "25
	// or 35 clear days".
	measure = regexp.MustCompile(`(?i)^(?:\s*(?:,|or|to|and|–|—|-)\s*£?[0-9][0-9,.]*)*[\s-]*(?:(working|clear)[\s-]+|(?:calendar|full|whole|complete|consecutive|further|more|other)[\s-]+)?(?:(minute|hour|day|week|fortnight|month|year)s?\b|([ap])\.?m\b)`)
	// rate is how often an amount is due, at once after it.
	rate = regexp.MustCompile(`(?i)^\s*(?:/\s*|a\s+|an\s+|per\s+|each\s+|every\s+|in\s+a\s+|left\s+in\s+a\s+)(day|week|fortnight|month|year)\b`)
	// rates is the same anywhere in a sentence.
	rates = regexp.MustCompile(`(?i)\b(?:a|an|per|each|every)\s+(day|week|fortnight|month|year)\b|\b(dai|week|fortnight|month|year|annual)ly\b`)
	// singleUnit is "a month", which is one of them.
	singleUnit  = regexp.MustCompile(`(?i)\b(?:an?|one)[\s-]+(?:(working|clear)[\s-]+|(?:calendar|full|whole|further)[\s-]+)?(minute|hour|day|week|fortnight|month|year)\b`)
	numberRun   = regexp.MustCompile(`(?i)\b(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)[\s-](one|two|three|four|five|six|seven|eight|nine)\b|\b[a-z]+\b`)
	hundredsRun = regexp.MustCompile(`\b([2-9]|[1-9][0-9])\s+(hundred|thousand)\b`)
)

// digits writes the number words of a text as numbers. "One" stays: it mostly
// means "a".
func digits(text string) string {
	if !hasNumberWord(text) {
		return text
	}
	text = numberRun.ReplaceAllStringFunc(text, func(found string) string {
		if i := strings.IndexAny(found, " -\t\n"); i > 0 {
			ten, _ := numberWord(strings.ToLower(found[:i]))
			unit := "1"
			if n, ok := numberWord(strings.ToLower(found[i+1:])); ok {
				unit = n
			}
			return ten[:1] + unit
		}
		lower := strings.ToLower(found)
		if n, ok := numberWord(lower); ok && len(n) < 3 {
			return n
		}
		return found
	})
	return hundredsRun.ReplaceAllStringFunc(text, func(found string) string {
		n, scale, _ := strings.Cut(found, " ")
		if strings.HasSuffix(scale, "hundred") {
			return n + "00"
		}
		return n + "000"
	})
}

// stated is a figure that a text states, and where it stands.
type stated struct {
	kind     string // what can be compared: £, %, the unit of a length of time, or nothing
	values   []string
	from, to int // in the text with [digits]
}

// statedIn returns the figures of a text that went through [digits], each in the
// forms in which it can be compared: "1500" for 1,500 and 1500.00, "£1500", "5%",
// "28 jun" for dates, "60 day" for lengths of time, "£75 month" for rates.
func statedIn(text string) []stated {
	if !hasDigit(text) {
		return nil
	}
	var out []stated
	for _, at := range figure.FindAllStringSubmatchIndex(text, -1) {
		group := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return text[at[2*n]:at[2*n+1]]
		}
		value := number(group(2))
		unit := strings.ToLower(strings.TrimSpace(group(3)))
		rest := text[at[1]:]
		s := stated{from: at[0], to: at[1]}
		switch {
		case group(1) != "" || unit == "pounds":
			if unit == "k" || unit == "m" {
				value += unit
			}
			s.kind, s.values = "£", []string{"£" + value}
			if m := rate.FindStringSubmatch(rest); m != nil {
				s.values = append(s.values, "£"+value+" "+strings.ToLower(m[1]))
			}
		case unit == "%" || strings.HasPrefix(unit, "per"):
			s.kind, s.values = "%", []string{value + "%"}
		case unit == "k" || unit == "m" || unit == "p":
			s.values = []string{value + unit}
		default:
			s.values = []string{value}
			if m := measure.FindStringSubmatch(rest); m != nil && unit == "" {
				s.kind = unitOf(m[1], m[2]+m[3])
				s.values = append(s.values, value+" "+s.kind)
			}
			rest = strings.TrimPrefix(strings.TrimLeft(rest, " "), "of ")
			if m := monthYear.FindStringSubmatchIndex(rest); m != nil && m[0] == 0 {
				s.kind, s.values = "", append(s.values, value+" "+strings.ToLower(rest[m[2]:m[3]]))
			}
		}
		out = append(out, s)
	}
	return out
}

func unitOf(kind, unit string) string {
	unit = strings.ToLower(unit)
	if kind != "" {
		return strings.ToLower(kind) + " " + unit
	}
	return unit
}

// figures returns all that a text states in figures and number words, in the
// forms of [statedIn].
func figures(text string) map[string]bool {
	out := map[string]bool{}
	text = digits(text)
	for _, s := range statedIn(text) {
		for _, v := range s.values {
			out[v] = true
		}
	}
	if hasUnit(text) {
		for _, m := range singleUnit.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(strings.ToLower(m[0]), "one") {
				out["1 "+unitOf(m[1], m[2])] = true
			}
		}
	}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }) {
		if n, ok := numberWord(word); ok {
			out[n] = true
		}
	}
	return out
}

// offered is what a passage gives as proof for figures: [figures], and in each of
// its sentences every amount at every rate that the sentence names, "a month"
// as one month, and "one" as 1.
func offered(sentences []string) map[string]bool {
	out := map[string]bool{}
	for _, sentence := range sentences {
		for f := range figures(sentence) {
			out[f] = true
		}
		text := digits(sentence)
		if strings.Contains(strings.ToLower(text), "one") && oneWord.MatchString(text) {
			out["1"] = true
		}
		if !hasUnit(text) {
			continue
		}
		for _, m := range singleUnit.FindAllStringSubmatch(text, -1) {
			out["1 "+unitOf(m[1], m[2])], out["1"] = true, true
		}
		for _, m := range rates.FindAllStringSubmatch(text, -1) {
			unit := strings.ToLower(m[1] + m[2])
			switch unit {
			case "dai":
				unit = "day"
			case "annual":
				unit = "year"
			}
			for _, s := range statedIn(text) {
				if s.kind == "£" {
					out[s.values[0]+" "+unit] = true
				}
			}
		}
	}
	return out
}

var oneWord = regexp.MustCompile(`(?i)\bone\b`)

// number writes a figure without separators and without zeros that say nothing.
func number(s string) string {
	s = strings.ReplaceAll(strings.TrimRight(s, ","), ",", "")
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s = strings.TrimLeft(s, "0"); s == "" || s[0] == '.' {
		s = "0" + s
	}
	return s
}

var numberNames = func() map[string]string {
	names := map[string]string{"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100", "thousand": "1000", "million": "1000000"}
	for i, name := range strings.Fields("two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty") {
		names[name] = strconv.Itoa(2 + i)
	}
	return names
}()

// numberWord reads a number word. "One" is left out: it mostly means "a".
func numberWord(word string) (string, bool) {
	n, ok := numberNames[word]
	return n, ok
}

// hasNumberWord reports whether a number word stands in the text.
func hasNumberWord(text string) bool {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if len(word) >= 3 && len(word) <= 9 && numberNames[strings.ToLower(word)] != "" {
			return true
		}
	}
	return false
}

func hasDigit(text string) bool { return strings.ContainsAny(text, "0123456789") }

// hasUnit reports whether a unit of time may stand in the text, or a rate.
func hasUnit(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc([]string{"minute", "hour", "day", "week", "fortnight", "month", "year", "annual", "daily"}, func(unit string) bool {
		return strings.Contains(text, unit)
	})
}

// The words that bound a figure, before it and behind it. Those with a denial are
// looked for first, as they hold the others.
var (
	deniedLower = regexp.MustCompile(`(?i)` + denying + `(?:(?:less|fewer|lower|earlier|sooner|shorter|smaller)\s+than|(?:under|below)\s*$)` + gap)
	deniedUpper = regexp.MustCompile(`(?i)` + denying + `(?:(?:more|higher|greater|longer|larger|later)\s+than|exceed\w*|(?:over|above)\s*$)` + gap)
	plainUpper  = regexp.MustCompile(`(?i)\b(?:at most|up to|maximum(?: of)?|max|(?:less|fewer|lower) than|under|below|within|ceiling(?: (?:is|was|of))?)\b` + gap)
	plainLower  = regexp.MustCompile(`(?i)\b(?:at least|(?:more|longer|greater|higher) than|over|above|exceed\w*|minimum(?: of)?|after)\b` + gap)
	upperBehind = regexp.MustCompile(`(?i)^[a-z%]*\s*(?:\w+\s+){0,2}(?:or|and)\s+(?:less|fewer|under|below)\b`)
	lowerBehind = regexp.MustCompile(`(?i)^[a-z%]*\s*(?:\w+\s+){0,2}(?:or|and)\s+(?:more|over|above|upwards)\b`)
	// comparison is a denial that belongs to a bound and denies nothing else.
	comparison = regexp.MustCompile(`(?i)` + denying + `(?:(?:more|less|fewer|higher|lower|greater|longer|shorter|larger|smaller|later|earlier|sooner)\s+than\b|exceed\w*|(?:above|below|under|over)\s*£?[0-9])`)
	denial     = regexp.MustCompile(`(?i)\b(?:not|no|never|cannot|neither|nor|none|nobody|nothing|without|unable)\b|n't\b`)
	exclusion  = regexp.MustCompile(`(?i)\b(?:refus|exclud|inelig|reject|fail|disqualif|too (?:high|much|large)|rules? out|out of)\w*`)
	boundsPart = regexp.MustCompile(`[;:()]`)
)

const (
	denying = `(?:\b(?:not|no|never|cannot)|n't)\s+(?:\w+\s+){0,2}?`
	gap     = `[^.;:£0-9,]{0,25}$`
)

// denials counts the words of a text that turn its meaning round, those that
// belong to a bound apart.
func denials(text string) int {
	if lower := strings.ToLower(text); !slices.ContainsFunc([]string{"no", "never", "neither", "without", "unable", "n't"}, func(word string) bool { return strings.Contains(lower, word) }) {
		return 0
	}
	return len(denial.FindAllString(comparison.ReplaceAllString(text, " "), -1))
}

// bounds says for each figure of a sentence whether it is an upper bound of what
// is allowed (-1), a lower one (1) or no bound (0), as far as words say so. What
// is denied of more than an amount is allowed up to it.
func bounds(sentence string) map[string][]int {
	out := map[string][]int{}
	whole := digits(straight(sentence))
	if !hasDigit(whole) {
		return out
	}
	for _, text := range boundsPart.Split(whole, -1) {
		if !hasDigit(text) {
			continue
		}
		turn := 1
		if (denials(text)+len(exclusion.FindAllString(text, -1)))%2 == 1 {
			turn = -1
		}
		for _, s := range statedIn(text) {
			before, behind := text[:s.from], text[s.to:]
			direction := 0
			switch {
			case deniedLower.MatchString(before), lowerBehind.MatchString(behind):
				direction = turn
			case deniedUpper.MatchString(before), upperBehind.MatchString(behind):
				direction = -turn
			case plainUpper.MatchString(before):
				direction = -turn
			case plainLower.MatchString(before):
				direction = turn
			}
			out[s.values[0]] = append(out[s.values[0]], direction)
		}
	}
	return out
}

// straight writes typographic apostrophes as plain ones.
func straight(text string) string { return strings.ReplaceAll(text, "’", "'") }
