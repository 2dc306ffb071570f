package indextest

import (
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// testStage goes from no vectors to those of one model, and on to another's.
func testStage(t *testing.T, x rag.Index) {
	ctx, id := t.Context(), Identity(0, 4)
	d := Document("a", "1", "rent arrears", "council tax", "contents")
	d.Chunks[0].Headings = []string{"Housing", "Rent"}
	d.Chunks[2].Contents, d.Chunks[2].Sparse = true, bm25.Vector{}
	put(t, x, d, Document("b", "1", "water"))
	if chunks, total := unembedded(t, x, 9); len(chunks) != 0 || total != 0 {
		t.Errorf("without an identity %v of %d are not embedded", chunks, total)
	}
	if err := x.Stage(ctx, rag.DefaultCollection, id); err != nil {
		t.Fatalf("Stage: %v", err)
	}
	all := collections(t, x)
	if all[0].Embedding != nil || all[0].Staged == nil {
		t.Fatalf("the collection is %+v", all[0])
	}
	same(t, "staged identity", id, *all[0].Staged)
	chunks, total, err := x.Unembedded(ctx, rag.DefaultCollection, 2)
	if err != nil || total != 3 || len(chunks) != 2 {
		t.Fatalf("Unembedded = %v, %d, %v", chunks, total, err)
	}
	if c := chunks[0]; c.Ref.Source == "a" && c.Ref.Position == 0 {
		same(t, "what is embedded", rag.Unembedded{Ref: c.Ref, Title: "Title of a", Headings: []string{"Housing", "Rent"}, Text: "rent arrears"}, c)
	}
	if err := x.Promote(ctx, rag.DefaultCollection); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Promote while chunks lack a vector: %v", err)
	}
	embed(t, x, id, rag.Embedding{Ref: chunks[0].Ref, Vector: Unit(0, 1, 0, 0)}, rag.Embedding{Ref: chunks[1].Ref, Vector: Unit(0, 0, 1, 0)})
	if _, err := x.Search(ctx, byMeaning(5, 1, 0, 0, 0)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("vectors are searched before the promotion: %v", err)
	}
	stageAll(t, x, id, func(rag.Unembedded) []float32 { return Unit(1, 0, 0, 0) }) // it goes on where it was
	if all := collections(t, x); all[0].Embedding == nil || all[0].Staged != nil {
		t.Errorf("the collection is %+v", all[0])
	}
	if got := ask(t, x, byMeaning(9, 1, 0, 0, 0)).Hits; len(got) != 1 {
		t.Errorf("hits of the last vector: %v", places(got))
	}
	if got := ask(t, x, byMeaning(9, 1, 1, 1, 0)).Hits; len(got) != 3 {
		t.Errorf("hits of all vectors: %v", places(got))
	}

	next := Identity(1, 5)
	if err := x.Stage(ctx, rag.DefaultCollection, next); err != nil {
		t.Fatalf("Stage: %v", err)
	}
	if got := ask(t, x, byMeaning(9, 1, 1, 1, 0)).Hits; len(got) != 3 {
		t.Errorf("while others are staged the hits are %v", places(got))
	}
	if state, _, _ := x.State(ctx, key("a")); state.Embedded != 2 {
		t.Errorf("while others are staged %d chunks are embedded, want 2", state.Embedded)
	}
	stageAll(t, x, next, func(rag.Unembedded) []float32 { return Unit(0, 0, 0, 0, 1) })
	if _, err := x.Search(ctx, byMeaning(9, 1, 1, 1, 0)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("after the promotion the old dimension is searched: %v", err)
	}
	same(t, "hits of the new vectors", []string{"a#0", "a#1", "b#0"}, places(ask(t, x, byMeaning(9, 0, 0, 0, 0, 1)).Hits))
	if err := x.Put(ctx, Embed(Document("c", "1", "rent"), id, Unit(1, 0, 0, 0))); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a document with vectors of the model before: %v", err)
	}
}

// testStageAnother drops what was staged for a model that is no longer wanted.
func testStageAnother(t *testing.T, x rag.Index) {
	ctx, id, other := t.Context(), Identity(0, 4), Identity(1, 4)
	put(t, x, Document("a", "1", "rent", "tax"))
	if err := x.Stage(ctx, rag.DefaultCollection, id); err != nil {
		t.Fatal(err)
	}
	chunks, _, err := x.Unembedded(ctx, rag.DefaultCollection, 9)
	if err != nil || len(chunks) != 2 {
		t.Fatalf("Unembedded = %v, %v", chunks, err)
	}
	embed(t, x, id, rag.Embedding{Ref: chunks[0].Ref, Vector: Unit(1, 0, 0, 0)}, rag.Embedding{Ref: chunks[1].Ref, Vector: Unit(1, 0, 0, 0)})
	if err := x.Stage(ctx, rag.DefaultCollection, other); err != nil {
		t.Fatal(err)
	}
	if _, total := unembedded(t, x, 9); total != 2 {
		t.Errorf("%d chunks lack a vector of the other model, want 2", total)
	}
	if err := x.Embed(ctx, rag.DefaultCollection, id, nil); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Embed for the model before: %v", err)
	}
	if err := x.Embed(ctx, rag.DefaultCollection, other, []rag.Embedding{{Ref: chunks[0].Ref, Vector: Unit(1, 0, 0)}}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Embed of another dimension: %v", err)
	}
	if _, total := unembedded(t, x, 9); total != 2 {
		t.Errorf("a conflict stored vectors: %d are lacking, want 2", total)
	}
	if err := x.Stage(ctx, rag.DefaultCollection, id); err != nil {
		t.Fatal(err)
	}
	if _, total := unembedded(t, x, 9); total != 2 {
		t.Errorf("what was dropped came back: %d are lacking, want 2", total)
	}
}

// testEmbedGone embeds chunks of a document that was replaced or deleted in the
// meantime: their vectors must not come to stand beside another text.
func testEmbedGone(t *testing.T, x rag.Index) {
	ctx, id := t.Context(), Identity(0, 4)
	put(t, x, Document("a", "1", "rent"), Document("b", "1", "tax"), Document("c", "1", "water"))
	if err := x.Stage(ctx, rag.DefaultCollection, id); err != nil {
		t.Fatal(err)
	}
	chunks, _, err := x.Unembedded(ctx, rag.DefaultCollection, 9)
	if err != nil || len(chunks) != 3 {
		t.Fatalf("Unembedded = %v, %v", chunks, err)
	}
	put(t, x, Document("a", "2", "wages"))
	for _, source := range []string{"b", "c"} {
		if _, err := x.Delete(ctx, key(source)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, x, Document("c", "1", "water"))
	var vectors []rag.Embedding
	for _, c := range chunks {
		vectors = append(vectors, rag.Embedding{Ref: c.Ref, Vector: Unit(1, 0, 0, 0)})
	}
	embed(t, x, id, vectors...)
	got, total := unembedded(t, x, 9)
	same(t, "unembedded", []string{"a#0", "c#0"}, got)
	if total != 2 {
		t.Errorf("%d are not embedded, want 2", total)
	}
	stageAll(t, x, id, func(rag.Unembedded) []float32 { return Unit(0, 1, 0, 0) })
	same(t, "hits", []string{"a#0", "c#0"}, places(ask(t, x, byMeaning(9, 0, 1, 0, 0)).Hits))
}

// testEmbedActive adds vectors where none are staged: a document that came
// without is searched by meaning as soon as it has them.
func testEmbedActive(t *testing.T, x rag.Index) {
	ctx, id := t.Context(), Identity(0, 4)
	stageAll(t, x, id, nil)
	put(t, x, Document("a", "1", "rent", "tax"))
	same(t, "before", []string(nil), places(ask(t, x, byMeaning(9, 1, 1, 0, 0)).Hits))
	chunks, total, err := x.Unembedded(ctx, rag.DefaultCollection, 9)
	if err != nil || total != 2 {
		t.Fatalf("Unembedded = %v, %d, %v", chunks, total, err)
	}
	embed(t, x, id, rag.Embedding{Ref: chunks[1].Ref, Vector: Unit(1, 0, 0, 0)})
	same(t, "one", []string{"a#1"}, places(ask(t, x, byMeaning(9, 1, 1, 0, 0)).Hits))
	embed(t, x, id, rag.Embedding{Ref: chunks[1].Ref, Vector: Unit(0, 1, 0, 0)}, rag.Embedding{Ref: chunks[0].Ref, Vector: Unit(1, 0, 0, 0)})
	same(t, "embedded again", []string{"a#1"}, places(ask(t, x, byMeaning(1, 0, 1, 0, 0)).Hits))
	if state, _, _ := x.State(ctx, key("a")); state.Embedded != 2 {
		t.Errorf("%d are embedded, want 2", state.Embedded)
	}
}
