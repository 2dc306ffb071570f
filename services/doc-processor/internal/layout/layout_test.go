package layout_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/doc-processor/internal/layout"
)

// put writes text as glyphs of half an em's advance, 10 points high, its first
// glyph at (x, y).
func put(glyphs []layout.Glyph, x, y float64, text string) []layout.Glyph {
	for _, r := range text {
		g := layout.Glyph{Rune: r, Left: x, Right: x + 4.5, Bottom: y, Top: y + 5}
		if r >= 'A' && r <= 'Z' || strings.ContainsRune("bdfhklt0123456789", r) {
			g.Top = y + 7
		}
		glyphs = append(glyphs, g)
		x += 5
	}
	return append(glyphs, layout.Glyph{Rune: '\n'})
}

type text struct {
	x, y float64
	s    string
}

func page(texts ...text) []layout.Glyph {
	var glyphs []layout.Glyph
	for _, t := range texts {
		glyphs = put(glyphs, t.x, t.y, t.s)
	}
	return glyphs
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		name  string
		texts []text
		want  string
	}{
		{"nothing", nil, ""},
		{"a wrapped line", []text{{50, 700, "The client owes a debt that"}, {50, 688, "the creditor now demands."}}, "The client owes a debt that the creditor now demands."},
		{"paragraphs", []text{{50, 700, "One goes on and"}, {50, 688, "still is one ok"}, {50, 664, "two stands apart"}}, "One goes on and still is one ok\n\ntwo stands apart"},
		{"order by place, not by stream", []text{{50, 688, "second line of it"}, {50, 700, "The first line and"}}, "The first line and second line of it"},
		{"hyphen at the line end", []text{{50, 700, "about the repay-"}, {50, 688, "ment of it"}}, "about the repay\u00adment of it"},
		{"number broken at its hyphen", []text{{50, 700, "call 0800-"}, {50, 688, "123 now"}}, "call 0800-123 now"},
		{"list", []text{{50, 700, "• one thing"}, {50, 688, "• another"}}, "• one thing\n\n• another"},
		{"pieces of one line", []text{{50, 700, "Amount"}, {200, 700, "£50"}}, "Amount £50"},
		{
			"two columns and a footer",
			[]text{
				{50, 700, "the left one begins"},
				{50, 688, "and it goes on here"},
				{50, 676, "and it ends here too"},
				{300, 700, "right one begins so"},
				{300, 688, "and it goes on there"},
				{300, 676, "and it ends there."},
				{50, 600, "Sample"},
				{380, 600, "Page 1"},
			},
			"the left one begins and it goes on here and it ends here too right one begins so and it goes on there and it ends there.\n\nSample Page 1",
		},
		{
			"a table reads across",
			[]text{
				{50, 700, "Priority debt owed"},
				{300, 700, "What it leads to"},
				{50, 688, "Council tax bill due"},
				{300, 688, "Enforcement agents come"},
				{50, 676, "Rent of the home due"},
				{300, 676, "Loss of the home"},
			},
			"Priority debt owed What it leads to\n\nCouncil tax bill due Enforcement agents come\n\nRent of the home due Loss of the home",
		},
		{
			"a cell over two lines stays whole",
			[]text{
				{50, 700, "Debt"},
				{200, 700, "Sum"},
				{50, 680, "Rent of the"},
				{200, 680, "£50"},
				{50, 668, "flat"},
				{50, 648, "Gas"},
				{200, 648, "£60"},
			},
			"Debt Sum\n\nRent of the flat £50\n\nGas £60",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, layout.Text(page(tc.texts...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMarkdown(t *testing.T) {
	const line = "The client owes a debt that the creditor now demands"
	for _, tc := range []struct {
		name  string
		texts []text
		want  string
	}{
		{
			"cells that are missing stay empty",
			[]text{
				{50, 700, "Charge"},
				{200, 700, "Units"},
				{300, 700, "Sum"},
				{50, 686, "Power"},
				{200, 686, "742"},
				{300, 686, "£184"},
				{50, 672, "VAT"},
				{300, 672, "£18"},
				{50, 658, "Fee | fine"},
				{300, 658, "£23"},
			},
			"| Charge | Units | Sum |\n| --- | --- | --- |\n| Power | 742 | £184 |\n| VAT |  | £18 |\n| Fee \\| fine |  | £23 |",
		},
		{"one row is no table", []text{{50, 700, "Sort code 30-91-74"}, {300, 700, "Account 44018266"}, {50, 676, line}, {50, 664, "for the third time."}}, "Sort code 30-91-74 Account 44018266\n\n" + line + " for the third time."},
		{"a paragraph after a table is none of its rows", []text{
			{50, 700, "Rent"}, {200, 700, "£50"}, {50, 686, "Gas"}, {200, 686, "£60"}, {50, 672, line},
		}, "| Rent | £50 |\n| --- | --- |\n| Gas | £60 |\n\n" + line},
		{"what Markdown would take for a mark", []text{{50, 700, "# 12 " + line}}, "\\# 12 " + line},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, layout.Glyphs(page(tc.texts...)).Markdown()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Larger type makes headings, the largest the first level.
func TestHeadings(t *testing.T) {
	glyphs := page(text{50, 640, "The client owes a debt that the creditor"}, text{50, 628, "now demands, and has been sent a notice."})
	for y, size := range map[float64]float64{700: 2, 670: 1.4} {
		for _, g := range put(nil, 50, y, "What the law says") {
			g.Left, g.Right = 50+(g.Left-50)*size, 50+(g.Right-50)*size
			g.Top = y + (g.Top-y)*size
			glyphs = append(glyphs, g)
		}
	}
	want := "# What the law says\n\n## What the law says\n\nThe client owes a debt that the creditor now demands, and has been sent a notice."
	if diff := cmp.Diff(want, layout.Glyphs(glyphs).Markdown()); diff != "" {
		t.Error(diff)
	}
}

// A table that was recognised column by column reads across; columns of running
// text do not.
func TestWordsInColumns(t *testing.T) {
	var words []layout.Word
	line := 0
	column := func(block int, x float64, texts ...string) {
		for i, s := range texts {
			line++
			at := x
			for _, w := range strings.Fields(s) {
				width, low, high := 10*float64(len(w)), 900-30*float64(i), 910-30*float64(i)
				if strings.ContainsAny(w, "bdfhklt0123456789") || strings.ToLower(w) != w {
					high += 4
				}
				if strings.ContainsAny(w, "gjpqy") {
					low -= 4
				}
				words = append(words, layout.Word{Text: w, Left: at, Right: at + width, Bottom: low, Top: high, Block: block, Line: line})
				at += width + 8
			}
		}
	}
	column(1, 0, "Date", "13 Sep", "14 Sep", "15 Sep", "16 Sep")
	column(2, 400, "Sum", "3.07", "40.60", "77.13", "9.99")
	if got, want := layout.Words(words).Markdown(), "| Date | Sum |\n| --- | --- |\n| 13 Sep | 3.07 |\n| 14 Sep | 40.60 |\n| 15 Sep | 77.13 |\n| 16 Sep | 9.99 |"; got != want {
		t.Errorf("got %s", got)
	}
	words, line = nil, 0
	left := []string{"one two three four five six", "seven eight nine ten eleven", "twelve and then some more of", "the words that are here now"}
	right := []string{"and on the right hand side", "there is another that reads", "from its top to its bottom", "and is no part of the left"}
	column(1, 0, left...)
	column(2, 400, right...)
	if got, want := layout.Words(words).Text(), strings.Join(append(left, right...), " "); got != want {
		t.Errorf("got %s", got)
	}
}

func TestAskewGlyphsAreStamps(t *testing.T) {
	glyphs := page(text{50, 700, "The client owes"})
	for _, g := range put(nil, 80, 690, "PAID IN FULL") {
		g.Askew = g.Rune != '\n'
		glyphs = append(glyphs, g)
	}
	level, stamps := layout.Askew(glyphs)
	if got := layout.Text(level); got != "The client owes" || len(stamps) != 1 || strings.ReplaceAll(stamps[0], " ", "") != "PAIDINFULL" {
		t.Errorf("%q, %q", got, stamps)
	}
	if level, stamps := layout.Askew(glyphs[len(glyphs)-13:]); len(level) != 13 || stamps != nil {
		t.Errorf("a page that is askew as a whole: %d, %q", len(level), stamps)
	}
}

// A page that lies on its side reads as the same page upright.
func TestTurnedPage(t *testing.T) {
	glyphs := page(text{50, 700, "The client owes a debt that"}, text{50, 688, "the creditor now demands."})
	want := layout.Text(glyphs)
	for i, g := range glyphs {
		g.Left, g.Bottom, g.Right, g.Top = -g.Top, g.Left, -g.Bottom, g.Right
		g.Quarter = 1
		glyphs[i] = g
	}
	if diff := cmp.Diff(want, layout.Text(glyphs)); diff != "" {
		t.Error(diff)
	}
}

// Words written without spaces between them are parted by their distance;
// digits are not, unless far apart.
func TestGaps(t *testing.T) {
	var glyphs []layout.Glyph
	for _, g := range put(put(nil, 50, 700, "the"), 70, 700, "debt") {
		if g.Rune != '\n' {
			glyphs = append(glyphs, g)
		}
	}
	if got := layout.Text(glyphs); got != "the debt" {
		t.Errorf("got %q", got)
	}
}

func TestWords(t *testing.T) {
	word := func(s string, x, y float64, line int) layout.Word {
		return layout.Word{Text: s, Left: x, Right: x + 10*float64(len(s)), Bottom: y, Top: y + 20, Block: 1, Line: line}
	}
	got := layout.Words([]layout.Word{
		word("These:", 100, 500, 1),
		word("*", 100, 460, 2), word("one", 130, 460, 2),
		word("e", 100, 420, 3), word("two", 130, 420, 3),
	})
	if diff := cmp.Diff("These:\n\n• one\n\n• two", got.Text()); diff != "" {
		t.Error(diff)
	}
}

func FuzzText(f *testing.F) {
	f.Add("The client\nowes £50", 50.0, 12.0, 0)
	f.Add("a-\nb", 0.0, -3.0, 3)
	f.Fuzz(func(t *testing.T, s string, x, step float64, quarter int) {
		var glyphs []layout.Glyph
		for i, l := range strings.Split(s, "\n") {
			for _, g := range put(nil, x, float64(i)*step, l) {
				g.Quarter = quarter
				glyphs = append(glyphs, g)
			}
		}
		if got := layout.Text(glyphs); strings.Count(got, "c") != strings.Count(s, "c") {
			t.Errorf("%q became %q", s, got)
		}
	})
}
