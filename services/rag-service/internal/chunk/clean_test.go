package chunk

import (
	"strings"
	"testing"
)

// The footer's words also stand at the head of the first page, and on one page
// the running header was joined to the text below it.
func TestRunningLinesGoFromEveryPage(t *testing.T) {
	var pages []Page
	for i, text := range []string{
		"Sample manual. Not advice.\n\nBreathing space\n\nThe first words.\n\nSample manual. Not advice. Page 1 of 4",
		"Breathing space · Edition 2 regulation 24 ends here.\n\nThe second words.\n\nSample manual. Not advice. Page 2 of 4",
		"Breathing space · Edition 2\n\nThe third words.\n\nSample manual. Not advice. Page 3 of 4",
		"Breathing space · Edition 2\n\nThe fourth words.\n\nSample manual. Not advice. Page 4 of 4",
	} {
		pages = append(pages, Page{Number: i + 1, Text: text})
	}
	cleaned := clean(pages)
	for i, lines := range cleaned {
		if text := strings.Join(lines, "\n"); strings.Contains(text, "Page ") || !strings.Contains(text, "words.") {
			t.Errorf("page %d: %q", i+1, text)
		}
	}
	if got := cleaned[1][0]; got != "regulation 24 ends here." {
		t.Errorf("after the joined header: %q", got)
	}
}
