package layout

import (
	"strings"
	"unicode"
)

// The usual heights of letters, in ems.
const (
	capHeight   = 0.7
	xHeight     = 0.5
	descentPart = 0.21
)

const (
	tallLetters = "bdfhklt£$%&!?()/0123456789"
	deepLetters = "gjpqy"
)

// em estimates the size of the type from how high some text is: "more" is as high
// in 14 points as "Mode" in 10.
func em(text string, height float64) float64 {
	top, deep := 0.0, 0.0
	for _, r := range text {
		switch {
		case unicode.IsUpper(r), strings.ContainsRune(tallLetters, r):
			top = capHeight
		case unicode.IsLower(r):
			top = max(top, xHeight)
		}
		if strings.ContainsRune(deepLetters, r) {
			deep = descentPart
		}
	}
	if top == 0 {
		return 0
	}
	return height / (top + deep)
}
