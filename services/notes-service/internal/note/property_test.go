package note

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// pieces of notes, from which the property test puts notes together.
var (
	noteParts = []string{
		"CT owes Lowell £1,240.50", "rent 650 pcm", "UC £393.45 pm", "ref HH/20981", "acct 8834 2201 77", "I'll ring Lowell by Fri",
		"CT to send stmts by 12/3/26", "hearing on 9/4", "APR 29.9%", "tel 0161 496 0123", "council to confirm by 14 March", "£340, no, £304",
		"explained DRO", "(she was upset)", "w/ partner", "we agreed he will call before next Tues", "loan 1.2k", "Will write", "CT arrears £70",
		"told CT not to pay £5", "since 2019", "DD £12.01 - sorry £12.10", "ok", "Debts:", "Our actions:", "bring ID", "🙂", "مرحبا £7", "-", "...",
	}
	secretParts = []string{"INTERNAL: £9,999.99 zebra", "not for letter - ref ZZ9999 zebra", "(confidential: zebra 77%)", "zebra on 31/12/2031 in confidence"}
	joints      = []string{". ", ", ", "; ", "\n", "\n- ", "\n\n", " - ", " and ", " "}
)

func drawNotes(t *rapid.T, secrets bool) string {
	var b strings.Builder
	for range rapid.IntRange(1, 12).Draw(t, "parts") {
		parts := noteParts
		if secrets && rapid.IntRange(0, 4).Draw(t, "secret") == 0 {
			parts = secretParts
		}
		b.WriteString(rapid.SampledFrom(parts).Draw(t, "part"))
		b.WriteString(rapid.SampledFrom(joints).Draw(t, "joint"))
	}
	return b.String()
}

var numberRE = regexp.MustCompile(`\d[\d,./:-]*\d|\d`)

// Every number in the letter stands in the notes, none of internal matter does,
// and every word of what is not internal is there.
func TestLetterSaysWhatTheNotesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		notes := drawNotes(t, true)
		r := Read(notes, DefaultClient)
		s := r.Sections()
		letter := text(s.Matters, "") + "\n" + text(s.Ours, "") + "\n" + text(s.Yours, "")
		for _, n := range numberRE.FindAllString(letter, -1) {
			if !strings.Contains(notes, n) {
				t.Fatalf("%q is in the letter, not in the notes\n%s\n----\n%s", n, notes, letter)
			}
		}
		for _, secret := range []string{"zebra", "9,999.99", "ZZ9999", "77%", "31/12/2031"} {
			if strings.Contains(letter, secret) {
				t.Fatalf("internal matter in the letter\n%s\n----\n%s", notes, letter)
			}
		}
		for _, f := range r.Facts() {
			line := r.Lines[f.Line-1].Text
			if line[f.Start:f.End] != f.Text {
				t.Fatalf("fact %+v is not at its place", f)
			}
			if f.Kind != Action && !f.Internal && !f.Superseded && !strings.Contains(letter, f.Text) && f.Period == "" {
				t.Fatalf("%s %q is lost\n%s\n----\n%s", f.Kind, f.Text, notes, letter)
			}
		}
	})
}

// Nothing that is not internal is lost, word by word.
func TestNothingIsLost(t *testing.T) {
	dropped := set("- ct's i'll we agreed he will told agreed to ct no sorry our actions actions: our and zebra")
	rapid.Check(t, func(t *rapid.T) {
		notes := drawNotes(t, false)
		letter := strings.ToLower(letterOf(notes))
		for _, w := range contentWords(notes) {
			long, short := trade.folded[w]
			if !short {
				for k, v := range trade.exact {
					if strings.EqualFold(k, w) {
						long, short = v, true
					}
				}
			}
			switch {
			case dropped[w], strings.Contains(letter, w), short && strings.Contains(letter, strings.ToLower(long)):
			case w == "actions", w == "pm", w == "pcm", w == "w":
			default:
				t.Fatalf("%q is lost\n%s\n----\n%s", w, notes, letter)
			}
		}
	})
}

func TestTheRealNotesToo(t *testing.T) {
	files, _ := filepath.Glob("testdata/notes/*.txt")
	for _, file := range files {
		notes, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range numberRE.FindAllString(letterOf(string(notes)), -1) {
			if !strings.Contains(string(notes), n) {
				t.Errorf("%s: %q is in the letter, not in the notes", file, n)
			}
		}
	}
}

// Ten thousand words, as lines and as one line.
func TestLongNotes(t *testing.T) {
	part := "CT owes Lowell £1,240.50, no, £1,204.50 ref HH/20981; I'll ring them by Fri (internal: zebra) and CT to send stmts by 12/3/26. "
	for name, joint := range map[string]string{"lines": "\n", "one line": ""} {
		notes := strings.Repeat(part+joint, 10000/len(strings.Fields(part)))
		start := time.Now()
		letterOf(notes)
		took := time.Since(start)
		t.Logf("%s: %v", name, took)
		if took > 30*time.Second { // a third of a second; the race detector on a busy machine takes twenty times as long
			t.Errorf("%s took %v", name, took)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	notes, err := os.ReadFile("testdata/notes/bullets.txt")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Read(string(notes), DefaultClient).Sections()
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/notes/*.txt")
	for _, file := range files {
		notes, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(notes))
	}
	for _, part := range append(noteParts, secretParts...) {
		f.Add(part)
	}
	f.Add("((((internal: [£1,2.3.4 - no - 5/5/5/5\xff\x00 +44 (0)")
	f.Fuzz(func(t *testing.T, notes string) {
		if len(notes) > 4<<10 {
			t.Skip("long notes are TestLongNotes' business")
		}
		start := time.Now()
		r := Read(notes, "Ms O'Neill (Sam)")
		letterOf(notes)
		for _, fact := range r.Facts() {
			line := r.Lines[fact.Line-1].Text
			if fact.Text == "" || line[fact.Start:fact.End] != fact.Text {
				t.Fatalf("fact %+v is not at its place", fact)
			}
		}
		r.prove(draft{Matters: []draftSentence{{Text: notes, Lines: []int{1}}}}, "")
		if took := time.Since(start); took > 2*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}
