package document

import (
	"fmt"
	"unicode"
)

// What a text layer must look like to be believed without a look at the page.
const (
	// likeTokens is from how many words a text is judged by them.
	likeTokens = 25
	// likely is the share of its words that the word list must know: of letters
	// and bills it knows 0.85 to 0.97, of what bad OCR left 0.2 to 0.7.
	likely = 0.7
	// likelyPictured is that for a page with an image all over it, whose text is
	// likely to be by an OCR program.
	likelyPictured = 0.85
	// clearlyBetter is how much more of its words must be known for OCR to be
	// believed and not the file.
	clearlyBetter = 0.1
)

// likeness is the share of the text's words that the list knows, and whether there
// are enough of them to say. What has digits or is short does not count.
func (l WordList) likeness(text string) (share float64, ok bool) {
	known, all := 0, 0
	for token := range tokens(text) {
		letters := 0
		counts := true
		for _, r := range token {
			if unicode.IsLetter(r) {
				letters++
			}
			counts = counts && !unicode.IsDigit(r)
		}
		if !counts || letters < 3 {
			continue
		}
		all++
		if _, is := l[fold(token)]; is {
			known++
		}
	}
	if all < likeTokens || len(l) == 0 {
		return 0, false
	}
	return float64(known) / float64(all), true
}

// soup reports whether a text of some length is mostly signs.
func soup(text string) bool {
	const least, readable = 100, 0.5
	c := count(text)
	return c.all >= least && float64(c.readable) < readable*float64(c.all)
}

// doubt says in words what speaks against a page's text layer; nothing if it may
// be believed without a look at the page.
func (l WordList) doubt(text PageText) string {
	if soup(text.Text) {
		return "its text layer is mostly signs"
	}
	share, ok := l.likeness(text.Text)
	if ok && (share < likely || text.Pictured && share < likelyPictured) {
		return fmt.Sprintf("of the words of its text layer only %.0f %% are known", 100*share)
	}
	return ""
}

// better reports whether OCR read a page better than the layer has it.
func (l WordList) better(scan PageScan, layer string) bool {
	if 2*count(scan.Text).readable < count(layer).readable && !soup(layer) || count(scan.Text).readable == 0 {
		return false
	}
	read, ok := l.likeness(scan.Text)
	if !ok {
		return soup(layer) && scan.Confidence >= doubtful
	}
	had, ok := l.likeness(layer)
	return !ok || read > had+clearlyBetter
}
