package pattern

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var expressions = []string{
	``, `a`, `^`, `^a?`, `(?i)^(?:and|or)\b`, `(?i)\b(?:sky|milk)\b`, `(?i)k`, `\bk\b`, `[sk]at`, `(?i)[s]\s+t`, `\d{1,2}/\d`, `£\s?\d`,
	`(?i)\b(?:not|no)\b|n['’]t\b`, `(?:ab)+c?`, `(?:ab)*`, `a{0,2}b`, `a{2}`, `^\W*(?:INTERNAL|CONF)\b`, `[^.;]{0,30}\bin\b`, `(?m)^x`, `x$`, `\Bat\b`,
	`.at`, `(?s).`, `\p{Lu}\w+`, `(?i)é`, `ſ`, `\x{fffd}`, `[\x{fffa}-\x{fffe}]x`, `(?i)(?:^\W*|[.;]\s+)(own notes|internal)\s*:`, `a\b b`, `\b`, `(?:|a)b`, `^(?:a|)$`, `(?i)^straße`, `\b(?:\s)x`, `[[:^alpha:]]q`,
	`\w+`, `[aeiouy]+`, `\p{Lu}[\p{L}'’-]*`, `\p{Lu}[\p{L}]{2,}`, `[a-z][^a-z]+`, `[a-z]+?`, `[\p{L}\d&.'’/-]+`, `[^a]+`, `(?i)[k-s]+`, `\d+ (?:days|weeks)`, `\s+will\s+to`, `a{1,3}b`, `(?:a|b?){2}c`, `(?:a|)+c`, `(?:a+b?)?c`, `(?:a+|b)*c+d`, `x(?:a.b)*\bc`, `(\d+(?:\.\d+)?)\s?(k|grand)\b`, `x(?:\w|)b`, `(?:a|b\w?)?(?:c|d.)e`,
}

var texts = []string{
	"", "a", "A", "k", "K", "\u212a", "\u017fky", "mil\u212a", "the SKY", "s t", "S\t\nT", "1/2", "£ 5", "don’t", "no", "know", "abab", "aab", "internal: x", "- INTERNAL: x",
	"x\nx", "cat", "\xff", "\xffat", "\ufffdx", "É", "Straße", "STRASSE", "own notes : y", "a b", " x", "9q", "b", "\r\n", "o. Own  Notes:",
}

// same checks that a pattern answers as the standard library does.
func same(t *testing.T, p *Pattern, re *regexp.Regexp, text string) {
	t.Helper()
	got := []any{
		p.MatchString(text), p.FindString(text), p.FindStringIndex(text), p.FindStringSubmatch(text), p.FindStringSubmatchIndex(text),
		p.FindAllString(text, -1), p.FindAllStringIndex(text, -1), p.FindAllStringSubmatch(text, -1), p.FindAllStringSubmatchIndex(text, -1),
		p.ReplaceAllString(text, "<$0>"), p.ReplaceAllStringFunc(text, strings.ToUpper),
	}
	want := []any{
		re.MatchString(text), re.FindString(text), re.FindStringIndex(text), re.FindStringSubmatch(text), re.FindStringSubmatchIndex(text),
		re.FindAllString(text, -1), re.FindAllStringIndex(text, -1), re.FindAllStringSubmatch(text, -1), re.FindAllStringSubmatchIndex(text, -1),
		re.ReplaceAllString(text, "<$0>"), re.ReplaceAllStringFunc(text, strings.ToUpper),
	}
	for _, limit := range []int{0, 1, 2} {
		got, want = append(got, p.FindAllString(text, limit)), append(want, re.FindAllString(text, limit))
		got, want = append(got, p.FindAllStringIndex(text, limit)), append(want, re.FindAllStringIndex(text, limit))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q on %q: %v, the standard library: %v", re, text, got, want)
	}
}

func TestPatternAnswersAsTheStandardLibrary(t *testing.T) {
	for _, expr := range expressions {
		p, re := MustCompile(expr), regexp.MustCompile(expr)
		if p.String() != expr {
			t.Errorf("%q calls itself %q", expr, p)
		}
		for _, text := range texts {
			same(t, p, re, text)
			same(t, p, re, "we "+text+", so")
		}
	}
}

func TestSieveRulesOut(t *testing.T) {
	for _, c := range []struct {
		expr, text string
		admits     bool
	}{
		{`(?i)\b(?:owes?|arrears)\b`, "Rang the court about Friday.", false},
		{`(?i)\b(?:owes?|arrears)\b`, "OWES £40", true},
		{`(?i)\b(?:owes?|arrears)\b`, "lowest", false},
		{`\d+ (?:days|weeks)`, "one of these days", false},
		{`\d+ (?:days|weeks)`, "some day", false},
		{`\d+ (?:days|weeks)`, "7 weeks", true},
		{`(?i)^(?:we|you) will\b`, "she will", false},
		{`(?i)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s?(k|grand)\b`, "asked the bank for 40", false},
		{`(?i)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s?(k|grand)\b`, "lent 1,400.50 K", true},
		{`.*`, "anything", true},
	} {
		if s := newSieve(c.expr); s.admits(c.text) != c.admits {
			t.Errorf("%q on %q: %v", c.expr, c.text, !c.admits)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, expr := range expressions {
		for _, text := range texts {
			f.Add(expr, text)
		}
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		re, err := regexp.Compile(expr)
		if err != nil || len(expr) > 100 || len(text) > 200 {
			return
		}
		same(t, MustCompile(expr), re, text)
	})
}
