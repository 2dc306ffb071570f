package httpapi

import "testing"

func FuzzParseBoxes(f *testing.F) {
	f.Add("0.1,0.2,0.5,0.25")
	f.Add("NaN,0,Inf,1")
	f.Add("-0,1e-400,0x1p-2,1")
	f.Fuzz(func(t *testing.T, text string) {
		boxes, err := parseBoxes([]string{text})
		if err != nil {
			return
		}
		if b := boxes[0]; !(0 <= b.left && b.left < b.right && b.right <= 1 && 0 <= b.top && b.top < b.bottom && b.bottom <= 1) {
			t.Errorf("%q: %v", text, b)
		}
	})
}
