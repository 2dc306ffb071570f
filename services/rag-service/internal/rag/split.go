package rag

import (
	"context"
	"slices"
	"strings"
)

// mostSplit is how many parts a question is split into at most. One that seems to
// ask more is searched for as a whole; see [Service.Investigate] for such.
const mostSplit = 3

// searchParts is search for each part of a question that plainly asks several
// things. What they found is interleaved; of the parts that the manuals do not
// cover nothing is kept, and the notice names them. A question of which no part is
// covered is judged as a whole, and so is one that is not covered as a whole: a part
// alone has fewer words, and is more easily taken for covered.
func (s *Service) searchParts(ctx context.Context, asked Question, n int) (results, error) {
	parts := s.language.parts(asked.Text)
	if len(parts) < 2 || len(parts) > min(mostSplit, n) {
		return s.search(ctx, asked, n)
	}
	whole, err := s.search(ctx, asked, n)
	if err != nil || !whole.covered {
		return whole, err
	}
	var covered []results
	var open []string
	before := true // the part before is covered
	for _, part := range parts {
		q := asked
		q.Text = part
		found, err := s.search(ctx, q, n)
		if err != nil {
			return results{}, err
		}
		// What leans on a part that is not covered is not covered either: the court fee
		// of a divorce is no court fee of the manuals'.
		before = found.covered && (before || !strings.HasSuffix(part, ")"))
		if before {
			covered = append(covered, found)
		} else {
			open = append(open, "The manuals do not seem to cover this part: “"+part+"”.")
		}
	}
	if len(covered) == 0 {
		return whole, nil
	}
	out := interleave(covered, n)
	out.notice = strings.TrimSpace(out.notice + " " + strings.Join(open, " "))
	return out, nil
}

// interleave takes the best passage of each result in turn, then the second, up to
// n. What is in an earlier passage is left out.
func interleave(all []results, n int) results {
	out := results{covered: true, reranking: all[0].reranking, method: all[0].method}
	for _, r := range all {
		if r.notice != "" {
			out.notice = r.notice
		}
		if r.method == ByWords {
			out.method = ByWords
		}
		if r.reranking == RerankFailed {
			out.reranking = RerankFailed
		}
	}
	for rank := 0; ; rank++ {
		more := false
		for _, r := range all {
			if rank >= len(r.passages) || len(out.passages) == n {
				continue
			}
			more = true
			p := r.passages[rank]
			if !slices.ContainsFunc(out.passages, p.within) {
				out.passages = append(out.passages, p)
			}
		}
		if !more {
			return out
		}
	}
}

// within reports whether all of a passage is in another.
func (p Passage) within(o Passage) bool {
	return p.Source == o.Source && o.Position <= p.Position && p.Last <= o.Last
}
