package rag

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/bm25"
)

// How many chunks the index is asked for, and how many of one page may be
// returned.
const (
	candidates = 80
	perPage    = 1
)

// Two passages say the same from sameText of their terms in common. Once there
// are enough passages, copies of them are looked for among those that are nearly
// as good as the last.
const (
	sameText  = 0.85
	copyShare = 0.8
)

// The weights of the second look at a candidate, in units of the question's
// whole weight (the sum of its terms' weights). They were chosen on questions
// over manuals that are not part of the project; README.md has the figures.
const (
	coverWeight   = 1.0 // share of the question's weight that the chunk holds, squared
	headingWeight = 1.5 // likeness of the question and a heading inside the chunk
	pathWeight    = 0.5 // the same for a heading above the chunk
	pairWeight    = 1.0 // words next to each other in the question that are close in the chunk
	sourceWeight  = 0.5 // the document's best chunks together, beside the best document's
	sourceChunks  = 3   // how many chunks of a document count for it
	sourceFade    = 0.7 // what each of them counts beside the one before
	meaningWeight = 1.0 // nearness in meaning, beside the other candidates
	near          = 4   // words apart that still count as close
)

// evidence is what the second look at a candidate found.
type evidence struct {
	hit     Hit
	score   float64
	first   float64  // what it was found by: words, and meaning in a hybrid search
	near    float64  // 1 for the nearest in meaning, 0 for those that were not among the nearest
	cover   float64  // share of the question's weight whose terms stand in the chunk or its headings
	heading float64  // 0 to 1
	pairs   float64  // share of the weight of neighbouring words that stand close together
	also    []string // other documents that say the same
	more    int      // chunks that were joined to the hit's; see join
	placed  bool     // the chunk names the countries that the question names
}

// scorer looks at candidates with a question in mind.
type scorer struct {
	analyzer *bm25.Analyzer
	q        question
	total    float64
	at       map[uint32]int // term ID → position in q.terms
	like     map[uint32]int // the same for synonyms
}

func newScorer(a *bm25.Analyzer, q question) *scorer {
	s := &scorer{analyzer: a, q: q, at: map[uint32]int{}, like: map[uint32]int{}}
	for i, t := range q.terms {
		s.total += t.weight
		s.at[t.id] = i
	}
	for i, t := range q.terms {
		for _, other := range t.others {
			if _, there := s.at[other]; !there {
				s.like[other] = i
			}
		}
	}
	return s
}

// find returns the place of the question's term that a word of a text is, or is
// a synonym of.
func (s *scorer) find(id uint32) (int, bool) {
	if i, ok := s.at[id]; ok {
		return i, true
	}
	i, ok := s.like[id]
	return i, ok
}

func (s *scorer) look(h Hit, m meanings) evidence {
	e := evidence{hit: h, near: m.near(h)}
	e.first = h.BM25/s.total + meaningWeight*e.near
	places := make([][]int, len(s.q.terms)) // where each term, or a synonym, stands
	s.mark(places, h.Chunk.Text, 0)
	shift := 1 << 20 // headings are far from the text
	for _, heading := range h.Chunk.Headings {
		s.mark(places, heading, shift)
		shift += 1 << 10
	}
	if h.Title != "" {
		s.mark(places, h.Title, shift)
	}
	s.mark(places, h.Chunk.Aliases, shift+1<<10)
	for i, t := range s.q.terms {
		if len(places[i]) > 0 {
			e.cover += t.weight
		}
	}
	var all float64
	for i := 1; i < len(s.q.terms); i++ {
		w := s.q.terms[i-1].weight + s.q.terms[i].weight
		all += w
		if d := distance(places[i-1], places[i]); d > 0 {
			e.pairs += w * math.Min(1, 2/float64(d+1))
		}
	}
	if all > 0 {
		e.pairs /= all
	}
	e.cover /= s.total
	own, above := s.headings(h)
	e.heading = math.Max(own, above*pathWeight)
	e.score = e.first + coverWeight*e.cover*e.cover + headingWeight*e.heading + pairWeight*e.pairs
	if s.figured(h.Chunk.Text) {
		e.score += figureWeight
	}
	e.placed = s.placed(h)
	return e
}

// placed reports whether the hit names every country that the question names.
func (s *scorer) placed(h Hit) bool {
	if len(s.q.places) == 0 {
		return true
	}
	named := termSet(s.analyzer, strings.Join(append(slices.Clone(h.Chunk.Headings), h.Title, h.Chunk.Text), "\n"))
	for _, names := range s.q.places {
		if !slices.ContainsFunc(names, func(id uint32) bool { return named[id] }) {
			return false
		}
	}
	return true
}

// figured reports whether the text states a figure of the kind that the question
// asks for.
func (s *scorer) figured(text string) bool {
	return s.q.figure != nil && s.q.figure.MatchString(text)
}

func (s *scorer) mark(places [][]int, text string, shift int) {
	for _, t := range s.analyzer.Tokens(text) {
		if i, ok := s.find(t.ID); ok {
			places[i] = append(places[i], shift+t.Position)
		}
	}
}

// distance returns how many words lie between the nearest two places, plus one;
// 0 when they are not near.
func distance(a, b []int) int {
	best := near + 1
	for i, j := 0, 0; i < len(a) && j < len(b); {
		d := b[j] - a[i]
		if d < 0 {
			best = min(best, -d)
			j++
			continue
		}
		best = min(best, max(d, 1))
		i++
	}
	if best > near {
		return 0
	}
	return best
}

// headings returns how much the best heading inside the chunk, and the best
// above it, is what the question asks about. The document's title, which all its
// chunks share, does not count.
func (s *scorer) headings(hit Hit) (own, above float64) {
	c := hit.Chunk
	for _, h := range c.Headings {
		if h == hit.Title {
			continue
		}
		likeness := s.likeness(h)
		if inside(c.Text, h) {
			own = math.Max(own, likeness)
		} else {
			above = math.Max(above, likeness)
		}
	}
	return own, above
}

// likeness is the geometric mean of two shares: of the question's weight that
// the heading holds, and of the heading's words that the question holds.
func (s *scorer) likeness(heading string) float64 {
	tokens := s.analyzer.Tokens(heading)
	if len(tokens) == 0 {
		return 0
	}
	var weight, shared float64
	seen := map[int]bool{}
	for _, t := range tokens {
		i, ok := s.find(t.ID)
		if !ok {
			continue
		}
		shared++
		if !seen[i] {
			seen[i] = true
			weight += s.q.terms[i].weight
		}
	}
	return math.Sqrt(weight / s.total * shared / float64(len(tokens)))
}

// inside reports whether the heading is a line of the text.
func inside(text, heading string) bool {
	for len(text) > 0 {
		line := text
		if i := indexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = ""
		}
		if sameHeading(line, heading) {
			return true
		}
	}
	return false
}

// rank orders candidates by a second look at each, best first.
func (s *scorer) rank(hits []Hit) []evidence {
	out := make([]evidence, len(hits))
	m := meaningsOf(hits)
	for i, h := range hits {
		out[i] = s.look(h, m)
	}
	sources, best := s.sources(out)
	for i := range out {
		out[i].score += sourceWeight * sources[out[i].hit.Source] / best
	}
	slices.SortStableFunc(out, func(a, b evidence) int { return cmp.Compare(b.score, a.score) })
	return out
}

// sources returns how well each document's chunks were found, best first with
// fading weights, and the largest of these: a document that is about the
// question has more than one chunk that is.
func (s *scorer) sources(found []evidence) (all map[string]float64, best float64) {
	all, best = map[string]float64{}, math.SmallestNonzeroFloat64
	count := map[string]int{}
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b evidence) int { return cmp.Compare(b.first, a.first) })
	for _, e := range found {
		source := e.hit.Source
		if n := count[source]; n < sourceChunks {
			count[source]++
			all[source] += e.first * math.Pow(sourceFade, float64(n))
			best = math.Max(best, all[source])
		}
	}
	return all, best
}

// meanings is the range of the cosines of a search's hits. Cosines themselves
// say little: with some models those of unrelated texts are above a half.
type meanings struct{ least, most float64 }

func meaningsOf(hits []Hit) meanings {
	m := meanings{least: 1}
	for _, h := range hits {
		if h.Cosine > 0 {
			m.least, m.most = math.Min(m.least, h.Cosine), math.Max(m.most, h.Cosine)
		}
	}
	return m
}

// near places a hit in the range, from 0 to 1.
func (m meanings) near(h Hit) float64 {
	if h.Cosine <= m.least || m.most <= m.least {
		return 0
	}
	return (h.Cosine - m.least) / (m.most - m.least)
}

// diverse keeps the first n that differ from each other: no more than perPage of
// one page, and none that says what an earlier one says. One that says the same
// in another document is named with the earlier one. The same words with other
// figures are not the same: one of the two is out of date.
func diverse(a *bm25.Analyzer, ranked []evidence, n int) []evidence {
	type place struct {
		source string
		page   int
	}
	onPage := map[place]int{}
	var kept []evidence
	var sets []map[uint32]bool
	for _, e := range ranked {
		if len(kept) == n && (n == 0 || e.score < copyShare*kept[n-1].score) {
			break
		}
		p := place{e.hit.Source, e.hit.Chunk.Page}
		set := termSet(a, e.hit.Chunk.Text)
		same := slices.IndexFunc(sets, func(other map[uint32]bool) bool { return overlap(set, other) > sameText })
		switch {
		case same >= 0 && maps.Equal(figures(kept[same].hit.Chunk.Text), figures(e.hit.Chunk.Text)):
			if e.hit.Source != kept[same].hit.Source && !slices.Contains(kept[same].also, e.hit.Source) {
				kept[same].also = append(kept[same].also, e.hit.Source)
			}
		case len(kept) == n || p.page > 0 && onPage[p] == perPage:
		default:
			onPage[p]++
			kept, sets = append(kept, e), append(sets, set)
		}
	}
	return kept
}

func termSet(a *bm25.Analyzer, text string) map[uint32]bool {
	set := map[uint32]bool{}
	for _, t := range a.Tokens(text) {
		set[t.ID] = true
	}
	return set
}

// overlap is the share of terms that two sets have in common.
func overlap(a, b map[uint32]bool) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	both := 0
	for id := range a {
		if b[id] {
			both++
		}
	}
	return float64(both) / float64(len(a)+len(b)-both)
}
