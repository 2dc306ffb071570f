package provider

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"signpost.internal/pkg/fault"
)

// embedBatch is how many texts go to the engine in one request. Both engines
// work through a batch one text after the other, or nearly.
const embedBatch = 32

// Embed returns a vector for each text, which is put after the prefix of the
// task. A text longer than the embedding model's context is a ContextError;
// nothing is cut. No text may be blank. All vectors are those of one embedding
// identity, whichever server made them.
func (c *Client) Embed(ctx context.Context, task Task, texts []string) (*EmbedResponse, error) {
	if task != Document && task != Query {
		return nil, fault.Newf(fault.Invalid, "%q is no task of embedding. Accepted are document and query.", task)
	}
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			return nil, fault.Newf(fault.Invalid, "Text %d of %d is empty.", i+1, len(texts))
		}
	}
	r := c.routes.Load()
	if len(r.embedding.tiers) == 0 {
		return nil, none(r.embedding.variable)
	}
	out := &EmbedResponse{
		Vectors:  make([][]float32, 0, len(texts)),
		Provider: r.embedding.tiers[0][0].up.provider,
		Model:    r.embedding.tiers[0][0].model,
	}
	for batch := range slices.Chunk(prefixed(c.cfg.prefixes().of(task), texts), embedBatch) {
		vectors, tokens, err := c.embedBatch(ctx, &r.embedding, batch)
		if err != nil {
			return nil, err
		}
		if out.Dimension == 0 {
			out.Dimension = len(vectors[0])
		}
		if len(vectors[0]) != out.Dimension {
			err := fmt.Errorf("%w: %d components, before %d", errMismatch, len(vectors[0]), out.Dimension)
			return nil, fault.Wrap(fault.Upstream, err, "The embedding model changed while it was at work: try again.")
		}
		out.Vectors = append(out.Vectors, vectors...)
		out.Usage.InputTokens += tokens
	}
	return out, nil
}

// prefixed puts the prefix before each text.
func prefixed(prefix string, texts []string) []string {
	if prefix == "" {
		return texts
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = prefix + text
	}
	return out
}

// embedBatch asks the replicas in order until one answers.
func (c *Client) embedBatch(ctx context.Context, way *route, texts []string) ([][]float32, int, error) {
	var failures []failure
	for _, t := range way.order() {
		if len(way.tiers[0]) > 1 {
			if err := c.checkAlike(ctx, t); err != nil {
				failures = append(failures, failure{t.up.provider, err, why(err)})
				if !why(err).next || ctx.Err() != nil {
					return nil, 0, err
				}
				continue
			}
		}
		vectors, tokens, err := c.embedOn(ctx, t, texts, failures)
		if err == nil {
			return vectors, tokens, nil
		}
		failures = append(failures, failure{t.up.provider, err, why(err)})
		if !why(err).next || ctx.Err() != nil {
			return nil, 0, err
		}
	}
	return nil, 0, together(failures)
}

// embedOn has one server embed a batch and checks the vectors.
func (c *Client) embedOn(ctx context.Context, t target, texts []string, failures []failure) (vectors [][]float32, tokens int, err error) {
	began := time.Now()
	up, e := t.up, t.up.engine
	ctx, span := c.trace(ctx, "embeddings", up, t.model, failures)
	var queued time.Duration
	defer func() {
		a := Attempt{
			Operation: "embed", Provider: up.provider, Model: t.model, Outcome: "ok", Number: len(failures) + 1,
			Usage: Usage{InputTokens: tokens}, QueueTime: queued, Duration: time.Since(began),
		}
		if err != nil {
			a.Outcome = why(err).reason
		}
		span.done(a, err != nil, nil, dimension(vectors))
		c.observed(a)
	}()
	b := up.breaker(t.model)
	if b.circuit.IsOpen() && b.circuit.RemainingDelay() > 0 {
		return nil, 0, b.refusal()
	}
	up.outstanding.Add(1)
	defer up.outstanding.Add(-1)
	if err := up.enter(ctx); err != nil {
		return nil, 0, e.classify(ctx, t.model, err)
	}
	defer up.leave()
	queued = time.Since(began)
	if !b.circuit.TryAcquirePermit() {
		return nil, 0, b.refusal()
	}
	defer func() {
		b.record(err)
		c.note(up, t.model, err)
		err = c.fetching(up, t.model, err)
	}()

	ctx, watch := c.dog.watch(ctx, c.cfg.FirstTokenTimeout)
	defer watch.stop()
	vectors, tokens, err = up.driver.embed(ctx, t.model, texts)
	if err == nil {
		err = checkVectors(vectors, len(texts))
	}
	if err != nil {
		return nil, 0, e.classify(ctx, t.model, err)
	}
	return vectors, tokens, nil
}

func dimension(vectors [][]float32) int {
	if len(vectors) == 0 {
		return 0
	}
	return len(vectors[0])
}

// checkVectors checks that there are count vectors of one dimension, each of
// finite numbers that are not all zero.
func checkVectors(vectors [][]float32, count int) error {
	if len(vectors) != count {
		return fmt.Errorf("%w: %d for %d texts", errMismatch, len(vectors), count)
	}
	for i, v := range vectors {
		if len(v) == 0 || len(v) != len(vectors[0]) {
			return fmt.Errorf("%w: vector %d has %d components, the first has %d", errMismatch, i, len(v), len(vectors[0]))
		}
		zero := true
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("%w: vector %d is not finite", errMismatch, i)
			}
			zero = zero && x == 0
		}
		if zero {
			return fmt.Errorf("%w: vector %d is zero", errMismatch, i)
		}
	}
	return nil
}
