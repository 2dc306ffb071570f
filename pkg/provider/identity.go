package provider

import (
	"context"
	"fmt"
	"math"
	"sync"

	"signpost.internal/pkg/fault"
)

// canaries are embedded to tell one embedding model from another. They are
// never changed: stored identities hold their vectors.
var canaries = [...]string{
	"How can I stop an eviction for rent arrears?",
	"Council tax support is a discount for people on a low income.",
	"£1,250.40 on 3 March 2024",
}

// sameCosine is how near the vectors of the same text by the same model are, on
// any engine and in any precision; those of other models are not.
const sameCosine = 0.99

// EmbeddingIdentity tells embeddings apart: vectors of another identity must
// not be compared with these. It is stored with them.
type EmbeddingIdentity struct {
	Model          string      `json:"model"`
	DocumentPrefix string      `json:"document_prefix"`
	QueryPrefix    string      `json:"query_prefix"`
	Dimension      int         `json:"dimension"`
	Canary         [][]float32 `json:"canary"` // the vectors of fixed texts as documents
}

func (i EmbeddingIdentity) prefixes() prefixes { return prefixes{i.DocumentPrefix, i.QueryPrefix} }

// IdentityError says that embeddings are of another identity. It is the cause
// of a fault.Conflict.
type IdentityError struct {
	Want, Got EmbeddingIdentity
	Cosine    float64 // the least of the canaries'; 0 when dimensions or prefixes differ
}

// Error names both.
func (e *IdentityError) Error() string {
	if e.Want.prefixes() != e.Got.prefixes() {
		return fmt.Sprintf("embeddings with the prefixes %v are not those with %v", e.Got.prefixes(), e.Want.prefixes())
	}
	if e.Want.Dimension != e.Got.Dimension {
		return fmt.Sprintf("embeddings of %s have %d dimensions, those of %s have %d", e.Got.Model, e.Got.Dimension, e.Want.Model, e.Want.Dimension)
	}
	return fmt.Sprintf("embeddings of %s are not those of %s: the cosine of the same text is %.3f", e.Got.Model, e.Want.Model, e.Cosine)
}

// Check returns nil when embeddings of other may be compared with those of i,
// else a fault.Conflict with an IdentityError. The model's name does not count:
// engines name the same model differently.
func (i EmbeddingIdentity) Check(other EmbeddingIdentity) error {
	e := &IdentityError{Want: i, Got: other}
	if i.prefixes() != other.prefixes() {
		return fault.Wrap(fault.Conflict, e, fmt.Sprintf("The embeddings in the index were made with other prefixes (%v, now %v): set EMBEDDING_DOCUMENT_PREFIX and EMBEDDING_QUERY_PREFIX back, or index anew.", i.prefixes(), other.prefixes()))
	}
	if i.Dimension == other.Dimension && len(i.Canary) == len(other.Canary) {
		e.Cosine = 1
		for n := range i.Canary {
			e.Cosine = min(e.Cosine, cosine(i.Canary[n], other.Canary[n]))
		}
		if e.Cosine >= sameCosine {
			return nil
		}
	}
	return fault.Wrap(fault.Conflict, e, fmt.Sprintf("The embeddings in the index were made by another model (%s, now %s): set EMBEDDING_MODEL back, or index anew.", i.Model, other.Model))
}

// cosine is 0 for vectors that have none.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// identity is the one that a client keeps to.
type identity struct {
	mu    sync.Mutex
	known *EmbeddingIdentity
}

// forget makes the next that is found the one to keep to.
func (i *identity) forget(targets []target) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known = nil
	for _, t := range targets {
		t.up.alike.Store(false)
	}
}

// EmbeddingIdentity asks the embedding model for its identity. The first that
// it finds is the one that all replicas must reproduce, until a switch.
func (c *Client) EmbeddingIdentity(ctx context.Context) (EmbeddingIdentity, error) {
	r := c.routes.Load()
	if len(r.embedding.tiers) == 0 {
		return EmbeddingIdentity{}, none(r.embedding.variable)
	}
	var failures []failure
	for _, t := range r.embedding.order() {
		found, err := c.identify(ctx, t)
		if err == nil {
			if err = c.settle(t, found); err == nil {
				return found, nil
			}
		}
		failures = append(failures, failure{t.up.provider, err, why(err)})
		if !why(err).next || ctx.Err() != nil {
			break
		}
	}
	return EmbeddingIdentity{}, together(failures)
}

func (c *Client) identify(ctx context.Context, t target) (EmbeddingIdentity, error) {
	p := c.cfg.prefixes()
	vectors, _, err := c.embedOn(ctx, t, prefixed(p.document, canaries[:]), nil)
	if err != nil {
		return EmbeddingIdentity{}, err
	}
	return EmbeddingIdentity{
		Model: t.model, DocumentPrefix: p.document, QueryPrefix: p.query,
		Dimension: len(vectors[0]), Canary: vectors,
	}, nil
}

// settle makes an identity that of the client, or compares it with that.
func (c *Client) settle(t target, found EmbeddingIdentity) error {
	c.identity.mu.Lock()
	defer c.identity.mu.Unlock()
	if c.identity.known == nil {
		c.identity.known = &found
	} else if err := c.identity.known.Check(found); err != nil {
		return fault.Wrap(fault.Unavailable, fmt.Errorf("%w: %w", errOther, err), "The servers of EMBEDDING_PROVIDER do not make the same embeddings: have them serve the same model.")
	}
	t.up.alike.Store(true)
	return nil
}

// checkAlike returns an error for a replica whose embeddings are not those of
// the client's identity.
func (c *Client) checkAlike(ctx context.Context, t target) error {
	if t.up.alike.Load() {
		return nil
	}
	found, err := c.identify(ctx, t)
	if err != nil {
		return err
	}
	return c.settle(t, found)
}
