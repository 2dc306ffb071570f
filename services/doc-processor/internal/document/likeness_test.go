package document

import (
	"strings"
	"testing"
)

func TestLayerDoubted(t *testing.T) {
	const good = "we wrote to you about the rent that you owe and have not heard from you since then please call our team so that we can agree how you will pay it back over time"
	words := WordList{}
	for _, w := range strings.Fields(good) {
		words[w] = struct{}{}
	}
	misread := strings.NewReplacer("e", "c", "o", "a", "u", "v").Replace(good)
	for _, tc := range []struct {
		name    string
		text    PageText
		doubted bool
	}{
		{"good", PageText{Text: good}, false},
		{"good over an image", PageText{Text: good, Pictured: true}, false},
		{"misread", PageText{Text: misread}, true},
		{"too short to tell", PageText{Text: "Llwybr Cyhoeddus"}, false},
		{"figures", PageText{Text: strings.Repeat("12.50 £3,400 ", 40)}, false},
		{"signs", PageText{Text: strings.Repeat(`!"#$%&'()* `, 20)}, true},
	} {
		if got := words.doubt(tc.text); (got != "") != tc.doubted {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
	if got := (WordList{}).doubt(PageText{Text: misread}); got != "" {
		t.Errorf("without a word list: %q", got)
	}
	scan := PageScan{Text: good, Confidence: 0.9}
	if !words.better(scan, misread) || words.better(scan, good) || words.better(PageScan{Text: "we wrote"}, misread) || !words.better(scan, strings.Repeat(`!"#$%&'()* `, 20)) {
		t.Error("OCR is believed when it should not be, or not when it should")
	}
}
