package rag

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// The bounds of a passage that is joined with its neighbours: one and a half times
// the longest chunk, and the boxes of one chunk, which can all be drawn.
const (
	joinedWords = 330
	joinedBoxes = 60
)

var listItem = regexp.MustCompile(`^(?:[•▪◦●○‣∙·–—*+-]|\(?[0-9]{1,2}[.)]|\(?[a-z][.)]|\([ivx]+\))\s+\S`)

// continued reports whether one text ends where the next goes on: within a list,
// or before it.
func continued(text, next string) bool {
	last, first := strings.TrimSpace(text), strings.TrimSpace(next)
	last = strings.TrimSpace(last[strings.LastIndexByte(last, '\n')+1:])
	return listItem.MatchString(first) && (strings.HasSuffix(last, ":") || listItem.MatchString(last))
}

// join puts chunks of one page that stand next to each other into one passage: a
// neighbour that was found better than the last passage, and that the rule of
// one passage for a page would drop, and one that goes on with a list. A passage
// that another document repeats stays as it is, as that one may go on otherwise.
func (s *Service) join(ctx context.Context, collection string, kept, ranked []evidence) error {
	if len(kept) == 0 {
		return nil
	}
	last := kept[len(kept)-1].hit
	end := slices.IndexFunc(ranked, func(e evidence) bool {
		return e.hit.Source == last.Source && e.hit.Chunk.Position == last.Chunk.Position
	})
	for i := range kept {
		e := &kept[i]
		if e.hit.Chunk.Page == 0 || len(e.also) > 0 {
			continue
		}
		if err := s.joinLists(ctx, collection, e); err != nil {
			return err
		}
		for grown := true; grown; {
			grown = slices.ContainsFunc(ranked[:end], func(other evidence) bool { return e.join(other.hit) })
		}
	}
	return nil
}

// joinLists joins the chunks on either side where a list goes on in them. Those
// that were not found are asked for.
func (s *Service) joinLists(ctx context.Context, collection string, e *evidence) error {
	text := strings.TrimSpace(e.hit.Chunk.Text)
	line := text[strings.LastIndexByte(text, '\n')+1:]
	if !strings.HasSuffix(text, ":") && !listItem.MatchString(strings.TrimSpace(line)) && !listItem.MatchString(text) {
		return nil
	}
	first, end := e.hit.Chunk.Position, e.hit.Chunk.Position
	beside, err := s.index.Around(ctx, Key{collection, e.hit.Source}, first-1, end+1)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(beside, func(h Hit) bool { return h.Chunk.Position == first && h.Chunk.Text == e.hit.Chunk.Text }) {
		return nil // the document was replaced meanwhile
	}
	for _, h := range beside {
		switch {
		case h.Chunk.Position < first && continued(h.Chunk.Text, text), h.Chunk.Position > end && continued(text, h.Chunk.Text):
			e.join(h)
		}
	}
	return nil
}

// join adds a chunk that stands before or after on the same page, if there is room.
func (e *evidence) join(other Hit) bool {
	c, o := &e.hit.Chunk, other.Chunk
	after := o.Position == c.Position+e.more+1
	if other.Source != e.hit.Source || o.Page != c.Page || o.Contents || !after && o.Position != c.Position-1 ||
		len(strings.Fields(c.Text))+len(strings.Fields(o.Text)) > joinedWords || len(c.Boxes)+len(o.Boxes) > joinedBoxes {
		return false
	}
	headings := slices.Clone(c.Headings)
	for _, h := range o.Headings {
		if !slices.Contains(headings, h) {
			headings = append(headings, h)
		}
	}
	c.Headings = headings
	e.more++
	first, second := c.Boxes, o.Boxes
	if !after {
		first, second = second, first
	}
	if c.Boxes = nil; len(first) > 0 && len(second) > 0 { // the boxes of a half would pass for those of the whole
		c.Boxes = slices.Concat(first, second)
	}
	if after {
		c.Text += "\n" + o.Text
		return true
	}
	c.Position, c.Text = o.Position, o.Text+"\n"+c.Text
	return true
}
