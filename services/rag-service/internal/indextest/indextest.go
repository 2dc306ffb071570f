// Package indextest is the contract suite of [rag.Index]: every index runs it.
package indextest

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// Opener opens the index of a folder or name; opened again after it was closed,
// it is the same index. The function that it returns closes it.
type Opener func(t *testing.T, place string) (rag.Index, func())

// tolerance is how far the arithmetic of two indexes may lie apart.
const tolerance = 1e-4

// Document returns a document of the default collection whose chunks have the
// texts.
func Document(source, hash string, texts ...string) rag.Document {
	a := bm25.NewAnalyzer()
	d := rag.Document{
		Key: rag.Key{Collection: rag.DefaultCollection, Source: source}, Metadata: rag.Metadata{Title: "Title of " + source},
		Hash: hash, Version: 7, Pages: len(texts), Characters: 10 * len(texts),
	}
	for i, text := range texts {
		c := rag.Chunk{Position: i, Page: i + 1, Headings: []string{"Heading"}, Text: text, Aliases: "also"}
		c.Sparse = a.Document(bm25.Field{Text: text, Weight: 1})
		d.Chunks = append(d.Chunks, c)
	}
	return d
}

// Query returns the query of a question by words in the default collection.
func Query(text string, limit int) rag.Query {
	return rag.Query{Collection: rag.DefaultCollection, Sparse: bm25.NewAnalyzer().Query(text), Limit: limit}
}

// Identity returns an identity of embeddings; those of two axes are not alike.
func Identity(axis, dimension int) provider.EmbeddingIdentity {
	id := provider.EmbeddingIdentity{Model: fmt.Sprintf("model%d", axis), Dimension: dimension}
	for i := range 3 {
		v := make([]float32, dimension)
		v[(axis+i)%dimension] = 1
		id.Canary = append(id.Canary, v)
	}
	return id
}

// Unit returns the vector of length 1 in the direction of the values.
func Unit(values ...float32) []float32 {
	var sum float64
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(float64(v) / math.Sqrt(sum))
	}
	return out
}

// Embed gives the document's chunks vectors of an identity, in their order; nil
// for none.
func Embed(d rag.Document, id provider.EmbeddingIdentity, vectors ...[]float32) rag.Document {
	d.Embedding = &id
	for i, v := range vectors {
		d.Chunks[i].Dense = v
	}
	return d
}

// Run runs the suite.
func Run(t *testing.T, open Opener) {
	for _, c := range []struct {
		name string
		test func(*testing.T, rag.Index)
	}{
		{"empty", testEmpty},
		{"collections", testCollections},
		{"collections are apart", testApart},
		{"a collection that is not there", testNoCollection},
		{"drop", testDrop},
		{"put and search", testSearch},
		{"scores are those of the formula", testScores},
		{"equal scores", testTies},
		{"replace", testReplace},
		{"delete", testDelete},
		{"contents are kept and not found", testContents},
		{"chunks in pages", testChunks},
		{"around", testAround},
		{"state", testState},
		{"describe", testDescribe},
		{"filter", testFilter},
		{"filter every half", testFilterHalves},
		{"much replacing", testMuchReplacing},
		{"dense", testDense},
		{"dense does not fit", testDenseConflicts},
		{"hybrid", testHybrid},
		{"hybrid takes the best of each half", testHybridLimit},
		{"stage and promote", testStage},
		{"stage another", testStageAnother},
		{"embed what is gone", testEmbedGone},
		{"embed beside the staged", testEmbedActive},
		{"readers and writers", testConcurrent},
		{"readers and a promotion", testConcurrentPromote},
	} {
		t.Run(c.name, func(t *testing.T) {
			index, closeIndex := open(t, t.TempDir())
			defer closeIndex()
			c.test(t, index)
		})
	}
	t.Run("reopen", func(t *testing.T) { testReopen(t, open) })
	t.Run("reopen half embedded", func(t *testing.T) { testReopenStaged(t, open) })
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
	return ask(t, x, Query(question, limit))
}

func ask(t *testing.T, x rag.Index, q rag.Query) rag.Found {
	t.Helper()
	found, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("Search(%+v): %v", q, err)
	}
	return found
}

func key(source string) rag.Key { return rag.Key{Collection: rag.DefaultCollection, Source: source} }

func places(hits []rag.Hit) []string {
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%s#%d", h.Source, h.Chunk.Position))
	}
	return out
}

// same compares with a tolerance for scores.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, tolerance), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// stageAll makes vectors of an identity those of the default collection; vector
// gives the one of each chunk.
func stageAll(t *testing.T, x rag.Index, id provider.EmbeddingIdentity, vector func(rag.Unembedded) []float32) {
	t.Helper()
	ctx := t.Context()
	if err := x.Stage(ctx, rag.DefaultCollection, id); err != nil {
		t.Fatalf("Stage: %v", err)
	}
	for {
		chunks, _, err := x.Unembedded(ctx, rag.DefaultCollection, 3)
		if err != nil {
			t.Fatalf("Unembedded: %v", err)
		}
		if len(chunks) == 0 {
			break
		}
		var vectors []rag.Embedding
		for _, c := range chunks {
			vectors = append(vectors, rag.Embedding{Ref: c.Ref, Vector: vector(c)})
		}
		if err := x.Embed(ctx, rag.DefaultCollection, id, vectors); err != nil {
			t.Fatalf("Embed: %v", err)
		}
	}
	if err := x.Promote(ctx, rag.DefaultCollection); err != nil {
		t.Fatalf("Promote: %v", err)
	}
}

func unembedded(t *testing.T, x rag.Index, limit int) ([]string, int) {
	t.Helper()
	chunks, total, err := x.Unembedded(t.Context(), rag.DefaultCollection, limit)
	if err != nil {
		t.Fatalf("Unembedded: %v", err)
	}
	var out []string
	for _, c := range chunks {
		out = append(out, fmt.Sprintf("%s#%d", c.Ref.Source, c.Ref.Position))
	}
	return out, total
}

func testEmpty(t *testing.T, x rag.Index) {
	if found := search(t, x, "debt", 5); len(found.Hits) != 0 || found.Total != 0 || len(found.Frequency) != 1 || found.Frequency[0] != 0 {
		t.Errorf("an empty index found %+v", found)
	}
	if size, err := x.Size(t.Context(), rag.DefaultCollection); err != nil || size != (rag.Size{}) {
		t.Errorf("Size = %v, %v", size, err)
	}
	if there, err := x.Delete(t.Context(), key("a")); there || err != nil {
		t.Errorf("Delete of nothing = %v, %v", there, err)
	}
	if there, err := x.Describe(t.Context(), key("a"), rag.Metadata{Title: "x"}); there || err != nil {
		t.Errorf("Describe of nothing = %v, %v", there, err)
	}
	if _, there, err := x.State(t.Context(), key("a")); there || err != nil {
		t.Errorf("State of nothing = %v, %v", there, err)
	}
	if hits, err := x.Around(t.Context(), key("a"), 0, 9); len(hits) != 0 || err != nil {
		t.Errorf("Around nothing = %v, %v", hits, err)
	}
	if chunks, total := unembedded(t, x, 5); len(chunks) != 0 || total != 0 {
		t.Errorf("Unembedded = %v, %d", chunks, total)
	}
	if err := x.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Search(ctx, Query("debt", 5)); err == nil {
		t.Error("a search that nobody waits for succeeds")
	}
}
