package indextest

import (
	"math"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

func embed(t *testing.T, x rag.Index, id provider.EmbeddingIdentity, vectors ...rag.Embedding) {
	t.Helper()
	if err := x.Embed(t.Context(), rag.DefaultCollection, id, vectors); err != nil {
		t.Fatalf("Embed: %v", err)
	}
}

// byMeaning asks for the best by cosine.
func byMeaning(limit int, v ...float32) rag.Query {
	return rag.Query{Collection: rag.DefaultCollection, Dense: Unit(v...), Limit: limit}
}

func testDense(t *testing.T, x rag.Index) {
	id := Identity(0, 4)
	stageAll(t, x, id, nil)
	contents := Document("c", "1", "contents", "rent")
	contents.Chunks[0].Contents, contents.Chunks[0].Sparse = true, bm25.Vector{}
	put(t, x,
		Embed(Document("a", "1", "rent", "tax", "not embedded", "water"), id, Unit(1, 0, 0, 0), Unit(1, 1, 0, 0), nil, Unit(-1, 0, 0, 0)),
		Embed(Document("b", "1", "rent", "tax"), id, Unit(1, 1, 0, 0), Unit(0, 0, 1, 0)),
		Embed(contents, id, nil, Unit(3, 1, 0, 0)),
	)
	found := ask(t, x, byMeaning(9, 1, 0, 0, 0))
	// Equal ones by source and position; none at a right angle or beyond.
	same(t, "hits", []string{"a#0", "c#1", "a#1", "b#0"}, places(found.Hits))
	for i, want := range []float64{1, 3 / math.Sqrt(10), math.Sqrt(0.5), math.Sqrt(0.5)} {
		h := found.Hits[i]
		if math.Abs(h.Score-want) > tolerance || h.Cosine != h.Score || h.BM25 != 0 {
			t.Errorf("hit %d has the scores %v, %v, %v, want %v", i, h.Score, h.BM25, h.Cosine, want)
		}
		if h.Chunk.Dense != nil || len(h.Chunk.Sparse.IDs) != 0 {
			t.Errorf("hit %d comes with its vectors", i)
		}
	}
	if found.Total != 7 || len(found.Frequency) != 0 {
		t.Errorf("total %d, frequency %v", found.Total, found.Frequency)
	}
	same(t, "limit 2", []string{"a#0", "c#1"}, places(ask(t, x, byMeaning(2, 1, 0, 0, 0)).Hits))
	same(t, "limit 0", []string(nil), places(ask(t, x, byMeaning(0, 1, 0, 0, 0)).Hits))
	if state, _, err := x.State(t.Context(), key("a")); state.Chunks != 4 || state.Embedded != 3 || err != nil {
		t.Errorf("State = %+v, %v", state, err)
	}
	got, total := unembedded(t, x, 9)
	same(t, "unembedded", []string{"a#2"}, got)
	if total != 1 {
		t.Errorf("%d are not embedded, want 1", total)
	}
	put(t, x, Embed(Document("a", "2", "rent"), id, Unit(0, 0, 0, 1)))
	same(t, "after a replacement", []string{"c#1", "b#0"}, places(ask(t, x, byMeaning(9, 1, 0, 0, 0)).Hits))
	same(t, "the new vector", []string{"a#0"}, places(ask(t, x, byMeaning(9, 0, 0, 0, 1)).Hits))
	if _, err := x.Delete(t.Context(), key("c")); err != nil {
		t.Fatal(err)
	}
	same(t, "after a deletion", []string{"b#0"}, places(ask(t, x, byMeaning(9, 1, 0, 0, 0)).Hits))
}

func testDenseConflicts(t *testing.T, x rag.Index) {
	ctx, id := t.Context(), Identity(0, 4)
	put(t, x, Document("a", "1", "rent"))
	conflict := func(what string, err error) {
		t.Helper()
		if fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v, want a conflict", what, err)
		}
	}
	_, err := x.Search(ctx, byMeaning(5, 1, 0, 0, 0))
	conflict("a search by meaning without vectors", err)
	conflict("a document with vectors in a collection without", x.Put(ctx, Embed(Document("b", "1", "rent"), id, Unit(1, 0, 0, 0))))
	conflict("Embed before Stage", x.Embed(ctx, rag.DefaultCollection, id, nil))
	conflict("Promote before Stage", x.Promote(ctx, rag.DefaultCollection))
	stageAll(t, x, id, func(rag.Unembedded) []float32 { return Unit(1, 0, 0, 0) })
	_, err = x.Search(ctx, byMeaning(5, 1, 0, 0))
	conflict("a search by another dimension", err)
	other := Identity(1, 4)
	conflict("a document of another identity", x.Put(ctx, Embed(Document("b", "1", "rent"), other, Unit(1, 0, 0, 0))))
	conflict("a document of another dimension", x.Put(ctx, Embed(Document("b", "1", "rent"), Identity(0, 5), Unit(1, 0, 0, 0, 0))))
	conflict("Embed of another identity", x.Embed(ctx, rag.DefaultCollection, other, nil))
	conflict("Promote without a stage", x.Promote(ctx, rag.DefaultCollection))
	prefixed := Identity(0, 4)
	prefixed.QueryPrefix = "query: "
	conflict("Embed with another prefix", x.Embed(ctx, rag.DefaultCollection, prefixed, nil))
	if all, err := x.Documents(ctx, rag.DefaultCollection); len(all) != 1 || err != nil {
		t.Errorf("what conflicts was stored: %+v, %v", all, err)
	}
	renamed := Identity(0, 4)
	renamed.Model = "the same under another name"
	put(t, x, Embed(Document("b", "1", "rent"), renamed, Unit(1, 0, 0, 0)))
}

// testHybrid reckons the fusion of two lists by hand.
func testHybrid(t *testing.T, x rag.Index) {
	id := Identity(0, 4)
	stageAll(t, x, id, nil)
	put(t, x,
		Embed(Document("words", "1", "rent rent rent"), id, Unit(0, 1, 0, 0)),                                // words 0
		Embed(Document("both", "1", "rent rent other words"), id, Unit(2, 1, 0, 0)),                          // words 1, meaning 1
		Embed(Document("meaning", "1", "landlord"), id, Unit(9, 1, 0, 0)),                                    // meaning 0
		Embed(Document("late", "1", "rent and much else besides"), id, Unit(1, 1, 0, 0)),                     // words 2, meaning 2
		Document("bare", "1", "rent among very many other words that are of no account whatever here today"), // words 3
		Embed(Document("neither", "1", "water"), id, Unit(0, 0, 1, 0)),
	)
	q := Query("rent", 9)
	q.Dense = Unit(1, 0, 0, 0)
	found := ask(t, x, q)
	rank := func(n int) float64 { return 1 / float64(rag.RRFK+n) }
	want := []struct {
		source string
		score  float64
		words  bool
		cosine float64
	}{
		{"both", rank(1) + rank(1), true, 2 / math.Sqrt(5)},
		{"late", rank(2) + rank(2), true, 1 / math.Sqrt(2)},
		{"meaning", rank(0), false, 9 / math.Sqrt(82)},
		{"words", rank(0), true, 0},
		{"bare", rank(3), true, 0},
	}
	if len(found.Hits) != len(want) {
		t.Fatalf("hits %v, want %d", places(found.Hits), len(want))
	}
	lexical := map[string]float64{}
	for _, h := range search(t, x, "rent", 9).Hits {
		lexical[h.Source] = h.Score
	}
	for i, w := range want {
		h := found.Hits[i]
		if h.Source != w.source || math.Abs(h.Score-w.score) > 1e-7 {
			t.Errorf("hit %d is %s with %v, want %s with %v", i, h.Source, h.Score, w.source, w.score)
		}
		if math.Abs(h.Cosine-w.cosine) > tolerance || math.Abs(h.BM25-lexical[w.source]) > tolerance || w.words != (h.BM25 > 0) {
			t.Errorf("the halves of %s are %v and %v, want %v and %v", h.Source, h.BM25, h.Cosine, lexical[w.source], w.cosine)
		}
	}
	if found.Total != 6 || found.Frequency[0] != 4 {
		t.Errorf("total %d, frequency %v", found.Total, found.Frequency)
	}
	q.Limit = 3
	same(t, "limit 3", []string{"both#0", "late#0", "meaning#0"}, places(ask(t, x, q).Hits))
}

// testHybridLimit sees that each half brings at most the limit: what is further
// down in a half does not count.
func testHybridLimit(t *testing.T, x rag.Index) {
	id := Identity(0, 4)
	stageAll(t, x, id, nil)
	put(t, x,
		Embed(Document("a", "1", "rent rent rent"), id, Unit(1, 3, 0, 0)),
		Embed(Document("b", "1", "rent rent and more"), id, Unit(1, 2, 0, 0)),
		Embed(Document("c", "1", "rent and more of other words"), id, Unit(1, 1, 0, 0)),
	)
	q := Query("rent", 2)
	q.Dense = Unit(1, 0, 0, 0)
	found := ask(t, x, q)
	same(t, "hits", []string{"b#0", "a#0"}, places(found.Hits))
	if b := found.Hits[0]; math.Abs(b.Score-2/float64(rag.RRFK+1)) > 1e-7 {
		t.Errorf("b has %v, want %v", b.Score, 2/float64(rag.RRFK+1))
	}
	if a := found.Hits[1]; math.Abs(a.Score-1/float64(rag.RRFK)) > 1e-7 || a.Cosine != 0 {
		t.Errorf("a has %v and the cosine %v; it is the third by meaning", a.Score, a.Cosine)
	}
}

// testFilterHalves sees that the filter narrows each half before its ranks.
func testFilterHalves(t *testing.T, x rag.Index) {
	id := Identity(0, 4)
	stageAll(t, x, id, nil)
	for source, v := range map[string][]float32{"a": Unit(1, 0, 0, 0), "b": Unit(2, 1, 0, 0), "c": Unit(1, 1, 0, 0)} {
		d := Embed(Document(source, "1", "rent"), id, v)
		if source != "a" {
			d.Jurisdiction = "scotland"
		}
		put(t, x, d)
	}
	q := byMeaning(1, 1, 0, 0, 0)
	q.Filter.Jurisdictions = []string{"scotland"}
	same(t, "by meaning", []string{"b#0"}, places(ask(t, x, q).Hits))
	q.Sparse, q.Limit = Query("rent", 9).Sparse, 9
	found := ask(t, x, q)
	same(t, "by both", []string{"b#0", "c#0"}, places(found.Hits))
	if h := found.Hits[0]; math.Abs(h.Score-2/float64(rag.RRFK)) > 1e-7 {
		t.Errorf("the first of both halves has %v, want %v", h.Score, 2/float64(rag.RRFK))
	}
	q.Filter = rag.Filter{Sources: []string{"nothing"}}
	same(t, "no document", []string(nil), places(ask(t, x, q).Hits))
}
