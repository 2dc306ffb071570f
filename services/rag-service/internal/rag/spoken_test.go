package rag

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSpokenMoney(t *testing.T) {
	for text, want := range map[string]string{
		"a car worth just under four grand?":      "a car worth just under £4,000?",
		"She owes a grand.":                       "She owes £1,000.",
		"He has 2.5k in savings and £50k of debt": "He has £2,500 in savings and £50,000 of debt",
		"half a million pounds":                   "£500,000",
		"a couple of hundred quid":                "£200",
		"twenty thousand pounds":                  "£20,000",
		"It costs £2 hundred":                     "It costs £200",
		"60 quid a week":                          "60 pounds a week",
		"a thousand pages":                        "a thousand pages",
		"one hundred days":                        "one hundred days",
		"her grand piano":                         "her grand piano",
		"a grand day out":                         "£1,000 day out", // rare among questions of debt
	} {
		if got := written(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func FuzzSpokenMoney(f *testing.F) {
	f.Add("four grand and 9999.99k and half a million quid")
	f.Fuzz(func(t *testing.T, text string) {
		got := written(text)
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q becomes %q", text, got)
		}
		if got != text && !strings.Contains(got, "£") && !strings.Contains(got, "pounds") {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
