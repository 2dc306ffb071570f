package chunk_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/rag-service/internal/chunk"
)

// line is a line of words on a page, each 0.04 wide, 0.05 from the one before.
func line(left, top float64, text string) []chunk.Word {
	var out []chunk.Word
	for i, w := range strings.Fields(text) {
		at := left + 0.05*float64(i)
		out = append(out, chunk.Word{Text: w, Box: chunk.Box{Left: at, Top: top, Right: at + 0.04, Bottom: top + 0.02}})
	}
	return out
}

// spans says where boxes are: top, left and right in hundredths.
func spans(boxes []chunk.Box) []string {
	out := []string{}
	for _, b := range boxes {
		out = append(out, fmt.Sprintf("%.0f: %.0f-%.0f", 100*b.Top, 100*b.Left, 100*b.Right))
	}
	return out
}

func TestBoxes(t *testing.T) {
	lines := func(ls ...[]chunk.Word) []chunk.Word {
		var out []chunk.Word
		for _, l := range ls {
			out = append(out, l...)
		}
		return out
	}
	const text = "The standard breathing space lasts for 60 days from the entry in the register."
	tests := []struct {
		name, text string
		words      []chunk.Word
		want       []string
	}{
		{
			"two lines", text, lines(line(0.1, 0.2, "The standard breathing space lasts"), line(0.1, 0.23, "for 60 days from the entry in the register.")),
			[]string{"20: 10-34", "23: 10-54"},
		},
		{"no words", text, nil, []string{}},
		{"another page's words", text, line(0.1, 0.2, "Nothing of this is said by the text, whatever may be written."), []string{}},
		{"half of it", text, line(0.1, 0.2, "The standard breathing space lasts for"), []string{}},
		{
			"letters and signs differ", text, lines(line(0.1, 0.2, "THE STANDARD “BREATHING SPACE” LASTS"), line(0.1, 0.23, "for 60 days, from the Entry – in the register")),
			[]string{"20: 10-34", "23: 10-39", "23: 45-59"},
		},
		{
			"hyphenated on the page", text, lines(line(0.1, 0.2, "The standard breath-"), line(0.1, 0.23, "ing space lasts for 60 days from the entry in the regis-"), line(0.1, 0.26, "ter.")),
			[]string{"20: 10-24", "23: 10-69", "26: 10-14"},
		},
		{
			"a header that the text lacks", text, lines(line(0.1, 0.02, "Breathing space: a guide Edition 2"), line(0.1, 0.2, "The standard breathing space lasts"), line(0.1, 0.23, "for 60 days from the entry in the register.")),
			[]string{"20: 10-34", "23: 10-54"},
		},
		{
			"words between that the text lacks", text, lines(line(0.1, 0.2, "The standard breathing space lasts"), line(0.1, 0.5, "A note in the margin that stands apart"), line(0.1, 0.23, "for 60 days from the entry in the register.")),
			[]string{"20: 10-34", "23: 10-54"},
		},
		{
			"read in another order", text, lines(line(0.1, 0.23, "for 60 days from the entry in the register."), line(0.1, 0.2, "The standard breathing space lasts")),
			[]string{"20: 10-34", "23: 10-54"},
		},
		{
			"repaired ligatures", "Ask the official office staff offer a first financial figure in the office.",
			lines(line(0.1, 0.2, "Ask the of\ufffdcial of\ufffdce staff offer"), line(0.1, 0.23, "a first ﬁnancial \ufffdgure in the of\ufffdce.")),
			[]string{"20: 10-39", "23: 10-44"},
		},
		{
			"a figure read otherwise", "You owe the council £1,249 of council tax for the last year.",
			line(0.1, 0.2, "You owe the council £1,2?9 of council tax for the last year."),
			[]string{"20: 10-69"},
		},
		{
			"two columns", text, lines(line(0.1, 0.2, "The standard breathing"), line(0.6, 0.2, "space lasts for 60 days from the entry"), line(0.6, 0.23, "in the register.")),
			[]string{"20: 10-24", "20: 60-99", "23: 60-74"},
		},
		{
			"off the page", text, lines(line(-0.02, 0.2, "The standard breathing space lasts"), line(0.1, 2, "for 60 days"), line(0.1, 0.23, "from the entry in the register.")),
			[]string{"20: 0-22", "23: 10-39"},
		},
		{"no numbers", text, []chunk.Word{{Text: text, Box: chunk.Box{Left: math.NaN(), Right: 1, Bottom: 1}}}, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := chunk.Split([]chunk.Page{{Number: 1, Text: tt.text, Words: tt.words}})
			if len(got.Passages) != 1 {
				t.Fatalf("%d passages", len(got.Passages))
			}
			if diff := cmp.Diff(tt.want, spans(got.Passages[0].Boxes)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Passages that say the same stand each at its own place, and a long one has a
// bounded number of boxes.
func TestBoxesOfManyPassages(t *testing.T) {
	var text strings.Builder
	var words []chunk.Word
	for i := range 90 {
		said := "The client must send the form to the court."
		text.WriteString(said + "\n\n")
		words = append(words, line(0.1, 0.01*float64(i), said)...)
	}
	last := -1.0
	for i, p := range chunk.Split([]chunk.Page{{Number: 1, Text: text.String(), Words: words}}).Passages {
		if n := len(strings.Fields(p.Text)) / 9; len(p.Boxes) == 0 || len(p.Boxes) > n {
			t.Errorf("passage %d of %d lines has %d boxes", i, n, len(p.Boxes))
		}
		for _, b := range p.Boxes {
			if b.Top <= last {
				t.Errorf("passage %d is at %v, above %v", i, b.Top, last)
			}
			last = b.Top
		}
	}
	words = nil
	for i, w := range strings.Fields(text.String())[:200] {
		words = append(words, line(0.1+0.5*float64(i%2), float64(i)/200, w)...)
	}
	for _, p := range chunk.Split([]chunk.Page{{Number: 1, Text: text.String()[:900], Words: words}}).Passages {
		if len(p.Boxes) != 60 {
			t.Errorf("%d boxes", len(p.Boxes))
		}
	}
}

// Whatever a page's words are, boxes lie on the page, are few, and hold nothing
// that is outside all of its words.
func FuzzBoxes(f *testing.F) {
	f.Add("The standard breathing space lasts for 60 days.", "The standard breath- ing space lasts for 60 days.", 0.1, 0.2)
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa aaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaa", -1.0, 7.0)
	f.Add("\ufffd ﬁ ½ İ", "fi 12 i", math.Inf(1), math.NaN())
	f.Fuzz(func(t *testing.T, text, words string, left, top float64) {
		page := chunk.Page{Number: 1, Text: text, Words: line(left, top, words)}
		for _, p := range chunk.Split([]chunk.Page{page}).Passages {
			if len(p.Boxes) > 60 {
				t.Errorf("%d boxes", len(p.Boxes))
			}
			for _, b := range p.Boxes {
				if !(0 <= b.Left && b.Left < b.Right && b.Right <= 1 && 0 <= b.Top && b.Top < b.Bottom && b.Bottom <= 1) {
					t.Errorf("box %v", b)
				}
				if b.Left < left || b.Top < top || b.Bottom > top+0.021 {
					t.Errorf("box %v outside the words at %v, %v", b, left, top)
				}
			}
		}
	})
}
