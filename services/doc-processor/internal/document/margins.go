package document

import (
	"strings"
	"unicode"
)

// Margin is a paragraph near the top or the foot of a page, as it stands in the
// page's text and Markdown.
type Margin struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
	Foot     bool   `json:"foot,omitempty"`
}

// runningPages is on how many pages a margin must stand to be a running one, in a
// document that has more; of a shorter one on all.
const runningPages = 3

// marginShare is of how many parts of the page's text a margin is one at most.
const marginShare = 4

// margins returns the margins and texts of the sheet that its page is made of.
func (s *sheet) margins() ([]Margin, *string, *string) {
	if s.ocrWins() {
		return s.scan.Margins, &s.scan.Text, &s.scan.Markdown
	}
	return s.text.Margins, &s.text.Text, &s.text.Markdown
}

// setMarginsApart takes running headers and footers out of the text of all pages
// but the first on which they stand, and keeps them beside it.
func setMarginsApart(sheets []sheet) {
	type place struct {
		key  string
		foot bool
	}
	pages := map[place]int{}
	for i := range sheets {
		seen := map[place]bool{}
		margins, _, _ := sheets[i].margins()
		for _, m := range margins {
			at := place{marginKey(m.Text), m.Foot}
			if at.key != "" && !seen[at] {
				seen[at] = true
				pages[at]++
			}
		}
	}
	shown := map[place]bool{}
	for i := range sheets {
		s := &sheets[i]
		margins, text, markdown := s.margins()
		whole := len(*text)
		for _, m := range margins {
			if marginShare*len(m.Text) > whole {
				continue // no margin but what the page is about
			}
			at := place{marginKey(m.Text), m.Foot}
			if n := pages[at]; n < 2 || n < min(runningPages, len(sheets)) {
				continue
			}
			if !shown[at] {
				shown[at] = true
				continue
			}
			if without(text, m.Text, m.Foot) && without(markdown, m.Markdown, m.Foot) {
				if m.Foot {
					s.footer = joined(m.Text, s.footer)
				} else {
					s.header = joined(s.header, m.Text)
				}
			}
		}
	}
}

func joined(a, b string) string { return strings.TrimSpace(a + "\n" + b) }

// without takes a paragraph from the start or the end of a text.
func without(text *string, paragraph string, foot bool) bool {
	rest, ok := strings.CutPrefix(*text, paragraph)
	if foot {
		rest, ok = strings.CutSuffix(*text, paragraph)
	}
	trimmed := strings.Trim(rest, "\n")
	if !ok || trimmed != "" && len(trimmed) == len(rest) {
		return false // not there, or part of a longer one
	}
	*text = trimmed
	return true
}

// marginKey is what margins that differ by their numbers have in common.
func marginKey(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '#'
		case unicode.IsSpace(r):
			return -1
		}
		return unicode.ToLower(r)
	}, text)
}
