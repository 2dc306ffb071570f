package qdrantindex

import (
	"context"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// sweepMost is how many documents one sweep is about.
const sweepMost = 200

func (x *Index) sweepSoon() {
	select {
	case x.sweepNow <- struct{}{}:
	default:
	}
}

// sweepUntil removes what nobody reads any longer, until ctx ends. It is also who
// notices that Qdrant is there at last.
func (x *Index) sweepUntil(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	complained := false
	for {
		err := x.sweep(ctx)
		if err != nil && ctx.Err() == nil && !complained {
			x.o.Logger.WarnContext(ctx, "Qdrant was not tidied up; trying on", "error", err)
		}
		complained = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-x.sweepNow:
		}
	}
}

// sweep removes what has had its time.
func (x *Index) sweep(ctx context.Context) error {
	if err := x.refresh(ctx); err != nil {
		return err
	}
	if err := x.sweepCollections(ctx); err != nil {
		return err
	}
	if !x.searched.Load() {
		if err := x.findStrays(ctx); err != nil {
			return err
		}
		x.searched.Store(true)
	}
	if err := x.sweepStrays(ctx); err != nil {
		return err
	}
	return x.sweepDocuments(ctx, func(*collection, *document) bool { return true })
}

func (x *Index) sweepCollections(ctx context.Context) error {
	var all []collectionRecord
	x.mu.RLock()
	for _, r := range x.state.gone {
		all = append(all, r)
	}
	for _, c := range x.state.collections {
		if len(c.Old)+len(c.OldInstances) > 0 {
			all = append(all, c.collectionRecord)
		}
	}
	x.mu.RUnlock()
	for _, r := range all {
		if err := x.removeOld(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// sweepDocuments removes the editions, of documents that are to be looked at, that
// are abandoned or were replaced long enough ago.
func (x *Index) sweepDocuments(ctx context.Context, which func(*collection, *document) bool) error {
	now := time.Now().UTC()
	// First nobody may read them any longer...
	err := x.commit(ctx, func(s *state) ([]record, error) {
		var changes []record
		for _, c := range s.collections {
			for _, d := range c.documents {
				if r, ok := x.due(d.documentRecord, now); ok && len(changes) < sweepMost && which(c, d) {
					changes = append(changes, record{Document: &r})
				}
			}
		}
		return changes, nil
	})
	if err != nil {
		return err
	}
	// ...then they go...
	type dropped struct {
		instance, source string
		editions         []string
	}
	var documents []dropped
	places := map[string][]string{} // editions by collection of Qdrant
	var terms []*qdrant.PointId
	x.mu.RLock()
	for _, c := range x.state.collections {
		for _, d := range c.documents {
			if len(d.Dropping) == 0 || len(documents) >= sweepMost || !which(c, d) {
				continue
			}
			documents = append(documents, dropped{c.Instance, d.Source, d.Dropping})
			places[c.Points] = append(places[c.Points], d.Dropping...)
			if c.StagedPoints != "" {
				places[c.StagedPoints] = append(places[c.StagedPoints], d.Dropping...)
			}
			for _, e := range d.Dropping {
				terms = append(terms, qdrant.NewIDUUID(identifier(fieldTerms, e)))
			}
		}
	}
	x.mu.RUnlock()
	if len(documents) == 0 {
		return nil
	}
	for name, editions := range places {
		of := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeywords(fieldEdition, editions...)}}
		if err := x.remove(ctx, name, qdrant.NewPointsSelectorFilter(of)); err != nil && status.Code(err) != codes.NotFound {
			return err
		}
	}
	if err := x.remove(ctx, x.catalogue(), qdrant.NewPointsSelectorIDs(terms)); err != nil {
		return err
	}
	// ...and then nobody need know of them.
	return x.commit(ctx, func(s *state) ([]record, error) {
		var changes []record
		for _, gone := range documents {
			c := s.instances[gone.instance]
			if c == nil || c.documents[gone.source] == nil {
				continue
			}
			r := c.documents[gone.source].documentRecord
			if left := without(r.Dropping, gone.editions); len(left) < len(r.Dropping) {
				r.Dropping = left
				changes = append(changes, record{Document: &r})
			}
		}
		return changes, nil
	})
}

// due moves editions that have had their time to those that are being removed; it
// reports whether there are any. The caller holds x.mu.
func (x *Index) due(d documentRecord, now time.Time) (documentRecord, bool) {
	var waiting []pending
	for _, p := range d.Pending {
		_, making := x.making[p.Edition]
		if p.Owner == x.o.Owner && making || p.Owner != x.o.Owner && now.Sub(p.Since) < abandonAfter {
			waiting = append(waiting, p)
		}
	}
	var kept []retained
	for _, r := range d.Retained {
		if now.Sub(r.Since) < retainFor {
			kept = append(kept, r)
		}
	}
	if len(waiting) == len(d.Pending) && len(kept) == len(d.Retained) {
		return d, false
	}
	for _, p := range d.Pending {
		if !slices.Contains(waiting, p) {
			d.drop(p.Edition)
		}
	}
	for _, r := range d.Retained {
		if !slices.Contains(kept, r) {
			d.drop(r.Edition)
		}
	}
	d.Pending, d.Retained = waiting, kept
	return d, true
}

// stray has an edition removed that is in no record. The caller holds x.mu for
// reading.
func (x *Index) stray(points, edition string) {
	x.straysMu.Lock()
	defer x.straysMu.Unlock()
	if len(x.strays) < sweepMost {
		x.strays[edition] = points
	}
	x.sweepSoon()
}

// findStrays looks for editions that are in no record, through all chunks.
func (x *Index) findStrays(ctx context.Context) error {
	x.mu.RLock()
	var places []string
	for _, c := range x.state.collections {
		places = append(places, c.Points)
		if c.StagedPoints != "" {
			places = append(places, c.StagedPoints)
		}
	}
	x.mu.RUnlock()
	for _, points := range places {
		counts, err := x.editions(ctx, points, nil)
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		for edition := range counts {
			x.straysMu.Lock()
			x.strays[edition] = points
			x.straysMu.Unlock()
		}
	}
	return nil
}

// sweepStrays removes what was taken for a stray and is in no record now. Chunks
// come after the record that names their edition, so whoever has seen one and
// finds none in a catalogue read later knows that there is no such record.
func (x *Index) sweepStrays(ctx context.Context) error {
	x.straysMu.Lock()
	seen := x.strays
	x.strays = map[string]string{}
	x.straysMu.Unlock()
	if len(seen) == 0 {
		return nil
	}
	if err := x.refresh(ctx); err != nil {
		return err
	}
	x.mu.RLock()
	for _, c := range x.state.collections {
		for _, d := range c.documents {
			for edition := range members(d.documentRecord) {
				delete(seen, edition)
			}
		}
	}
	x.mu.RUnlock()
	for edition, points := range seen {
		of := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeyword(fieldEdition, edition)}}
		if err := x.remove(ctx, points, qdrant.NewPointsSelectorFilter(of)); err != nil && status.Code(err) != codes.NotFound {
			return err
		}
		if err := x.remove(ctx, x.catalogue(), qdrant.NewPointsSelectorIDs([]*qdrant.PointId{qdrant.NewIDUUID(identifier(fieldTerms, edition))})); err != nil {
			return err
		}
		x.o.Logger.InfoContext(ctx, "chunks of no document were removed from Qdrant", "edition", edition)
	}
	return nil
}
