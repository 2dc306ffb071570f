package chunk

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var (
	// leaders are the dots between a title and its page number.
	leaders = regexp.MustCompile(`^(.*?)\s*(?:(?:\.\s?){4,}|…{2,}|(?:·\s?){4,}|_{5,})\s*([0-9]{1,4}|[ivxlc]{1,7}|[A-Z]?-?[0-9]{1,4})?$`)
	// endNumber is a page number, or several, at the end of a line.
	endNumber   = regexp.MustCompile(`^(.*\pL.*?)[\s,]+([0-9]{1,4})(?:[,–-]\s*[0-9]{1,4})*$`)
	titleNumber = regexp.MustCompile(`^(?:(?i:chapter|appendix|part|section|annex)\s+)?(?:[0-9]{1,3}|[A-Z])(?:\.[0-9]{1,3})*[.:)]?\s+`)
)

// part is a run of lines that is, or is not, a table of contents or an index.
type part struct {
	lines    []string
	contents bool
}

// separateContents cuts the lines of a page into parts. pages is how many pages
// the document has.
func separateContents(lines []string, pages int) []part {
	filled, dotted := 0, 0
	for _, line := range lines {
		if line != "" {
			filled++
		}
		if leaders.MatchString(line) {
			dotted++
		}
	}
	switch {
	case dotted >= 4 && dotted*4 >= filled, isNumberedList(lines, pages):
		return []part{{lines: lines, contents: true}}
	case dotted >= 3:
		return cutRuns(lines)
	}
	return []part{{lines: lines}}
}

// cutRuns separates the stretch from the first dotted line to the last, if most
// of it is dotted.
func cutRuns(lines []string) []part {
	first, last, dotted, filled := -1, 0, 0, 0
	for i, line := range lines {
		if leaders.MatchString(line) {
			if first < 0 {
				first = i
			}
			last = i
			dotted++
		}
	}
	for _, line := range lines[first : last+1] {
		if line != "" {
			filled++
		}
	}
	if dotted*2 < filled {
		return []part{{lines: lines}}
	}
	return []part{{lines: lines[:first]}, {lines: lines[first : last+1], contents: true}, {lines: lines[last+1:]}}
}

// isNumberedList recognises contents and indexes that have no leaders: most
// lines are short and end in a page number, and either these numbers or the
// lines themselves ascend. A table of figures does neither.
func isNumberedList(lines []string, pages int) bool {
	filled, rising, sorted := 0, 0, 0
	var numbers []int
	var initials []rune
	for _, line := range lines {
		if line == "" {
			continue
		}
		filled++
		m := endNumber.FindStringSubmatch(line)
		if m == nil || wordCount(m[1]) > 12 || strings.ContainsAny(line, "£$%€") {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil || n > pages+40 {
			continue
		}
		numbers = append(numbers, n)
		initials = append(initials, firstLetter(line))
	}
	if len(numbers) < 8 || len(numbers)*10 < filled*6 {
		return false
	}
	for i := 1; i < len(numbers); i++ {
		if numbers[i] >= numbers[i-1] {
			rising++
		}
		if initials[i] >= initials[i-1] {
			sorted++
		}
	}
	enough := (len(numbers) - 1) * 9 / 10
	spread := numbers[len(numbers)-1] - numbers[0]
	return rising >= enough && spread >= 3 || sorted >= enough && initials[0] != initials[len(initials)-1] && rising < enough
}

func firstLetter(s string) rune {
	for _, r := range s {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
	}
	return 0
}

// contentsEntries collects the titles that tables of contents name, as keys.
func contentsEntries(text [][]string) map[string]bool {
	known := map[string]bool{}
	for _, lines := range text {
		for _, line := range lines {
			m := leaders.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if key := titleKey(m[1]); len(key) >= 4 {
				known[key] = true
			}
		}
	}
	return known
}

// titleKey makes titles comparable: letters and digits in lower case, without
// the section's number.
func titleKey(s string) string {
	s = titleNumber.ReplaceAllString(stripMarkup(s), "")
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), " ")
}
