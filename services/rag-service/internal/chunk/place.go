package chunk

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Box is a rectangle on a page, in fractions of its width and height from the top
// left corner.
type Box struct{ Left, Top, Right, Bottom float64 }

// Word is a word of a page and where it stands.
type Word struct {
	Text string
	Box  Box
}

// The bounds of what passes for the same words.
const (
	maxBoxes = 60  // of a passage
	enough   = 0.8 // of a passage's letters that must be found on the page
	step     = 6   // letters that must agree after a few that do not
	slip     = 4   // how many letters may differ there, such as a ligature's
	seed     = 12  // letters that must agree elsewhere on the page
	certain  = 24  // and far away, where those stand on the page more than once
	near     = 400 // letters ahead: a dropped header, a table's other column
	alike    = 64  // places with the same letters, beyond which none is chosen
	wordGap  = 0.05
)

// sheet is the letters and digits of a page's words, in the order in which they
// were read. Without spaces and punctuation it does not matter where lines end and
// words are hyphenated.
type sheet struct {
	words   []Word
	sizes   []int // how many letters a word has
	letters []rune
	of      []int32 // the word of each letter
	used    []bool
	next    int // where the text goes on
	first   map[[seed]rune]int32
	later   []int32 // the next place with the same letters as this one; -1 for none
}

// place gives the passages of a page the boxes where they stand. The words may
// stand in another order than the text does. A passage of which too little is found
// gets no box.
func place(passages []Passage, words []Word) {
	if len(words) == 0 || len(passages) == 0 {
		return
	}
	s := &sheet{words: words, sizes: make([]int, len(words))}
	for i, w := range words {
		for _, r := range lettersOf(w.Text) {
			s.letters, s.of = append(s.letters, r), append(s.of, int32(i))
			s.sizes[i]++
		}
	}
	s.used = make([]bool, len(s.letters))
	for i := range passages {
		passages[i].Boxes = s.boxes(lettersOf(passages[i].Text))
	}
}

// lettersOf returns the letters and digits of a text in one form.
func lettersOf(text string) []rune {
	var out []rune
	for _, r := range norm.NFKC.String(text) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out = append(out, unicode.ToLower(r))
		}
	}
	return out
}

// boxes finds a passage on the page and returns a box for each of its lines.
func (s *sheet) boxes(text []rune) []Box {
	if len(text) == 0 {
		return nil
	}
	before := s.next
	found := s.follow(text)
	if float64(len(found)) < enough*float64(len(text)) {
		for _, at := range found {
			s.used[at] = false
		}
		s.next = before
		return nil
	}
	var order []int32
	count := map[int32]int{}
	for _, at := range found {
		w := s.of[at]
		if count[w] == 0 {
			order = append(order, w)
		}
		count[w]++
	}
	var out []Box
	for _, w := range order {
		b, ok := s.words[w].Box.onPage()
		switch n := len(out); {
		case !ok || 2*count[w] < s.sizes[w]:
		case n > 0 && oneLine(out[n-1], b):
			out[n-1] = union(out[n-1], b)
		case n < maxBoxes:
			out = append(out, b)
		default:
			return out
		}
	}
	return out
}

// follow returns the places of the letters of a text that are found.
func (s *sheet) follow(text []rune) []int {
	var found []int
	for i := 0; i < len(text); {
		skip, at := s.resume(text[i:])
		if at < 0 {
			i++
			continue
		}
		for i += skip; i < len(text) && s.free(at) && s.letters[at] == text[i]; i, at = i+1, at+1 {
			s.used[at] = true
			found = append(found, at)
		}
		s.next = at
	}
	return found
}

func (s *sheet) free(at int) bool { return at < len(s.letters) && !s.used[at] }

// agree counts how many letters of the text stand at a place, up to most.
func (s *sheet) agree(text []rune, at, most int) int {
	n := 0
	for n < most && n < len(text) && s.free(at+n) && s.letters[at+n] == text[n] {
		n++
	}
	return n
}

// resume returns where on the page the text goes on, after how many letters of the
// text; -1 where that cannot be told.
func (s *sheet) resume(text []rune) (skip, at int) {
	for both := range 2*slip + 1 {
		for skip := max(0, both-slip); skip <= min(both, slip); skip++ {
			if rest := text[min(skip, len(text)):]; s.agree(rest, s.next+both-skip, step) == step {
				return skip, s.next + both - skip
			}
		}
	}
	if len(text) < seed {
		return 0, -1
	}
	s.index()
	start, ok := s.first[[seed]rune(text)]
	if !ok {
		return 0, -1
	}
	best, most := -1, 0
	seen := 0
	for at := int(start); at >= 0; at = int(s.later[at]) {
		if seen++; seen > alike {
			return 0, -1
		}
		n := s.agree(text, at, len(text))
		ahead := at >= s.next && at-s.next <= near
		only := at == int(start) && s.later[at] < 0
		switch {
		case n < seed || n < certain && !ahead && !only:
		case n > most || n == most && best < s.next: // the nearest ahead of those
			best, most = at, n
		}
	}
	return 0, best
}

// index notes where each run of letters stands, when it is needed.
func (s *sheet) index() {
	if s.first != nil {
		return
	}
	s.first, s.later = map[[seed]rune]int32{}, make([]int32, len(s.letters))
	for at := len(s.letters) - seed; at >= 0; at-- {
		key := [seed]rune(s.letters[at:])
		s.later[at] = -1
		if next, ok := s.first[key]; ok {
			s.later[at] = next
		}
		s.first[key] = int32(at)
	}
}

// onPage cuts the box at the page's edges; it reports whether something is left.
func (b Box) onPage() (Box, bool) {
	b = Box{max(b.Left, 0), max(b.Top, 0), min(b.Right, 1), min(b.Bottom, 1)}
	return b, b.Left < b.Right && b.Top < b.Bottom
}

// oneLine reports whether b stands beside a, no further than words do.
func oneLine(a, b Box) bool {
	shared := min(a.Bottom, b.Bottom) - max(a.Top, b.Top)
	return shared >= 0.5*min(a.Bottom-a.Top, b.Bottom-b.Top) && max(a.Left-b.Right, b.Left-a.Right) <= wordGap
}

func union(a, b Box) Box {
	return Box{min(a.Left, b.Left), min(a.Top, b.Top), max(a.Right, b.Right), max(a.Bottom, b.Bottom)}
}
