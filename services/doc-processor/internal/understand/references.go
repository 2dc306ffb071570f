package understand

import (
	"regexp"
	"slices"
	"strings"
)

// referenceLabel names what follows a reference, in order of how well it names
// the document's matter.
type referenceLabel struct {
	rank    int
	pattern *regexp.Regexp
}

func label(rank int, words string) referenceLabel {
	return referenceLabel{rank, regexp.MustCompile(`(?i)(?:^|\b)` + words + `(?: is)?\s*[:.]?\s*$`)}
}

const numberWord = `(?:no|number|num|ref|reference|reference number|ref no|id)\.?`

var referenceLabels = []referenceLabel{
	label(1, `claim `+numberWord),
	label(1, `case `+numberWord),
	label(2, `(?:pcn|penalty charge(?: notice)?|parking charge|charge) `+numberWord),
	label(2, `fines? account `+numberWord),
	label(3, `(?:our|your) (?:reference|ref)(?: number| no)?\.?`),
	label(4, `(?:mortgage |council tax |electricity |gas |rent |loan |customer )?account `+numberWord),
	label(4, `(?:council tax|customer|tenancy|tenant|rent|licen[cs]e|agreement|mortgage|policy|invoice|bill|hospital|employee|payroll|member|card|plan|case|charge|claim|client|student|property|statement) `+numberWord),
	label(5, `unique taxpayer reference(?: \(utr\))?`),
	label(5, `(?:vat registration|utr|employee|payroll) (?:number|no)\.?`),
	label(6, `(?:reference|ref)(?: number| no)?\.?`),
	label(6, `account`),
	label(8, `(?:national insurance|ni) (?:number|no)\.?`),
	label(9, `warrant `+numberWord),
}

// otherNumbers are numbers that name something else.
var otherNumbers = regexp.MustCompile(`(?i)(?:fee account|(?:previous|original) (?:account|reference)|client|sort code|vehicle registration|telephone|tel|phone|company|their)\s*(?:number|no|reference|ref)?\.?\s*[:.]?\s*$`)

// reference is capitals and figures, in groups, with a figure in the first two.
var reference = regexp.MustCompile(`^[A-Z0-9][A-Z0-9]*(?:[ /.\-][A-Z0-9]+)*`)

// street is how an address goes on behind its number.
var street = regexp.MustCompile(`^ \p{Lu}\p{Ll}+`)

// referenceIn returns the length of the reference that text begins with, 0 for
// none: groups at its end without a figure are words that follow.
func referenceIn(text string) int {
	m := reference.FindString(text)
	if m != "" && len(m) < len(text) && isLetter(text[len(m)]) { // the beginning of a word
		cut := strings.LastIndexAny(m, " ")
		if cut < 0 {
			return 0
		}
		m = m[:cut]
	}
	// A house number that an address begins with is no part of it.
	if cut := strings.LastIndexByte(m, ' '); cut > 0 && len(m)-cut <= 4 && street.MatchString(text[len(m):]) {
		m = m[:cut]
	}
	for m != "" {
		cut := strings.LastIndexByte(m, ' ')
		last := m[cut+1:]
		if strings.ContainsAny(last, "0123456789") || strings.Trim(last, "X") == "" || len(last) == 1 && cut > 0 {
			break
		}
		if cut < 0 {
			return 0
		}
		m = m[:cut]
	}
	if strings.Count(m, "")-1 < 4 || !strings.ContainsAny(m, "0123456789") {
		return 0
	}
	return len(m)
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// references lists the references, the best first.
func (t *text) references() []Field {
	type ranked struct {
		rank int
		f    Field
	}
	var all []ranked
	add := func(rank int, name string, from int, words string) {
		if n := referenceIn(words); n > 0 {
			all = append(all, ranked{rank, t.found(strings.Trim(name, " :."), from, from+n)})
		}
	}
	for _, l := range t.lines {
		for i, c := range l.cells {
			// The label is a cell of its own.
			if rank, ok := rankOf(c.text); ok && i+1 < len(l.cells) {
				add(rank, c.text, l.cells[i+1].from, l.cells[i+1].text)
				continue
			}
			// The label and the value share a cell: try each place where a value may begin.
			for at := 1; at < len(c.text); at++ {
				if c.text[at] > 'Z' || c.text[at-1] != ' ' && c.text[at-1] != ':' && c.text[at-1] != '(' {
					continue
				}
				if rank, ok := rankOf(c.text[:at]); ok && referenceIn(c.text[at:]) > 0 {
					add(rank, lastWords(c.text[:at]), c.from+at, c.text[at:])
					break
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return a.rank - b.rank })
	found := []Field{}
	for _, r := range all {
		if !slices.ContainsFunc(found, func(f Field) bool { return *f.Value == *r.f.Value }) {
			found = append(found, r.f)
		}
	}
	return found
}

// lastWord are the words that a label ends in.
var lastWord = map[string]bool{"no": true, "number": true, "num": true, "ref": true, "reference": true, "id": true, "account": true, "is": true, "(utr)": true}

// longestLabel is how many bytes before a value are looked at.
const longestLabel = 48

func rankOf(before string) (int, bool) {
	if len(before) > longestLabel {
		before = strings.ToValidUTF8(before[len(before)-longestLabel:], "")
	}
	words := strings.TrimRight(before, " :.")
	if !lastWord[strings.ToLower(words[strings.LastIndexAny(words, " /")+1:])] {
		return 0, false
	}
	if otherNumbers.MatchString(before) {
		return 0, false
	}
	for _, l := range referenceLabels {
		if l.pattern.MatchString(before) {
			return l.rank, true
		}
	}
	return 0, false
}

func lastWords(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[max(0, len(words)-4):], " ")
}
