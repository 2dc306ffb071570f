package note

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// provedLetter is a letter that the prover finds nothing wrong with.
type provedLetter struct {
	record   *Record
	client   string
	sections Sections
}

func provedLetters(t testing.TB) []provedLetter {
	t.Helper()
	var all []provedLetter
	add := func(name, notes, client string) {
		l := provedLetter{Read(notes, client), client, Sections{}}
		l.sections = l.record.Sections()
		for _, c := range l.record.Prove(l.sections, client) {
			if c.Outcome != Proved {
				t.Errorf("%s: the rules' own letter: %+v", name, c)
			}
		}
		all = append(all, l)
	}
	for _, file := range []string{"dev.txt", "dev2.txt"} {
		for _, c := range readCases(t, file) {
			add(c.name, c.notes, c.client)
		}
	}
	files, _ := filepath.Glob("testdata/notes/*.txt")
	for _, file := range files {
		notes, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		add(file, string(notes), DefaultClient)
	}
	return all
}

var (
	mutableName = regexp.MustCompile(`\b\p{Lu}\p{Ll}{3,}\b`)
	otherNames  = []string{"Barclays", "Wilson", "Hartley", "Marchmont", "Swansea", "Bramble", "Quentin", "Osborne"}
	otherDays   = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	otherMonths = []string{"January", "February", "April", "June", "July", "August", "September", "October", "November", "December"}
	dayWord     = regexp.MustCompile(`(?i)\b(?:mon|tues?|weds?|thurs?|fri|sat|sun)(?:day|nesday|rsday|urday)?\b`)
	monthWord   = regexp.MustCompile(`\b(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember)?\b`)
)

// mutate makes one edit of a kind to a sentence; ok is false where it has nothing
// of the kind.
func mutate(r *rand.Rand, kind, text string) (string, bool) {
	replace := func(m []int, with string) (string, bool) {
		out := text[:m[0]] + with + text[m[1]:]
		return out, !strings.EqualFold(out, text)
	}
	switch kind {
	case "figure":
		var at []int
		for _, f := range facts(text) {
			if f.Kind == Date {
				continue
			}
			for i := f.Start; i < f.End; i++ {
				if isDigit(text[i]) {
					at = append(at, i)
				}
			}
		}
		if at == nil {
			return "", false
		}
		i := at[r.IntN(len(at))]
		digit := byte('0' + (int(text[i]-'0')+1+r.IntN(9))%10)
		return text[:i] + string(digit) + text[i+1:], true
	case "date":
		if days := dayWord.FindAllStringIndex(text, -1); days != nil && r.IntN(2) == 0 {
			m := days[r.IntN(len(days))]
			day := otherDays[r.IntN(len(otherDays))]
			if strings.EqualFold(day[:3], text[m[0]:min(m[1], m[0]+3)]) {
				return "", false
			}
			return replace(m, day)
		}
		if months := monthWord.FindAllStringIndex(text, -1); months != nil && r.IntN(2) == 0 {
			m := months[r.IntN(len(months))]
			month := otherMonths[r.IntN(len(otherMonths))]
			if strings.EqualFold(month[:3], text[m[0]:m[0]+3]) {
				return "", false
			}
			return replace(m, month)
		}
		var at []int
		for _, f := range facts(text) {
			for i := f.Start; f.Kind == Date && i < f.End; i++ {
				if isDigit(text[i]) {
					at = append(at, i)
				}
			}
		}
		if at == nil {
			return "", false
		}
		i := at[r.IntN(len(at))]
		digit := byte('0' + (int(text[i]-'0')+1+r.IntN(9))%10)
		return text[:i] + string(digit) + text[i+1:], true
	case "name":
		var at [][]int
		for _, m := range mutableName.FindAllStringIndex(text, -1) {
			lower := strings.ToLower(text[m[0]:m[1]])
			if !openers[lower] && !plainWords[lower] && baseVerb(lower) == "" && (listedOthers[lower] || m[0] > 0) && !dayWord.MatchString(lower) && !monthWord.MatchString(text[m[0]:m[1]]) {
				at = append(at, m)
			}
		}
		if at == nil {
			return "", false
		}
		return replace(at[r.IntN(len(at))], otherNames[r.IntN(len(otherNames))])
	}
	return "", false
}

// A thousand single edits to figures, dates, names and owners of proved letters:
// the prover must see all but one in a hundred.
func TestProverSeesSingleEdits(t *testing.T) {
	const edits, least = 1000, 990
	letters := provedLetters(t)
	r := rand.New(rand.NewPCG(1, 2))
	kinds := []string{"figure", "date", "name", "owner"}
	seen, made := map[string]int{}, map[string]int{}
	var missed []string
	for total := 0; total < edits; {
		l := letters[r.IntN(len(letters))]
		kind := kinds[r.IntN(len(kinds))]
		s := Sections{slices.Clone(l.sections.Matters), slices.Clone(l.sections.Ours), slices.Clone(l.sections.Yours)}
		lists := []*[]Sentence{&s.Matters, &s.Ours, &s.Yours}
		from := r.IntN(3)
		if kind == "owner" {
			from = 1 + r.IntN(2)
		}
		list := lists[from]
		if len(*list) == 0 {
			continue
		}
		i := r.IntN(len(*list))
		before := (*list)[i]
		if before.heading {
			continue
		}
		after := before
		if kind == "owner" {
			to := lists[3-from]
			*list = slices.Delete(*list, i, i+1)
			*to = append(*to, before)
		} else {
			edited, ok := mutate(r, kind, before.Text)
			if !ok {
				continue
			}
			after.Text = edited
			(*list)[i] = after
		}
		total++
		made[kind]++
		if slices.ContainsFunc(l.record.Prove(s, l.client), func(c Check) bool { return c.Outcome == Failed }) {
			seen[kind]++
		} else {
			missed = append(missed, fmt.Sprintf("%s: %q -> %q", kind, before.Text, after.Text))
		}
	}
	total := 0
	for _, kind := range kinds {
		t.Logf("%s: %d of %d seen", kind, seen[kind], made[kind])
		total += seen[kind]
	}
	if total < least {
		t.Errorf("%d of %d edits seen, want %d", total, edits, least)
	}
	t.Logf("not seen:\n%s", strings.Join(missed, "\n"))
}
