package rag

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"signpost.internal/services/rag-service/internal/chunk"
)

var (
	citation     = regexp.MustCompile(`\[([0-9]{1,3}(?:\s*[,;]\s*[0-9]{1,3})*)\]`)
	lateCitation = regexp.MustCompile(`([.!?])\s*((?:\[[0-9,; ]{1,12}\]\s*)*\[[0-9,; ]{1,12}\])`)
)

// unsettled is the end of a text that may still become a late citation.
var unsettled = regexp.MustCompile(`[.!?]\s*(?:\[[0-9,; ]{1,12}\]\s*)*(?:\[[0-9,; ]{0,12})?$`)

// Sentence is a sentence of an answer with what proves it.
type Sentence struct {
	Text      string // as it stands in the answer
	Citations []int  // numbers of passages, from 1, in the order in which it names them
	Evidence  []Evidence
}

// Evidence is the sentence of a passage that comes closest to a sentence of the
// answer.
type Evidence struct {
	Citation int // number of the passage, from 1
	Quote    string
}

// Unsupported is a sentence of a model that is no part of the answer, as the
// passages do not prove it.
type Unsupported struct {
	Text   string
	Reason string // what is missing, for a reader
}

// checker lets the sentences of a model's answer pass that the passages prove,
// line by line and each as soon as it is whole, and keeps the others apart with
// the reason. A sentence is proved when it cites passages by number, all of which
// exist, when every figure, amount, percentage, date, length of time, name and
// address in it stands in one of them, when most of its words do, and when none
// of them says the opposite in nearly the same words. In which pieces the answer
// comes makes no difference.
type checker struct {
	language *language
	passages []Passage
	grounds  []*ground         // of each passage, once it was cited
	orders   []map[uint32]bool // see [language.ordered]
	held     string            // the end of the answer so far, if unsettled
	line     string            // what is before it and is no whole sentence yet
	kept     strings.Builder
	between  string // what parts the next sentence from those kept

	sentences   []Sentence    // those kept
	unsupported []Unsupported // the others
}

func (l *language) newChecker(passages []Passage) *checker {
	c := &checker{language: l, passages: passages, grounds: make([]*ground, len(passages)), orders: make([]map[uint32]bool, len(passages))}
	for i, p := range passages {
		c.orders[i] = l.ordered(p)
	}
	return c
}

// ground returns what the passage of a number gives as proof.
func (c *checker) ground(number int) *ground {
	if c.grounds[number-1] == nil {
		c.grounds[number-1] = c.language.ground(c.passages[number-1])
	}
	return c.grounds[number-1]
}

// obeys reports whether a sentence has words that stand only where a passage
// speaks to a machine.
func (c *checker) obeys(sentence string) bool {
	for t := range termSet(c.language.analyzer, sentence) {
		if slices.ContainsFunc(c.orders, func(orders map[uint32]bool) bool { return orders[t] }) {
			return true
		}
	}
	return false
}

// add takes the next piece of the answer and returns what of it, or held back
// before it, is proved, with the white space that parts it from what was
// returned before. A line break ends what is held back.
func (c *checker) add(piece string) string {
	from := c.kept.Len()
	for ended := true; ended; {
		var more string
		more, piece, ended = strings.Cut(piece, "\n")
		c.held += more
		settled := len(c.held)
		if at := unsettled.FindStringIndex(c.held); at != nil && !ended {
			settled = at[0]
		}
		c.line += lateCitation.ReplaceAllString(c.held[:settled], " $2$1 ")
		c.held = c.held[settled:]
		for {
			sentence, rest, found := chunk.CutSentence(c.line)
			if !found && !ended {
				break
			}
			c.judge(sentence)
			c.line = rest
			if !found {
				break
			}
		}
		if ended && c.kept.Len() > 0 {
			c.between = "\n"
		}
	}
	return c.kept.String()[from:]
}

const cutReason = "the model's answer ended in the middle of it"

// finish returns what is proved of what was held back. Of an answer that was cut
// off this is half a sentence, and unsupported.
func (c *checker) finish(cut bool) string {
	if !cut {
		return c.add("\n")
	}
	if half := tidy(c.line + c.held); strings.ContainsFunc(half, isLetterOrDigit) {
		c.unsupported = append(c.unsupported, Unsupported{half, cutReason})
	}
	return ""
}

func (c *checker) judge(sentence string) {
	cited, reason := c.verdict(sentence)
	switch {
	case reason == "":
		text := tidy(sentence)
		c.kept.WriteString(c.between + text)
		c.between = " "
		c.sentences = append(c.sentences, Sentence{Text: text, Citations: cited, Evidence: c.evidence(sentence, cited)})
	case strings.ContainsFunc(sentence, isLetterOrDigit):
		c.unsupported = append(c.unsupported, Unsupported{tidy(sentence), reason})
	}
}

// verdict returns the passages that a sentence cites and, when they do not prove
// it, what is missing.
func (c *checker) verdict(sentence string) (cited []int, reason string) {
	for _, m := range citation.FindAllStringSubmatch(sentence, -1) {
		for _, n := range strings.FieldsFunc(m[1], func(r rune) bool { return r < '0' || r > '9' }) {
			i, err := strconv.Atoi(n)
			if err != nil || i < 1 || i > len(c.grounds) {
				return nil, fmt.Sprintf("it names passage %s, and there is none of that number", n)
			}
			if !slices.Contains(cited, i) {
				cited = append(cited, i)
			}
		}
	}
	words := citation.ReplaceAllString(sentence, " ")
	if len(cited) == 0 || !strings.ContainsFunc(words, isLetterOrDigit) {
		return nil, "it names no passage"
	}
	grounds := make([]*ground, len(cited))
	for i, n := range cited {
		grounds[i] = c.ground(n)
	}
	where := named(cited)
	if isOrder(words) || c.obeys(words) {
		return nil, "it repeats what a document says to a machine"
	}
	for _, fact := range slices.Sorted(maps.Keys(figures(words))) {
		if !slices.ContainsFunc(grounds, func(g *ground) bool { return g.figures[fact] }) {
			return nil, fmt.Sprintf("“%s” does not stand in %s", fact, where)
		}
	}
	limits := bounds(words)
	for _, fact := range slices.Sorted(maps.Keys(limits)) {
		if turned(fact, limits[fact], grounds) {
			return nil, fmt.Sprintf("%s has “%s” as a bound in the other direction", where, fact)
		}
	}
	if name := c.language.strangers(strings.TrimLeft(words, " -*•0123456789."), grounds); name != "" {
		return nil, fmt.Sprintf("“%s” does not stand in %s", name, where)
	}
	if all, stretch := c.language.support(words, grounds); all < leastInPassages || stretch < leastInStretch {
		return nil, "too few of its words stand in " + where
	}
	if c.language.denies(words, grounds) {
		return nil, where + " says the opposite"
	}
	return cited, ""
}

// turned reports whether a figure is a bound in the sentence and, wherever it
// stands in the grounds, a bound in the other direction.
func turned(fact string, directions []int, grounds []*ground) bool {
	stands := false
	for _, g := range grounds {
		for _, d := range g.bounds[fact] {
			stands = true
			if d == 0 || slices.Contains(directions, d) || slices.Contains(directions, 0) {
				return false
			}
		}
	}
	return stands
}

// named names passages.
func named(cited []int) string {
	if len(cited) == 1 {
		return fmt.Sprintf("passage %d", cited[0])
	}
	numbers := make([]string, len(cited))
	for i, n := range cited {
		numbers[i] = strconv.Itoa(n)
	}
	return "the passages " + strings.Join(numbers, ", ")
}

// evidence returns for each cited passage the sentence that shares most with the
// answer's: its figures first, then its words.
func (c *checker) evidence(sentence string, cited []int) []Evidence {
	words := citation.ReplaceAllString(sentence, " ")
	terms, wanted := c.language.content(words), figures(words)
	out := make([]Evidence, 0, len(cited))
	for _, n := range cited {
		g := c.ground(n)
		best, most := "", -1
		for i, s := range g.sentences {
			value := 0
			for t := range terms {
				if c.language.says(g.terms[i], t) {
					value++
				}
			}
			if len(wanted) > 0 {
				has := offered([]string{s})
				for f := range wanted {
					if has[f] {
						value += 3
					}
				}
			}
			if value > most {
				best, most = s, value
			}
		}
		out = append(out, Evidence{Citation: n, Quote: cutWords(best, quoteWords)})
	}
	return out
}

func isLetterOrDigit(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// tidy repairs the spaces that moving citations left.
func tidy(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	for _, mark := range []string{".", "!", "?", ","} {
		s = strings.ReplaceAll(s, "] "+mark, "]"+mark)
	}
	return s
}
