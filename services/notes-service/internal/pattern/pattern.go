// Package pattern holds regular expressions that are tried only on text that
// can match them.
//
// The standard library walks a text with the whole expression even where none of
// the expression's words stand in it. Most expressions of the rules name words that
// most sentences lack, so a look for those words first costs a small part of the
// time. What matches, and where, is the standard library's to say: the look only
// ever rules out.
package pattern

import "regexp"

// Pattern is a regular expression. It is safe for use by several goroutines.
type Pattern struct {
	re    *regexp.Regexp
	run   *run // where the expression is one
	sieve sieve
}

// MustCompile compiles an expression of the standard library's syntax, and panics
// where it is wrong.
func MustCompile(expr string) *Pattern {
	return &Pattern{regexp.MustCompile(expr), newRun(expr), newSieve(expr)}
}

// String returns the expression.
func (p *Pattern) String() string { return p.re.String() }

// MatchString is the method of [regexp.Regexp], as are those that follow.
func (p *Pattern) MatchString(s string) bool {
	if p.run != nil {
		start, _ := p.run.next(s, 0)
		return start >= 0
	}
	return p.sieve.admits(s) && p.re.MatchString(s)
}

// FindString returns the first match.
func (p *Pattern) FindString(s string) string {
	if p.run != nil {
		if start, end := p.run.next(s, 0); start >= 0 {
			return s[start:end]
		}
		return ""
	}
	if !p.sieve.admits(s) {
		return ""
	}
	return p.re.FindString(s)
}

// FindStringIndex returns the place of the first match.
func (p *Pattern) FindStringIndex(s string) []int {
	if !p.sieve.admits(s) {
		return nil
	}
	return p.re.FindStringIndex(s)
}

// FindStringSubmatch returns the first match and its groups.
func (p *Pattern) FindStringSubmatch(s string) []string {
	if !p.sieve.admits(s) {
		return nil
	}
	return p.re.FindStringSubmatch(s)
}

// FindStringSubmatchIndex returns the places of the first match and its groups.
func (p *Pattern) FindStringSubmatchIndex(s string) []int {
	if !p.sieve.admits(s) {
		return nil
	}
	return p.re.FindStringSubmatchIndex(s)
}

// FindAllString returns all matches, or the first n.
func (p *Pattern) FindAllString(s string, n int) []string {
	if p.run != nil {
		var found []string
		for _, at := range p.run.all(s, n) {
			found = append(found, s[at[0]:at[1]])
		}
		return found
	}
	if !p.sieve.admits(s) {
		return nil
	}
	return p.re.FindAllString(s, n)
}

// FindAllStringIndex returns the places of all matches, or of the first n.
func (p *Pattern) FindAllStringIndex(s string, n int) [][]int {
	if p.run != nil {
		return p.run.all(s, n)
	}
	if !p.sieve.admits(s) {
		return nil
	}
	return p.re.FindAllStringIndex(s, n)
}

// FindAllStringSubmatch returns all matches and their groups, or the first n.
func (p *Pattern) FindAllStringSubmatch(s string, n int) [][]string {
	if !p.sieve.admits(s) {
		return nil
	}
	return p.re.FindAllStringSubmatch(s, n)
}

// FindAllStringSubmatchIndex returns the places of all matches and their groups,
// or of the first n.
func (p *Pattern) FindAllStringSubmatchIndex(s string, n int) [][]int {
	if !p.sieve.admits(s) {
		return nil
	}
	return p.re.FindAllStringSubmatchIndex(s, n)
}

// ReplaceAllString replaces all matches.
func (p *Pattern) ReplaceAllString(s, with string) string {
	if !p.sieve.admits(s) {
		return s
	}
	return p.re.ReplaceAllString(s, with)
}

// ReplaceAllStringFunc replaces all matches with what a function makes of them.
func (p *Pattern) ReplaceAllStringFunc(s string, with func(string) string) string {
	if !p.sieve.admits(s) {
		return s
	}
	return p.re.ReplaceAllStringFunc(s, with)
}

// Split cuts a text at the matches, into n parts at most.
func (p *Pattern) Split(s string, n int) []string { return p.re.Split(s, n) }

// SubexpNames returns the names of the groups.
func (p *Pattern) SubexpNames() []string { return p.re.SubexpNames() }
