package rag

import (
	"regexp"
	"strconv"
	"strings"

	"signpost.internal/services/rag-service/internal/chunk"
)

var (
	citation     = regexp.MustCompile(`\[([0-9]{1,3}(?:\s*[,;]\s*[0-9]{1,3})*)\]`)
	lateCitation = regexp.MustCompile(`([.!?])\s*((?:\[[0-9,; ]{1,12}\]\s*)*\[[0-9,; ]{1,12}\])`)
	figure       = regexp.MustCompile(`(£\s?)?([0-9][0-9,]*(?:\.[0-9]+)?)(\s?%|\s?per\s?cent|(?:st|nd|rd|th)\b|[kKmM]\b|p\b)?`)
	monthYear    = regexp.MustCompile(`(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b`)
)

// unsettled is the end of a text that may still become a late citation.
var unsettled = regexp.MustCompile(`[.!?]\s*(?:\[[0-9,; ]{1,12}\]\s*)*(?:\[[0-9,; ]{0,12})?$`)

// checker lets the sentences of a model's answer pass that the passages prove,
// line by line and each as soon as it is whole, and counts those that it
// removed. A sentence is proved when it cites passages by number, all of which
// exist, and every figure, amount, percentage, date and number word in it stands
// in one of them. In which pieces the answer comes makes no difference.
type checker struct {
	facts   []map[string]bool
	held    string // the end of the answer so far, if unsettled
	line    string // what is before it and is no whole sentence yet
	kept    strings.Builder
	between string // what parts the next sentence from those kept
	removed int
}

func newChecker(passages []Passage) *checker {
	c := &checker{facts: make([]map[string]bool, len(passages))}
	for i, p := range passages {
		c.facts[i] = figures(p.Text)
	}
	return c
}

// add takes the next piece of the answer and returns what of it, or held back
// before it, is proved, with the white space that parts it from what was
// returned before. A line break ends what is held back.
func (c *checker) add(piece string) string {
	from := c.kept.Len()
	for ended := true; ended; {
		var more string
		more, piece, ended = strings.Cut(piece, "\n")
		c.held += more
		settled := len(c.held)
		if at := unsettled.FindStringIndex(c.held); at != nil && !ended {
			settled = at[0]
		}
		c.line += lateCitation.ReplaceAllString(c.held[:settled], " $2$1 ")
		c.held = c.held[settled:]
		for {
			sentence, rest, found := chunk.CutSentence(c.line)
			if !found && !ended {
				break
			}
			c.judge(sentence)
			c.line = rest
			if !found {
				break
			}
		}
		if ended && c.kept.Len() > 0 {
			c.between = "\n"
		}
	}
	return c.kept.String()[from:]
}

// finish returns what is proved of what was held back. Of an answer that was cut
// off this is half a sentence, and removed.
func (c *checker) finish(cut bool) string {
	if !cut {
		return c.add("\n")
	}
	if strings.ContainsFunc(c.line+c.held, isLetterOrDigit) {
		c.removed++
	}
	return ""
}

func (c *checker) judge(sentence string) {
	switch {
	case isProved(sentence, c.facts):
		c.kept.WriteString(c.between + tidy(sentence))
		c.between = " "
	case strings.ContainsFunc(sentence, isLetterOrDigit):
		c.removed++
	}
}

func isProved(sentence string, facts []map[string]bool) bool {
	cited := map[int]bool{}
	for _, m := range citation.FindAllStringSubmatch(sentence, -1) {
		for _, n := range strings.FieldsFunc(m[1], func(r rune) bool { return r < '0' || r > '9' }) {
			i, err := strconv.Atoi(n)
			if err != nil || i < 1 || i > len(facts) {
				return false
			}
			cited[i-1] = true
		}
	}
	words := citation.ReplaceAllString(sentence, " ")
	if len(cited) == 0 || !strings.ContainsFunc(words, isLetterOrDigit) {
		return false
	}
	for fact := range figures(words) {
		found := false
		for i := range cited {
			found = found || facts[i][fact]
		}
		if !found {
			return false
		}
	}
	return true
}

// figures returns the figures of a text in a form that can be compared:
// "1500" for 1,500 and 1500.00, "£1500", "5%", "28 jun" for dates, and digits
// for number words. What has a sign counts without it too in the passages'
// favour only when the answer has none.
func figures(text string) map[string]bool {
	out := map[string]bool{}
	for _, at := range figure.FindAllStringSubmatchIndex(text, -1) {
		group := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return text[at[2*n]:at[2*n+1]]
		}
		value := number(group(2))
		unit := strings.ToLower(strings.TrimSpace(group(3)))
		switch {
		case group(1) != "":
			if unit == "k" || unit == "m" {
				value += unit
			}
			out["£"+value] = true
		case unit == "%" || strings.HasPrefix(unit, "per"):
			out[value+"%"] = true
		case unit == "k" || unit == "m" || unit == "p":
			out[value+unit] = true
		default:
			out[value] = true
			rest := strings.TrimPrefix(strings.TrimLeft(text[at[1]:], " "), "of ")
			if m := monthYear.FindStringSubmatchIndex(rest); m != nil && m[0] == 0 {
				out[value+" "+strings.ToLower(rest[m[2]:m[3]])] = true
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

// numberWord reads a number word. "One" is left out: it mostly means "a".
func numberWord(word string) (string, bool) {
	const names = " two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty "
	if i := strings.Index(names, " "+word+" "); i >= 0 && word != "" {
		return strconv.Itoa(2 + strings.Count(names[:i], " ")), true
	}
	tens := map[string]string{"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100", "thousand": "1000", "million": "1000000"}
	n, ok := tens[word]
	return n, ok
}

func isLetterOrDigit(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// tidy repairs the spaces that moving citations left.
func tidy(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	for _, mark := range []string{".", "!", "?", ","} {
		s = strings.ReplaceAll(s, "] "+mark, "]"+mark)
	}
	return s
}
