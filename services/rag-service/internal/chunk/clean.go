package chunk

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// zone is how many lines at the top and at the bottom of a page may be running
// headers or footers.
const zone = 3

// repeats is on how many pages a line must stand to be a running one.
const repeats = 3

var (
	// pageNumber finds what page numbers look like at either end of a line.
	pageNumber = regexp.MustCompile(`(?i)^(?:page\s*)?(?:[0-9]{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*[0-9]{1,4})?$`)
	// edgeStart finds the number that ended a header before what was joined to it.
	edgeStart  = regexp.MustCompile(`^\s+[0-9]{1,4}\s`)
	edgeNumber = regexp.MustCompile(`(?i)^(?:[0-9]{1,4}|[ivxlc]{1,7})\s+|\s+(?:page\s*)?(?:[0-9]{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*[0-9]{1,4})?$`)
)

// clean returns the lines of each page with white space normalised (an empty
// string for a blank line), without page numbers and without what repeats from
// earlier pages in the margins.
func clean(pages []Page) [][]string {
	text := make([][]string, len(pages))
	for i, p := range pages {
		text[i] = normalise(p.Text)
	}
	if len(pages) < repeats {
		return text
	}
	seenOn := map[string]int{} // on how many pages, by running
	same := map[string]int{}   // on how many places, letter by letter
	numbers := map[int]int{}   // how often a lone number stood at this distance from the page's position
	for i, lines := range text {
		distinct := map[string]bool{}
		for _, at := range margin(lines) {
			if n, ok := loneNumber(lines[at]); ok {
				numbers[n-i]++
			} else if key := running(lines[at]); key != "" {
				same[lines[at]]++
				if !distinct[key] {
					distinct[key] = true
					seenOn[key]++
				}
			}
		}
	}
	met := map[string]bool{}
	for i, lines := range text {
		if len(lines) > 0 {
			lines[0] = cutRunning(lines[0], seenOn)
		}
		drop := map[int]bool{}
		here := map[string]bool{}
		for _, at := range margin(lines) {
			if n, ok := loneNumber(lines[at]); ok {
				drop[at] = numbers[n-i] >= repeats
				continue
			}
			if pageNumber.MatchString(strings.Trim(lines[at], "-–— ")) && !isNumber(lines[at]) {
				drop[at] = true // roman, or "Page 3 of 10"
				continue
			}
			key := running(lines[at])
			if key == "" || seenOn[key] < repeats {
				continue
			}
			// With a page number beside it, even its first appearance is no heading.
			drop[at] = met[key] || len(key) < len(lines[at]) && same[lines[at]] == 1
			here[key] = true
		}
		for key := range here {
			met[key] = true
		}
		var kept []string
		for at, line := range lines {
			if !drop[at] {
				kept = append(kept, line)
			}
		}
		text[i] = kept
	}
	return text
}

// cutRunning cuts a running header off the line that it was joined to. The
// header stands alone on enough other pages, where it was counted; this page is
// the one more.
func cutRunning(line string, seenOn map[string]int) string {
	lower := strings.ToLower(line)
	if len(lower) != len(line) {
		return line
	}
	for key, pages := range seenOn {
		if pages >= repeats-1 && wordCount(key) >= 3 && strings.HasPrefix(lower, key+" ") && wordCount(line) > wordCount(key)+2 {
			return strings.TrimSpace(edgeStart.ReplaceAllString(line[len(key):], ""))
		}
	}
	return line
}

// lineEnds are the characters that end a line besides "\n".
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\f", "\n", "\v", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// glued finds where one entry of a table of contents ends in a line that goes on
// with the next.
var glued = regexp.MustCompile(`((?:\.\s?){5,}\s*(?:[0-9]{1,4}|[ivxlc]{1,7}))[ \t]+`)

// normalise cuts text into lines with single spaces; several blank lines become
// one, and entries of a table of contents get a line each.
func normalise(text string) []string {
	var lines []string
	text = glued.ReplaceAllString(lineEnds.Replace(text), "$1\n")
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" && (len(lines) == 0 || lines[len(lines)-1] == "") {
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// margin returns the positions of the first and last lines of a page that are
// not blank.
func margin(lines []string) []int {
	var at []int
	for i, line := range lines {
		if line != "" {
			at = append(at, i)
		}
	}
	if len(at) <= 2*zone {
		return at
	}
	return append(at[:zone:zone], at[len(at)-zone:]...)
}

// running returns what a line must have in common with others to be a running
// header or footer: its words without a page number at either end. It returns
// "" for a line that cannot be one, such as a sentence with a figure in it.
func running(line string) string {
	key := strings.TrimSpace(edgeNumber.ReplaceAllString(line, ""))
	if key == "" || wordCount(key) > 20 {
		return ""
	}
	if strings.ContainsFunc(key, unicode.IsDigit) && strings.ContainsAny(key[len(key)-1:], ".;:") && wordCount(key) > 3 {
		return ""
	}
	return strings.ToLower(key)
}

func loneNumber(line string) (int, bool) {
	line = strings.Trim(line, "-–— ")
	if !isNumber(line) {
		return 0, false
	}
	n, err := strconv.Atoi(line)
	return n, err == nil
}

func isNumber(line string) bool {
	line = strings.Trim(line, "-–— ")
	return line != "" && len(line) <= 4 && strings.Trim(line, "0123456789") == ""
}
