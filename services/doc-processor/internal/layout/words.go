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

// Words puts the words of a page, line by line as they were recognised, into
// reading order and paragraphs, as [Glyphs]. The lines are trusted, their order
// is not: tables are often recognised column by column.
func Words(words []Word) Page {
	var pieces []segment
	for start := 0; start < len(words); {
		end := start
		for end < len(words) && words[end].Block == words[start].Block && words[end].Line == words[start].Line {
			end++
		}
		pieces = append(pieces, wordSegments(words[start:end])...)
		start = end
	}
	var lines []Line
	for _, block := range orderedBy(pieces, columnsByShape) {
		left, right := edges(block)
		rows := rowsOf(block)
		markBullets(rows)
		lines = append(lines, linesOf(rows, left, right)...)
	}
	return Blocks(lines)
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
				if size := em(w.Text, height); size > 0 {
					last.size += (size - last.size) / float64(last.words)
				}
				continue
			}
		}
		row = append(row, segment{text: w.Text, left: w.Left, bottom: w.Bottom, right: w.Right, top: w.Top, words: 1, size: em(w.Text, height), whole: true})
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
