package rag

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
)

const (
	// embedPatience is how long a question waits for its embedding. A model that is
	// loaded takes milliseconds; one that is not is loading in the meantime.
	embedPatience = 2 * time.Second
	// embedPause is how long no question waits again after one waited in vain.
	embedPause = 10 * time.Second
	// identityAge is how long an identity is taken to be that of a model's name.
	identityAge = 10 * time.Minute
	// remembered is how many questions' embeddings are kept: 3 MiB at 768 dimensions.
	remembered = 1000
)

// Method says how passages are searched for.
type Method string

// The methods.
const (
	ByWords  Method = "words"
	ByHybrid Method = "words and meaning"
)

// questions embeds questions. Where that fails or is slow the search goes by
// words alone.
type questions struct {
	embedder Embedder

	mu      sync.Mutex
	resting time.Time // no embedding is tried before
	model   string    // the name of the model whose identity is known
	known   provider.EmbeddingIdentity
	asked   time.Time // when known was found
	vectors map[string][]float32
	order   []string // of vectors, the oldest first
}

// embed returns the question's embedding by an identity.
func (q *questions) embed(ctx context.Context, want provider.EmbeddingIdentity, text string) ([]float32, error) {
	text = strings.TrimSpace(text)
	if v, err, done := q.recall(want, text); done {
		return v, err
	}
	patient, cancel := context.WithTimeout(ctx, embedPatience)
	defer cancel()
	v, err := q.make(patient, want, text)
	if err != nil && ctx.Err() == nil && fault.KindOf(err) != fault.Conflict {
		q.mu.Lock()
		q.resting = time.Now().Add(embedPause)
		q.mu.Unlock()
	}
	return v, err
}

var errResting = fault.New(fault.Unavailable, "The embedding model failed a moment ago.")

// recall returns what is known without asking the model.
func (q *questions) recall(want provider.EmbeddingIdentity, text string) ([]float32, error, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if v, ok := q.vectors[text]; ok && time.Since(q.asked) < identityAge && q.known.Check(want) == nil {
		return v, nil, true
	}
	if time.Now().Before(q.resting) {
		return nil, errResting, true
	}
	return nil, nil, false
}

func (q *questions) make(ctx context.Context, want provider.EmbeddingIdentity, text string) ([]float32, error) {
	made, err := q.embedder.Embed(ctx, provider.Query, []string{text})
	if err != nil {
		return nil, err
	}
	if len(made.Vectors) != 1 {
		return nil, fmt.Errorf("%d embeddings of one question", len(made.Vectors))
	}
	if err := q.identify(ctx, made.Model); err != nil {
		return nil, err
	}
	v := Normal(made.Vectors[0])
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := want.Check(q.known); err != nil {
		return nil, err
	}
	if len(v) != want.Dimension {
		return nil, fault.New(fault.Conflict, "The embedding model changed while it was at work.")
	}
	if _, there := q.vectors[text]; !there {
		if len(q.order) >= remembered {
			delete(q.vectors, q.order[0])
			q.order = q.order[1:]
		}
		q.order = append(q.order, text)
	}
	q.vectors[text] = v
	return v, nil
}

// forget empties what is remembered of questions, which may quote a document that
// was deleted.
func (q *questions) forget() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.vectors, q.order = map[string][]float32{}, nil
}

// identify finds the identity of a model, unless it was found not long ago. What
// another model made is forgotten.
func (q *questions) identify(ctx context.Context, model string) error {
	q.mu.Lock()
	known := q.model == model && time.Since(q.asked) < identityAge
	q.mu.Unlock()
	if known {
		return nil
	}
	found, err := q.embedder.EmbeddingIdentity(ctx)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.known.Check(found) != nil {
		q.vectors, q.order = map[string][]float32{}, nil
	}
	q.model, q.known, q.asked = model, found, time.Now()
	return nil
}

// Normal returns the vector of length 1 in the direction of v.
func Normal(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return v
	}
	out := slices.Clone(v)
	length := float32(math.Sqrt(sum))
	for i := range out {
		out[i] /= length
	}
	return out
}

// unrelated is the cosine that texts about different things have: with some
// models it is nearly 0, with others above a half. The texts of an identity's
// canary are such.
func unrelated(id provider.EmbeddingIdentity) float64 {
	var sum float64
	pairs := 0
	for i, a := range id.Canary {
		for _, b := range id.Canary[:i] {
			sum += cosine(a, b)
			pairs++
		}
	}
	if pairs == 0 {
		return 0
	}
	return min(max(sum/float64(pairs), 0), mostUnrelated)
}

// mostUnrelated keeps a model that tells nothing apart from making noise of it.
const mostUnrelated = 0.9

func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	a, b = Normal(a), Normal(b)
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// sense is what the meaning of a question is compared by.
type sense struct {
	vector   []float32                   // of the question, by the collection's identity
	identity *provider.EmbeddingIdentity // the collection's
	why      Why                         // there are none; then the rest is empty
	notice   string                      // the reason in words, where somebody should know it
}

// meaning embeds the question by the collection's identity.
func (s *Service) meaning(ctx context.Context, collection, text string) (sense, error) {
	if s.questions == nil {
		return sense{why: NoEmbedder}, nil
	}
	all, err := s.index.Collections(ctx)
	if err != nil {
		return sense{}, err
	}
	at := slices.IndexFunc(all, func(c Collection) bool { return c.Name == collection })
	if at < 0 || all[at].Embedding == nil {
		return sense{why: NoVectors}, nil
	}
	v, err := s.questions.embed(ctx, *all[at].Embedding, text)
	switch {
	case err == nil:
		return sense{vector: v, identity: all[at].Embedding}, nil
	case ctx.Err() != nil:
		return sense{}, ctx.Err()
	case fault.KindOf(err) == fault.Conflict:
		s.logger.WarnContext(ctx, "the embedding model is not the index's: searched by words alone", "error", err)
		return sense{why: OtherModel, notice: "The manuals were searched by words alone, as the embedding model is not the one that the index was made with."}, nil
	default:
		s.logger.WarnContext(ctx, "the question could not be embedded: searched by words alone", "error", err)
		return sense{why: EmbedFailed, notice: "The manuals were searched by words alone, as the embedding model does not answer."}, nil
	}
}
