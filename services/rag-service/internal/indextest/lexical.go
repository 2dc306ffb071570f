package indextest

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

func testSearch(t *testing.T, x rag.Index) {
	put(t, x, Document("a.pdf", "1", "rent arrears and eviction", "council tax"), Document("b.pdf", "1", "rent only"))
	found := search(t, x, "rent arrears", 5)
	if diff := cmp.Diff([]string{"a.pdf#0", "b.pdf#0"}, places(found.Hits)); diff != "" {
		t.Errorf("hits (-want +got):\n%s", diff)
	}
	if found.Total != 3 {
		t.Errorf("Total = %d, want 3", found.Total)
	}
	frequency := map[uint32]int{}
	for i, id := range Query("rent arrears", 5).Sparse.IDs {
		frequency[id] = found.Frequency[i]
	}
	if want := map[uint32]int{bm25.TermID("rent"): 2, bm25.TermID("arrear"): 1}; !cmp.Equal(want, frequency) {
		t.Errorf("frequencies %v, want %v", frequency, want)
	}
	want := Document("a.pdf", "1", "rent arrears and eviction").Chunks[0]
	want.Sparse = bm25.Vector{}
	if diff := cmp.Diff(rag.Hit{
		Source: "a.pdf", Metadata: rag.Metadata{Title: "Title of a.pdf"}, Chunk: want, Score: found.Hits[0].Score, BM25: found.Hits[0].Score,
	}, found.Hits[0], cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("hit (-want +got):\n%s", diff)
	}
	same(t, "hits of limit 1", []string{"a.pdf#0"}, places(search(t, x, "rent arrears", 1).Hits))
	if found := search(t, x, "rent arrears", 0); len(found.Hits) != 0 || found.Total != 3 || len(found.Frequency) != 2 {
		t.Errorf("limit 0 gives %+v", found)
	}
	if got := places(search(t, x, "rent arrears", 1_000_000).Hits); len(got) != 2 {
		t.Errorf("limit 1,000,000 gives %v", got)
	}
	if found := ask(t, x, rag.Query{Collection: rag.DefaultCollection, Limit: 5}); len(found.Hits) != 0 || found.Total != 3 {
		t.Errorf("a query for nothing gives %+v", found)
	}
	if got := search(t, x, "mortgage", 5).Hits; len(got) != 0 {
		t.Errorf("a word that is not there finds %v", places(got))
	}
}

func testScores(t *testing.T, x rag.Index) {
	put(t, x, Document("a", "1", "rent rent arrears"), Document("b", "1", "rent"), Document("c", "1", "tax"))
	found := search(t, x, "rent", 5)
	value := func(n, length float64) float64 {
		return n * (bm25.K1 + 1) / (bm25.K1*(1-bm25.B+bm25.B*length/bm25.AverageLength) + n)
	}
	want := map[string]float64{"a": value(2, 3) * bm25.IDF(3, 2), "b": value(1, 1) * bm25.IDF(3, 2)}
	for _, h := range found.Hits {
		if diff := h.Score - want[h.Source]; diff > tolerance || diff < -tolerance || h.BM25 != h.Score || h.Cosine != 0 {
			t.Errorf("scores of %s are %v, %v, %v, want %v", h.Source, h.Score, h.BM25, h.Cosine, want[h.Source])
		}
	}
	// A word of twice the weight counts twice.
	q := Query("rent", 5)
	q.Sparse.Values[0] = 2
	if got := ask(t, x, q).Hits[0].Score; math.Abs(got-2*want["a"]) > tolerance {
		t.Errorf("with twice the weight the score is %v, want %v", got, 2*want["a"])
	}
}

func testTies(t *testing.T, x rag.Index) {
	put(t, x, Document("b", "1", "rent", "rent"), Document("c", "1", "rent"), Document("a", "1", "other words", "rent"))
	same(t, "equal scores", []string{"a#1", "b#0", "b#1", "c#0"}, places(search(t, x, "rent", 9).Hits))
}

func testReplace(t *testing.T, x rag.Index) {
	put(t, x, Document("a", "1", "rent arrears", "council tax"), Document("a", "2", "water bills"))
	if got := search(t, x, "rent tax arrears council", 5).Hits; len(got) != 0 {
		t.Errorf("the old text is still found: %v", places(got))
	}
	found := search(t, x, "water", 5)
	if diff := cmp.Diff([]string{"a#0"}, places(found.Hits)); diff != "" || found.Total != 1 || found.Frequency[0] != 1 {
		t.Errorf("after the replacement: %v, total %d, frequency %v", places(found.Hits), found.Total, found.Frequency)
	}
	if size, _ := x.Size(t.Context(), rag.DefaultCollection); size != (rag.Size{Documents: 1, Chunks: 1}) {
		t.Errorf("Size = %+v", size)
	}
}

func testDelete(t *testing.T, x rag.Index) {
	put(t, x, Document("a", "1", "rent"), Document("b", "1", "rent"))
	if there, err := x.Delete(t.Context(), key("a")); !there || err != nil {
		t.Fatalf("Delete = %v, %v", there, err)
	}
	found := search(t, x, "rent", 5)
	if diff := cmp.Diff([]string{"b#0"}, places(found.Hits)); diff != "" || found.Frequency[0] != 1 {
		t.Errorf("after the deletion: %v, frequency %v", places(found.Hits), found.Frequency)
	}
	put(t, x, Document("a", "1", "rent"))
	if got := len(search(t, x, "rent", 5).Hits); got != 2 {
		t.Errorf("put back, %d hits", got)
	}
}

func testContents(t *testing.T, x rag.Index) {
	d := Document("a", "1", "rent arrears", "rent 3")
	d.Chunks[1].Contents, d.Chunks[1].Sparse = true, bm25.Vector{}
	put(t, x, d)
	found := search(t, x, "rent", 5)
	if diff := cmp.Diff([]string{"a#0"}, places(found.Hits)); diff != "" || found.Total != 1 {
		t.Errorf("hits %v, total %d", places(found.Hits), found.Total)
	}
	hits, total, err := x.Chunks(t.Context(), rag.DefaultCollection, "", 0, 10)
	if err != nil || total != 2 || !hits[1].Chunk.Contents {
		t.Errorf("Chunks = %v, %d, %v", places(hits), total, err)
	}
}

func testChunks(t *testing.T, x rag.Index) {
	put(t, x, Document("tax/b.pdf", "1", "one", "two"), Document("tax/a.pdf", "1", "three"), Document("rent.pdf", "1", "four"))
	for _, tt := range []struct {
		filter        string
		offset, limit int
		want          []string
		total         int
	}{
		{"", 0, 10, []string{"rent.pdf#0", "tax/a.pdf#0", "tax/b.pdf#0", "tax/b.pdf#1"}, 4},
		{"", 1, 2, []string{"tax/a.pdf#0", "tax/b.pdf#0"}, 4},
		{"tax/", 1, 10, []string{"tax/b.pdf#0", "tax/b.pdf#1"}, 3},
		{"", 9, 10, nil, 4},
		{"", 0, 0, nil, 4},
		{"nothing", 0, 10, nil, 0},
	} {
		hits, total, err := x.Chunks(t.Context(), rag.DefaultCollection, tt.filter, tt.offset, tt.limit)
		if diff := cmp.Diff(tt.want, places(hits)); diff != "" || total != tt.total || err != nil {
			t.Errorf("Chunks(%q, %d, %d): total %d, %v (-want +got):\n%s", tt.filter, tt.offset, tt.limit, total, err, diff)
		}
	}
}

func testAround(t *testing.T, x rag.Index) {
	put(t, x, Document("a", "1", "zero", "one", "two", "three"), Document("ab", "1", "zero"))
	for _, tt := range []struct {
		source      string
		first, last int
		want        []string
	}{
		{"a", 1, 2, []string{"a#1", "a#2"}},
		{"a", -5, 0, []string{"a#0"}},
		{"a", 3, 99, []string{"a#3"}},
		{"a", 2, 1, nil},
		{"a", 9, 10, nil},
		{"b", 0, 1, nil},
	} {
		hits, err := x.Around(t.Context(), key(tt.source), tt.first, tt.last)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "around", tt.want, places(hits))
	}
	hits, _ := x.Around(t.Context(), key("a"), 1, 1)
	want := Document("a", "1", "zero", "one").Chunks[1]
	want.Sparse = bm25.Vector{}
	same(t, "hit", []rag.Hit{{Source: "a", Metadata: rag.Metadata{Title: "Title of a"}, Chunk: want}}, hits)
}

func testState(t *testing.T, x rag.Index) {
	d := Document("b", "hash", "one", "two")
	d.Folder = true
	put(t, x, d, Document("a", "other", "three"))
	want := rag.State{Key: key("b"), Metadata: rag.Metadata{Title: "Title of b"}, Hash: "hash", Version: 7, Pages: 2, Characters: 20, Folder: true, Chunks: 2}
	if got, there, err := x.State(t.Context(), key("b")); got != want || !there || err != nil {
		t.Errorf("State = %+v, %v, %v", got, there, err)
	}
	all, err := x.Documents(t.Context(), rag.DefaultCollection)
	if err != nil || len(all) != 2 || all[0].Source != "a" || all[1] != want {
		t.Errorf("Documents = %+v, %v", all, err)
	}
}

// testMuchReplacing replaces often enough for an index that leaves holes to
// close them.
func testMuchReplacing(t *testing.T, x rag.Index) {
	texts := make([]string, 200)
	for i := range texts {
		texts[i] = fmt.Sprintf("common word%d", i)
	}
	put(t, x, Document("stays", "1", "common stays"))
	for i := range 20 {
		put(t, x, Document("a", fmt.Sprint(i), texts...))
	}
	found := search(t, x, "common stays", 500)
	if len(found.Hits) != 201 || found.Hits[0].Source != "stays" || found.Total != 201 {
		t.Errorf("%d hits of %d, first %v", len(found.Hits), found.Total, places(found.Hits[:1]))
	}
	if found := search(t, x, "word199", 5); len(found.Hits) != 1 || found.Hits[0].Chunk.Position != 199 {
		t.Errorf("word199: %v", places(found.Hits))
	}
}

func testDescribe(t *testing.T, x rag.Index) {
	put(t, x, Document("a", "1", "rent"), Document("b", "1", "rent"))
	m := rag.Metadata{Title: "New title", Edition: "4th", From: "2025-04-06", Until: "2026-04-05", Jurisdiction: "scotland"}
	if there, err := x.Describe(t.Context(), key("a"), m); !there || err != nil {
		t.Fatalf("Describe = %v, %v", there, err)
	}
	state, _, err := x.State(t.Context(), key("a"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "state", rag.State{Key: key("a"), Metadata: m, Hash: "1", Version: 7, Pages: 1, Characters: 10, Chunks: 1}, state)
	hits := search(t, x, "rent", 5).Hits
	if len(hits) != 2 || hits[0].Metadata != m || hits[1].Title != "Title of b" {
		t.Errorf("the hits are %+v", hits)
	}
	if there, err := x.Describe(t.Context(), key("a"), rag.Metadata{}); !there || err != nil {
		t.Fatalf("Describe = %v, %v", there, err)
	}
	if hits, _ := x.Around(t.Context(), key("a"), 0, 0); len(hits) != 1 || hits[0].Metadata != (rag.Metadata{}) {
		t.Errorf("with metadata removed the chunks are %+v", hits)
	}
}

// testFilter narrows searches by each condition and by several.
func testFilter(t *testing.T, x rag.Index) {
	for source, m := range map[string]rag.Metadata{
		"plain":    {},
		"old":      {Edition: "3rd", From: "2024-04-06", Until: "2025-04-05", Jurisdiction: "england-wales"},
		"new":      {Edition: "4th", From: "2025-04-06", Jurisdiction: "england-wales"},
		"scottish": {Edition: "4th", Until: "2025-12-31", Jurisdiction: "scotland"},
	} {
		d := Document(source, "1", "rent arrears", "council tax")
		d.Metadata = m
		put(t, x, d)
	}
	for _, tt := range []struct {
		name   string
		filter rag.Filter
		want   []string
	}{
		{"none", rag.Filter{}, []string{"new#0", "old#0", "plain#0", "scottish#0"}},
		{"source", rag.Filter{Sources: []string{"old"}}, []string{"old#0"}},
		{"sources", rag.Filter{Sources: []string{"plain", "old", "nothing"}}, []string{"old#0", "plain#0"}},
		{"part of a source", rag.Filter{Sources: []string{"ol"}}, nil},
		{"edition", rag.Filter{Editions: []string{"4th"}}, []string{"new#0", "scottish#0"}},
		{"editions", rag.Filter{Editions: []string{"4th", "3rd"}}, []string{"new#0", "old#0", "scottish#0"}},
		{"jurisdiction", rag.Filter{Jurisdictions: []string{"scotland"}}, []string{"scottish#0"}},
		{"unknown jurisdiction", rag.Filter{Jurisdictions: []string{"wales"}}, nil},
		{"first day", rag.Filter{On: "2025-04-06"}, []string{"new#0", "plain#0", "scottish#0"}},
		{"last day", rag.Filter{On: "2025-04-05"}, []string{"old#0", "plain#0", "scottish#0"}},
		{"last day without a first", rag.Filter{On: "2025-12-31"}, []string{"new#0", "plain#0", "scottish#0"}},
		{"later", rag.Filter{On: "2026-01-01"}, []string{"new#0", "plain#0"}},
		{"before all", rag.Filter{On: "1999-12-31"}, []string{"plain#0", "scottish#0"}},
		{"combined", rag.Filter{Editions: []string{"4th"}, On: "2026-01-01"}, []string{"new#0"}},
		{"all four", rag.Filter{Sources: []string{"old", "new"}, Editions: []string{"3rd"}, Jurisdictions: []string{"england-wales"}, On: "2024-12-01"}, []string{"old#0"}},
		{"contradiction", rag.Filter{Sources: []string{"plain"}, Editions: []string{"4th"}}, nil},
	} {
		q := Query("rent", 9)
		q.Filter = tt.filter
		found := ask(t, x, q)
		same(t, tt.name, tt.want, places(found.Hits))
		if found.Total != 8 || found.Frequency[0] != 4 {
			t.Errorf("%s: total %d and frequency %v are to be those without a filter", tt.name, found.Total, found.Frequency)
		}
	}
	if _, err := x.Describe(t.Context(), key("plain"), rag.Metadata{Jurisdiction: "scotland"}); err != nil {
		t.Fatal(err)
	}
	q := Query("rent", 9)
	q.Filter = rag.Filter{Jurisdictions: []string{"scotland"}}
	same(t, "after Describe", []string{"plain#0", "scottish#0"}, places(ask(t, x, q).Hits))
	// The filter comes before the limit.
	q.Limit, q.Filter = 1, rag.Filter{Sources: []string{"scottish"}}
	same(t, "filter and limit", []string{"scottish#0"}, places(ask(t, x, q).Hits))
}
