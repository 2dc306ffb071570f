package indextest

import (
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

func collections(t *testing.T, x rag.Index) []rag.Collection {
	t.Helper()
	all, err := x.Collections(t.Context())
	if err != nil {
		t.Fatalf("Collections: %v", err)
	}
	return all
}

func testCollections(t *testing.T, x rag.Index) {
	same(t, "collections of a new index", []rag.Collection{{Name: rag.DefaultCollection}}, collections(t, x))
	for _, name := range []string{"team-b", "a-team"} {
		if err := x.Create(t.Context(), name, "Title of "+name); err != nil {
			t.Fatalf("Create(%s): %v", name, err)
		}
	}
	same(t, "collections", []rag.Collection{
		{Name: "a-team", Title: "Title of a-team"}, {Name: rag.DefaultCollection}, {Name: "team-b", Title: "Title of team-b"},
	}, collections(t, x))
	for _, name := range []string{"team-b", rag.DefaultCollection} {
		if err := x.Create(t.Context(), name, "Another"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("Create(%s) again: %v, want a conflict", name, err)
		}
	}
	if got := collections(t, x)[2].Title; got != "Title of team-b" {
		t.Errorf("after a conflict the title is %q", got)
	}
}

// in moves a document to a collection.
func in(collection string, d rag.Document) rag.Document {
	d.Collection = collection
	return d
}

func testApart(t *testing.T, x rag.Index) {
	ctx := t.Context()
	if err := x.Create(ctx, "team", ""); err != nil {
		t.Fatal(err)
	}
	put(t, x, Document("a", "1", "rent arrears", "rent"), in("team", Document("a", "2", "rent and tax")), in("team", Document("b", "1", "tax")))
	found := search(t, x, "rent", 9)
	if got := places(found.Hits); len(got) != 2 || found.Total != 2 || found.Frequency[0] != 2 {
		t.Errorf("the default collection has %v, total %d, frequency %v", got, found.Total, found.Frequency)
	}
	q := Query("rent", 9)
	q.Collection = "team"
	found = ask(t, x, q)
	same(t, "hits of the team", []string{"a#0"}, places(found.Hits))
	if found.Total != 2 || found.Frequency[0] != 1 {
		t.Errorf("the team has total %d, frequency %v", found.Total, found.Frequency)
	}
	// A collection's scores depend on it alone.
	for _, h := range found.Hits {
		want := 2.2 / (bm25.K1*(1-bm25.B+bm25.B*2/bm25.AverageLength) + 1) * bm25.IDF(2, 1)
		if diff := h.Score - want; diff > tolerance || diff < -tolerance {
			t.Errorf("score %v, want %v", h.Score, want)
		}
	}
	team := rag.Key{Collection: "team", Source: "a"}
	if state, there, err := x.State(ctx, team); !there || err != nil || state.Hash != "2" || state.Key != team {
		t.Errorf("State = %+v, %v, %v", state, there, err)
	}
	if hits, total, err := x.Chunks(ctx, "team", "", 0, 9); total != 2 || err != nil || hits[0].Chunk.Text != "rent and tax" {
		t.Errorf("Chunks = %v, %d, %v", places(hits), total, err)
	}
	if hits, err := x.Around(ctx, team, 0, 9); len(hits) != 1 || err != nil || hits[0].Chunk.Text != "rent and tax" {
		t.Errorf("Around = %v, %v", places(hits), err)
	}
	if size, err := x.Size(ctx, "team"); err != nil || size != (rag.Size{Documents: 2, Chunks: 2}) {
		t.Errorf("Size = %+v, %v", size, err)
	}
	if there, err := x.Describe(ctx, team, rag.Metadata{Title: "New"}); !there || err != nil {
		t.Errorf("Describe = %v, %v", there, err)
	}
	if state, _, _ := x.State(ctx, key("a")); state.Title != "Title of a" {
		t.Errorf("the default collection's document is now called %q", state.Title)
	}
	if there, err := x.Delete(ctx, team); !there || err != nil {
		t.Errorf("Delete = %v, %v", there, err)
	}
	if all, err := x.Documents(ctx, rag.DefaultCollection); len(all) != 1 || err != nil || all[0].Chunks != 2 {
		t.Errorf("after a deletion in the team the default collection has %+v, %v", all, err)
	}
	if all, err := x.Documents(ctx, "team"); len(all) != 1 || err != nil || all[0].Source != "b" {
		t.Errorf("after its deletion the team has %+v, %v", all, err)
	}
}

func testNoCollection(t *testing.T, x rag.Index) {
	ctx, k := t.Context(), rag.Key{Collection: "nowhere", Source: "a"}
	q := Query("rent", 5)
	q.Collection = "nowhere"
	_, search := x.Search(ctx, q)
	_, describe := x.Describe(ctx, k, rag.Metadata{})
	_, remove := x.Delete(ctx, k)
	_, _, state := x.State(ctx, k)
	_, _, chunks := x.Chunks(ctx, "nowhere", "", 0, 5)
	_, around := x.Around(ctx, k, 0, 1)
	_, documents := x.Documents(ctx, "nowhere")
	_, size := x.Size(ctx, "nowhere")
	_, _, unembedded := x.Unembedded(ctx, "nowhere", 5)
	for name, err := range map[string]error{
		"Search": search, "Describe": describe, "Delete": remove, "State": state, "Chunks": chunks, "Around": around,
		"Documents": documents, "Size": size, "Unembedded": unembedded,
		"Put":     x.Put(ctx, in("nowhere", Document("a", "1", "rent"))),
		"Stage":   x.Stage(ctx, "nowhere", Identity(0, 4)),
		"Embed":   x.Embed(ctx, "nowhere", Identity(0, 4), nil),
		"Promote": x.Promote(ctx, "nowhere"),
	} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s in a collection that is not there: %v, want not found", name, err)
		}
	}
	if there, err := x.Drop(ctx, "nowhere"); there || err != nil {
		t.Errorf("Drop = %v, %v", there, err)
	}
	if got := collections(t, x); len(got) != 1 {
		t.Errorf("the collections are %v", got)
	}
}

func testDrop(t *testing.T, x rag.Index) {
	ctx := t.Context()
	if err := x.Create(ctx, "team", "Team"); err != nil {
		t.Fatal(err)
	}
	put(t, x, Document("a", "1", "rent"), in("team", Document("a", "1", "rent")))
	stageAll(t, x, Identity(0, 4), func(rag.Unembedded) []float32 { return Unit(1, 0, 0, 0) })
	if there, err := x.Drop(ctx, "team"); !there || err != nil {
		t.Fatalf("Drop = %v, %v", there, err)
	}
	if got := collections(t, x); len(got) != 1 || got[0].Name != rag.DefaultCollection || got[0].Embedding == nil {
		t.Errorf("the collections are %+v", got)
	}
	if len(search(t, x, "rent", 5).Hits) != 1 {
		t.Error("the default collection was dropped too")
	}
	if err := x.Create(ctx, "team", ""); err != nil {
		t.Fatalf("Create after Drop: %v", err)
	}
	if size, err := x.Size(ctx, "team"); err != nil || size != (rag.Size{}) {
		t.Errorf("made anew it has %+v, %v", size, err)
	}
	if there, err := x.Drop(ctx, rag.DefaultCollection); !there || err != nil {
		t.Fatalf("Drop of the default collection = %v, %v", there, err)
	}
	if found := search(t, x, "rent", 5); len(found.Hits) != 0 || found.Total != 0 {
		t.Errorf("emptied, it has %v", places(found.Hits))
	}
	same(t, "collections", []rag.Collection{{Name: rag.DefaultCollection}, {Name: "team"}}, collections(t, x))
	put(t, x, Document("a", "1", "rent"))
	if len(search(t, x, "rent", 5).Hits) != 1 {
		t.Error("an emptied collection cannot be filled")
	}
}
