package rag

import (
	"math"
	"strings"

	"signpost.internal/services/rag-service/internal/bm25"
)

// askWords are the words with which people ask rather than what they ask about.
// Missing from a passage they say little, so they weigh askWeight.
const askWords = `
tell explain describe show list name say mean meaning work use used using need needed want get got give given make made
do happen much many long often big soon would could may might must shall please someone somebody anyone anybody people
person client way ways different kind kinds type types sort possible available exactly know find there able allowed
let still ever also one two question answer manual document guide say says thing things something anything go
purpose main available without within upon every another else really actually whether
`

const askWeight = 0.25

// term is a distinct word of a question that is not a stop word.
type term struct {
	id     uint32
	ask    float64 // 1, or askWeight for a word of asking
	weight float64 // ask times its IDF; how much the question is about it
	known  bool    // some chunk of the index has it
}

// question is a question ready to be searched for.
type question struct {
	terms  []term // in the order of the question
	vector bm25.Vector
}

// analyse reads a question. The terms have no weight until weigh is called.
func analyse(a *bm25.Analyzer, askIDs map[uint32]bool, text string) question {
	var q question
	seen := map[uint32]bool{}
	for _, t := range a.Tokens(text) {
		if seen[t.ID] {
			continue
		}
		seen[t.ID] = true
		ask := 1.0
		if askIDs[t.ID] {
			ask = askWeight
		}
		q.terms = append(q.terms, term{id: t.ID, ask: ask})
	}
	q.vector = a.Query(text)
	for i, id := range q.vector.IDs {
		if askIDs[id] {
			q.vector.Values[i] = askWeight
		}
	}
	return q
}

func askIDs(a *bm25.Analyzer) map[uint32]bool {
	ids := map[uint32]bool{}
	for w := range strings.FieldsSeq(askWords) {
		ids[a.ID(w)] = true
	}
	return ids
}

// weigh sets the terms' weights from what a search found. A word that no chunk
// has weighs like one that a single chunk has.
func (q *question) weigh(found Found) {
	frequency := map[uint32]int{}
	for i, id := range q.vector.IDs {
		frequency[id] = found.Frequency[i]
	}
	for i := range q.terms {
		t := &q.terms[i]
		df := frequency[t.id]
		t.known = df > 0
		t.weight = t.ask * math.Max(bm25.IDF(found.Total, max(df, 1)), minIDF)
	}
}

// minIDF keeps a word that stands in nearly every chunk of a small index from
// weighing nothing.
const minIDF = 0.2
