package vision

import (
	"regexp"
	"strings"
	"unicode"
)

// What stands where a figure was taken out.
const (
	oneFigure   = "[figure not read]"
	someFigures = "[figures not read]"
	// These stand for the marks while a description is cleaned. They are of a
	// private use area, from which no description keeps anything.
	unread        = '\ue000'
	severalUnread = '\ue001'
)

const (
	month  = `(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?`
	day    = `(\d{1,2})(?:st|nd|rd|th)?`
	year   = `(\d{4})`
	number = `zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|` + scale
	scale  = `hundred|thousand|million|billion|trillion`
	unit   = `pounds?|pence|penny|quid|euros?|dollars?|per ?cent|%|hours?|days?|weeks?|months?|years?`
	run    = `[\p{L}\p{N}\p{M}]`
)

// Figures, each as a whole: a date, a number in figures with what belongs to it,
// a number in words.
var (
	figurePattern = regexp.MustCompile(`(?i)` +
		`\b` + day + `(?: of)? ` + month + `(?:,? ` + year + `)?\b` +
		`|\b` + month + ` ` + day + `(?:,? ` + year + `)?\b` +
		`|\b` + month + `,? ` + year + `\b` +
		`|([£$€] ?)?(` + run + `*\p{N}` + run + `*(?:[.,/:'’–-]\p{N}` + run + `*| \d{3}\b)*)( ?%| per ?cent\b| pounds?\b| (?:` + scale + `)\b)?` +
		`|\b((?:` + number + `)(?:(?: and |[ -])(?:` + number + `))*)( (?:` + unit + `))?\b`)
	scalePattern = regexp.MustCompile(scale)
	grouped      = regexp.MustCompile(`^\p{N}{1,3}(?:[, '’]\d{3})+(?:\.\d+)?$`)
	ordinal      = regexp.MustCompile(`^(\d+)(?:st|nd|rd|th)$`)
	inARow       = regexp.MustCompile(string(unread) + `(?:(?: ?[,;/–-] ?| and | to | or | )` + string(unread) + `)+`)
)

// The groups of figurePattern.
const (
	dayFirst, monthSecond, yearThird = 1, 2, 3
	monthFirst, daySecond, yearLast  = 4, 5, 6
	monthOnly, yearOnly              = 7, 8
	currency, digits, tail           = 9, 10, 11
	inWords, unitWord                = 12, 13
)

// figures are those of a page's text: how each is written there, by what it
// means.
type figures map[string]string

func newFigures(text string) figures {
	f := figures{}
	for line := range strings.Lines(text) {
		f.addLine(strings.Join(strings.Fields(line), " "))
	}
	return f
}

func (f figures) addLine(line string) {
	for _, m := range figurePattern.FindAllStringSubmatch(line, -1) {
		switch {
		case m[digits] != "":
			f.addNumber(m)
		case m[inWords] != "":
			f.add(wordsKey(m[inWords]), m[inWords])
			f.add(wordsKey(m[inWords]+m[unitWord]), m[inWords]+m[unitWord])
		default:
			d, mon, y := date(m)
			for _, key := range []string{dateKey(d, mon, y), dateKey(d, mon, ""), dateKey("", mon, y)} {
				f.add(key, "")
			}
			f.add(d, d)
			f.add(y, y)
		}
	}
}

func (f figures) add(key, written string) {
	if _, ok := f[key]; !ok && key != "" {
		f[key] = written
	}
}

// addNumber adds a number and what may be said instead of it: the number without
// its currency or its per cent sign, or a part of a range or of a date.
func (f figures) addNumber(m []string) {
	f.add(numberKey(m[currency], m[digits], m[tail]), m[currency]+m[digits]+m[tail])
	f.add(numberKey("", m[digits], m[tail]), m[digits]+m[tail])
	if scalePattern.MatchString(strings.ToLower(m[tail])) {
		return // three is no part of three million
	}
	for _, between := range []string{"", "–-", "–-/:"} {
		for part := range strings.FieldsFuncSeq(m[digits], func(r rune) bool { return strings.ContainsRune(between, r) }) {
			f.add(numberKey(m[currency], part, ""), m[currency]+part)
			f.add(numberKey("", part, ""), part)
		}
	}
}

// check returns the line with marks for the figures that are not in the text,
// and how many these were. The others are written as they are in the text.
func (f figures) check(line string) (checked string, missing int) {
	var out strings.Builder
	end := 0
	for _, at := range figurePattern.FindAllStringSubmatchIndex(line, -1) {
		m := make([]string, len(at)/2)
		for i := range m {
			if at[2*i] >= 0 {
				m[i] = line[at[2*i]:at[2*i+1]]
			}
		}
		var key string
		switch {
		case m[digits] != "":
			key = numberKey(m[currency], m[digits], m[tail])
		case m[inWords] != "":
			if m[unitWord] == "" && !scalePattern.MatchString(strings.ToLower(m[inWords])) {
				continue // it counts what the model sees
			}
			key = wordsKey(m[inWords] + m[unitWord])
		default:
			key = dateKey(date(m))
		}
		out.WriteString(line[end:at[0]])
		end = at[1]
		switch written, ok := f[key]; {
		case !ok:
			out.WriteRune(unread)
			missing++
		case written == "":
			out.WriteString(m[0])
		default:
			out.WriteString(written)
		}
	}
	out.WriteString(line[end:])
	return inARow.ReplaceAllString(out.String(), string(severalUnread)), missing
}

// numberKey is equal for numbers that differ in how thousands are parted, in
// case or in spaces only.
func numberKey(currency, digits, tail string) string {
	digits = strings.ToLower(digits)
	if grouped.MatchString(digits) {
		digits = strings.NewReplacer(",", "", " ", "", "'", "", "’", "").Replace(digits)
	}
	digits = ordinal.ReplaceAllString(digits, "$1")
	currency = strings.TrimSpace(currency)
	switch tail = strings.ToLower(strings.ReplaceAll(tail, " ", "")); tail {
	case "percent":
		tail = "%"
	case "pound", "pounds":
		currency, tail = "£", ""
	}
	return currency + digits + tail
}

func wordsKey(phrase string) string {
	return "in words: " + strings.Join(strings.FieldsFunc(strings.ToLower(phrase), func(r rune) bool {
		return unicode.IsSpace(r) || r == '-'
	}), " ")
}

// date returns the parts of a date that were found.
func date(m []string) (day, month, year string) {
	return m[dayFirst] + m[daySecond], m[monthSecond] + m[monthFirst] + m[monthOnly], m[yearThird] + m[yearLast] + m[yearOnly]
}

func dateKey(day, month, year string) string {
	if day == "" && year == "" {
		return ""
	}
	return "date: " + day + " " + strings.ToLower(month)[:3] + " " + year
}

// expand writes the marks out.
func expand(line string) string {
	return strings.NewReplacer(string(unread), oneFigure, string(severalUnread), someFigures).Replace(line)
}
