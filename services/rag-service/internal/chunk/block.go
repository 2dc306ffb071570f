package chunk

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// block is a paragraph, a list item or a heading. Level is 0 for all but
// headings, which have 1 for the outermost.
type block struct {
	text  string
	level int
}

// unnumbered is the level of headings that show no depth: below all that do.
const unnumbered = 9

var (
	markdownHeading = regexp.MustCompile(`^(#{1,6}) +(.+?) *#*$`)
	numberedHeading = regexp.MustCompile(`^(?:(?i:chapter|appendix|part|section|annex)\s+)?([0-9]{1,2}|[A-Z])((?:\.[0-9]{1,3})*)[.:)]?\s+(\S.*)$`)
	namedChapter    = regexp.MustCompile(`^(?i:chapter|appendix|part|annex)\s+([0-9]{1,3}|[A-Z]|[IVX]+)\b[.:]?`)
	listItem        = regexp.MustCompile(`^(?:[•▪◦●○‣∙·–—*+-]|\(?[0-9]{1,2}[.)]|\(?[a-z][.)]|\([ivx]+\))\s+\S`)
)

// shape is what headings look like in a document.
type shape struct {
	known    map[string]bool // the titles that the table of contents names
	markdown bool            // "#" marks a heading: the source has no pages
}

// enoughKnown is how many titles a table of contents must name to be trusted to
// name all chapters.
const enoughKnown = 8

// blocksOf joins the lines of a page to blocks.
func blocksOf(lines []string, shape shape) []block {
	var out []block
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			out = append(out, block{text: text.String()})
			text.Reset()
		}
	}
	width := longest(lines)
	previous := ""
	for i, line := range lines {
		next := ""
		if i+1 < len(lines) {
			next = lines[i+1]
		}
		free := previous == "" || endsParagraph(previous, width) || len(out) > 0 && text.Len() == 0
		switch {
		case line == "":
			flush()
		case free && shape.headingLevel(line, next) > 0:
			flush()
			out = append(out, block{text: line, level: shape.headingLevel(line, next)})
		default:
			if listItem.MatchString(line) || endsParagraph(previous, width) {
				flush()
			}
			if text.Len() > 0 {
				text.WriteByte(' ')
			}
			text.WriteString(line)
		}
		previous = line
	}
	flush()
	return out
}

func longest(lines []string) int {
	n := 0
	for _, line := range lines {
		n = max(n, len(line))
	}
	return n
}

// endsParagraph reports whether a line ends a sentence well before the right
// margin.
func endsParagraph(line string, width int) bool {
	return line != "" && len(line) < width*3/4 && strings.ContainsAny(line[len(line)-1:], ".:;!?")
}

// headingLevel returns the level of the heading that line is, or 0. The line
// before it does not run on into it.
func (s shape) headingLevel(line, next string) int {
	if m := markdownHeading.FindStringSubmatch(line); m != nil && s.markdown {
		return len(m[1])
	}
	words := strings.Fields(line)
	if len(words) > 14 || len(line) > 110 {
		return 0
	}
	listed := s.known[titleKey(line)]
	if m := numberedHeading.FindStringSubmatch(line); m != nil && headingWords(m[3]) {
		depth := 1 + strings.Count(m[2], ".")
		letter := m[1][0] >= 'A'
		switch {
		case listed, depth > 1, namedChapter.MatchString(line):
			return depth
		case !letter && len(words) <= 9 && len(s.known) < enoughKnown && !sibling(m[1], next):
			return depth
		}
		return 0
	}
	switch {
	case namedChapter.MatchString(line) && len(words) <= 12 && headingWords(line):
		return 1
	case listed:
		return unnumbered - 1
	case len(words) <= 10 && headingWords(line) && !strings.Contains(line, ": ") && (next == "" || startsUpper(next)) && (titleCase(words) || next == "" && letters(line) > 5):
		return unnumbered
	}
	return 0
}

// sibling reports whether next is the next item of a numbered list.
func sibling(number, next string) bool {
	m := numberedHeading.FindStringSubmatch(next)
	return m != nil && m[2] == "" && m[1] != number
}

// headingWords reports whether s begins like a heading and does not end like a
// sentence. A question may be a heading.
func headingWords(s string) bool {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".,;:!=<>|{}\\") {
		return false
	}
	if strings.ContainsAny(s, "{}=|<>$\\£") || strings.Contains(s, "://") {
		return false
	}
	if !startsUpper(s) {
		return false
	}
	return letters(s)*2 > utf8.RuneCountInString(s)
}

func startsUpper(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsUpper(r)
}

func letters(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// titleCase reports whether most of the longer words begin with a capital.
func titleCase(words []string) bool {
	long, capital := 0, 0
	for _, w := range words {
		if utf8.RuneCountInString(w) < 4 {
			continue
		}
		long++
		if startsUpper(w) {
			capital++
		}
	}
	return long > 0 && capital*10 >= long*6
}

// stripMarkup returns a heading without the signs that mark it in Markdown.
func stripMarkup(heading string) string {
	if m := markdownHeading.FindStringSubmatch(heading); m != nil {
		return m[2]
	}
	return heading
}
