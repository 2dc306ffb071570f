package note

import (
	"regexp"
	"slices"
	"strings"
)

var (
	correctionRE = regexp.MustCompile(`(?i)^\s*(?:-+>|=+>|→|➔|⇒|[?]+)\s*$|^[\s,;.:(\-–—/]*(?:\b(?:no|nope|sorry|correction|corrected|(?:scratch|strike|scrap|delete|ignore|forget|cancel) (?:that|this|it)|my mistake|my error|my bad|typo|tell a lie|i lie|hang on|hold on|let me check|i stand corrected|misread|misheard|miskeyed|mistyped|error|now|now (?:confirmed|known|shown)(?: as)?|confirmed (?:as|at)|updated?(?: to)?|revised(?: to)?|changed?(?: to)?|really|in fact|ought to be|should['’]?ve been|should have been|supposed to be|erm?|um|uh|x+|✗|apologies|apols|soz|oh no|i mean|i meant|meant|rather|make that|actually|wait|oops|should be|should read|should say|amend(?:ed)? to|corrected to|not right|wrong|that['’]?s wrong|er|or rather)\b[\s,;.:(\-–—]*)+(?:(?:it['’]?s|it is|its|it was|is|was|to|that['’]?s|should be|should read|make it|by|on|at|before|for|checked|ref(?:erence)?|acc(?:oun)?t|a/c)\b[\s.,:]*)*$`)
	insteadRE    = regexp.MustCompile(`(?i)^\s*(?:a (?:week|month|year)|per (?:week|month|year)|pcm|pw|pm)?\s*[,(]?\s*(?:and\s)?(?:not|rather than|instead of|never)\s+(?:the\s|on\s|by\s|at\s)?$`)
	butRE        = regexp.MustCompile(`(?i)^[\s,;.]*(?:but|it['’]?s|it is|rather|just|only)\b[\s,]*(?:just|only|rather|by|on|at|to|is)?\s*$`)
	notRE        = regexp.MustCompile(`(?i)\b(?:not|isn['’]?t|wasn['’]?t|never)\s+(?:on |by |at |the )?$`)
	crossRE      = regexp.MustCompile(`(?i)\b(?:correction|corrected|correct(?:s|ing)|amend(?:ed|ment)?|should (?:be|read|say)|should have (?:been|said)|got (?:that|it) wrong|wrong|mistake|misread|scratch|i meant|sorry)\b`)
)

// findCorrections settles "£340, no, £304": the letter has the later figure
// only. A line that says a figure of an earlier line was wrong, and names both,
// corrects that line too.
func (r *Record) findCorrections() {
	said := earlier{}
	for i := range r.Lines {
		l := &r.Lines[i]
		r.strikeOut(l)
		for j := 0; j+1 < len(l.Facts); j++ {
			old, next := &l.Facts[j], &l.Facts[j+1]
			between := l.Text[old.End:next.Start]
			if old.Kind != next.Kind || len(between) > lookAround {
				continue
			}
			switch {
			case correctionRE.MatchString(between):
				end := next.Start
				cut := edit{span{old.Start, end}, ""}
				old.Superseded = true
				l.edits = append(l.edits, cut)
				if open := strings.Count(between, "(") - strings.Count(between, ")"); open > 0 {
					if k := strings.IndexByte(ahead(l.Text, next.End), ')'); k >= 0 {
						l.edits = append(l.edits, edit{span{next.End + k, next.End + k + 1}, ""})
					}
				}
				r.warnCorrected(l, old, next)
			case butRE.MatchString(between) && notRE.MatchString(behind(l.Text, old.Start)):
				// "not £340 but £304".
				near := behind(l.Text, old.Start)
				start := old.Start - len(near) + notRE.FindStringIndex(near)[0]
				old.Superseded = true
				l.edits = append(l.edits, edit{span{start, next.Start}, ""})
				r.warnCorrected(l, old, next)
				r.correctEarlier(said, l, old, next)
			case insteadRE.MatchString(between):
				// "£304 not £340": the first stands.
				start, end := old.End, next.End
				if strings.Contains(between, "(") {
					if k := strings.IndexByte(ahead(l.Text, end), ')'); k >= 0 {
						end += k + 1
					}
				}
				next.Superseded = true
				l.edits = append(l.edits, edit{span{start, end}, ""})
				r.warnCorrected(l, next, old)
				r.correctEarlier(said, l, next, old)
				j++
			}
		}
		if len(l.Facts) > 0 && crossRE.MatchString(l.Text) {
			r.crossLine(said, l)
		}
		r.secondThought(said, i)
		for j := range l.Facts {
			if f := &l.Facts[j]; !f.Superseded && !f.Internal {
				key := sameFact{f.Kind, f.Value}
				said[key] = append(said[key], place{l, f})
			}
		}
	}
	for i := range r.Lines {
		slices.SortStableFunc(r.Lines[i].edits, byStart)
	}
}

var (
	struckRE  = regexp.MustCompile(`~~[^~\n]{1,200}~~`)
	starredRE = regexp.MustCompile(`^\s*\*+\s*(?:i mean|meant|sorry|should be)?[\s:]*$`)
	// What a line begins with that takes back what was said before.
	secondRE  = regexp.MustCompile(`(?i)^\W*(?:update|correction|corrected|amend(?:ment|ed)?|edit|on checking|having checked|checked|turns out|actually|now (?:know|confirmed|seen)|in fact|later|revised?|re-?checked|after checking|since (?:seen|checked|had)|apologies|sorry|my mistake|typo)\b`)
	thenRE    = regexp.MustCompile(`(?i)(?:on checking|having checked|when (?:i |we )?checked|turns out|actually|in fact|it['’]?s really|really)\b[^.;]{0,30}$`)
	capitalRE = regexp.MustCompile(`\b\p{Lu}[\p{L}&'’-]{2,}`)
)

// strikeOut takes out what is struck through.
func (r *Record) strikeOut(l *Line) {
	for _, m := range struckRE.FindAllStringIndex(l.Text, -1) {
		l.edits = append(l.edits, edit{span{m[0], m[1]}, ""})
		for j := range l.Facts {
			if f := &l.Facts[j]; f.Start >= m[0] && f.End <= m[1] {
				f.Superseded = true
			}
		}
	}
}

// secondThought applies a line that gives one figure anew, without the old one:
// the last figure of the same kind that an earlier line says of the same name
// ("Correction: Dune is £1,240"), or that the line before says ("*£12pw").
func (r *Record) secondThought(said earlier, i int) {
	l := &r.Lines[i]
	for j := range l.Facts {
		next := &l.Facts[j]
		if next.Superseded || next.Internal || next.Kind != Amount && next.Kind != Date && next.Kind != Reference && next.Kind != Percentage {
			continue
		}
		before := behind(l.Text, next.Start)
		starred := j == 0 && starredRE.MatchString(before)
		second := secondRE.MatchString(before) && next.Start <= lookAround
		then := thenRE.MatchString(before)
		if !starred && !second && !then {
			continue
		}
		if old, ok := r.retracted(i, next, starred || then, names(before)); ok {
			key := sameFact{old.Kind, old.Value}
			if len(said[key]) == 0 { // of this line
				old.Superseded = true
				l.edits = append(l.edits, edit{span{old.Start, old.End}, next.Text})
				r.warnCorrected(l, old, next)
				continue
			}
			r.correctEarlier(said, l, old, next)
		}
	}
}

// names are the words of a text that begin with a capital, but for those that
// take something back.
func names(text string) []string {
	var out []string
	for _, name := range capitalRE.FindAllString(text, -1) {
		if !secondRE.MatchString(name) {
			out = append(out, strings.ToLower(name))
		}
	}
	return out
}

// maxRetracted is how many facts are looked at for the one that is taken back.
const maxRetracted = 40

// retracted finds the fact that the one of line i takes the place of.
func (r *Record) retracted(i int, next *Fact, near bool, of []string) (*Fact, bool) {
	looked := 0
	for k := i; k >= max(0, i-12); k-- {
		l := &r.Lines[k]
		for j := len(l.Facts) - 1; j >= 0; j-- {
			if looked++; looked > maxRetracted {
				return nil, false
			}
			old := &l.Facts[j]
			if old.Kind != next.Kind || old.Superseded || old.Internal || old.Value == next.Value || k == i && old.Start >= next.Start {
				continue
			}
			if len(of) > 0 {
				start := 0
				if j > 0 {
					start = l.Facts[j-1].End
				}
				for _, name := range names(l.Text[max(start, old.Start-lookAround):old.Start]) {
					if slices.Contains(of, name) {
						return old, true
					}
				}
				continue
			}
			if near && k >= i-1 {
				return old, true
			}
		}
		if near && len(of) == 0 && k < i && !l.blank() {
			break
		}
	}
	return nil, false
}

// earlier finds where a fact was said before.
type (
	earlier  map[sameFact][]place
	sameFact struct {
		kind  Kind
		value string
	}
	place struct {
		line *Line
		fact *Fact
	}
)

func (r *Record) warnCorrected(l *Line, old, next *Fact) {
	if !old.Internal && !next.Internal {
		r.warn("Line %d corrects %s to %s: the letter has the corrected one.", l.Number, old.Text, next.Text)
	}
}

// crossLine applies "line 2 should be £304" and "correction: £340 should be
// £304" to earlier lines, where both figures are named.
func (r *Record) crossLine(said earlier, l *Line) {
	corrected := false
	for j := range l.Facts {
		old := &l.Facts[j]
		corrected = corrected || old.Superseded
		if !old.Superseded {
			continue
		}
		for k := j + 1; k < len(l.Facts); k++ {
			if next := &l.Facts[k]; !next.Superseded && old.Kind == next.Kind {
				r.correctEarlier(said, l, old, next)
				break
			}
		}
	}
	if !corrected && strings.Contains(strings.ToLower(l.Text), "correct") && !l.allHidden() {
		r.warn("Line %d speaks of a correction, but not of what: both figures are in the letter. Please check.", l.Number)
	}
}

// correctEarlier puts the next fact in the place of the old one wherever an
// earlier line says the old one.
func (r *Record) correctEarlier(said earlier, l *Line, old, next *Fact) {
	if next.Internal {
		return
	}
	key := sameFact{old.Kind, old.Value}
	for _, p := range said[key] {
		p.fact.Superseded = true
		p.line.edits = append(p.line.edits, edit{span{p.fact.Start, p.fact.End}, next.Text})
		r.warn("Line %d says %s, which line %d corrects to %s: the letter has the corrected one.", p.line.Number, p.fact.Text, l.Number, next.Text)
	}
	delete(said, key)
}

