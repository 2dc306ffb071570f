package rag

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/chunk"
)

// ground is what a passage gives as proof.
type ground struct {
	figures   map[string]bool
	bounds    map[string][]int
	words     map[uint32]bool // with those of headings and title
	names     map[string]bool // words as they are written, in lower case
	initials  string          // of all words, in lower case
	sentences []string
	terms     []map[uint32]bool // of each sentence
	clauses   []clause
	plain     string // the text on one line, for addresses
}

// clause is a part of a sentence that affirms or denies.
type clause struct {
	terms  map[uint32]bool
	denied bool
	hedge  string // the words that make exceptions: only clauses with the same are compared
}

var (
	clauseEnd = regexp.MustCompile(`[,;:()]|\s(?:and|but|so|although|though|whereas|while|because|since|if|when|where|which|who)\s`)
	hedge     = regexp.MustCompile(`(?i)\b(?:unless|except\w*|only|until|other than|save|apart from|however|otherwise|instead|rather)\b`)
)

// ground reads a passage.
func (l *language) ground(p Passage) *ground {
	text, _ := withoutOrders(p.Text)
	g := &ground{words: map[uint32]bool{}, names: map[string]bool{}, bounds: map[string][]int{}}
	around := strings.Join(append([]string{p.Title}, p.Headings...), "\n")
	g.sentences = chunk.Sentences(text)
	g.plain = strings.Join(strings.Fields(text), " ")
	g.figures = offered(append(slices.Clone(g.sentences), p.Headings...))
	for _, part := range []string{around, text} {
		for id := range l.meant(part) {
			g.words[id] = true
		}
		var initials strings.Builder
		for word := range bm25.Words(part) {
			g.names[word] = true
			r, _ := utf8.DecodeRuneInString(word)
			initials.WriteRune(r)
		}
		g.initials += " " + initials.String()
	}
	for _, s := range g.sentences {
		g.terms = append(g.terms, l.meant(s))
		for figure, directions := range bounds(s) {
			g.bounds[figure] = append(g.bounds[figure], directions...)
		}
		g.clauses = append(g.clauses, l.clauses(s)...)
	}
	return g
}

// ordered returns the words that stand only where the passage speaks to a machine;
// nil where it does not.
func (l *language) ordered(p Passage) map[uint32]bool {
	text, orders := withoutOrders(p.Text)
	if orders == "" {
		return nil
	}
	out := termSet(l.analyzer, orders)
	for term := range l.meant(strings.Join(append([]string{p.Title, text}, p.Headings...), "\n")) {
		delete(out, term)
	}
	return out
}

// clauses cuts a sentence. A question neither affirms nor denies.
func (l *language) clauses(sentence string) []clause {
	if strings.HasSuffix(sentence, "?") {
		return nil
	}
	sentence = straight(sentence)
	except := strings.ToLower(strings.Join(hedge.FindAllString(sentence, -1), " "))
	var out []clause
	for _, part := range clauseEnd.Split(sentence, -1) {
		if terms := l.matter(part); len(terms) > 0 {
			out = append(out, clause{terms: terms, denied: denials(part)%2 == 1, hedge: except})
		}
	}
	return out
}

// formal are words that carry a clause's mood and not its matter.
var formal = setOf("not no never cannot neither nor can may might must shall should will would could do does did has have had is are was were be been one still also")

// matter returns the terms of a clause but for figures and formal words.
func (l *language) matter(text string) map[uint32]bool {
	out := map[uint32]bool{}
	words := slices.Collect(bm25.Words(text))
	for _, t := range l.analyzer.Tokens(text) {
		if word := words[t.Position]; !formal[word] && !strings.ContainsFunc(word, unicode.IsDigit) {
			out[t.ID] = true
		}
	}
	return out
}

// content returns the terms of a text that say what it is about: no figures, no
// words of asking.
func (l *language) content(text string) map[uint32]bool {
	out := map[uint32]bool{}
	tokens := l.analyzer.Tokens(text)
	words := slices.Collect(bm25.Words(text))
	for _, t := range tokens {
		if word := words[t.Position]; !l.ask[t.ID] && !isNumeral(word) && !speech[word] {
			out[t.ID] = true
		}
	}
	return out
}

// meant is what a passage's words stand for: the words themselves, and what its
// phrases are called in one word.
func (l *language) meant(text string) map[uint32]bool {
	out := map[uint32]bool{}
	tokens := l.analyzer.Tokens(text)
	for i, t := range tokens {
		out[t.ID] = true
		for _, other := range l.thesaurus.words[t.ID] {
			out[other] = true
		}
		if p, ok := l.thesaurus.at(tokens[i:]); ok {
			for _, other := range p.others {
				out[other] = true
			}
		}
	}
	return out
}

// says reports whether words hold a term, or one that means the same.
func (l *language) says(words map[uint32]bool, term uint32) bool {
	return words[term] || slices.ContainsFunc(l.thesaurus.words[term], func(other uint32) bool { return words[other] })
}

// speech are words in which an answer speaks of itself, of manuals and of figures.
var speech = setOf("exceed exceeds limit limits ceiling maximum minimum total amount amounts figure figures according accordingly manual manuals passage passages document documents section page states stated says note notes also however therefore adviser advisers advisor client's")

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

func isNumeral(word string) bool {
	if strings.ContainsFunc(word, unicode.IsDigit) {
		return true
	}
	_, ok := numberWord(word)
	return ok
}

// The least shares of a sentence's words that must stand in the passages that it
// names, and in two neighbouring sentences of one of them. They were chosen on
// the pairs in testdata/support.json; README.md has the figures.
const (
	leastInPassages = 0.5
	leastInStretch  = 0.45
)

// support returns the share of a sentence's words and figures that the grounds
// hold together, and the largest share that two neighbouring sentences of one of
// them hold. The figures have been found before.
func (l *language) support(sentence string, grounds []*ground) (all, stretch float64) {
	terms := l.content(sentence)
	if len(terms) == 0 {
		return 1, 1
	}
	spelled := l.spelledOut(sentence, grounds)
	stated := len(statedIn(digits(sentence)))
	found := stated
	for t := range terms {
		if spelled[t] || slices.ContainsFunc(grounds, func(g *ground) bool { return l.says(g.words, t) }) {
			found++
		}
	}
	best := stated
	for _, g := range grounds {
		for i := range g.terms {
			n := stated
			for t := range terms {
				if spelled[t] || l.says(g.terms[i], t) || i+1 < len(g.terms) && l.says(g.terms[i+1], t) {
					n++
				}
			}
			best = max(best, n)
		}
	}
	of := float64(stated + len(terms))
	return float64(found) / of, float64(best) / of
}

// spelledOut returns the terms of words that a ground writes by their first
// letters, as DRO for debt relief order.
func (l *language) spelledOut(sentence string, grounds []*ground) map[uint32]bool {
	words := slices.Collect(bm25.Words(sentence))
	out := map[uint32]bool{}
	for from := range words {
		letters := ""
		for to := from; to < min(from+5, len(words)); to++ {
			r, _ := utf8.DecodeRuneInString(words[to])
			if letters += string(r); to-from < 2 {
				continue
			}
			if slices.ContainsFunc(grounds, func(g *ground) bool { return g.names[letters] }) {
				for _, w := range words[from : to+1] {
					out[l.analyzer.ID(w)] = true
				}
			}
		}
	}
	return out
}

// The bounds within which clauses are compared: a clause of so many terms, of
// which a clause of the passage holds such a share.
const (
	leastTerms  = 2
	alikeShare  = 0.74
	alikeMargin = 0.2
	leastWithin = 0.5
)

// denies reports whether a clause of the grounds says the opposite of a clause of
// the sentence: nearly the same words, one with a denial and the other without,
// and no clause as near that agrees.
func (l *language) denies(sentence string, grounds []*ground) bool {
	for _, c := range l.clauses(sentence) {
		var agreeing, opposite float64
		for _, g := range grounds {
			for _, other := range g.clauses {
				if len(c.terms) < leastTerms && len(other.terms) > leastTerms {
					continue // a word says too little
				}
				n := 0
				for t := range c.terms {
					if l.says(other.terms, t) {
						n++
					}
				}
				share := float64(n) / float64(len(c.terms))
				if n == len(other.terms) && n > leastTerms && share >= leastWithin {
					share = 1 // all of the passage's clause is in it
				}
				if other.denied == c.denied || other.hedge != c.hedge {
					agreeing = max(agreeing, share)
				} else {
					opposite = max(opposite, share)
				}
			}
		}
		if opposite >= alikeShare && agreeing < opposite-alikeMargin {
			return true
		}
	}
	return false
}

// strangers returns the names in a sentence, words with a capital inside it and
// addresses of the net, that no ground has.
func (l *language) strangers(sentence string, grounds []*ground) string {
	first := true
	for word := range strings.FieldsSeq(sentence) {
		bare := strings.Trim(word, `.,;:!?"'()[]“”‘’*_`)
		if bare == "" {
			continue
		}
		isAddress := strings.Contains(bare, "://") || strings.HasPrefix(bare, "www.") || strings.Contains(bare, "@") || webName.MatchString(bare)
		if isAddress && !slices.ContainsFunc(grounds, func(g *ground) bool { return strings.Contains(g.plain, bare) }) {
			return bare
		}
		r, _ := utf8.DecodeRuneInString(bare)
		begins := first || strings.ContainsAny(word[:1], `"'(“‘`) || strings.HasPrefix(word, "“")
		first = strings.HasSuffix(word, ":")
		if begins || !unicode.IsUpper(r) || isAddress {
			continue
		}
		for part := range bm25.Words(straight(bare)) {
			if len(part) < 2 || isNumeral(part) || monthYear.MatchString(part) || l.analyzer.IsStop(part) || speech[part] {
				continue
			}
			if !slices.ContainsFunc(grounds, func(g *ground) bool { return l.named(g, part, bare) }) {
				return bare
			}
		}
	}
	return ""
}

var webName = regexp.MustCompile(`(?i)^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:uk|com|org|net|info|io|eu|gov)(?:/\S*)?$`)

// named reports whether a ground has a word of a name, in any form, or its
// letters as the first of words that follow each other.
func (l *language) named(g *ground, part, written string) bool {
	if g.names[part] || l.says(g.words, l.analyzer.ID(part)) {
		return true
	}
	letters := strings.TrimSuffix(part, "s")
	return strings.ToUpper(letters) == strings.TrimSuffix(written, "s") && len(letters) > 1 && strings.Contains(g.initials, letters)
}
