package qdrantindex

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// spare is how many more chunks than asked for are fetched in a half that we put in
// order, for those of equal scores at its end.
const spare = 16

// leastScore is the smallest score above zero, which chunks must have.
var leastScore = qdrant.PtrOf(float32(math.SmallestNonzeroFloat32))

// view is what a search knows of its collection: it is as of one revision.
type view struct {
	*collection
	revision    int64
	points      string
	begun, lost int
	found       rag.Found
	filter      *qdrant.Filter // of the chunks that may be found; nil when none may
	words       []float32      // the weights of the query's words
	corpus      *qdrant.Filter // of all chunks that are read; nil when the weights have the IDF in them
}

// Search implements [rag.Index].
func (x *Index) Search(ctx context.Context, q rag.Query) (rag.Found, error) {
	strays := map[string]struct{}{}
	for try := range attempts {
		if err := x.refresh(ctx); err != nil {
			return rag.Found{}, err
		}
		q := q
		v, err := x.view(q, strays)
		if err != nil {
			return rag.Found{}, err
		}
		if v.filter == nil || q.Limit <= 0 || len(q.Sparse.IDs) == 0 && q.Dense == nil {
			return v.found, nil
		}
		q.Limit = min(q.Limit, v.found.Total)
		lists, err := x.query(ctx, v, q)
		if err != nil && status.Code(err) != codes.NotFound { // else: promoted or dropped meanwhile, or not made yet
			return rag.Found{}, err
		}
		failed := err
		if err := x.refresh(ctx); err != nil {
			return rag.Found{}, err
		}
		if failed != nil {
			if err := x.prepareMissing(ctx, q.Collection, v); err != nil {
				return rag.Found{}, err
			}
			continue
		}
		if found, ok := x.settle(v, q, lists, strays, try == 0); ok {
			return found, nil
		}
	}
	return rag.Found{}, fault.New(fault.Busy, "The collection is being changed by others all the time: ask again.")
}

// prepareMissing makes a collection of Qdrant that the newest record still names
// and that is not there.
func (x *Index) prepareMissing(ctx context.Context, name string, v view) error {
	x.mu.RLock()
	c, err := x.state.find(name)
	var r collectionRecord
	if err == nil {
		r = c.collectionRecord
	}
	x.mu.RUnlock()
	if err != nil || r.Points != v.points {
		return err
	}
	return x.preparePoints(ctx, r)
}

// view looks at the collection as it stands in the memory.
func (x *Index) view(q rag.Query, strays map[string]struct{}) (view, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.state.find(q.Collection)
	if err != nil {
		return view{}, err
	}
	switch {
	case q.Dense == nil:
	case c.Embedding == nil:
		return view{}, fault.Newf(fault.Conflict, "Collection %q has no embeddings.", q.Collection)
	case len(q.Dense) != c.Embedding.Dimension:
		return view{}, fault.Newf(fault.Conflict, "The question's embedding has %d dimensions, those of collection %q have %d.", len(q.Dense), q.Collection, c.Embedding.Dimension)
	}
	v := view{
		collection: c, revision: x.state.revision, points: c.Points, begun: c.begun, lost: c.lost,
		found: rag.Found{Total: c.total, Frequency: make([]int, len(q.Sparse.IDs))},
	}
	for i, id := range q.Sparse.IDs {
		v.found.Frequency[i] = c.frequency[id]
	}
	unread := slices.Collect(maps.Keys(c.excluded))
	unread = slices.AppendSeq(unread, maps.Keys(strays))
	v.corpus, v.words = except(unread), q.Sparse.Values
	if c.Shards > 1 {
		v.corpus, v.words = nil, slices.Clone(v.words)
		for i, df := range v.found.Frequency {
			v.words[i] *= float32(bm25.IDF(c.total, df))
		}
	}
	v.filter = c.filter(q.Filter, unread)
	return v, nil
}

func except(editions []string) *qdrant.Filter {
	f := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasVector(sparse)}}
	if len(editions) > 0 {
		f.MustNot = []*qdrant.Condition{qdrant.NewMatchKeywords(fieldEdition, editions...)}
	}
	return f
}

// filter returns the condition on the chunks that may be found: by naming the
// editions that pass or those that do not, whichever are fewer. It is nil when
// none pass.
func (c *collection) filter(f rag.Filter, unread []string) *qdrant.Filter {
	if len(c.sources) == 0 {
		return nil
	}
	if len(f.Sources)+len(f.Editions)+len(f.Jurisdictions) == 0 && f.On == "" {
		return except(unread)
	}
	var pass, fail []string
	for _, source := range c.sources {
		d := c.documents[source]
		if f.Passes(source, d.Metadata) {
			pass = append(pass, d.Edition)
		} else {
			fail = append(fail, d.Edition)
		}
	}
	switch {
	case len(pass) == 0:
		return nil
	case len(pass) < len(fail)+len(unread):
		return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeywords(fieldEdition, pass...)}}
	default:
		return except(append(fail, unread...))
	}
}

// hit is a chunk that Qdrant found.
type hit struct {
	id           string
	edition      string
	chunk        rag.Chunk
	score        float64
	bm25, cosine float64
}

// query has Qdrant search by words, by meaning, or by both and fuse their ranks. It
// returns one list, or both halves for us to fuse.
func (x *Index) query(ctx context.Context, v view, q rag.Query) ([][]hit, error) {
	byWords, byMeaning := x.halves(v, q)
	switch {
	case byMeaning == nil:
		return x.batch(ctx, v, alone(v, byWords, q.Limit+spare, true))
	case byWords == nil:
		return x.batch(ctx, v, alone(v, byMeaning, q.Limit+spare, true))
	}
	// The fused list has ranks for scores, so the halves come along for theirs.
	lists, err := x.batch(ctx, v, &qdrant.QueryPoints{
		CollectionName: v.points, Prefetch: []*qdrant.PrefetchQuery{byWords, byMeaning},
		Query: qdrant.NewQueryRRF(&qdrant.Rrf{K: qdrant.PtrOf(uint32(rag.RRFK))}),
		// All that either half brought: among equal scores Qdrant has no order.
		Limit: qdrant.PtrOf(uint64(2 * q.Limit)), WithPayload: qdrant.NewWithPayload(true),
	}, alone(v, byWords, q.Limit+1, false), alone(v, byMeaning, q.Limit+1, false))
	if err != nil {
		return nil, err
	}
	if tied(lists[1]) || tied(lists[2]) {
		// Then the ranks are a matter of chance, and so is their fusion.
		return x.batch(ctx, v, alone(v, byWords, q.Limit+spare, true), alone(v, byMeaning, q.Limit+spare, true))
	}
	words, meaning := scores(lists[1], q.Limit), scores(lists[2], q.Limit)
	for i, h := range lists[0] {
		lists[0][i].bm25, lists[0][i].cosine = words[h.id], meaning[h.id]
	}
	return lists[:1], nil
}

// alone makes a query of a half.
func alone(v view, half *qdrant.PrefetchQuery, limit int, payload bool) *qdrant.QueryPoints {
	return &qdrant.QueryPoints{
		CollectionName: v.points, Query: half.GetQuery(), Using: half.Using, Filter: half.GetFilter(), Params: half.GetParams(),
		ScoreThreshold: leastScore, Limit: qdrant.PtrOf(uint64(limit)), WithPayload: qdrant.NewWithPayload(payload),
	}
}

// batch makes several queries in one call.
func (x *Index) batch(ctx context.Context, v view, queries ...*qdrant.QueryPoints) ([][]hit, error) {
	results, err := read(ctx, x, func(ctx context.Context, c *qdrant.Client) ([]*qdrant.BatchResult, error) {
		return c.QueryBatch(ctx, &qdrant.QueryBatchPoints{CollectionName: v.points, QueryPoints: queries, Timeout: seconds(x.o.Timeout)})
	})
	if err != nil {
		return nil, err
	}
	lists := make([][]hit, len(results))
	for i, r := range results {
		for _, p := range r.GetResult() {
			h := hit{id: p.GetId().GetUuid(), score: float64(p.GetScore())}
			h.edition, h.chunk = decode(p.GetPayload())
			switch queries[i].GetUsing() {
			case sparse:
				h.bm25 = h.score
			case dense:
				h.cosine = h.score
			}
			lists[i] = append(lists[i], h)
		}
	}
	return lists, nil
}

// tied reports whether two of a list have the same score.
func tied(list []hit) bool {
	for i := 1; i < len(list); i++ {
		if list[i].score == list[i-1].score {
			return true
		}
	}
	return false
}

// scores returns those of the best of a list.
func scores(list []hit, limit int) map[string]float64 {
	of := make(map[string]float64, len(list))
	for _, h := range list[:min(len(list), limit)] {
		of[h.id] = h.score
	}
	return of
}

// halves returns the two searches; nil for one that is not asked for.
func (x *Index) halves(v view, q rag.Query) (byWords, byMeaning *qdrant.PrefetchQuery) {
	limit := qdrant.PtrOf(uint64(q.Limit))
	if len(q.Sparse.IDs) > 0 {
		byWords = &qdrant.PrefetchQuery{
			Query: qdrant.NewQuerySparse(q.Sparse.IDs, v.words), Using: qdrant.PtrOf(sparse),
			Filter: v.filter, Limit: limit, ScoreThreshold: leastScore,
		}
		if v.corpus != nil {
			// Without a corpus the frequencies would count what was replaced and not
			// cleared away yet.
			byWords.Params = &qdrant.SearchParams{Idf: &qdrant.IdfParams{Corpus: v.corpus}}
		}
	}
	if q.Dense != nil {
		byMeaning = &qdrant.PrefetchQuery{
			Query: qdrant.NewQueryDense(q.Dense), Using: qdrant.PtrOf(dense),
			Filter: v.filter, Limit: limit, ScoreThreshold: leastScore,
			Params: &qdrant.SearchParams{HnswEf: qdrant.PtrOf(uint64(max(searchWidth, 4*q.Limit)))},
		}
		switch x.o.Quantization {
		case Int8:
			byMeaning.Params.Quantization = rescore(2)
		case Binary:
			byMeaning.Params.Quantization = rescore(4)
		}
	}
	return byWords, byMeaning
}

// searchWidth is how many candidates a search of the graph keeps: more find more
// of the true neighbours, and take longer.
const searchWidth = 128

// rescore has so many times more candidates than asked for compared by their own
// vectors.
func rescore(times float64) *qdrant.QuantizationSearchParams {
	return &qdrant.QuantizationSearchParams{Rescore: qdrant.PtrOf(true), Oversampling: &times}
}

// settle makes a search's answer of its hits, unless the collection has changed
// under it. A strict one also minds that an edition was begun meanwhile, whose
// chunks may have been counted as terms'.
func (x *Index) settle(v view, q rag.Query, lists [][]hit, strays map[string]struct{}, strict bool) (rag.Found, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	now, ok := x.state.collections[q.Collection]
	if !ok || now != v.collection || now.Points != v.points || now.lost != v.lost || strict && now.begun != v.begun {
		return rag.Found{}, false
	}
	settled := make([][]rag.Hit, len(lists))
	for i, list := range lists {
		for _, h := range list {
			d, ok := now.editions[h.edition]
			switch _, unread := now.excluded[h.edition]; {
			case !ok && !unread:
				// In no record, although records come before chunks: left behind by a
				// writer who was taken for dead.
				strays[h.edition] = struct{}{}
				x.stray(v.points, h.edition)
				return rag.Found{}, false
			case !ok || d.from > v.revision || d.until <= v.revision || !q.Filter.Passes(d.Source, d.Metadata):
				return rag.Found{}, false
			}
			settled[i] = append(settled[i], rag.Hit{
				Source: d.Source, Metadata: d.Metadata, Chunk: h.chunk, Score: h.score, BM25: h.bm25, Cosine: h.cosine,
			})
		}
		settled[i] = best(settled[i], q.Limit)
	}
	found := v.found
	found.Hits = settled[0]
	if len(settled) == 2 {
		found.Hits = fuse(settled[0], settled[1], q.Limit)
	}
	return found, true
}

// best puts hits in order and returns the first.
func best(hits []rag.Hit, limit int) []rag.Hit {
	slices.SortFunc(hits, func(a, b rag.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Chunk.Position, b.Chunk.Position))
	})
	return hits[:min(len(hits), limit)]
}

// fuse joins two lists as Qdrant does, by [rag.RRFK].
func fuse(words, meaning []rag.Hit, limit int) []rag.Hit {
	type place struct {
		source   string
		position int
	}
	var out []rag.Hit
	where := map[place]int{}
	for _, list := range [][]rag.Hit{words, meaning} {
		for rank, h := range list {
			at := place{h.Source, h.Chunk.Position}
			score := 1 / float64(rag.RRFK+rank)
			if i, ok := where[at]; ok {
				out[i].Score += score
				out[i].Cosine = h.Cosine
				continue
			}
			where[at] = len(out)
			h.Score = score
			out = append(out, h)
		}
	}
	return best(out, limit)
}
