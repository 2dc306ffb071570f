package rag

import (
	"context"
	"maps"
	"slices"
	"time"

	"signpost.internal/pkg/fault"
)

// stamp tells one state of a file from another without reading it.
type stamp struct {
	size     int64
	modified time.Time
}

// watch ingests the folder of manuals at once if that is wanted, and then what is
// new or changed in it, until ctx ends. The folder is looked at again and again
// rather than watched by the system, which says nothing about network folders and
// mounts. A file is taken when it has stayed the same between two looks, so that
// one that is still being copied waits.
func (s *Service) watch(ctx context.Context, ingest bool) {
	if s.manualsPath == "" {
		return
	}
	taken, err := s.stamps(ctx)
	if err == nil && ingest {
		for _, name := range s.takeFolder(ctx, taken) {
			delete(taken, name)
		}
	}
	if s.watchEvery <= 0 {
		return
	}
	seen := taken
	ticks := time.NewTicker(s.watchEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now, err := s.stamps(ctx)
		if err != nil {
			continue // it is away for now; a request to ingest says why
		}
		changed := map[string]stamp{}
		for name, st := range now {
			if taken[name] != st && seen[name] == st {
				changed[name] = st
			}
		}
		seen = now
		if len(changed) == 0 {
			continue
		}
		wanted := changed
		if _, all := changed[ListName]; all {
			wanted = now
		}
		if taken == nil {
			taken = map[string]stamp{}
		}
		maps.Copy(taken, changed)
		for _, name := range s.takeFolder(ctx, wanted) {
			delete(taken, name)
		}
	}
}

// takeFolder makes jobs of wanted files of the folder. It returns those that are
// to be tried again.
func (s *Service) takeFolder(ctx context.Context, wanted map[string]stamp) []string {
	report, err := s.SubmitFolder(ctx, func(name string) bool {
		_, ok := wanted[name]
		return ok
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case fault.KindOf(err) == fault.NotFound: // an empty folder is no fault
		s.logger.InfoContext(ctx, "the manuals were not ingested", "error", err)
		return nil
	case err != nil:
		s.logger.ErrorContext(ctx, "the manuals were not ingested", "error", err)
		return slices.Collect(maps.Keys(wanted))
	}
	var again []string
	counts := map[Status]int{}
	for _, o := range report.Outcomes {
		counts[o.Status]++
		if o.Status == Failed && fault.KindOf(o.err) == fault.Unavailable {
			again = append(again, o.Source)
		}
	}
	s.logger.InfoContext(ctx, "manuals looked through", "unchanged", counts[Unchanged], "failed", counts[Failed], "skipped", counts[Skipped])
	return again
}

// stamps lists the files of the folder that are documents, and its list.
func (s *Service) stamps(ctx context.Context) (map[string]stamp, error) {
	root, err := s.openFolder()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // it was only read from
	items, _, err := s.walk(ctx, root)
	if err != nil {
		return nil, err
	}
	out := make(map[string]stamp, len(items))
	names := []string{ListName}
	for _, it := range items {
		names = append(names, it.Source)
	}
	for _, name := range names {
		if info, err := root.Stat(name); err == nil {
			out[name] = stamp{info.Size(), info.ModTime()}
		}
	}
	return out, nil
}
