// Package indextest is the contract suite of [rag.Index]: every index runs it.
package indextest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// Opener opens the index of a folder or name; opened again after it was closed,
// it is the same index.
type Opener func(t *testing.T, place string) (rag.Index, func())

// Document returns a document whose chunks have the texts.
func Document(source, hash string, texts ...string) rag.Document {
	a := bm25.NewAnalyzer()
	d := rag.Document{Source: source, Title: "Title of " + source, Hash: hash, Version: 7, Pages: len(texts), Characters: 10 * len(texts)}
	for i, text := range texts {
		c := rag.Chunk{Position: i, Page: i + 1, Headings: []string{"Heading"}, Text: text, Aliases: "also"}
		c.Sparse = a.Document(bm25.Field{Text: text, Weight: 1})
		d.Chunks = append(d.Chunks, c)
	}
	return d
}

// Query returns the vector of a question.
func Query(text string) bm25.Vector { return bm25.NewAnalyzer().Query(text) }

// Run runs the suite.
func Run(t *testing.T, open Opener) {
	for _, c := range []struct {
		name string
		test func(*testing.T, rag.Index)
	}{
		{"empty", testEmpty},
		{"put and search", testSearch},
		{"scores are those of the formula", testScores},
		{"replace", testReplace},
		{"delete", testDelete},
		{"contents are kept and not found", testContents},
		{"filter and page", testChunks},
		{"state", testState},
		{"much replacing", testMuchReplacing},
		{"readers and writers", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			index, closeIndex := open(t, t.TempDir())
			defer closeIndex()
			c.test(t, index)
		})
	}
	t.Run("reopen", func(t *testing.T) { testReopen(t, open) })
}

func put(t *testing.T, x rag.Index, documents ...rag.Document) {
	t.Helper()
	for _, d := range documents {
		if err := x.Put(t.Context(), d); err != nil {
			t.Fatalf("Put(%s): %v", d.Source, err)
		}
	}
}

func search(t *testing.T, x rag.Index, question string, limit int) rag.Found {
	t.Helper()
	found, err := x.Search(t.Context(), Query(question), limit)
	if err != nil {
		t.Fatalf("Search(%q): %v", question, err)
	}
	return found
}

func places(hits []rag.Hit) []string {
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%s#%d", h.Source, h.Chunk.Position))
	}
	return out
}

func testEmpty(t *testing.T, x rag.Index) {
	if found := search(t, x, "debt", 5); len(found.Hits) != 0 || found.Total != 0 {
		t.Errorf("an empty index found %+v", found)
	}
	if size, err := x.Size(t.Context()); err != nil || size != (rag.Size{}) {
		t.Errorf("Size = %v, %v", size, err)
	}
	if there, err := x.Delete(t.Context(), "a"); there || err != nil {
		t.Errorf("Delete of nothing = %v, %v", there, err)
	}
	if _, there, err := x.State(t.Context(), "a"); there || err != nil {
		t.Errorf("State of nothing = %v, %v", there, err)
	}
}

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
	for i, id := range Query("rent arrears").IDs {
		frequency[id] = found.Frequency[i]
	}
	if want := map[uint32]int{bm25.TermID("rent"): 2, bm25.TermID("arrear"): 1}; !cmp.Equal(want, frequency) {
		t.Errorf("frequencies %v, want %v", frequency, want)
	}
	want := Document("a.pdf", "1", "rent arrears and eviction").Chunks[0]
	want.Sparse = bm25.Vector{}
	if diff := cmp.Diff(rag.Hit{Source: "a.pdf", Title: "Title of a.pdf", Chunk: want, Score: found.Hits[0].Score}, found.Hits[0]); diff != "" {
		t.Errorf("hit (-want +got):\n%s", diff)
	}
	if got := places(search(t, x, "rent arrears", 1).Hits); len(got) != 1 {
		t.Errorf("limit 1 gives %v", got)
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
		if diff := h.Score - want[h.Source]; diff > 1e-5 || diff < -1e-5 {
			t.Errorf("score of %s is %v, want %v", h.Source, h.Score, want[h.Source])
		}
	}
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
	if size, _ := x.Size(t.Context()); size != (rag.Size{Documents: 1, Chunks: 1}) {
		t.Errorf("Size = %+v", size)
	}
}

func testDelete(t *testing.T, x rag.Index) {
	put(t, x, Document("a", "1", "rent"), Document("b", "1", "rent"))
	if there, err := x.Delete(t.Context(), "a"); !there || err != nil {
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
	hits, total, err := x.Chunks(t.Context(), "", 0, 10)
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
		hits, total, err := x.Chunks(t.Context(), tt.filter, tt.offset, tt.limit)
		if diff := cmp.Diff(tt.want, places(hits)); diff != "" || total != tt.total || err != nil {
			t.Errorf("Chunks(%q, %d, %d): total %d, %v (-want +got):\n%s", tt.filter, tt.offset, tt.limit, total, err, diff)
		}
	}
}

func testState(t *testing.T, x rag.Index) {
	d := Document("b", "hash", "one", "two")
	d.Folder = true
	put(t, x, d, Document("a", "other", "three"))
	want := rag.State{Source: "b", Hash: "hash", Version: 7, Characters: 20, Folder: true, Chunks: 2}
	if got, there, err := x.State(t.Context(), "b"); got != want || !there || err != nil {
		t.Errorf("State = %+v, %v, %v", got, there, err)
	}
	all, err := x.Documents(t.Context())
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

// testConcurrent replaces a document while others read: a reader sees one whole
// edition.
func testConcurrent(t *testing.T, x rag.Index) {
	edition := func(n int) rag.Document {
		return Document("a", fmt.Sprint(n), fmt.Sprintf("edition edition%d", n%2), fmt.Sprintf("edition edition%d again", n%2))
	}
	put(t, x, edition(0))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				found, err := x.Search(context.WithoutCancel(ctx), Query("edition"), 5)
				if err != nil || len(found.Hits) != 2 || found.Total != 2 {
					t.Errorf("a reader saw %v of %d, %v", places(found.Hits), found.Total, err)
					return
				}
				if a, b := found.Hits[0].Chunk.Text, found.Hits[1].Chunk.Text; a+" again" != b && b+" again" != a {
					t.Errorf("a reader saw a mixture: %q and %q", a, b)
					return
				}
			}
		})
	}
	for i := range 30 {
		put(t, x, edition(i))
	}
	stop()
	readers.Wait()
}

func testReopen(t *testing.T, open Opener) {
	place := t.TempDir()
	first, closeFirst := open(t, place)
	d := Document("a", "1", "rent arrears", "council tax")
	d.Chunks[1].Page, d.Chunks[1].Headings, d.Folder = 0, nil, true
	put(t, first, d, Document("b", "1", "water"), Document("b", "2", "rent"))
	before := search(t, first, "rent tax", 5)
	closeFirst()

	second, closeSecond := open(t, place)
	defer closeSecond()
	if diff := cmp.Diff(before, search(t, second, "rent tax", 5)); diff != "" {
		t.Errorf("after opening again (-want +got):\n%s", diff)
	}
	if state, there, err := second.State(t.Context(), "a"); !there || err != nil || !state.Folder {
		t.Errorf("State = %+v, %v, %v", state, there, err)
	}
}
