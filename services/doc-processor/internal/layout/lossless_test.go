package layout_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"signpost.internal/services/doc-processor/internal/layout"
)

// However words lie on a page, each comes out once, in the text and in the Markdown.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var words []layout.Word
		lines := rapid.IntRange(1, 25).Draw(t, "lines")
		for line := range lines {
			x := float64(rapid.SampledFrom([]int{0, 0, 0, 40, 300, 302, 500}).Draw(t, "x"))
			y := 1000 - float64(rapid.SampledFrom([]int{20, 22, 24, 60}).Draw(t, "step"))*float64(line)
			for n := range rapid.IntRange(1, 7).Draw(t, "words") {
				w := fmt.Sprintf("w%dx%d", line, n)
				if rapid.Bool().Draw(t, "number") {
					w = fmt.Sprintf("9%d.%d7", line, n)
				}
				width := 9 * float64(len(w))
				words = append(words, layout.Word{Text: w, Left: x, Right: x + width, Bottom: y, Top: y + 14, Block: line % 3, Line: line})
				x += width + float64(rapid.SampledFrom([]int{5, 8, 30, 120}).Draw(t, "gap"))
			}
		}
		page := layout.Words(words)
		for _, text := range []string{page.Text(), page.Markdown()} {
			found := map[string]int{}
			for _, f := range strings.Fields(text) {
				found[f]++
			}
			for _, w := range words {
				if found[w.Text] != 1 {
					t.Fatalf("%q is there %d times in:\n%s", w.Text, found[w.Text], text)
				}
			}
		}
	})
}
