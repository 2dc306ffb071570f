package pattern

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts and literals are compared byte by byte under one folding: small and capital
// letters are one, all white space is one, all digits are one. It only ever makes
// more texts equal, so nothing that matches is ruled out.
var folded = func() (table [256]byte) {
	for i := range table {
		switch b := byte(i); {
		case b >= 'A' && b <= 'Z':
			table[i] = b + 'a' - 'A'
		case b >= '0' && b <= '9':
			table[i] = '0'
		case strings.IndexByte(" \t\n\v\f\r", b) >= 0:
			table[i] = ' '
		default:
			table[i] = b
		}
	}
	return table
}()

const (
	boundary   = "\x00" // stands for \b in a literal
	maxStrings = 512    // that an expression is spelled out into
	maxClass   = 8      // the members of a class that is spelled out
	maxTurns   = 4      // of one string that are spelled out
	buckets    = 1024
)

// literal is a string, folded, that a text may hold. Before and after tell that
// a word begins or ends at its ends.
type literal struct {
	text          string
	before, after bool
}

// sieve tells which texts an expression can match.
type sieve struct {
	first    *[256]bool // what a text may begin with, for an expression tied to its start
	literals [][]literal
	bucket   [buckets]uint16 // of a literal's first two bytes: which of the literals, or 0
	any      bool            // it rules nothing out
}

func newSieve(expr string) sieve {
	s := sieve{literals: [][]literal{nil}}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		s.any = true
		return s
	}
	s.first = opening(tree)
	need := spell(tree).best()
	if need == nil {
		s.any = true
		return s
	}
	// Two letters beyond ASCII are the same as k and s to an expression that
	// ignores case: a text that holds one is not ruled out.
	for _, text := range append(need, "\u017f", "\u212a") {
		l := literal{strings.ReplaceAll(text, boundary, ""), strings.HasPrefix(text, boundary), strings.HasSuffix(text, boundary)}
		if len(l.text) > 1 {
			s.add(l, slot(l.text[0], l.text[1]))
			continue
		}
		seen := map[int]bool{}
		for next := range 256 {
			if at := slot(l.text[0], byte(next)); !seen[at] {
				seen[at] = true
				s.add(l, at)
			}
		}
	}
	return s
}

func slot(a, b byte) int { return (int(a)<<5 ^ int(b)) & (buckets - 1) }

func (s *sieve) add(l literal, at int) {
	if s.bucket[at] == 0 {
		s.literals = append(s.literals, nil)
		s.bucket[at] = uint16(len(s.literals) - 1) //nolint:gosec // there are no more lists than buckets
	}
	s.literals[s.bucket[at]] = append(s.literals[s.bucket[at]], l)
}

// admits tells whether the expression may match a text.
func (s *sieve) admits(text string) bool {
	if s.first != nil && (text == "" || !s.first[text[0]]) {
		return false
	}
	if s.any {
		return true
	}
	if text == "" {
		return false
	}
	a := folded[text[0]]
	for i := range len(text) {
		var b byte
		if i+1 < len(text) {
			b = folded[text[i+1]]
		}
		if at := s.bucket[slot(a, b)]; at != 0 {
			for _, l := range s.literals[at] {
				if l.stands(text, i) {
					return true
				}
			}
		}
		a = b
	}
	return false
}

// stands tells whether the literal stands at a place in a text.
func (l *literal) stands(text string, at int) bool {
	end := at + len(l.text)
	if end > len(text) {
		return false
	}
	for i := range len(l.text) {
		if folded[text[at+i]] != l.text[i] {
			return false
		}
	}
	return (!l.before || atBoundary(text, at)) && (!l.after || atBoundary(text, end))
}

func atBoundary(text string, at int) bool {
	return (at > 0 && wordByte(text[at-1])) != (at < len(text) && wordByte(text[at]))
}

func wordByte(b byte) bool {
	b = folded[b]
	return b >= 'a' && b <= 'z' || b == '0' || b == '_'
}

// spelling is what is known of the strings that an expression matches: all of them,
// where they are few, else strings of which each match holds one, if any are known.
// Each match ends with one of the tails, if any are known.
type spelling struct {
	all   []string
	need  []string
	tails []string
}

// best returns strings of which each match holds one, or nil.
func (s spelling) best() []string {
	if usable(s.all) {
		return s.all
	}
	return s.need
}

func usable(all []string) bool {
	for _, text := range all {
		if strings.Trim(text, boundary) == "" {
			return false
		}
	}
	return len(all) > 0
}

// better returns the strings that rule more out: the longer, then the fewer.
func better(a, b []string) []string {
	switch shortA, shortB := shortest(a), shortest(b); {
	case !usable(b), usable(a) && (shortA > shortB || shortA == shortB && len(a) <= len(b)):
		return a
	default:
		return b
	}
}

func shortest(all []string) int {
	least := 6 // longer ones are as rare
	for _, text := range all {
		bare := strings.Trim(text, boundary)
		size := 2*len(bare) + len(text) - len(bare) // a boundary is worth half a letter
		if bare == " " {
			size = 0
		}
		least = min(least, size/2)
	}
	return least
}

func spell(re *syntax.Regexp) spelling {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpNoWordBoundary:
		return exactly([]string{""})
	case syntax.OpWordBoundary:
		return exactly([]string{boundary})
	case syntax.OpLiteral:
		return spellLiteral(re)
	case syntax.OpCharClass:
		return spellClass(re)
	case syntax.OpCapture:
		return spell(re.Sub[0])
	case syntax.OpPlus:
		sub := spell(re.Sub[0])
		return spelling{need: sub.best(), tails: sub.tails}
	case syntax.OpRepeat:
		sub := spell(re.Sub[0])
		if len(sub.all) == 1 && re.Max >= 0 && re.Max <= maxTurns {
			var all []string
			for n := re.Min; n <= re.Max; n++ {
				all = append(all, strings.Repeat(sub.all[0], n))
			}
			return exactly(all)
		}
		if re.Min > 0 {
			return spelling{need: sub.best(), tails: sub.tails}
		}
	case syntax.OpQuest:
		sub := spell(re.Sub[0])
		if sub.all != nil && len(sub.all) < maxStrings {
			return exactly(distinct(append([]string{""}, sub.all...)))
		}
		// Where it matches nothing, what stands before it is the tail.
		return withNothing(sub.tails)
	case syntax.OpStar:
		return withNothing(spell(re.Sub[0]).tails)
	case syntax.OpConcat:
		return spellConcat(re.Sub)
	case syntax.OpAlternate:
		return spellAlternate(re.Sub)
	}
	return spelling{}
}

func exactly(all []string) spelling { return spelling{all: all, tails: all} }

func withNothing(tails []string) spelling {
	if tails == nil {
		return spelling{}
	}
	return spelling{tails: append([]string{""}, tails...)}
}

func spellLiteral(re *syntax.Regexp) spelling {
	var b []byte
	for _, r := range re.Rune {
		if r >= utf8.RuneSelf && re.Flags&syntax.FoldCase != 0 && unicode.SimpleFold(r) != r || r == utf8.RuneError {
			return spelling{}
		}
		b = appendFolded(b, r)
	}
	return exactly([]string{string(b)})
}

func appendFolded(b []byte, r rune) []byte {
	from := len(b)
	b = utf8.AppendRune(b, r)
	for i := from; i < len(b); i++ {
		b[i] = folded[b[i]]
	}
	return b
}

func spellClass(re *syntax.Regexp) spelling {
	var all []string
	for i := 0; i < len(re.Rune); i += 2 {
		if re.Rune[i+1]-re.Rune[i] > 26 {
			return spelling{}
		}
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			if r == utf8.RuneError {
				return spelling{}
			}
			all = distinct(append(all, string(appendFolded(nil, r))))
		}
		if len(all) > maxClass {
			return spelling{}
		}
	}
	return exactly(all)
}

// spellConcat spells out a sequence: as long as the strings stay few they grow, and
// the best stretch of it counts.
func spellConcat(subs []*syntax.Regexp) spelling {
	whole := true
	run := []string{""}  // each match so far ends with one of them
	last := []string{""} // and with one of these, of the last part alone
	var need []string
	for _, sub := range subs {
		s := spell(sub)
		switch {
		case s.all != nil && len(run)*len(s.all) <= maxStrings:
			run, last = product(run, s.all), s.all
			continue
		case s.all != nil && len(last)*len(s.all) <= maxStrings:
			need = better(need, run)
			run, last = product(last, s.all), s.all
		default:
			need = better(better(need, run), s.best())
			if turn := turnOf(sub); turn != nil && len(run)*len(turn) <= maxStrings {
				// What stands before it meets its first turn, what stands after its last.
				need = better(need, product(run, turn))
			}
			tails := s.tails
			if sub.Op == syntax.OpQuest || sub.Op == syntax.OpStar {
				// It is there, or what stands before it is the tail.
				if tails = spell(sub.Sub[0]).tails; tails != nil {
					tails = slices.Concat(tails, run)
				}
			}
			run = distinct(tails)
			if len(run) == 0 || len(run) > maxStrings {
				run = []string{""}
			}
			last = run
		}
		whole = false
	}
	if whole {
		return spelling{all: run, tails: run}
	}
	return spelling{need: better(need, run), tails: run}
}

// turnOf returns the strings that a part which is repeated, once at least, is each time.
func turnOf(re *syntax.Regexp) []string {
	if re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && re.Min > 0 {
		return spell(re.Sub[0]).all
	}
	return nil
}

func product(a, b []string) []string {
	var all []string
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return distinct(all)
}

func spellAlternate(subs []*syntax.Regexp) spelling {
	var s spelling
	whole, known, ends := true, true, true
	for _, sub := range subs {
		t := spell(sub)
		whole = whole && t.all != nil
		s.all = append(s.all, t.all...)
		best := t.best()
		known = known && usable(best)
		s.need = append(s.need, best...)
		ends = ends && t.tails != nil
		s.tails = append(s.tails, t.tails...)
	}
	s.all, s.need, s.tails = distinct(s.all), distinct(s.need), distinct(s.tails)
	if !whole || len(s.all) > maxStrings {
		s.all = nil
	}
	if !known {
		s.need = nil
	}
	if !ends || len(s.tails) > maxStrings {
		s.tails = nil
	}
	return s
}

func distinct(all []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, text := range all {
		if !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return out
}

// opening returns the bytes with which a text begins that the expression matches,
// where it is tied to the text's start; else nil.
func opening(re *syntax.Regexp) *[256]bool {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText {
		return nil
	}
	var set [256]bool
	if begins(re, &set) {
		return nil
	}
	return &set
}

// begins adds the bytes with which a match may begin, and tells whether a match
// may be empty.
func begins(re *syntax.Regexp, set *[256]bool) (empty bool) {
	switch re.Op {
	case syntax.OpLiteral:
		fold := re.Flags&syntax.FoldCase != 0
		beginsWith(re.Rune[0], set)
		for r := unicode.SimpleFold(re.Rune[0]); fold && r != re.Rune[0]; r = unicode.SimpleFold(r) {
			beginsWith(r, set)
		}
		return false
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= min(re.Rune[i+1], utf8.RuneSelf); r++ {
				beginsWith(r, set)
			}
			if re.Rune[i+1] >= utf8.RuneSelf {
				beginsWith(utf8.RuneSelf, set)
			}
		}
		return false
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		*set = everyByte
		return false
	case syntax.OpCapture, syntax.OpPlus:
		return begins(re.Sub[0], set)
	case syntax.OpRepeat:
		return begins(re.Sub[0], set) || re.Min == 0
	case syntax.OpStar, syntax.OpQuest:
		begins(re.Sub[0], set)
		return true
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !begins(sub, set) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			empty = begins(sub, set) || empty
		}
		return empty
	case syntax.OpNoMatch:
		return false
	}
	return true // what has no width
}

var everyByte = func() (set [256]bool) {
	for i := range set {
		set[i] = true
	}
	return set
}()

func beginsWith(r rune, set *[256]bool) {
	if r < utf8.RuneSelf {
		set[r] = true
		return
	}
	for b := utf8.RuneSelf; b < 256; b++ {
		set[b] = true
	}
}
