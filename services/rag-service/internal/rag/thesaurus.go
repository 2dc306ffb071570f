package rag

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/bm25"
)

// thesaurusText says in its first lines how it is written.
//
//go:embed thesaurus.txt
var thesaurusText string

// thesaurus knows what else the manuals may call what a question says.
type thesaurus struct {
	words   map[uint32][]uint32 // a word's other words
	phrases map[uint32][]phrase // by their first word, longest first
}

// phrase is words that stand for others when they stand together.
type phrase struct {
	words, others []uint32
}

// parseThesaurus reads a thesaurus. It fails for an entry that is a stop word or
// empty, and for a line of fewer than two entries.
func parseThesaurus(a *bm25.Analyzer, text string) (*thesaurus, error) {
	t := &thesaurus{words: map[uint32][]uint32{}, phrases: map[uint32][]phrase{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		from, to, oneWay := strings.Cut(line, ">")
		asked, err := entries(a, from)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		found := asked
		if oneWay {
			if found, err = entries(a, to); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
		}
		if !oneWay && len(asked) < 2 {
			return nil, fmt.Errorf("line %d: a single entry says nothing", number)
		}
		var others []uint32
		for _, entry := range found {
			if len(entry) == 1 || oneWay {
				others = append(others, entry...)
			}
		}
		if len(others) == 0 {
			return nil, fmt.Errorf("line %d: no entry of a single word to be found", number)
		}
		for _, entry := range asked {
			t.add(entry, others)
		}
	}
	for _, of := range t.phrases {
		slices.SortStableFunc(of, func(a, b phrase) int { return len(b.words) - len(a.words) })
	}
	return t, nil
}

// entries returns the terms of the entries of a list.
func entries(a *bm25.Analyzer, list string) ([][]uint32, error) {
	var out [][]uint32
	for entry := range strings.SplitSeq(list, ",") {
		var ids []uint32
		for _, t := range a.Tokens(entry) {
			ids = append(ids, t.ID)
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("%q has no word that is searched for", strings.TrimSpace(entry))
		}
		out = append(out, ids)
	}
	return out, nil
}

func (t *thesaurus) add(entry, others []uint32) {
	if len(entry) > 1 {
		t.phrases[entry[0]] = append(t.phrases[entry[0]], phrase{entry, others})
		return
	}
	known := t.words[entry[0]]
	for _, id := range others {
		if id != entry[0] && !slices.Contains(known, id) {
			known = append(known, id)
		}
	}
	t.words[entry[0]] = known
}

// phraseGap is how many words further on the next word of a phrase may stand.
const phraseGap = 3

// at returns the longest phrase that begins with the first of the tokens.
func (t *thesaurus) at(tokens []bm25.Token) (phrase, bool) {
	for _, p := range t.phrases[tokens[0].ID] {
		if len(p.words) > len(tokens) {
			continue
		}
		matches := true
		for i := 1; i < len(p.words) && matches; i++ {
			matches = tokens[i].ID == p.words[i] && tokens[i].Position-tokens[i-1].Position <= phraseGap
		}
		if matches {
			return p, true
		}
	}
	return phrase{}, false
}
