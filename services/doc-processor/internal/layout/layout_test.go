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
