// Package bm25 turns text into the sparse vectors of the BM25 ranking function,
// exactly as Qdrant's own "qdrant/bm25" model does, so that the embedded index
// and a Qdrant server rank alike.
//
// The score of a document for a query is the sum, over the query's distinct
// terms, of the document's value for the term times the term's [IDF]:
//
//	value = n·(k+1) / (k·(1 − b + b·length/average) + n)
//	idf   = ln((N − df + 0.5) / (df + 0.5) + 1)
//
// A term's identifier is |int32(murmur3_32(term))| with seed 0. Terms are runs
// of letters and digits, in lower case, without stop words, stemmed by
// Snowball's English stemmer.
package bm25

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/kljensen/snowball/english"
	"github.com/twmb/murmur3"
)

// The constants of the formula. K1 and B are Qdrant's defaults. AverageLength
// stands for the average number of terms of a chunk: it must be the same for
// every vector of an index, so it is fixed and not measured.
const (
	K1            = 1.2
	B             = 0.75
	AverageLength = 120
)

// Version changes whenever the same text would get another vector. Vectors of
// different versions must not be mixed in an index.
const Version = 1

// maxWord is the longest token in bytes; longer runs (encoded data) are cut there.
const maxWord = 64

// cacheSize bounds the number of stems that an analyser remembers.
const cacheSize = 100_000

// Vector is a sparse vector: ascending identifiers and their values.
type Vector struct {
	IDs    []uint32
	Values []float32
}

// Token is a term of a text and where it stands.
type Token struct {
	ID uint32
	// Position counts the words of the text, stop words included, from 0.
	Position int
}

// Analyzer splits text into terms. It is safe for concurrent use and remembers
// the stems of the words that it has seen.
type Analyzer struct {
	stop map[string]bool

	mu    sync.RWMutex
	terms map[string]term
}

type term struct {
	id   uint32
	skip bool
}

// NewAnalyzer returns an analyser of English.
func NewAnalyzer() *Analyzer {
	return &Analyzer{stop: stopWords(), terms: map[string]term{}}
}

// Tokens returns the terms of text in their order.
func (a *Analyzer) Tokens(text string) []Token {
	tokens := make([]Token, 0, len(text)/8)
	position := 0
	for word := range Words(text) {
		if t := a.term(word); !t.skip {
			tokens = append(tokens, Token{ID: t.id, Position: position})
		}
		position++
	}
	return tokens
}

// Words yields the words of text: runs of letters, marks and digits in lower case.
func Words(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for word := range strings.FieldsFuncSeq(text, notWord) {
			if !yield(strings.ToLower(word)) {
				return
			}
		}
	}
}

func notWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
}

// IsStop reports whether the lower-case word is a stop word.
func (a *Analyzer) IsStop(word string) bool { return a.stop[word] }

// ID returns the identifier of a lower-case word's term.
func (a *Analyzer) ID(word string) uint32 { return a.term(word).id }

func (a *Analyzer) term(word string) term {
	if len(word) > maxWord {
		word = strings.ToValidUTF8(word[:maxWord], "")
	}
	a.mu.RLock()
	t, ok := a.terms[word]
	a.mu.RUnlock()
	if ok {
		return t
	}
	t = term{skip: a.stop[word]}
	if !t.skip {
		t.id = TermID(english.Stem(word, true))
	}
	a.mu.Lock()
	if len(a.terms) >= cacheSize {
		clear(a.terms)
	}
	a.terms[strings.Clone(word)] = t
	a.mu.Unlock()
	return t
}

// TermID returns the identifier of a stemmed term.
func TermID(stem string) uint32 {
	h := int32(murmur3.StringSum32(stem))
	if h < 0 {
		return uint32(-int64(h))
	}
	return uint32(h)
}

// Field is a part of a document whose words count for Weight words each.
type Field struct {
	Text   string
	Weight float64
}

// Document returns the vector of a document. With one field of weight 1 it is
// Qdrant's vector of that text. The document's length counts the same weights.
func (a *Analyzer) Document(fields ...Field) Vector {
	counts, length := map[uint32]float64{}, 0.0
	for _, f := range fields {
		for _, t := range a.Tokens(f.Text) {
			counts[t.ID] += f.Weight
			length += f.Weight
		}
	}
	values := make(map[uint32]float64, len(counts))
	for id, n := range counts {
		values[id] = n * (K1 + 1) / (K1*(1-B+B*length/AverageLength) + n)
	}
	return vector(values)
}

// Query returns the vector of a question: every distinct term with the value 1.
func (a *Analyzer) Query(text string) Vector {
	values := map[uint32]float64{}
	for _, t := range a.Tokens(text) {
		values[t.ID] = 1
	}
	return vector(values)
}

// IDF returns the weight of a term that stands in df of total documents.
func IDF(total, df int) float64 {
	return math.Log((float64(total)-float64(df)+0.5)/(float64(df)+0.5) + 1)
}

func vector(values map[uint32]float64) Vector {
	ids := make([]uint32, 0, len(values))
	for id := range values {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare[uint32])
	v := Vector{IDs: ids, Values: make([]float32, len(ids))}
	for i, id := range ids {
		v.Values[i] = float32(values[id])
	}
	return v
}
