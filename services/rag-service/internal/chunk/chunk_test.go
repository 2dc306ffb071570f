package chunk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitFollowsHeadings(t *testing.T) {
	body := strings.Repeat("The client pays what is left after essential costs each month. ", 14)
	got := Split([]Page{
		{Number: 1, Text: "Debt relief orders\n\n1. What it costs\n\n" + body + "\n\n1.1 Fees\n\n" + body},
		{Number: 2, Text: body + "\n\n2. Who can apply\n\n" + body},
	})
	type row struct {
		Page     int
		Headings []string
	}
	var rows []row
	for _, p := range got.Passages {
		rows = append(rows, row{p.Page, p.Headings})
	}
	want := []row{
		{1, []string{"Debt relief orders", "1. What it costs"}},
		{1, []string{"1. What it costs", "1.1 Fees"}},
		{2, []string{"1. What it costs", "1.1 Fees"}},
		{2, []string{"2. Who can apply"}},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("passages (-want +got):\n%s", diff)
	}
	if got.Title != "Debt relief orders" {
		t.Errorf("title %q", got.Title)
	}
	for _, p := range got.Passages {
		if n := wordCount(p.Text); n > maxWords {
			t.Errorf("a passage of %d words", n)
		}
	}
}

func TestHeadingLevel(t *testing.T) {
	known := map[string]bool{"what the court looks at": true}
	tests := []struct {
		line, next string
		markdown   bool
		want       int
	}{
		{"## Fees", "", true, 2},
		{"# apt-get install mc", "", false, 0},
		{"1. Purpose", "", false, 1},
		{"2.1 Debts that count", "From 28 June", false, 2},
		{"2.1.3 Debts", "", false, 3},
		{"Chapter 4: Linking", "", false, 1},
		{"What the court looks at", "and so on", false, unnumbered - 1},
		{"Excluded Debts", "The following are left out.", false, unnumbered},
		{"EXCLUDED DEBTS", "The following", false, unnumbered},
		{"Who can apply?", "", false, unnumbered},
		{"1. Fines imposed for an offence.", "", false, 0},
		{"1. Secured debts", "2. Student loans", false, 0},
		{"Edition: 3", "", false, 0},
		{"The limit is £50,000", "", false, 0},
		{"a line in the middle of a", "sentence that goes on", false, 0},
		{"int main(void) {", "", false, 0},
	}
	for _, tt := range tests {
		s := shape{known: known, markdown: tt.markdown}
		if got := s.headingLevel(tt.line, tt.next); got != tt.want {
			t.Errorf("headingLevel(%q, %q) = %d, want %d", tt.line, tt.next, got, tt.want)
		}
	}
}

func TestRunningLinesAreDropped(t *testing.T) {
	var pages []Page
	for i := range 5 {
		pages = append(pages, Page{Number: i + 1, Text: fmt.Sprintf(
			"Council tax arrears · Edition 2\n\nBody of page %c is about something.\nThe limit is £50,000 on this page.\n\nMore words of page %c.\n\nSample manual. Page %d of 5\n%d",
			'a'+i, 'a'+i, i+1, i+1)})
	}
	lines := clean(pages)
	for i, page := range lines {
		text := strings.Join(page, "\n")
		if strings.Contains(text, "Edition 2") != (i == 0) {
			t.Errorf("page %d: the running header should stand on the first page only:\n%s", i+1, text)
		}
		if strings.Contains(text, "of 5") || strings.HasSuffix(text, fmt.Sprint(i+1)) {
			t.Errorf("page %d: a page number is left:\n%s", i+1, text)
		}
		if !strings.Contains(text, "The limit is £50,000 on this page.") {
			t.Errorf("page %d: a repeated sentence with a figure was dropped:\n%s", i+1, text)
		}
	}
}

func TestFiguresAreNoPageNumbers(t *testing.T) {
	var pages []Page
	for i := range 4 {
		pages = append(pages, Page{Number: i + 1, Text: fmt.Sprintf("Weekly rate\n%d\nfor page %c of the table", 90-7*i*i, 'a'+i)})
	}
	for i, page := range clean(pages) {
		if !strings.Contains(strings.Join(page, " "), fmt.Sprint(90-7*i*i)) {
			t.Errorf("page %d lost its figure: %q", i+1, page)
		}
	}
}

func TestRunningHeaderJoinedToALine(t *testing.T) {
	var pages []Page
	for i := range 4 {
		pages = append(pages, Page{Number: i + 1, Text: fmt.Sprintf("Breathing space · Edition Two\n\nWords of page %c.", 'a'+i)})
	}
	pages = append(pages, Page{Number: 5, Text: "Breathing space · Edition Two regulation 24 applies here too."})
	if got, want := clean(pages)[4][0], "regulation 24 applies here too."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestContents(t *testing.T) {
	dotted := "Contents\n1 Purpose . . . . . . . 3\n2 Limits . . . . . . . . 4\n2.1 Debts ............ 5\n3 Orders ........... 9\n4 After the order ..... 12"
	index := "appeal, 12, 14\narrears, 3\nbailiff, 7\nbankruptcy, 2\ncouncil tax, 9, 11\ncourt, 4\ndebt relief order, 5\neviction, 13\nfines, 6"
	fees := "Fee table\nApplication 30\nDeposit 550\nAdjudicator 130\nAppeal 155\nSearch 11\nCopy 7\nCertificate 70\nRequest 60\nOther 5"
	tests := []struct {
		name, text string
		want       bool
	}{
		{"contents", dotted, true},
		{"index", index, true},
		{"a table of figures", fees, false},
		{"prose", "The court looks at the tenant's means. It may adjourn.\nOrders follow.", false},
	}
	for _, tt := range tests {
		got := Split([]Page{{Number: 1, Text: tt.text}, {Number: 2, Text: "Some more words."}, {Number: 40, Text: "And more."}})
		if got.Passages[0].Contents != tt.want {
			t.Errorf("%s: contents is %v, want %v", tt.name, got.Passages[0].Contents, tt.want)
		}
	}
	known := contentsEntries([][]string{strings.Split(dotted, "\n")})
	if !known["after the order"] || !known["debts"] {
		t.Errorf("titles of the contents: %v", known)
	}
}

func TestSentences(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"One. Two? Three!", []string{"One.", "Two?", "Three!"}},
		{"It costs £1.50 a day. Pay now.", []string{"It costs £1.50 a day.", "Pay now."}},
		{"See reg. 24 and para. 3. Then stop.", []string{"See reg. 24 and para. 3.", "Then stop."}},
		{"Use goods, e.g. Tools, freely.", []string{"Use goods, e.g. Tools, freely."}},
		{"1. Do this. 2. Do that.", []string{"1. Do this.", "2. Do that."}},
		{"A line\nAnother line", []string{"A line", "Another line"}},
		{"(It ends.) “It starts.” Done", []string{"(It ends.)", "“It starts.”", "Done"}},
		{"", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, Sentences(tt.text)); diff != "" {
			t.Errorf("Sentences(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

// Every word of a page stands in its passages, in order, whatever the page is.
func FuzzSplit(f *testing.F) {
	f.Add("Heading\n\nSome words. More words.\n• item one\n• item two", "Second page\r\n1. Next ..... 4", 3)
	f.Add(strings.Repeat("word ", 500), "x\fy\vz\u2028w", 1)
	f.Add("1 A . . . . . 2\n1 B . . . . . 3\n1 C . . . . . 4\n1 D . . . . . 5", "\x00\xff", 0)
	f.Fuzz(func(t *testing.T, one, two string, number int) {
		pages := []Page{{Number: number, Text: one}, {Number: number + 1, Text: two}}
		got := Split(pages)
		words := map[int][]string{}
		for _, p := range got.Passages {
			words[p.Page] = append(words[p.Page], strings.Fields(p.Text)...)
			if n := wordCount(p.Text); n > 2*maxWords+20 {
				t.Fatalf("a passage of %d words", n)
			}
		}
		for _, p := range pages {
			want := strings.Fields(lineEnds.Replace(p.Text))
			if diff := cmp.Diff(want, words[p.Number], cmp.Transformer("text", func(s string) []byte { return []byte(s) })); diff != "" && len(want)+len(words[p.Number]) > 0 {
				t.Fatalf("page %d (-want +got):\n%s", p.Number, diff)
			}
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("Header\nwords\n1", "Header\nother\n2", "Header\nmore\n3", "Header\nlast\n4")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		pages := []Page{{Number: 1, Text: a}, {Number: 2, Text: b}, {Number: 3, Text: c}, {Number: 4, Text: d}}
		for i, lines := range clean(pages) {
			left := strings.Fields(lineEnds.Replace(pages[i].Text))
			for _, word := range strings.Fields(strings.Join(lines, " ")) {
				for len(left) > 0 && left[0] != word {
					left = left[1:]
				}
				if len(left) == 0 {
					t.Fatalf("page %d: %q was not on the page there", i+1, word)
				}
				left = left[1:]
			}
		}
	})
}
