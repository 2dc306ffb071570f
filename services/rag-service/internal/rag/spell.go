package rag

import (
	"context"
	"maps"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/bm25"
)

// The bounds of the correction of spelling. Short words are too near to others.
const (
	shortestMisspelt = 7
	longestMisspelt  = 24
	mostMisspelt     = 3 // words of a question
	endingLetters    = 3 // that are left as they are
	leastCorrect     = 3 // chunks that must hold the word that was meant
)

// respell takes a word of the question that no chunk has, nor any synonym of it,
// for the commonest word of the index that is one of its [variants]. It reports
// whether there was one: then the search is to be done again. The index itself is
// the dictionary, so words of the manuals are known to it, and there is no other:
// where a word is right and merely not in the manuals, a bolder correction would
// find what was not asked. Frequent misspellings of other kinds are in the
// thesaurus.
func (s *Service) respell(ctx context.Context, collection string, q *question) (bool, error) {
	changed, tried := false, 0
	for i := range q.terms {
		t := &q.terms[i]
		if t.known || s.language.ask[t.id] || !correctable(t.word) {
			continue
		}
		if tried++; tried > mostMisspelt {
			break
		}
		ids := map[uint32]bool{}
		for variant := range variants(t.word) {
			if !s.analyzer.IsStop(variant) {
				ids[s.analyzer.ID(variant)] = true
			}
		}
		v := bm25.Vector{IDs: slices.Sorted(maps.Keys(ids)), Values: make([]float32, len(ids))}
		for j := range v.Values {
			v.Values[j] = 1
		}
		found, err := s.index.Search(ctx, Query{Collection: collection, Sparse: v, Limit: 1})
		if err != nil {
			return false, err
		}
		best, most := uint32(0), leastCorrect-1
		for j, id := range v.IDs {
			if found.Frequency[j] > most {
				best, most = id, found.Frequency[j]
			}
		}
		if most < leastCorrect {
			continue
		}
		t.id, t.others, changed = best, s.language.thesaurus.words[best], true
	}
	if changed {
		q.compile()
	}
	return changed, nil
}

func correctable(word string) bool {
	if len(word) < shortestMisspelt || len(word) > longestMisspelt {
		return false
	}
	return !strings.ContainsFunc(word, func(r rune) bool { return r < 'a' || r > 'z' })
}

// variants yields what may have been meant by word: two neighbouring letters
// swapped, one of a pair left out, a letter doubled, or a vowel for another. The
// first letter and the ending stay, as another ending is mostly another word.
func variants(word string) func(yield func(string) bool) {
	const vowels = "aeiou"
	return func(yield func(string) bool) {
		for i := 1; i < len(word)-endingLetters; i++ {
			head, letter, next, tail := word[:i], word[i], word[i+1], word[i+1:]
			if letter == next {
				if !yield(head + tail) {
					return
				}
			} else if !yield(head+string(next)+string(letter)+tail[1:]) || !yield(head+string(letter)+string(letter)+tail) {
				return
			}
			if strings.IndexByte(vowels, letter) < 0 {
				continue
			}
			for _, other := range vowels {
				if byte(other) != letter && !yield(head+string(other)+tail) {
					return
				}
			}
		}
	}
}
