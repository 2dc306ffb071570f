package note

import (
	_ "embed"
	"regexp"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

// The lists that the case record is read by.
var (
	//go:embed debts.txt
	debtsText string
	//go:embed options.txt
	optionsText string
	//go:embed countries.txt
	countriesText string
	//go:embed checklist.txt
	checklistText string

	debtKinds   = parseTerms(debtsText)
	optionTerms = parseTerms(optionsText)
	countries   = parseTerms(countriesText)
	checklist   = parseChecklist(checklistText)
)

// term is a thing with the phrases that speak of it.
type term struct {
	name, class string
	re          phraseSet
}

// phraseSet is a set of phrases. Text that holds none of the hints matches none.
type phraseSet struct {
	hints []string
	re    *pattern.Pattern
}

// parseTerms reads lines of "name | phrases" or "name | class | phrases".
func parseTerms(text string) []term {
	var all []term
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		if len(fields) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		t := term{name: strings.TrimSpace(fields[0]), re: phrases(fields[len(fields)-1])}
		if len(fields) > 2 {
			t.class = strings.TrimSpace(fields[1])
		}
		all = append(all, t)
	}
	return all
}

// phrases compiles phrases with commas between.
func phrases(list string) phraseSet {
	var set phraseSet
	var all []string
	for p := range strings.SplitSeq(list, ",") {
		p = strings.ToLower(strings.TrimSpace(p))
		if p == "" || strings.HasPrefix(p, "@") {
			continue
		}
		set.hints = append(set.hints, strings.TrimSuffix(p, "*"))
		open := strings.HasSuffix(p, "*")
		expr := regexp.QuoteMeta(strings.TrimSuffix(p, "*"))
		if open {
			expr += `[\w'’-]*`
		}
		all = append(all, expr)
	}
	if all != nil {
		set.re = pattern.MustCompile(`(?:^|[^\pL\d])(` + strings.Join(all, "|") + `)(?:$|[^\pL\d])`)
	}
	return set
}

// find returns the place of the first phrase in a text in lower case.
func (p phraseSet) find(lower string) (span, bool) {
	if p.re == nil || !holdsAny(lower, p.hints) {
		return span{}, false
	}
	m := p.re.FindStringSubmatchIndex(lower)
	if m == nil {
		return span{}, false
	}
	return span{m[2], m[3]}, true
}

// lowerCase returns a text in lower case with every byte at its place.
func lowerCase(text string) string {
	if lower := strings.ToLower(text); len(lower) == len(text) {
		return lower
	}
	return text
}

// question is one item of the checklist.
type question struct {
	id, text         string
	present, applies phraseSet
	special          string // what stands after "@"
	countries        []string
}

func parseChecklist(text string) []question {
	var all []question
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		switch key {
		case "present", "applies", "country":
			q := &all[len(all)-1]
			switch key {
			case "present":
				q.present = phrases(value)
				if strings.HasPrefix(value, "@") {
					q.special = strings.TrimPrefix(value, "@")
				}
			case "applies":
				q.applies = phrases(value)
			default:
				for c := range strings.SplitSeq(value, ",") {
					q.countries = append(q.countries, strings.TrimSpace(c))
				}
			}
		default:
			all = append(all, question{id: key, text: value})
		}
	}
	return all
}
