package chunk

import (
	"slices"
	"strings"
	"testing"
)

// A sentence that is too long for a passage is not cut between a number and its unit.
func TestPiecesKeepUnits(t *testing.T) {
	for _, amount := range []string{"60 days", "£ 50,000 in", "1 500 pounds"} {
		for before := maxWords - 4; before <= maxWords; before++ {
			text := strings.Repeat("word ", before) + amount + strings.Repeat(" more", 60)
			got := pieces(text)
			if strings.Join(got, " ") != text {
				t.Fatalf("words lost or moved: %q", got)
			}
			if !slices.ContainsFunc(got, func(piece string) bool { return strings.Contains(piece, amount) }) {
				t.Errorf("%q after %d words is cut: %q", amount, before, got)
			}
		}
	}
	digits := strings.TrimSpace(strings.Repeat("7 ", 3*maxWords))
	for _, piece := range pieces(digits) {
		if wordCount(piece) > maxWords {
			t.Errorf("a piece of %d words", wordCount(piece))
		}
	}
}
