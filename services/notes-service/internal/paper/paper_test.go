package paper_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/notes-service/internal/paper"
)

func TestParse(t *testing.T) {
	p := func(runs ...paper.Run) paper.Block { return paper.Block{Kind: paper.Paragraph, Runs: runs} }
	text := func(s string) paper.Run { return paper.Run{Text: s} }
	for name, tc := range map[string]struct {
		markdown string
		want     []paper.Block
	}{
		"looks":        {"a *b* **c** ***d***", []paper.Block{p(text("a "), paper.Run{Text: "b", Italic: true}, text(" "), paper.Run{Text: "c", Bold: true}, text(" "), paper.Run{Text: "d", Bold: true, Italic: true})}},
		"HTML is text": {"<script>alert(1)</script>\n\n<b>x</b>", []paper.Block{p(text("<script>alert(1)</script>")), p(text("<b>x</b>"))}},
		"characters":   {`\*a\* &amp; &pound;5 &#163;6 \&lt; a\b`, []paper.Block{p(text(`*a* & £5 £6 &lt; a\b`))}},
		"breaks":       {"a\nb  \nc\\\nd", []paper.Block{p(text("a b"), paper.Run{Break: true}, text("c"), paper.Run{Break: true}, text("d"))}},
		"links": {"[a](https://x.org) [b](javascript:x) <mailto:a@b.org>", []paper.Block{p(
			paper.Run{Text: "a", Link: "https://x.org"}, text(" b "), paper.Run{Text: "mailto:a@b.org", Link: "mailto:a@b.org"})}},
		"addresses": {"```sender\n a \n\nb\n```\n```address\n```\n~~~\n c\n~~~", []paper.Block{
			{Kind: paper.Sender, Lines: []string{"a", "b"}}, {Kind: paper.Code, Lines: []string{" c"}},
		}},
		"a list": {"3. a\n4. b\n   - c", []paper.Block{{Kind: paper.List, Ordered: true, Start: 3, Items: [][]paper.Block{
			{p(text("a"))}, {p(text("b")), {Kind: paper.List, Items: [][]paper.Block{{p(text("c"))}}}},
		}}}},
		"a table": {"|a|b|\n|:-:|-:|\n|c|", []paper.Block{{Kind: paper.Table, Aligns: []paper.Align{paper.Centre, paper.Right}, Rows: [][][]paper.Run{{{text("a")}, {text("b")}}, {{text("c")}, nil}}}}},
		"others":  {"# a\n\n> b\n\n---\n\n#### c", []paper.Block{{Kind: paper.Heading, Level: 1, Runs: []paper.Run{text("a")}}, {Kind: paper.Quote, Blocks: []paper.Block{p(text("b"))}}, {Kind: paper.Rule}, {Kind: paper.Heading, Level: 3, Runs: []paper.Run{text("c")}}}},
		"nothing": {" \n\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, paper.Parse(tc.markdown)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestText(t *testing.T) {
	got := paper.Text(paper.Parse("```address\nA\nB\n```\n\n# T\n\n2. a\n   - b\n3. c\n\n|x|y|\n|-|-|\n|1|2|\n\n> q\n\n---"))
	want := "A\nB\n\nT\n\n2. a\n\n  - b\n3. c\n\nx | y\n1 | 2\n\n  q\n\n---"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDeepNestingIsBounded(t *testing.T) {
	for _, mark := range []string{"> ", "- "} {
		if got := paper.Text(paper.Parse(strings.Repeat(mark, 2000) + "deep")); !strings.Contains(got, "deep") {
			t.Errorf("%q is lost", got)
		}
	}
}

// Escaped text is read as itself.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"a", "# a", "- a", "1. a", "1) a", "*a*", "&amp;", `\*`, "<b>", "a|b", "===", "~~~", "```", "+ a", ": a", "    a", "[a]: b", "12345678901. a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")), " ")
		blocks := paper.Parse(paper.Escape(s))
		if s == "" {
			return
		}
		if len(blocks) != 1 || blocks[0].Kind != paper.Paragraph || paper.Plain(blocks[0].Runs) != s {
			t.Errorf("%q: %+v", s, blocks)
		}
	})
}
