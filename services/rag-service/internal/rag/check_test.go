package rag

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/chunk"
)

func TestCheck(t *testing.T) {
	passages := []Passage{
		{Text: "From 28 June 2024 the debts must not be more than £50,000 in all. The fee was £90.50."},
		{Text: "Interest runs at 8 per cent. The client has six months and 1,500 days. The share is 75%."},
	}
	tests := []struct {
		name, answer, want string
		removed            int
	}{
		{"proved", "The ceiling is £50,000 [1].", "The ceiling is £50,000 [1].", 0},
		{"without separators", "The ceiling is £50000 [1].", "The ceiling is £50000 [1].", 0},
		{"citation after the stop", "The ceiling is £50,000. [1] It runs.[2]", "The ceiling is £50,000 [1]. It runs [2].", 0},
		{"a late citation is of its own sentence", "The ceiling is £50,000. [2] It was a fee. [1]", "It was a fee [1].", 1},
		{"date", "It changed on 28 June 2024 [1].", "It changed on 28 June 2024 [1].", 0},
		{"both cited", "Up to £50,000 and 75% [1][2].", "Up to £50,000 and 75% [1][2].", 0},
		{"cited together", "Up to £50,000 and 75% [1, 2].", "Up to £50,000 and 75% [1, 2].", 0},
		{"per cent", "Interest is 8% [2].", "Interest is 8% [2].", 0},
		{"number word", "There are 6 months [2].", "There are 6 months [2].", 0},
		{"another amount", "The ceiling is £30,000 [1].", "", 1},
		{"another day", "It changed on 27 June 2024 [1].", "", 1},
		{"another month", "It changed on 28 July 2024 [1].", "", 1},
		{"the amount of another passage", "The ceiling is £50,000 [2].", "", 1},
		{"an amount is no number of days", "It takes £1,500 [2].", "", 1},
		{"a share is no number", "It takes 75 months [2].", "", 1},
		{"a digit more", "The ceiling is £500,000 [1].", "", 1},
		{"pence", "The fee was £90 [1].", "", 1},
		{"no citation", "The ceiling is £50,000.", "", 1},
		{"no such passage", "The ceiling is £50,000 [3].", "", 1},
		{"passage zero", "The ceiling is £50,000 [0].", "", 1},
		{"only a citation", "[1]", "", 1},
		{"one of two", "The ceiling is £50,000 [1]. It was nine before [1].", "The ceiling is £50,000 [1].", 1},
		{"lines", "- Up to £50,000 [1].\n- Interest [2].", "- Up to £50,000 [1].\n- Interest [2].", 0},
		{"thousands by letter", "Up to £50k [1].", "", 1},
		{"nothing", "", "", 0},
	}
	for _, tt := range tests {
		got, removed := check(tt.answer, passages)
		if got != tt.want || removed != tt.removed {
			t.Errorf("%s: check(%q) = %q, %d; want %q, %d", tt.name, tt.answer, got, removed, tt.want, tt.removed)
		}
	}
}

var english = newLanguage(bm25.NewAnalyzer())

// check has an answer checked in one piece.
func check(answer string, passages []Passage) (kept string, removed int) {
	c := english.newChecker(passages)
	c.add(answer)
	c.finish(false)
	return c.kept.String(), len(c.unsupported)
}

// wholly is check by another way: the whole answer is at hand.
func wholly(answer string, passages []Passage) (kept string, removed int) {
	c := english.newChecker(passages)
	var lines []string
	for line := range strings.SplitSeq(answer, "\n") {
		var proved []string
		for _, sentence := range chunk.Sentences(lateCitation.ReplaceAllString(line, " $2$1 ")) {
			if _, reason := c.verdict(sentence); reason == "" {
				proved = append(proved, tidy(sentence))
			} else if strings.ContainsFunc(sentence, isLetterOrDigit) {
				removed++
			}
		}
		if len(proved) > 0 {
			lines = append(lines, strings.Join(proved, " "))
		}
	}
	return strings.Join(lines, "\n"), removed
}

// A sentence is let pass when it is whole and not before.
func TestCheckPieceByPiece(t *testing.T) {
	c := english.newChecker([]Passage{{Text: "The fee was £90.50 for 60 days."}})
	for i, step := range []struct{ piece, want string }{
		{"It lasts for 60 days", ""},
		{". ", ""},
		{"[1", ""},
		{"] ", ""},
		{"The fee", "It lasts for 60 days [1]."},
		{" was £90 [1]. It", ""},
		{" was £90", ""},
		{".50 [1].", ""},
		{"\n", " It was £90.50 [1]."},
		{"- 60 days. [1]\n\n", "\n- 60 days [1]."},
		{"60 days [1]", ""},
	} {
		if got := c.add(step.piece); got != step.want {
			t.Errorf("piece %d, %q: %q, want %q", i, step.piece, got, step.want)
		}
	}
	if got := c.finish(false); got != "\n60 days [1]" {
		t.Errorf("at the end: %q", got)
	}
	if len(c.unsupported) != 1 {
		t.Errorf("%d removed", len(c.unsupported))
	}
}

func TestCheckOfAnAnswerThatWasCut(t *testing.T) {
	c := english.newChecker([]Passage{{Text: "The fee was £90.50 for 60 days."}})
	got := c.add("It lasts for 60 days [1]. Only 60 days [1] wi")
	got += c.finish(true)
	if got != "It lasts for 60 days [1]." || c.kept.String() != got || len(c.unsupported) != 1 {
		t.Errorf("%q, %d removed", got, len(c.unsupported))
	}
}

func TestFigures(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"£1,500.00 and £1500", []string{"£1500"}},
		{"0.50 and 007", []string{"0.5", "7"}},
		{"8 per cent, 8%", []string{"8%"}},
		{"1 May 2026", []string{"1", "1 may", "2026"}},
		{"the 3rd of March", []string{"3", "3 mar"}},
		{"thirty days", []string{"30", "30 day"}},
		{"twenty-one clear days", []string{"21", "21 clear day"}},
		{"14 working days or 3 hundred", []string{"14", "14 working day", "300"}},
		{"between 6 am and 9 p.m.", []string{"6", "6 a", "9", "9 p"}},
		{"25 to 35 days", []string{"25", "25 day", "35", "35 day"}},
		{"£75 a month", []string{"£75", "£75 month"}},
		{"50,000 pounds", []string{"£50000"}},
		{"one year", []string{"1 year"}},
		{"tone, often, sixteenth", nil},
	}
	for _, tt := range tests {
		want := map[string]bool{}
		for _, w := range tt.want {
			want[w] = true
		}
		if diff := cmp.Diff(want, figures(tt.text)); diff != "" {
			t.Errorf("figures(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

// Whatever a model says, what is kept cites passages and has no figure that they
// lack, and it is the same in whatever pieces the answer comes.
func FuzzCheck(f *testing.F) {
	f.Add("The ceiling is £50,000 [1]. More [2].", "Debts up to £50,000 count.", 3)
	f.Add("[1][1]. 5. [2", "5 or 6", 1)
	f.Add("It is 5.  3. Do [1]. \"A.\" [1] [1, 1]\n\n[1] 6.[1]? “£5” [1]! [1][", "5 or 6, £5", 1)
	f.Fuzz(func(t *testing.T, answer, passage string, size int) {
		passages := []Passage{{Text: passage}}
		facts := offered([]string{passage})
		kept, removed := wholly(answer, passages)
		c := english.newChecker(passages)
		var said strings.Builder
		size = max(size, 1)
		for rest := answer; rest != ""; {
			n := min(size, len(rest))
			said.WriteString(c.add(rest[:n]))
			rest = rest[n:]
		}
		said.WriteString(c.finish(false))
		if said.String() != kept || c.kept.String() != kept || len(c.unsupported) != removed {
			t.Fatalf("%q in pieces of %d bytes: %q (%d removed), in one: %q (%d removed)", answer, size, said.String(), len(c.unsupported), kept, removed)
		}
		for line := range strings.SplitSeq(kept, "\n") {
			for fact := range figures(citation.ReplaceAllString(line, " ")) {
				// A date may join over two sentences; its parts are checked.
				if !facts[fact] && !strings.Contains(fact, " ") {
					t.Fatalf("%q is in the answer %q and not in %q", fact, kept, passage)
				}
			}
			if line != "" && !citation.MatchString(line) {
				t.Fatalf("%q cites nothing", line)
			}
		}
	})
}

// The least shares of the pairs that must be judged rightly: honest paraphrases
// that are kept, false statements that are not. The rules were made with the first
// file in view and without the second, whose figures README.md has.
func TestSupport(t *testing.T) {
	for _, tt := range []struct {
		file                    string
		leastKept, leastRemoved float64
	}{{"support", 0.97, 0.98}, {"support_unseen", 0.95, 0.85}} {
		t.Run(tt.file, func(t *testing.T) {
			raw, err := os.ReadFile("testdata/" + tt.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var pairs []struct {
				Passage string
				True    []string
				False   []string
			}
			if err := json.Unmarshal(raw, &pairs); err != nil {
				t.Fatal(err)
			}
			var honest, kept, invented, removed int
			for _, p := range pairs {
				c := english.newChecker([]Passage{{Text: p.Passage}})
				for _, sentence := range p.True {
					honest++
					if _, reason := c.verdict(sentence + " [1]"); reason == "" {
						kept++
					} else {
						t.Logf("removed though true: %s (%s)", sentence, reason)
					}
				}
				for _, sentence := range p.False {
					invented++
					if _, reason := c.verdict(sentence + " [1]"); reason != "" {
						removed++
					} else {
						t.Logf("kept though false: %s", sentence)
					}
				}
			}
			t.Logf("%d of %d honest paraphrases kept, %d of %d false statements removed", kept, honest, removed, invented)
			if float64(kept) < tt.leastKept*float64(honest) || float64(removed) < tt.leastRemoved*float64(invented) {
				t.Errorf("%d of %d kept, %d of %d removed", kept, honest, removed, invented)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	l := newLanguage(bm25.NewAnalyzer())
	q := l.analyse("How high is the vehicle limit?")
	q.weigh(Found{Total: 100, Frequency: make([]int, len(q.vector.IDs))})
	s := newScorer(l.analyzer, q)
	long := strings.Repeat("Nothing of the sort stands here at all. ", 30)
	c := Chunk{
		Headings: []string{"2.4 One vehicle"},
		Text:     "2.4 One vehicle\n" + long + "\nThe vehicle limit is £4,000. It changed later. " + long,
	}
	got := s.quote(c)
	if !strings.HasPrefix(got, "The vehicle limit is £4,000.") || len(strings.Fields(got)) > quoteWords {
		t.Errorf("quote %q", got)
	}
	if !strings.Contains(strings.Join(strings.Fields(c.Text), " "), got) {
		t.Errorf("the quote is not in the text: %q", got)
	}
	if got := s.quote(Chunk{Headings: []string{"Fees"}, Text: "Fees"}); got != "Fees" {
		t.Errorf("a chunk with a heading only is quoted as %q", got)
	}
	if got := s.quote(Chunk{Text: strings.Repeat("word ", 200)}); len(strings.Fields(got)) != quoteWords {
		t.Errorf("a long sentence is quoted with %d words", len(strings.Fields(got)))
	}
}

func TestAbbreviations(t *testing.T) {
	passages := []chunk.Passage{{Text: "A debt relief order (DRO) stops creditors. Individual voluntary arrangements (IVAs) differ. This (see below) does not count. Nor does the client (XYZ)."}}
	got := abbreviations(passages)
	want := map[string]string{"DRO": "debt relief order", "IVA": "individual voluntary arrangements"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("abbreviations (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"Apply for a DRO now":           "debt relief order",
		"A debt relief order costs":     "DRO",
		"A debt relief order (DRO)":     "",
		"DROP everything":               "",
		"Two DROs":                      "debt relief order",
		"Nothing of that kind in here.": "",
	} {
		if got := aliases(text, map[string]string{"DRO": "debt relief order"}); got != want {
			t.Errorf("aliases(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b []int
		want int
	}{
		{nil, []int{1}, 0},
		{[]int{1}, []int{2}, 1},
		{[]int{5}, []int{2}, 3},
		{[]int{1, 50}, []int{20, 52}, 2},
		{[]int{1}, []int{9}, 0},
		{[]int{3}, []int{3}, 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%v, %v) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
