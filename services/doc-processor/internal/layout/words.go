package layout

import (
	"math"
	"strings"
)

// Word is a word that was recognised on an image. Coordinates grow to the right
// and upwards, in pixels.
type Word struct {
	Text                     string
	Left, Bottom, Right, Top float64
	// Block and Line number the words' blocks and, on the whole page, lines.
	Block, Line int
}

// Words returns the text of words whose lines and reading order are known; see
// [Text] for its form.
func Words(words []Word) string {
	var lines []Line
	for start := 0; start < len(words); {
		end := start
		for end < len(words) && words[end].Block == words[start].Block {
			end++
		}
		lines = append(lines, wordLines(words[start:end])...)
		start = end
	}
	return Paragraphs(lines)
}

// wordLines makes the lines of one block.
func wordLines(words []Word) []Line {
	left, right := math.Inf(1), math.Inf(-1)
	var rows [][]segment
	for start := 0; start < len(words); {
		end := start
		for end < len(words) && words[end].Line == words[start].Line {
			end++
		}
		row := wordSegments(words[start:end])
		left, right = min(left, row[0].left), max(right, row[len(row)-1].right)
		rows = append(rows, row)
		start = end
	}
	markBullets(rows)
	return linesOf(rows, left, right)
}

// wordSegments joins the words of a line, up to wide gaps.
func wordSegments(words []Word) []segment {
	var row []segment
	for i, w := range words {
		height := w.Top - w.Bottom
		if i > 0 {
			last := &row[len(row)-1]
			if w.Left-last.right < 1.2*max(height, last.height()) {
				last.text += " " + w.Text
				last.right = max(last.right, w.Right)
				last.bottom, last.top = min(last.bottom, w.Bottom), max(last.top, w.Top)
				last.words++
				continue
			}
		}
		row = append(row, segment{text: w.Text, left: w.Left, bottom: w.Bottom, right: w.Right, top: w.Top, words: 1})
	}
	return row
}

// bulletLike are the characters as which the dot of a list is recognised.
const bulletLike = "•*¢«®°©e"

// markBullets restores the dots of lists: marks that begin at least two lines,
// at the same place.
func markBullets(rows [][]segment) {
	var found []*segment
	for _, row := range rows {
		first, rest, _ := strings.Cut(row[0].text, " ")
		if len([]rune(first)) == 1 && strings.Contains(bulletLike, first) && (rest != "" || len(row) > 1) {
			found = append(found, &row[0])
		}
	}
	for _, s := range found {
		aligned := 0
		for _, other := range found {
			if math.Abs(other.left-s.left) < s.height() {
				aligned++
			}
		}
		if _, rest, more := strings.Cut(s.text, " "); aligned > 1 {
			s.text = "•"
			if more {
				s.text += " " + rest
			}
		}
	}
}
