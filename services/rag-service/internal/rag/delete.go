package rag

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
)

// Scrubber is an index that can overwrite what was removed from it. Scrub says in
// words what it could not.
type Scrubber interface {
	Scrub(ctx context.Context) (string, error)
}

// Receipt says what a deletion removed, and that it was looked for afterwards and
// not found.
type Receipt struct {
	Collection string
	Source     string   // empty for a whole collection
	Hashes     []string // SHA-256 of the originals that were removed, in order
	Started    time.Time
	Finished   time.Time

	Before, After Holding
	// Checks are the places in which it was looked for afterwards.
	Checks []DeletionCheck
	// Kept are hashes of originals that other documents were read from too.
	Kept []string
	// Notes say what the deletion does not reach.
	Notes []string
}

// Holding counts what there is of what is deleted.
type Holding struct {
	Documents int
	Chunks    int
	Jobs      int
	Originals int
}

// DeletionCheck is one place in which what was deleted was looked for.
type DeletionCheck struct {
	Where  string
	Looked int // how many things were asked for
	Found  int
}

// Proved reports whether nothing was found.
func (r Receipt) Proved() bool {
	return !slices.ContainsFunc(r.Checks, func(c DeletionCheck) bool { return c.Found > 0 })
}

// DeleteDocument removes a document from the index, the originals and the jobs,
// then looks for it in each.
func (s *Service) DeleteDocument(ctx context.Context, k Key) (Receipt, error) {
	if err := s.CheckCollection(ctx, k.Collection); err != nil {
		return Receipt{}, err
	}
	return s.remove(ctx, k, func() error {
		_, err := s.index.Delete(ctx, k)
		return err
	})
}

// DeleteCollection removes a collection with all its documents, as
// DeleteDocument. The default one stays, empty.
func (s *Service) DeleteCollection(ctx context.Context, name string) (Receipt, error) {
	if err := s.CheckCollection(ctx, name); err != nil {
		return Receipt{}, err
	}
	return s.remove(ctx, Key{Collection: name}, func() error {
		_, err := s.index.Drop(ctx, name)
		return err
	})
}

// traces are what is looked for after a deletion.
type traces struct {
	keys      []Key
	hashes    map[string]bool
	sentences map[string]Key // the first document that says so
}

// remove deletes a document, or a collection when the key has no source.
func (s *Service) remove(ctx context.Context, k Key, deleteFrom func() error) (Receipt, error) {
	s.keep.Lock() // nothing is sent meanwhile
	defer s.keep.Unlock()
	r := Receipt{Collection: k.Collection, Source: k.Source, Started: time.Now().UTC()}
	t, err := s.trace(ctx, k, &r.Before)
	if err != nil {
		return Receipt{}, err
	}
	if k.Source != "" && len(t.keys) == 0 {
		return Receipt{}, unknownDocument(k)
	}
	if err := s.rememberFolder(ctx, t, &r); err != nil {
		return Receipt{}, err
	}
	if r.Before.Jobs, err = s.queue.Forget(ctx, k); err != nil {
		return Receipt{}, err
	}
	if err := deleteFrom(); err != nil {
		return Receipt{}, err
	}
	s.questions.forget()
	needed, err := s.referred(ctx)
	if err != nil {
		return Receipt{}, err
	}
	for hash := range t.hashes {
		if needed[hash] {
			r.Kept = append(r.Kept, hash)
			delete(t.hashes, hash)
			continue
		}
		there, err := s.originals.Delete(ctx, hash)
		if err != nil {
			return Receipt{}, err
		}
		if there {
			r.Before.Originals++
		}
		r.Hashes = append(r.Hashes, hash)
	}
	if err := s.sweepKept(ctx); err != nil { // former editions
		return Receipt{}, err
	}
	slices.Sort(r.Hashes)
	slices.Sort(r.Kept)
	if len(r.Kept) > 0 {
		r.Notes = append(r.Notes, "Another document was read from the same file: that file, and what it says under the other name, stay.")
	}
	if err := s.scrub(ctx, &r); err != nil {
		return Receipt{}, err
	}
	if err := s.prove(ctx, k, t, &r); err != nil {
		return Receipt{}, err
	}
	r.Finished = time.Now().UTC()
	s.logger.InfoContext(ctx, "deleted", "documents", r.Before.Documents, "chunks", r.Before.Chunks, "originals", r.Before.Originals, "proved", r.Proved())
	if !r.Proved() {
		return r, fault.New(fault.Internal, "What was to be deleted was still found afterwards. Try again; the log says where.")
	}
	return r, nil
}

// trace gathers what there is of a document or a collection.
func (s *Service) trace(ctx context.Context, k Key, before *Holding) (traces, error) {
	t := traces{hashes: map[string]bool{}, sentences: map[string]Key{}}
	states, err := s.index.Documents(ctx, k.Collection)
	if err != nil {
		return t, err
	}
	known := map[Key]bool{}
	for _, d := range states {
		if k.Source != "" && d.Source != k.Source {
			continue
		}
		known[d.Key] = true
		t.hashes[d.Hash] = true
		before.Documents++
		before.Chunks += d.Chunks
		if err := s.sentences(ctx, d, &t); err != nil {
			return t, err
		}
	}
	jobs, err := s.queue.Jobs(ctx, JobFilter{Key: k})
	if err != nil {
		return t, err
	}
	for _, j := range jobs {
		known[j.Key] = true
		t.hashes[j.Hash] = true
	}
	for key := range known {
		t.keys = append(t.keys, key)
	}
	return t, nil
}

// The sentences of a document that are looked for.
const (
	mostSentences     = 5
	mostSought        = 200 // of a collection
	shortestSought    = 40
	longestSought     = 300
	sentenceEnd       = ". "
	soughtAmong       = 20 // hits
	chunksOfASentence = 1 << 20
)

// sentences notes some of a document's sentences, from all over it.
func (s *Service) sentences(ctx context.Context, d State, t *traces) error {
	if len(t.sentences) >= mostSought {
		return nil
	}
	chunks, err := s.index.Around(ctx, d.Key, 0, chunksOfASentence)
	if err != nil {
		return err
	}
	step := max(1, len(chunks)/mostSentences)
	for i := 0; i < len(chunks); i += step {
		for sentence := range strings.SplitSeq(chunks[i].Chunk.Text, sentenceEnd) {
			sentence = strings.TrimSpace(sentence)
			if len(sentence) >= shortestSought {
				t.sentences[sentence[:min(len(sentence), longestSought)]] = d.Key
				break
			}
		}
	}
	return nil
}

// rememberFolder notes files that are still in the manuals folder, so that they
// do not come back with the next look at it.
func (s *Service) rememberFolder(ctx context.Context, t traces, r *Receipt) error {
	if s.manualsPath == "" {
		return nil
	}
	root, err := s.openFolder()
	if err != nil {
		return nil //nolint:nilerr // there is no folder, and so nothing that would come back
	}
	defer func() { _ = root.Close() }() // it was only read from
	for _, k := range t.keys {
		hash, err := hashFile(root, k.Source)
		if err != nil || !t.hashes[hash] {
			continue // there is no such file, or it is another
		}
		if err := s.originals.Remember(ctx, k, hash); err != nil {
			return err
		}
		r.Notes = append(r.Notes, "The file "+k.Source+" is still in the folder that MANUALS_PATH names. "+
			"It is not ingested again until it changes or is sent; to be rid of it, remove it there too.")
	}
	return nil
}

func hashFile(root *os.Root, name string) (string, error) {
	file, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read from
	sum := sha256.New()
	if _, err := file.WriteTo(sum); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (s *Service) scrub(ctx context.Context, r *Receipt) error {
	places := []Scrubber{s.queue}
	if index, ok := s.index.(Scrubber); ok {
		places = append(places, index)
	} else {
		r.Notes = append(r.Notes, "The index removed it; when it overwrites the space on its disk is its own affair.")
	}
	for _, p := range places {
		note, err := p.Scrub(ctx)
		if err != nil {
			return err
		}
		if note != "" {
			r.Notes = append(r.Notes, note)
		}
	}
	r.Notes = append(r.Notes, "Backups of DATA_DIR, and files elsewhere, are not reached.")
	return nil
}

// prove looks for what was deleted.
func (s *Service) prove(ctx context.Context, k Key, t traces, r *Receipt) error {
	found := func(where string, looked, n int) { r.Checks = append(r.Checks, DeletionCheck{where, looked, n}) }
	n := 0
	for _, key := range t.keys {
		if _, there, err := s.index.State(ctx, key); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		} else if there {
			n++
		}
	}
	found("the index, by name", len(t.keys), n)

	collections, err := s.index.Collections(ctx)
	if err != nil {
		return err
	}
	n = 0
	for _, c := range collections {
		documents, err := s.index.Documents(ctx, c.Name)
		if err != nil {
			return err
		}
		for _, d := range documents {
			if t.hashes[d.Hash] {
				n++
			}
			if d.Collection == k.Collection && (k.Source == "" || d.Source == k.Source) {
				r.After.Documents++
				r.After.Chunks += d.Chunks
			}
		}
	}
	found("the index, by hash", len(t.hashes), n)

	looked, n, err := s.seek(ctx, k, t, collections, r)
	if err != nil {
		return err
	}
	found("the search, by sentences of the text", looked, n)

	jobs, err := s.queue.Jobs(ctx, JobFilter{Key: k})
	if err != nil {
		return err
	}
	r.After.Jobs = len(jobs)
	found("the jobs", len(t.keys), len(jobs))

	n = 0
	for hash := range t.hashes {
		there, err := s.originals.Exists(ctx, hash)
		if err != nil {
			return err
		}
		if there {
			n++
		}
	}
	r.After.Originals = n
	found("the originals, by hash", len(t.hashes), n)
	return nil
}

// seek searches for sentences of what was deleted. Other documents may say the
// same; then the receipt names that.
func (s *Service) seek(ctx context.Context, k Key, t traces, collections []Collection, r *Receipt) (looked, n int, err error) {
	var elsewhere []string
	for sentence := range t.sentences {
		vector := s.analyzer.Document(bm25.Field{Text: sentence, Weight: 1})
		for i := range vector.Values {
			vector.Values[i] = 1
		}
		for _, c := range collections {
			looked++
			hits, err := s.index.Search(ctx, Query{Collection: c.Name, Sparse: vector, Limit: soughtAmong})
			if err != nil {
				return 0, 0, err
			}
			for _, h := range hits.Hits {
				if !strings.Contains(h.Chunk.Text, sentence) {
					continue
				}
				if c.Name == k.Collection && (k.Source == "" || h.Source == k.Source) {
					n++
				} else if !slices.Contains(elsewhere, c.Name+"/"+h.Source) {
					elsewhere = append(elsewhere, c.Name+"/"+h.Source)
				}
			}
		}
	}
	if len(elsewhere) > 0 {
		slices.Sort(elsewhere)
		r.Notes = append(r.Notes, fmt.Sprintf("Sentences of it stand in %d other documents too, which were not to be deleted: %s.", len(elsewhere), strings.Join(elsewhere, ", ")))
	}
	return looked, n, nil
}

// referred lists the originals that a document was read from, or that a job reads
// or could be told to.
func (s *Service) referred(ctx context.Context) (map[string]bool, error) {
	collections, err := s.index.Collections(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, c := range collections {
		documents, err := s.index.Documents(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		for _, d := range documents {
			out[d.Hash] = true
		}
	}
	jobs, err := s.queue.Jobs(ctx, JobFilter{States: []JobState{Queued, Running, Waiting, Dead, Cancelled}})
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		out[j.Hash] = true
	}
	return out, nil
}

// settled is how old an original must be before it is taken for a remnant when
// other processes store originals too.
const settled = time.Hour

// sweep removes the originals that nothing refers to: those of former editions, and
// what a crash left.
func (s *Service) sweep(ctx context.Context) error {
	s.keep.Lock()
	defer s.keep.Unlock()
	return s.sweepKept(ctx)
}

// sweepKept is sweep for a caller that holds s.keep.
func (s *Service) sweepKept(ctx context.Context) error {
	before := time.Now().Add(time.Minute)
	if s.shared {
		before = time.Now().Add(-settled)
	}
	hashes, err := s.originals.Older(ctx, before)
	if err != nil || len(hashes) == 0 {
		return err
	}
	needed, err := s.referred(ctx)
	if err != nil {
		return err
	}
	for _, hash := range hashes {
		if needed[hash] {
			continue
		}
		if _, err := s.originals.Delete(ctx, hash); err != nil {
			return err
		}
	}
	return nil
}

// tidy lets a sweep happen soon.
func (s *Service) tidy() {
	select {
	case s.untidy <- struct{}{}:
	default:
	}
}

// tidyUp sweeps at the start and after documents were ingested, until ctx ends.
func (s *Service) tidyUp(ctx context.Context) {
	const pause = 10 * time.Second
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "originals that nothing refers to were not removed", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		select {
		case <-s.untidy:
		case <-ctx.Done():
			return
		}
	}
}
