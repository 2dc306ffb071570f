package indextest

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"

	"signpost.internal/services/rag-service/internal/rag"
)

// readers is how many read while one writes.
const readers = 20

// whileReading runs write while readers run read again and again.
func whileReading(t *testing.T, read func(ctx context.Context) error, write func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range readers {
		wait.Go(func() {
			for ctx.Err() == nil {
				if err := read(context.WithoutCancel(ctx)); err != nil {
					t.Errorf("a reader saw %v", err)
					return
				}
			}
		})
	}
	write()
	stop()
	wait.Wait()
}

// testConcurrent replaces a document while others read: a reader sees one whole
// edition, by words and by meaning.
func testConcurrent(t *testing.T, x rag.Index) {
	id := Identity(0, 4)
	edition := func(n int) rag.Document {
		texts := []string{fmt.Sprintf("edition edition%d", n%2), fmt.Sprintf("edition edition%d again", n%2)}
		return Embed(Document("a", fmt.Sprint(n), texts...), id, Unit(1, 0, 0, 0), Unit(2, 1, 0, 0))
	}
	stageAll(t, x, id, nil)
	put(t, x, edition(0), Embed(Document("b", "1", "edition of b"), id, Unit(1, 1, 0, 0)))
	q := Query("edition", 5)
	q.Dense = Unit(1, 0, 0, 0)
	q.Filter.Sources = []string{"a"}
	whileReading(t, func(ctx context.Context) error {
		found, err := x.Search(ctx, q)
		if err != nil {
			return err
		}
		if len(found.Hits) != 2 || found.Total != 3 || found.Frequency[0] != 3 {
			return fmt.Errorf("%v of %d, frequency %v", places(found.Hits), found.Total, found.Frequency)
		}
		if a, b := found.Hits[0].Chunk.Text, found.Hits[1].Chunk.Text; a+" again" != b && b+" again" != a {
			return fmt.Errorf("a mixture of %q and %q", a, b)
		}
		hits, total, err := x.Chunks(ctx, rag.DefaultCollection, "a", 0, 9)
		if err != nil {
			return err
		}
		if total != 2 || len(hits) != 2 || hits[0].Chunk.Text+" again" != hits[1].Chunk.Text {
			return fmt.Errorf("chunks %v of %d", places(hits), total)
		}
		state, there, err := x.State(ctx, key("a"))
		if err != nil || !there || state.Chunks != 2 || state.Embedded != 2 {
			return fmt.Errorf("state %+v, %v, %w", state, there, err)
		}
		return nil
	}, func() {
		for i := range 40 {
			put(t, x, edition(i))
		}
	})
}

// testConcurrentPromote changes to other vectors while others read: a reader
// sees all of the one kind or all of the other.
func testConcurrentPromote(t *testing.T, x rag.Index) {
	put(t, x, Document("a", "1", "one"), Document("b", "1", "two"))
	near, far := Unit(1, 0, 0, 0), Unit(1, 1, 0, 0)
	stageAll(t, x, Identity(0, 4), func(rag.Unembedded) []float32 { return near })
	q := rag.Query{Collection: rag.DefaultCollection, Dense: near, Limit: 5}
	whileReading(t, func(ctx context.Context) error {
		found, err := x.Search(ctx, q)
		if err != nil {
			return err
		}
		if len(found.Hits) != 2 || math.Abs(found.Hits[0].Cosine-found.Hits[1].Cosine) > tolerance {
			return fmt.Errorf("hits %+v", found.Hits)
		}
		return nil
	}, func() {
		for i := range 6 {
			stageAll(t, x, Identity(i+1, 4), func(rag.Unembedded) []float32 {
				if i%2 == 0 {
					return far
				}
				return near
			})
		}
	})
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
	same(t, "hits after opening again", before, search(t, second, "rent tax", 5))
	if state, there, err := second.State(t.Context(), key("a")); !there || err != nil || !state.Folder {
		t.Errorf("State = %+v, %v, %v", state, there, err)
	}
}

// testReopenStaged closes an index in the middle of an embedding.
func testReopenStaged(t *testing.T, open Opener) {
	place := t.TempDir()
	first, closeFirst := open(t, place)
	if err := first.Create(t.Context(), "team", "Team"); err != nil {
		t.Fatal(err)
	}
	d := Document("a", "1", "rent arrears", "council tax", "water")
	d.Metadata = rag.Metadata{Title: "A", Edition: "4th", From: "2025-01-01", Until: "2025-12-31", Jurisdiction: "scotland"}
	d.Chunks[0].Boxes = []rag.Box{{Left: 0.1, Top: 0.25, Right: 0.5, Bottom: 1}, {Left: 0.125, Bottom: 0.5}}
	put(t, first, d)
	old, id := Identity(0, 4), Identity(1, 4)
	stageAll(t, first, old, func(u rag.Unembedded) []float32 { return Unit(1, float32(u.Ref.Position), 0, 0) })
	if err := first.Stage(t.Context(), rag.DefaultCollection, id); err != nil {
		t.Fatal(err)
	}
	chunks, _, err := first.Unembedded(t.Context(), rag.DefaultCollection, 9)
	if err != nil {
		t.Fatal(err)
	}
	embed(t, first, id, rag.Embedding{Ref: chunks[1].Ref, Vector: Unit(0, 1, 0, 0)})
	q := Query("rent", 9)
	q.Dense = Unit(1, 0.1, 0, 0)
	before, all := ask(t, first, q), collections(t, first)
	closeFirst()

	second, closeSecond := open(t, place)
	defer closeSecond()
	same(t, "hits after opening again", before, ask(t, second, q))
	same(t, "collections after opening again", all, collections(t, second))
	if got := before.Hits[0].Chunk.Boxes; len(got) != 2 || got[0] != d.Chunks[0].Boxes[0] {
		t.Errorf("boxes %v, want %v", got, d.Chunks[0].Boxes)
	}
	got, total := unembedded(t, second, 9)
	same(t, "unembedded after opening again", []string{"a#0", "a#2"}, got)
	if total != 2 {
		t.Errorf("%d are not embedded, want 2", total)
	}
	embed(t, second, id, rag.Embedding{Ref: chunks[0].Ref, Vector: Unit(0, 1, 0, 0)}, rag.Embedding{Ref: chunks[2].Ref, Vector: Unit(0, 0, 1, 0)})
	if err := second.Promote(t.Context(), rag.DefaultCollection); err != nil {
		t.Fatalf("Promote: %v", err)
	}
	q = rag.Query{Collection: rag.DefaultCollection, Dense: Unit(0, 1, 0, 0), Limit: 9}
	same(t, "hits of the new vectors", []string{"a#0", "a#1"}, places(ask(t, second, q).Hits))
}
