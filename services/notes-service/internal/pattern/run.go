package pattern

import (
	"regexp/syntax"
	"sort"
	"unicode/utf8"
)

// run is an expression of the plainest form: a character of one class and as many
// of another as there are. Most words are found by one. It is walked by hand.
type run struct {
	first, rest class
	least       int // of the rest
}

// newRun returns the run that an expression is, or nil.
func newRun(expr string) *run {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	if tree.Op == syntax.OpPlus && greedy(tree) {
		if c := newClass(tree.Sub[0]); c != nil {
			return &run{first: *c, rest: *c}
		}
	}
	if tree.Op != syntax.OpConcat || len(tree.Sub) != 2 || !greedy(tree.Sub[1]) {
		return nil
	}
	r := run{}
	switch tail := tree.Sub[1]; {
	case tail.Op == syntax.OpStar:
	case tail.Op == syntax.OpPlus:
		r.least = 1
	case tail.Op == syntax.OpRepeat && tail.Max < 0:
		r.least = tail.Min
	default:
		return nil
	}
	first, rest := newClass(tree.Sub[0]), newClass(tree.Sub[1].Sub[0])
	if first == nil || rest == nil {
		return nil
	}
	r.first, r.rest = *first, *rest
	return &r
}

func greedy(re *syntax.Regexp) bool { return re.Flags&syntax.NonGreedy == 0 }

// next returns the first match at or after a place, or -1.
func (r *run) next(text string, from int) (start, end int) {
	for start = from; start < len(text); {
		size, ok := r.first.at(text, start)
		if !ok {
			start += size
			continue
		}
		end, count := start+size, 0
		for end < len(text) {
			width, ok := r.rest.at(text, end)
			if !ok {
				break
			}
			end += width
			count++
		}
		if count >= r.least {
			return start, end
		}
		start += size
	}
	return -1, -1
}

// all returns the matches, or the first n.
func (r *run) all(text string, n int) [][]int {
	var found [][]int
	for from := 0; n < 0 || len(found) < n; {
		start, end := r.next(text, from)
		if start < 0 {
			break
		}
		found = append(found, []int{start, end})
		from = end
	}
	return found
}

// class is a set of characters.
type class struct {
	ascii  [utf8.RuneSelf]bool
	ranges []rune // pairs, sorted
}

func newClass(re *syntax.Regexp) *class {
	if re.Op != syntax.OpCharClass {
		return nil
	}
	c := &class{ranges: re.Rune}
	for i := 0; i < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1] && r < utf8.RuneSelf; r++ {
			c.ascii[r] = true
		}
	}
	return c
}

// at tells whether a character of the class stands at a place, and the size of the
// one that does.
func (c *class) at(text string, i int) (int, bool) {
	if b := text[i]; b < utf8.RuneSelf {
		return 1, c.ascii[b]
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	n := sort.Search(len(c.ranges)/2, func(i int) bool { return c.ranges[2*i+1] >= r })
	return size, 2*n < len(c.ranges) && c.ranges[2*n] <= r
}
