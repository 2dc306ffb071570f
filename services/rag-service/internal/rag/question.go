package rag

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/bm25"
)

// askWords are the words with which people ask rather than what they ask about.
// Missing from a passage they say little, so they weigh askWeight.
const askWords = `
able across actually added again ago ahead all allowed almost alone along already also although altogether always another
answer answers anybody anyone anything anyway around available back bad basically become behind best better big bit both
bring brings call called came care case certain certainly client clients come comes coming common completely correct
correctly could currently days deal depend depends describe detail details did different difference do document done each
early easily either else end enough especially even ever every everybody everyone everything exact exactly example
existing explain extra fact far few final find finds first following follow form forward full fully further general
generally get gets getting give given gives go goes going gone good got great guide had half hand happen happens hard has
have having hear help here high hold hope idea important include including instead involve involved just keep keeps kept
kind kinds know known large last late later least leave less let like likely line list little long look looking lot low
made main mainly make makes making man manual many may maybe mean meaning means meant mention middle might mind more most
move much must name named need needed needs never new next nobody normal normally nothing now number obtain often ok old
once one ones open ordinary other others otherwise outside own part particular particularly people perhaps person place
please point possible possibly probably problem problems proper properly purpose put puts question questions quite rather
really reason recent recently regard regarding relevant rest right rough roughly round rule rules said same say says see
seem seems seen sense serious set several shall she short should show side similar simply since situation small so
somebody someone something sometimes somewhere soon sort special start still stuff such suppose sure take taken takes
tell thing things think third though thought three through throughout time times today together told too took topic total
trouble true try trying turn two type types typical typically under unless until upon us use used useful user uses using
usual usually various want wants was way ways week well went what whatever whatsoever whenever whereas whether which
while who whole whose why will wish within without woman word words work working works worth would write wrong year years
yes yet you young
`

const askWeight = 0.25

// synonymWeight is the value of a word that the thesaurus adds to a question, for
// each of the word that it was added for; phraseWeight that of what a phrase
// stands for, the phrase's own words being worth askWeight then.
// places are the countries of which advisers ask beside their own, one a line.
// England is not among them: manuals of its law seldom name it.
const places = `scotland scottish scots
ireland irish
wales welsh
guernsey
jersey
france french
germany german
spain spanish
poland polish
america american usa`

const (
	synonymWeight = 0.3
	phraseWeight  = 0.7
)

// term is a distinct word of a question that is not a stop word.
type term struct {
	id     uint32
	word   string   // as it was written, in lower case; empty for what a phrase stands for
	others []uint32 // synonyms
	ask    float64  // 1, or askWeight for a word of asking
	weight float64  // ask times its IDF; how much the question is about it
	known  bool     // some chunk of the index has it or a synonym
}

// question is a question ready to be searched for.
type question struct {
	terms  []term // in the order of the question
	vector bm25.Vector
	figure *regexp.Regexp // see [soughtFigure]
	places [][]uint32     // see [language.places]
}

// language is what is known of the words of questions.
type language struct {
	analyzer  *bm25.Analyzer
	ask       map[uint32]bool
	thesaurus *thesaurus
	// places are countries whose law is their own, by the words that name them. A
	// passage answers for one of them only where it names it.
	places [][]uint32
}

func newLanguage(a *bm25.Analyzer) *language {
	l := &language{analyzer: a, ask: map[uint32]bool{}}
	for line := range strings.Lines(places) {
		var names []uint32
		for name := range strings.FieldsSeq(line) {
			names = append(names, a.ID(name))
		}
		l.places = append(l.places, names)
	}
	for w := range strings.FieldsSeq(askWords) {
		l.ask[a.ID(w)] = true
	}
	var err error
	if l.thesaurus, err = parseThesaurus(a, thesaurusText); err != nil {
		panic("thesaurus.txt: " + err.Error()) // a part of the program, and tested
	}
	return l
}

// analyse reads a question. The terms have no weight until weigh is called.
func (l *language) analyse(text string) question {
	q := question{figure: soughtFigure(text)}
	add := func(t term) {
		if !slices.ContainsFunc(q.terms, func(other term) bool { return other.id == t.id }) {
			q.terms = append(q.terms, t)
		}
	}
	text = written(text)
	words := slices.Collect(bm25.Words(text))
	tokens := l.analyzer.Tokens(text)
	for _, names := range l.places {
		if slices.ContainsFunc(tokens, func(t bm25.Token) bool { return slices.Contains(names, t.ID) }) {
			q.places = append(q.places, names)
		}
	}
	said := 0 // tokens that belong to a phrase
	for i, t := range tokens {
		if p, ok := l.thesaurus.at(tokens[i:]); ok && said <= i {
			said = i + len(p.words)
			add(term{id: p.others[0], ask: phraseWeight, others: p.others[1:]})
		}
		ask := 1.0
		if l.ask[t.ID] || i < said {
			ask = askWeight
		}
		add(term{id: t.ID, word: words[t.Position], ask: ask, others: l.thesaurus.words[t.ID]})
	}
	q.compile()
	return q
}

// compile makes the vector of the terms.
func (q *question) compile() {
	values := map[uint32]float32{}
	for _, t := range q.terms {
		values[t.id] = max(values[t.id], float32(t.ask))
	}
	for _, t := range q.terms {
		for _, other := range t.others {
			if _, there := values[other]; !there {
				values[other] = float32(t.ask * synonymWeight)
			}
		}
	}
	q.vector = bm25.Vector{IDs: slices.Sorted(maps.Keys(values))}
	for _, id := range q.vector.IDs {
		q.vector.Values = append(q.vector.Values, values[id])
	}
}

// weigh sets the terms' weights from what a search found. A word that no chunk
// has weighs like one that a single chunk has; one whose synonym is there weighs
// like the synonym.
func (q *question) weigh(found Found) {
	frequency := map[uint32]int{}
	for i, id := range q.vector.IDs {
		frequency[id] = found.Frequency[i]
	}
	for i := range q.terms {
		t := &q.terms[i]
		df := frequency[t.id]
		for _, other := range t.others {
			df = max(df, frequency[other])
		}
		t.known = df > 0
		t.weight = t.ask * math.Max(bm25.IDF(found.Total, max(df, 1)), minIDF)
	}
}

// known is the share of the question's weight whose words, or synonyms, stand
// anywhere in the manuals.
func (q *question) known() float64 {
	var known, all float64
	for _, t := range q.terms {
		all += t.weight
		if t.known {
			known += t.weight
		}
	}
	return known / all
}

// minIDF keeps a word that stands in nearly every chunk of a small index from
// weighing nothing.
const minIDF = 0.2
