package understand

import "strings"

// Word is a word of a page at its place: left, top, right and bottom in fractions
// of the page.
type Word struct {
	Text string
	Box  [4]float64
}

// placed is where in a page's text, in bytes, a word stands.
type placed struct {
	from, to int
	box      [4]float64
}

// searchAhead is how far behind the last word the next one is looked for: text
// that was mended or set as a table has other characters in between.
const searchAhead = 400

// places finds the words in the text, which has them in the same order but for
// those that were mended: these have no place.
func places(text string, words []Word) []placed {
	var found []placed
	at := 0
	for _, w := range words {
		if w.Text == "" {
			continue
		}
		i := strings.Index(text[at:min(len(text), at+searchAhead+len(w.Text))], w.Text)
		if i < 0 {
			continue
		}
		from := at + i
		at = from + len(w.Text)
		found = append(found, placed{from, at, w.Box})
	}
	return found
}

// boxOf is the smallest box around the words that stand between the two places of
// the text; nil where none of them has a place.
func boxOf(words []placed, from, to int) *[4]float64 {
	var box *[4]float64
	for _, w := range words {
		switch {
		case w.to <= from || w.from >= to:
		case box == nil:
			b := w.box
			box = &b
		default:
			box[0], box[1] = min(box[0], w.box[0]), min(box[1], w.box[1])
			box[2], box[3] = max(box[2], w.box[2]), max(box[3], w.box[3])
		}
	}
	return box
}
