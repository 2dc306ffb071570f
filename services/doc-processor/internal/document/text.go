package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// glyphCounts counts a text's characters by their use.
type glyphCounts struct {
	readable int // letters and digits
	lost     int // replacement, private-use and control characters
	all      int // everything but white space
}

func count(text string) glyphCounts {
	var c glyphCounts
	for _, r := range text {
		switch {
		case unicode.IsSpace(r) || r == LineHyphen:
			continue
		case r == utf8.RuneError || unicode.Is(unicode.Co, r) || unicode.IsControl(r):
			c.lost++
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			c.readable++
		}
		c.all++
	}
	return c
}

// What makes a text layer usable.
const (
	// lostShare is the largest share of characters without a meaning.
	lostShare = 0.1
	// picturedLetters is how many letters and digits a page with pictures all
	// over it must have for its text layer to be the page's text, not a stamp
	// on a scan.
	picturedLetters = 200
)

// usable reports whether a page's text layer is the page's text.
func usable(text string, pictured bool) bool {
	c := count(text)
	if c.readable == 0 || float64(c.lost) > lostShare*float64(c.all) {
		return false
	}
	return !pictured || c.readable >= picturedLetters
}

// textConfidence is the share of characters that have a meaning.
func textConfidence(text string) float64 {
	c := count(text)
	if c.all == 0 {
		return 0
	}
	return 1 - float64(c.lost)/float64(c.all)
}

// clean takes out what is no text: control characters, invisible marks, and
// the code points that stand for two letters set as one.
func clean(text string) string {
	return ligatureCodes.Replace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == LineHyphen:
			return r
		case unicode.IsControl(r), r == '\ufeff', r == '\u200b', r == '\u2060':
			return -1
		case unicode.Is(unicode.Zs, r):
			return ' '
		default:
			return r
		}
	}, text))
}

// ligatureCodes are the compatibility decompositions of the Latin ligatures
// (Unicode, NFKC of U+FB00 to U+FB06). Other compatibility characters stay:
// NFKC would turn ½ into 1⁄2 and ² into 2.
var ligatureCodes = strings.NewReplacer(
	"\ufb00", "ff", "\ufb01", "fi", "\ufb02", "fl", "\ufb03", "ffi", "\ufb04", "ffl", "\ufb05", "st", "\ufb06", "st",
)
