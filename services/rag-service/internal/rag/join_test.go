package rag

import (
	"slices"
	"strings"
	"testing"
)

func TestContinued(t *testing.T) {
	for _, tt := range []struct {
		text, next string
		want       bool
	}{
		{"The client must have:\n", "• a bank account", true},
		{"Steps\n1. Fill in the form.", "2. Post the form.", true},
		{"(a) the landlord", "(b) the tenant", true},
		{"The client must have:", "Next comes another matter.", false},
		{"1. Fill in the form.\nThat is all.", "2. Post it.", false},
		{"That is all.", "• a bank account", false},
		{"", "• a bank account", false},
		{"• a bank account", "", false},
	} {
		if got := continued(tt.text, tt.next); got != tt.want {
			t.Errorf("continued(%q, %q) = %v", tt.text, tt.next, got)
		}
	}
}

func TestJoinEvidence(t *testing.T) {
	chunk := func(source string, page, position, words int) Hit {
		return Hit{Source: source, Chunk: Chunk{Page: page, Position: position, Text: strings.TrimSpace(strings.Repeat("w ", words))}}
	}
	contents := chunk("a.pdf", 2, 5, 9)
	contents.Chunk.Contents = true
	for name, tt := range map[string]struct {
		with        []Hit
		first, last int
	}{
		"none":               {nil, 4, 4},
		"the one after":      {[]Hit{chunk("a.pdf", 2, 5, 100)}, 4, 5},
		"the one before":     {[]Hit{chunk("a.pdf", 2, 3, 100)}, 3, 4},
		"both":               {[]Hit{chunk("a.pdf", 2, 3, 60), chunk("a.pdf", 2, 5, 60)}, 3, 5},
		"two after":          {[]Hit{chunk("a.pdf", 2, 5, 60), chunk("a.pdf", 2, 6, 60)}, 4, 6},
		"itself":             {[]Hit{chunk("a.pdf", 2, 4, 10)}, 4, 4},
		"one further away":   {[]Hit{chunk("a.pdf", 2, 6, 10)}, 4, 4},
		"another page":       {[]Hit{chunk("a.pdf", 3, 5, 10)}, 4, 4},
		"another document":   {[]Hit{chunk("b.pdf", 2, 5, 10)}, 4, 4},
		"too long":           {[]Hit{chunk("a.pdf", 2, 5, joinedWords-200+1)}, 4, 4},
		"as long as allowed": {[]Hit{chunk("a.pdf", 2, 5, joinedWords-200)}, 4, 5},
		"contents":           {[]Hit{contents}, 4, 4},
	} {
		e := evidence{hit: chunk("a.pdf", 2, 4, 200)}
		words := 200
		for _, h := range tt.with {
			if e.join(h) {
				words += len(strings.Fields(h.Chunk.Text))
			}
		}
		c := e.hit.Chunk
		if c.Position != tt.first || c.Position+e.more != tt.last || len(strings.Fields(c.Text)) != words {
			t.Errorf("%s: from %d to %d in %d words, want from %d to %d in %d", name, c.Position, c.Position+e.more, len(strings.Fields(c.Text)), tt.first, tt.last, words)
		}
	}
}

// A joined passage has the boxes of all of it, or none.
func TestJoinBoxes(t *testing.T) {
	one, two := []Box{{Left: 0.1, Right: 0.9, Bottom: 0.2}}, []Box{{Left: 0.1, Top: 0.3, Right: 0.9, Bottom: 0.4}}
	for name, tt := range map[string]struct {
		boxes, other, want []Box
		position           int
	}{
		"after":   {one, two, []Box{one[0], two[0]}, 5},
		"before":  {two, one, []Box{one[0], two[0]}, 3},
		"of half": {one, nil, nil, 5},
		"of none": {nil, two, nil, 3},
	} {
		e := evidence{hit: Hit{Source: "a.pdf", Chunk: Chunk{Page: 2, Position: 4, Text: "x", Boxes: tt.boxes}}}
		if !e.join(Hit{Source: "a.pdf", Chunk: Chunk{Page: 2, Position: tt.position, Text: "y", Boxes: tt.other}}) {
			t.Errorf("%s: not joined", name)
		}
		if got := e.hit.Chunk.Boxes; !slices.Equal(got, tt.want) {
			t.Errorf("%s: boxes %v, want %v", name, got, tt.want)
		}
	}
}
