package note

import (
	"slices"
	"strconv"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

// The words by which a writer takes back what was just said.
const takesBack = `(?:no|nope|err|sic|re-?added|re-?totalled|re-?counted|recalculated|recalc|re-?worked|re-?checked|now shows?|turned out|turns out|(?:rang|called|phoned|came|texted|emailed|wrote) back(?: to say| and said| with)?|sorry|sry|srry|soz|correction|corrected|(?:scratch|strike|scrap|delete|ignore|forget|cancel|scrub) (?:that|this|it)|my mistake|my error|my bad|typo|tell a lie|i lie|hang on|hold on|let me check|i stand corrected|since (?:arrived|come|received|seen|checked|rec['’]?d|had|confirmed)|misread|misheard|miskeyed|mistyped|transposed|error|now|now (?:confirmed|known|shown)(?: as)?|confirmed (?:as|at)|updated?(?: to)?|revised(?: to)?|changed?(?: to)?|edit(?:ed)?(?: to)?|really|in fact|in reality|ought to be|should['’]?ve been|should have been|supposed to be|erm?|um|uh|x+|✗|apologies|apols|oh no|i mean|i meant|meant|meaning|rather|make (?:that|it)|actually|wait|oops|whoops|should be|s/b|shd be|shld be|should read|should say|amend(?:ed)?(?: to)?|corrected to|not right|incorrect|wrong|that['’]?s wrong|er|or rather|bzzt|strike|as you were|read that as|i tell a lie)`

// The words that may stand between taking back and the new figure.
const filler = `(?:it['’]?s|it is|its|it was|is|was|to|that['’]?s|that is|that|should be|should read|make it|by|on|at|before|for|checked|the|a|an|right|correct|new|true|actual|figure|amount|balance|bal|date|number|total|ref(?:erence)?|acc(?:oun)?t|a/c|of|due|about|approx|rang|called|phoned|cl|ct|client|he|she|they|we|i|just|back|says?|said|shows?|letter|statement|stmt|bill|per|their|her|his|latest|last|got|has|had|have it as|after|re-?doing|cfs|sfs|budget|i&e|be|reads?|and it['’]?s|which|from|this|to say|with|say|amended|corrected|instead)`

const leadFiller = `(?:she|he|they|cl|ct|client|the client|i|we|which|that|this|that['’]?s|it['’]?s|has|had|have|owed|owing|bal|balance|per|then|bill|ltr|letter|statement|stmt)`

var (
	correctionRE = foldedRE(`^\s*(?:-+>+|=+>+|>>+|→|➔|⇒|>|[?]+)\s*$|^[\s,;.:([<|\-–—/*…→]*(?:\b` + leadFiller + `\b[\s,.:'’\-–—]*){0,4}(?:\b` + takesBack + `\b[\s,;.:([\-–—…!]*)+(?:` + filler + `\b[\s.,:'’\-–—]*){0,8}$`)
	insteadRE    = foldedRE(`^\s*(?:a (?:week|month|year)|per (?:week|month|year)|pcm|pw|pm)?\s*[,([\-–—]*\s*(?:and\s|so\s|i\.?e\.?\s)?(?:not|rather than|instead of|never|as opposed to)\s+(?:the\s|on\s|by\s|at\s|my\s|my earlier\s|the earlier\s|an?\s)?$`)
	// "£304 to Dune, not £340": the words between are of the first.
	notAfterRE = foldedRE(`(?:^|[\s,;(\[–—-]+)(?:and\s|so\s)?(?:not|rather than|instead of|as opposed to)\s+(?:the\s|an?\s)?$`)
	butRE      = foldedRE(`^[\s,;.]*(?:but|it['’]?s|it is|rather|just|only)\b[\s,]*(?:just|only|rather|by|on|at|to|is)?\s*$`)
	notRE      = foldedRE(`\b(?:\*?not\*?|isn['’]?t|wasn['’]?t|never)\s+(?:on |by |at |the )?$`)
	crossRE    = foldedRE(`\b(?:correction|corrected|correct(?:s|ing)|amend(?:ed|ment)?|should (?:be|read|say)|should have (?:been|said)|got (?:that|it) wrong|wrong|mistake|misread|scratch|i meant|sorry|not the|instead of|rather than|so)\b`)
	// A pair of figures of which the first was thought and the second was seen.
	thoughtItRE   = foldedRE(`\b(?:thought|thinks?|said|sed|says|reckon(?:s|ed)?|guess(?:ed|es)?|estimate[ds]?|believed?|remember(?:s|ed)|originally|initially|at first|going to (?:say|offer|pay)|first (?:said|thought|told)|told (?:me|us))\b[^.;]{0,40}$`)
	seenRE        = foldedRE(`(?:\bbut\b|\bhowever\b|[-–—;,.]).{0,60}\b(?:letter|ltr|bill|stmt|statement|payslip|bank|paperwork|papers|portal|screen|credit (?:file|report)|dwp|hmrc|council|online|app|checked|checking|shows?|sez|actual(?:ly)?|really|in fact|proof|turns out)\b.{0,40}$|\bat (?:1st|first) but\b.{0,40}$|\bbut (?:it['’]?s|it is|it was|is|was|that['’]?s)(?: really| actually| only| more)?\s*$`)
	changedRE     = foldedRE(`^[^.;]{0,20}\b(?:but|then) (?:changed|altered)\b`)
	closesRE      = foldedRE(`[.!?]\s`)
	firstSaidRE   = foldedRE(`\b(?:originally|initially|at first|previously|first|earlier|before)\s+(?:(?:he|she|they|i|we|cl|ct|client)\s+)?(?:told|said|thought|quoted|gave|put|had|guessed|estimated)(?: (?:me|us))?(?: (?:it was|that|about))*\s*$|[(\[]\s*(?:was|prev(?:iously)?|not|originally|formerly)\s*$|[(\[]\s*(?:(?:he|she|they|cl|ct|clt|client) (?:says?|thinks?|reckons?|guesses|claims?|remembers)|(?:the )?[\p{L}'’.]+ (?:had |[\p{L}'’.]+ )?(?:originally |initially |first )?(?:told (?:me|us)|said|thought|guessed|reckoned|estimated|assumed))(?: (?:it was|it is|it['’]s|about|that|around|more like))*\s*$`)
	soleRE        = foldedRE(`^\s*(?:[)\]]|(?:at first|before|originally|but|initially|and|,)\b[^)\]]*[)\]]|[^)\]]{0,60}\b(?:misread|misheard|mistake|wrong|typo|error|but|first|thought)\b[^)\]]{0,40}[)\]])`)
	asPutRE       = foldedRE(`^\s+(?:that |which |as )?(?:i|we|she|he|they|cl|client)\s+(?:had |have |has |first |originally )?(?:put|said|wrote|had|gave|told|quoted|stated|thought)\b[^.,;)\n]{0,40}`)
	adjacentRE    = foldedRE(`^[\s/\])|,]*(?:or)?[\s/([|]*$`)
	secondRightRE = foldedRE(`^[^.;\n]{0,30}\b(?:(?:second|2nd|latter|last)\b[^.;\n]{0,25}\b(?:right|correct|true)|(?:first|1st|former)\b[^.;\n]{0,25}\b(?:wrong|incorrect|typo|mistake))|^\W*corrected\b`)
	dropsRE       = foldedRE(`\b(?:disregard|ignore|delete|scrap|forget|scratch|scrub|cancel|drop|remove)\s+(?:the|my|that|old)?\s*$`)
	perClientRE   = foldedRE(`^\s*[,(]?\s*(?:(?:per|according to|acc to|going by|from)\s+(?:the )?(?:cl|ct|client|her|him|memory)|(?:she|he|cl|ct|client) (?:said|says|thinks|thought|reckons))\b`)
	paperRE       = foldedRE(`\b(?:letter|ltr|bill|stmt|statement|payslip|bank|paperwork|papers|portal|credit (?:file|report)|screen|online|lender|creditor)\b`)
	startsBackRE  = foldedRE(`^\W*(?:actually|no|sorry|correction|wait|scratch that|apologies)\b`)
	onceRE        = foldedRE(`\b(?:thought|guessed|believed|reckoned|remembered|assumed)\b[^.;]{0,40}$`)
	joinsRE       = foldedRE(`\band\b|&|\+`)
	hintsRE       = foldedRE(`\b(?:wrong|correct\w*|letter|ltr|says?|sez|stmt|statement|bill|shows?|actual(?:ly)?|now|but|no|sorry|err|sic|amend\w*|really|confirmed|checked|proof|rang|latest)\b|/|\?|→|->|<-`)
	// After the second figure: "604 on latest bill so go w that".
	settlesRE = foldedRE(`^[^;\n]{0,40}\b(?:so (?:we )?(?:use|go)|use|using|go(?:ing)? w(?:ith)?)\b[^;\n]{0,12}\b(?:that|this|it)\b|^\s*(?:actually|in fact|sorry)\b`)
	oldOneRE  = foldedRE(`^\W*(?:is|was)?\s*(?:the|an?)?\s*(?:old|wrong|incorrect|previous|superseded) (?:one|ref|reference|number|figure|amount|date|version)?\b|^\s*(?:is|was) (?:wrong|incorrect|a typo|an error|out of date)\b`)
	iPutRE    = foldedRE(`(?:\b(?:i|we|i['’]d|previously|wrongly|had|originally|earlier|before|was)\s+(?:first |originally |previously |wrongly |had |was |been )*(?:put|wrote|had|typed|said|noted|quoted|recorded|stated|given)\s*(?:down\s*|as\s*)?(?:the\s)?|[([,]\s*(?:was|had|previously|not)\s+(?:down as\s+)?)$`)
	ignoreRE  = foldedRE(`^[^.;\n]{0,30}\b(?:at first|ignore|in error|wrongly|by mistake|my mistake|originally|earlier|before|typo|wrong|error|mistake)\b`)
	changesRE = foldedRE(`\b(?:from|since|went up|gone up|goes up|going up|go up|rose|rise|rising|increas\w*|reduc\w*|drop(?:s|ped)?|fell|falls|will be|will go|down to|up to|last (?:week|month|year)|used to|each|first|then)\b`)
	struckRE  = pattern.MustCompile(`~{1,2}[^~\n]{1,200}~{1,2}|--[^\s\n-][^\n-]{0,60}--|<(?:s|del|strike)>[^<]{1,200}</(?:s|del|strike)>`)
	// What a sentence begins with, or holds, that takes back what was said before:
	// the first is sure, the second only where the topic is the same.
	sureRE  = foldedRE(`\b(?:correction|corrected|amend(?:ment|ed)?|apologies|my mistake|my error|typo|transposed|misread|misheard|mistyped|miskeyed|s/b|(?:should|shd|shld|ought to|supposed to) (?:be|read|say|have (?:been|said|read))|in error|got (?:that|it|those|these) wrong|wrong way (?:round|around)|wrong|oops|scrub|i meant|sorry|one change|change:|edit:|\*edit|scratch|ignore (?:the )?(?:above|previous|earlier|last)|to correct|re-?checked|(?:please|pls) use|use £|disregard|mis-?heard|read £|use (?:that|this)(?: one| figure)?|go(?:ing)? with (?:that|this|the)|use the (?:second|later|new|latest))|\bread (?:£|\d)|[-–—]\s*checked\b`)
	maybeRE = foldedRE(`\b(?:update[ds]?|on checking|having checked|checked|checking|turns out|actually|now (?:know|confirmed|seen|shows?|have)|now|in fact|in reality|later|revised?|after checking|since (?:seen|checked|had)|rang back|called back|phoned back|emailed back|letter (?:says|shows|has)|(?:statement|stmt|bill|payslip|portal|credit (?:file|report)) (?:says?|shows?|has|confirms?)|(?:per|acc(?:ording)? to|going by|off) (?:the |their |her |his |latest |last |bank |new )*(?:letter|ltr|stmt|statement|bill|payslip|app|portal|website|screen|invoice|agreement|credit (?:file|report)|email|text)|confirmed|confirms?|arrived|nb|statement|stmt|bill|so (?:the |her |his |that makes ?)?|really|recalculated|re-?calc|re-?worked)\b`)
	// Where a figure is from, said after it: "Dune = £304 per app".
	sourceRE = foldedRE(`^\s*(?:[(,–—-]\s*)?(?:(?:per|acc(?:ording)? to|going by|off|from|on) (?:the |their |her |his |latest |last |bank |new )*(?:letter|ltr|stmt|statement|bill|payslip|app|portal|website|screen|invoice|agreement|credit (?:file|report)|email|text)\b|(?:re-?)?(?:checked|confirmed|verified|updated|amended|corrected)\b)`)
	// A line that takes back a thing without giving it anew.
	dropRE    = foldedRE(`^\W*(?:(?:nb|ps|also|and|oh)\W+)*(?:pls |please )?(?:scrub|ignore|delete|scratch|strike|strike out|forget|disregard|remove|scrap|cross out|take out)\b[\s:,]*(?:(?:the|my|that|what i (?:said|put|wrote) (?:about|re)|about)\s+)*`)
	capitalRE = pattern.MustCompile(`\b\p{Lu}[\p{L}&'’-]{2,}`)
)

// findCorrections settles "£340, no, £304": the letter has the later figure
// only. A sentence that gives a figure anew takes back the one of an earlier
// sentence that speaks of the same thing.
func (r *Record) findCorrections() {
	said := earlier{}
	var history topics
	for i := range r.Lines {
		l := &r.Lines[i]
		r.strikeOut(l)
		r.withinLine(l, said)
		if len(l.Facts) > 0 {
			r.crossLine(said, l, crossRE.MatchString(l.Text) || struckRE.MatchString(l.Text))
		}
		r.secondThoughts(said, &history, i)
		history.add(l)
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

// withinLine settles two figures of one line of which one takes the other back.
func (r *Record) withinLine(l *Line, said earlier) {
	for j := range l.Facts {
		f := &l.Facts[j]
		if before := behind(l.Text, f.Start); !f.Superseded && iPutRE.MatchString(before) && ignoreRE.MatchString(ahead(l.Text, f.End)) {
			r.withdraw(l, f, "is taken back in the same line")
		} else if !f.Superseded && firstSaidRE.MatchString(before) && soleRE.MatchString(ahead(l.Text, f.End)) && slices.ContainsFunc(l.Facts[:j], func(g Fact) bool { return g.Kind == f.Kind && g.Value != f.Value }) {
			// "£110.40 (he first told me £101.40 but has the letter)"
			r.withdraw(l, f, "is not what was found")
		}
	}
	for j := 0; j+1 < len(l.Facts); j++ {
		old := &l.Facts[j]
		k := j + 1
		for k < len(l.Facts)-1 && l.Facts[k].Kind != old.Kind && k-j < 3 {
			k++
		}
		next := &l.Facts[k]
		between := l.Text[old.End:next.Start]
		if old.Kind != next.Kind || len(between) > 100 || old.Superseded || next.Superseded {
			continue
		}
		after, before := ahead(l.Text, next.End), behind(l.Text, old.Start)
		near := len(between) <= lookAround && k == j+1
		if k > j+1 && old.Kind == Amount && !changesRE.MatchString(between) && !slices.ContainsFunc(l.Facts[j+1:k], func(f Fact) bool { return f.Kind != Date }) {
			// The day of the correction may stand between: "£120 [amended 3/3 - £112]".
			bare := withoutFacts(l, j, k)
			if near = len(bare) <= lookAround && correctionRE.MatchString(bare); near {
				between = bare
			}
		}
		switch {
		case near && correctionRE.MatchString(between):
			r.replace(l, old, next, between)
		case near && butRE.MatchString(between) && notRE.MatchString(before):
			// "not £340 but £304".
			start := old.Start - len(before) + notRE.FindStringIndex(before)[0]
			old.Superseded = true
			l.edits = append(l.edits, edit{span{start, next.Start}, ""})
			r.warnCorrected(l, old, next)
			r.correctEarlier(said, l, old, next)
		case near && (insteadRE.MatchString(between) || old.Value != next.Value && notAfterRE.MatchString(between)):
			// "£304 not £340": the first stands.
			start, end := old.End, next.End
			if m := notAfterRE.FindStringIndex(between); m != nil && !insteadRE.MatchString(between) {
				start += m[0]
			}
			if strings.ContainsAny(l.Text[start:next.Start], "([") {
				if k := strings.IndexAny(ahead(l.Text, end), ")]"); k >= 0 {
					end += k + 1
				}
			}
			if end == next.End {
				end += len(asPutRE.FindString(ahead(l.Text, end)))
			}
			next.Superseded = true
			l.edits = append(l.edits, edit{span{start, end}, ""})
			r.warnCorrected(l, next, old)
			r.correctEarlier(said, l, next, old)
			j++
		case near && old.Value != next.Value && similar(old.Value, next.Value) && adjacentRE.MatchString(between) && sourceRE.MatchString(after):
			r.replace(l, old, next, between)
		case near && old.Value != next.Value && adjacentRE.MatchString(between) && secondRightRE.MatchString(after):
			r.replace(l, old, next, "")
		case old.Value != next.Value && dropsRE.MatchString(before):
			// "Disregard £340, Dune is £304": only what comes after is left.
			start := old.Start - len(before) + dropsRE.FindStringIndex(before)[0]
			end := old.End + len(l.Text[old.End:next.Start]) - len(strings.TrimLeft(l.Text[old.End:next.Start], " ,;:.-–—"))
			old.Superseded = true
			l.edits = append(l.edits, edit{span{start, end}, ""})
			r.warnCorrected(l, old, next)
			r.correctEarlier(said, l, old, next)
		case old.Value != next.Value && perClientRE.MatchString(between) && (paperRE.MatchString(between) || paperRE.MatchString(after) && strings.ContainsAny(strings.TrimRight(between, " "), ",;")),
			near && old.Value != next.Value && similar(old.Value, next.Value) && hintsRE.MatchString(between) && !changesRE.MatchString(before+between) && !joinsRE.MatchString(between) && sameTopic(l, old, between):
			old.Superseded = true
			l.edits = append(l.edits, edit{span{old.Start, old.End}, next.Text})
			r.warnCorrected(l, old, next)
		case near && oldOneRE.MatchString(after) && old.Value != next.Value && old.Kind == Reference:
			r.withdraw(l, next, "is called the old one")
		case old.Value != next.Value && thoughtItRE.MatchString(before) && !closes(between) && (seenRE.MatchString(between) || changedRE.MatchString(between)):
			// What somebody thought is no fact: the letter says that it was another.
			old.Superseded = true
			l.edits = append(l.edits, edit{span{old.Start, old.End}, another(old)})
			r.warnCorrected(l, old, next)
		case near && old.Value != next.Value && settlesRE.MatchString(after) && (similar(old.Value, next.Value) || sharesTopic(before, between)):
			old.Superseded = true
			l.edits = append(l.edits, edit{span{old.Start, old.End}, next.Text})
			r.warnCorrected(l, old, next)
		}
	}
	for j := range l.Facts {
		// "owes Dune £340. He thought it was £304": what he thought is no figure.
		f := &l.Facts[j]
		if f.Superseded || f.Kind != Amount || !onceRE.MatchString(behind(l.Text, f.Start)) {
			continue
		}
		if k := slices.IndexFunc(l.Facts[:j], func(g Fact) bool { return g.Kind == Amount && similar(g.Value, f.Value) && !g.Superseded }); k >= 0 {
			f.Superseded = true
			l.edits = append(l.edits, edit{span{f.Start, f.End}, another(f)})
			r.warnCorrected(l, f, &l.Facts[k])
		}
	}
	for j := range l.Facts {
		// "£15/m max - was going to say £50 but changed his mind".
		if f := &l.Facts[j]; !f.Superseded && thoughtItRE.MatchString(behind(l.Text, f.Start)) && changedRE.MatchString(ahead(l.Text, f.End)) {
			r.withdraw(l, f, "was given up")
		}
	}
}

// withoutFacts returns the text between two facts of a line without those that
// stand there.
func withoutFacts(l *Line, j, k int) string {
	text := ""
	for at := j; at < k; at++ {
		text += l.Text[l.Facts[at].End:l.Facts[at+1].Start]
	}
	return text
}

// closes tells whether a text ends a sentence or a bracket that was open before it.
func closes(text string) bool {
	return closesRE.MatchString(text) || strings.Count(text, ")") > strings.Count(text, "(")
}

// another stands in the place of a figure that was not so.
func another(f *Fact) string {
	switch f.Kind {
	case Amount:
		return "another amount"
	case Date:
		return "another date"
	}
	return "another " + string(f.Kind)
}

// replace lets the next fact stand for the old one beside it.
func (r *Record) replace(l *Line, old, next *Fact, between string) {
	old.Superseded = true
	l.edits = append(l.edits, edit{span{old.Start, next.Start}, ""})
	for _, pair := range []string{"()", "[]"} {
		if strings.Count(between, pair[:1]) > strings.Count(between, pair[1:]) {
			if k := strings.IndexByte(ahead(l.Text, next.End), pair[1]); k >= 0 {
				l.edits = append(l.edits, edit{span{next.End + k, next.End + k + 1}, ""})
			}
		}
	}
	r.warnCorrected(l, old, next)
}

// withdraw takes a fact out that nothing takes the place of, with its bracket
// or its clause.
func (r *Record) withdraw(l *Line, f *Fact, why string) {
	f.Superseded = true
	cut := span{f.Start, f.End}
	if open := enclosing(l.Text, f.Start); open.start >= 0 && len(l.factsIn(open)) == 1 {
		cut = open
	} else {
		cut = clauseAround(l, cut)
	}
	l.edits = append(l.edits, edit{cut, ""})
	if !f.Internal {
		r.doubt("Line %d: %s %s, and is left out of the letter with the words around it. Please check.", l.Number, f.Text, why)
	}
}

// clauseAround returns the clause of a line that a span stands in, without the
// facts beside it.
func clauseAround(l *Line, s span) span {
	start, end := 0, len(l.Text)
	for _, f := range l.Facts {
		if f.End <= s.start {
			start = max(start, f.End)
		} else if f.Start >= s.end {
			end = min(end, f.Start)
			break
		}
	}
	cut := s
	if m := clauseEndRE.FindAllStringIndex(l.Text[start:s.start], -1); m != nil {
		cut.start = start + m[len(m)-1][0]
	} else if start == 0 {
		cut.start = len(bulletRE.FindString(l.Text))
	}
	if m := clauseEndRE.FindStringIndex(l.Text[s.end:end]); m != nil {
		cut.end = s.end + m[0]
	} else if end == len(l.Text) {
		cut.end = end
	}
	return cut
}

var clauseEndRE = pattern.MustCompile(`[.;]\s|[,;]\s*|\s[-–—]+\s|[.!?]?\s*$`)

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

// secondThoughts applies the sentences of line i that give a figure anew,
// without the old one, or take one back without a new one.
func (r *Record) secondThoughts(said earlier, history *topics, i int) {
	l := &r.Lines[i]
	if l.allHidden() || l.blank() {
		return
	}
	for _, s := range sentencesOf(l.Text) {
		sentence := l.Text[s.start:s.end]
		sure := sureRE.MatchString(sentence)
		maybe := maybeRE.MatchString(sentence)
		starred := starredStart.MatchString(sentence)
		if m := dropRE.FindString(sentence); m != "" && !slices.ContainsFunc(l.factsIn(s), func(f Fact) bool { return f.Kind != Date }) {
			r.drop(history, l, s, sentence[len(m):])
			continue
		}
		if !sure && !maybe && !starred || slices.ContainsFunc(l.factsIn(s), func(f Fact) bool { return f.Superseded }) {
			continue // nothing is taken back, or it was settled within the line
		}
		for _, next := range l.factsIn(s) {
			at := slices.IndexFunc(l.Facts, func(f Fact) bool { return f.Start == next.Start })
			if next.Superseded || next.Internal || next.Kind == Phone || next.Kind == Date && !sure && !starred {
				continue
			}
			lead := l.Text[s.start:next.Start]
			sourced := false
			if !sure && !starred && (changesRE.MatchString(lead) || !maybeRE.MatchString(lead)) {
				if sourced = sourceRE.MatchString(l.Text[next.End:max(next.End, s.end)]) && !changesRE.MatchString(sentence); !sourced {
					continue
				}
			}
			if p, ok := history.retracted(l, s, &l.Facts[at], sure || starred, startsBackRE.MatchString(sentence)); ok && (!sourced || topicOf(p.line, p.fact).overlap(topicOf(l, &next)) >= 2) {
				r.supersede(said, l, p, &l.Facts[at])
				r.alongside(said, l, s, p.line)
			}
		}
	}
}

// alongside pairs the other amounts of a sentence that takes one back with those
// of the same period beside the one that was taken back: "£1,200 now and £15 a
// month" for "£1,000 now and £20 a month".
func (r *Record) alongside(said earlier, l *Line, s span, from *Line) {
	for i := range l.Facts {
		next := &l.Facts[i]
		if next.Start < s.start || next.End > s.end || next.Kind != Amount || next.Period == "" || next.Superseded || next.Internal {
			continue
		}
		var old *Fact
		same := 0
		for j := range from.Facts {
			f := &from.Facts[j]
			if f.Kind == Amount && f.Period == next.Period && !f.Superseded && !f.Internal && (from != l || f.End <= s.start) {
				old = f
				same++
			}
		}
		if same == 1 && old.Value != next.Value {
			r.supersede(said, l, place{from, old}, next)
		}
	}
}

var starredStart = foldedRE(`^\s*\*+\s*(?:i mean|meant|sorry|should be)?[\s:]*[£\d]`)

// supersede lets the next fact stand in the place of one said before, and of
// its repetitions.
func (r *Record) supersede(said earlier, l *Line, p place, next *Fact) {
	key := sameFact{p.fact.Kind, p.fact.Value}
	topic := topicOf(p.line, p.fact)
	for _, q := range append(slices.Clone(said[key]), p) {
		if q.fact.Superseded || q.fact != p.fact && topic.overlap(topicOf(q.line, q.fact)) == 0 {
			continue
		}
		q.fact.Superseded = true
		q.line.edits = append(q.line.edits, edit{span{q.fact.Start, q.fact.End}, next.Text})
		if q.line == l {
			r.warnCorrected(l, q.fact, next)
		} else {
			q.fact.by, q.fact.byLine = next.Text, l.Number
			r.warn("Line %d says %s, which line %d corrects to %s: the letter has the corrected one.", q.line.Number, q.fact.Text, l.Number, next.Text)
		}
	}
}

// drop takes out the fact of an earlier line that a sentence says to ignore.
func (r *Record) drop(history *topics, l *Line, sentence span, what string) {
	words := topic{}
	if i := strings.IndexAny(what, ",.;:("); i >= 0 {
		what = what[:i]
	}
	for _, w := range contentWords(what) {
		if !vague[stem(w)] {
			words[stem(w)] = 2
		}
	}
	best, top := place{}, 1
	for _, p := range history.recent() {
		about := topicOf(p.line, p.fact)
		n := words.overlap(about)
		if all := contentWords(what); n > 0 && len(all) > 0 && about[stem(all[len(all)-1])] > 0 {
			n += 6 // the thing itself, not what it is part of
		}
		if n > top && !p.fact.Superseded && !p.fact.Internal && p.fact.Kind == Amount {
			best, top = p, n
		}
	}
	if best.fact != nil {
		r.withdraw(best.line, best.fact, "is taken back by a later line")
		l.edits = append(l.edits, edit{sentence, ""})
		slices.SortStableFunc(best.line.edits, byStart)
	}
}

// topic is what a figure is said of: the stems of the words beside it.
type topic map[string]int

func (t topic) overlap(u topic) int {
	n := 0
	for w, weight := range t {
		if other, ok := u[w]; ok {
			n += max(weight, other)
		}
	}
	return n
}

// Words that begin sentences with a capital and name nobody.
var commonStart = set(`one two first last next rent arrears wages income surplus deficit balance total gas electric elec water council mortgage hearing court offer payment payments ref
	reference debts income outgoings spends spend phone broadband car savings bal monthly weekly letter sorry typo only both all some ref note notes nb date case client adviser dob update total tel fee cost`)

// named tells whether a name is among the words.
func (t topic) named() bool {
	for _, weight := range t {
		if weight == 3 {
			return true
		}
	}
	return false
}

// Words that say nothing about what a figure is of.
var vague = set(`sorry correct correction wrong typo should actual figur amount total now updat check letter ltr statement stmt bill say show read change
	misread transpos abov previous earlier ignore sure mistak error owe owing owed owes debt debts bal balance approx about quid pound pounds pay paid paying back ring rang rung call phon ms mr mrs client cl new not made make nb latest last per acc date due look round way tell is was do`)

// topicOf returns what a fact is said of: the words between it and the facts
// beside it, of its sentence.
func topicOf(l *Line, f *Fact) topic {
	start, end := 0, len(l.Text)
	for _, other := range l.Facts {
		if other.End <= f.Start && other.Kind == f.Kind {
			start = max(start, other.End)
		} else if other.Start >= f.End && other.Kind == f.Kind {
			end = min(end, other.Start)
			break
		}
	}
	lead := l.Text[max(start, f.Start-90):f.Start]
	if i := strings.LastIndexAny(lead, ".;"); i >= 0 && i+1 < len(lead) && lead[i+1] == ' ' {
		lead = lead[i+1:]
	}
	tail := l.Text[f.End:min(end, f.End+50)]
	if i := strings.IndexAny(tail, ".;,(-–—"); i >= 0 {
		tail = tail[:i]
	}
	return wordsOf(lead, tail)
}

func wordsOf(texts ...string) topic {
	t := topic{}
	for _, text := range texts {
		for _, w := range contentWords(text) {
			if s := stem(w); !vague[s] && !vague[w] && len(s) > 1 {
				t[s] = max(t[s], 2)
			}
		}
		for _, name := range capitalRE.FindAllString(text, -1) {
			lower := strings.ToLower(name)
			if s := stem(lower); !vague[s] && !vague[lower] && !plainWords[lower] && !imperative(lower) && !commonStart[lower] {
				t[s] = 3
			}
		}
	}
	return t
}

func sharesTopic(a, b string) bool { return wordsOf(a).overlap(wordsOf(b)) >= 2 }

// sameTopic tells whether the words after a figure speak of nothing else than it.
func sameTopic(l *Line, f *Fact, after string) bool {
	words := wordsOf(after)
	return len(words) == 0 || words.overlap(topicOf(l, f)) > 0
}

// topics are the facts said so far, the latest of them at hand.
type topics struct{ places []place }

const maxRetracted = 60

func (t *topics) add(l *Line) {
	for j := range l.Facts {
		t.places = append(t.places, place{l, &l.Facts[j]})
	}
	if len(t.places) > 2*maxRetracted {
		t.places = slices.Clone(t.places[len(t.places)-maxRetracted:])
	}
}

// recent returns the latest facts, the last first.
func (t *topics) recent() []place {
	out := slices.Clone(t.places[max(0, len(t.places)-maxRetracted):])
	slices.Reverse(out)
	return out
}

// retracted finds the fact that one of line l takes the place of: the best of
// those said before by what they are said of, by likeness of figures, and by
// nearness.
func (t *topics) retracted(l *Line, sentence span, next *Fact, sure, starts bool) (place, bool) {
	of := topicOf(l, next)
	var candidates []place
	for j := range l.Facts {
		if l.Facts[j].End <= sentence.start {
			candidates = append(candidates, place{l, &l.Facts[j]})
		}
	}
	slices.Reverse(candidates)
	candidates = append(candidates, t.recent()...)
	best, top := place{}, 0
	first := true
	for _, p := range candidates {
		old := p.fact
		if old.Kind != next.Kind || old.Superseded || old.Internal {
			continue
		}
		if old.Value == next.Value && old.Period == next.Period {
			if of.overlap(topicOf(p.line, old)) >= 2 {
				return place{}, false // it says the same again
			}
			continue
		}
		about := topicOf(p.line, old)
		score := of.overlap(about)
		if score < 3 && of.named() && about.named() {
			score -= 4 // of somebody else
		}
		like := similar(old.Value, next.Value)
		if like {
			score += 3
		}
		if old.Period != "" && next.Period != "" && old.Period != next.Period {
			score -= 3
		}
		if first && starts && old.Period != "" && old.Period == next.Period {
			score += 3 // "… £45 pw. Actually £22.50 pw"
		}
		if next.Kind == Amount && !sure && !starts && !like && !sameSize(old.Value, next.Value) {
			score -= 3
		}
		if first && score > 0 {
			score++
		}
		if first && sure && len(of) == 0 {
			score += 2 // "Correction: £304": the last one said
		}
		first = false
		if score > top {
			best, top = p, score
		}
	}
	least := 3
	if sure {
		least = 2
	}
	return best, top >= least && best.fact != nil
}

// similar tells whether two figures look like one mistyped: the same digits in
// another order, or one digit that differs.
func similar(a, b string) bool {
	a, b = strings.TrimSuffix(figures(a), "00"), strings.TrimSuffix(figures(b), "00")
	if len(a) != len(b) || len(a) < 3 || a == b {
		return false
	}
	differ := 0
	count := [10]int{}
	for i := range len(a) {
		if a[i] != b[i] {
			differ++
		}
		count[a[i]-'0']++
		count[b[i]-'0']--
	}
	return differ == 1 && len(a) >= 4 || count == [10]int{}
}

// sameSize tells whether one amount may be a better reading of the other.
func sameSize(a, b string) bool {
	x, errX := strconv.ParseFloat(figures(a), 64)
	y, errY := strconv.ParseFloat(figures(b), 64)
	return errX == nil && errY == nil && x > 0 && y > 0 && x/y > 0.6 && x/y < 1.7
}

func figures(s string) string { return strings.Map(onlyDigits, s) }

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
	old.by, old.byLine = next.Text, l.Number
	if !old.Internal && !next.Internal {
		r.warn("Line %d corrects %s to %s: the letter has the corrected one.", l.Number, old.Text, next.Text)
	}
}

// crossLine applies "line 2 should be £304" and "correction: £340 should be
// £304" to earlier lines, where both figures are named; where the line does not
// call it a correction, to what is said of the same thing only.
func (r *Record) crossLine(said earlier, l *Line, called bool) {
	for j := range l.Facts {
		old := &l.Facts[j]
		if !old.Superseded {
			continue
		}
		for k := j + 1; k < len(l.Facts); k++ {
			if next := &l.Facts[k]; !next.Superseded && old.Kind == next.Kind {
				if called || r.saidOfSame(said, l, old) {
					r.correctEarlier(said, l, old, next)
				}
				break
			}
		}
	}
}

// saidOfSame tells whether every earlier place of a figure speaks of what this
// one does.
func (r *Record) saidOfSame(said earlier, l *Line, f *Fact) bool {
	of := topicOf(l, f)
	for _, p := range said[sameFact{f.Kind, f.Value}] {
		if topicOf(p.line, p.fact).overlap(of) < 2 {
			return false
		}
	}
	return true
}

// correctEarlier puts the next fact in the place of the old one wherever an
// earlier line says the old one.
func (r *Record) correctEarlier(said earlier, l *Line, old, next *Fact) {
	if next.Internal {
		return
	}
	key := sameFact{old.Kind, old.Value}
	of := topicOf(l, old)
	for j := range l.Facts { // earlier on the same line
		f := &l.Facts[j]
		if f.End > old.Start {
			break
		}
		if f.Kind == old.Kind && f.Value == old.Value && !f.Superseded {
			f.Superseded = true
			l.edits = append(l.edits, edit{span{f.Start, f.End}, next.Text})
			r.warnCorrected(l, f, next)
		}
	}
	places := said[key]
	for _, p := range places {
		if len(places) > 1 && len(of) > 0 && topicOf(p.line, p.fact).overlap(of) == 0 {
			continue // the same figure of something else
		}
		p.fact.Superseded, p.fact.by, p.fact.byLine = true, next.Text, l.Number
		p.line.edits = append(p.line.edits, edit{span{p.fact.Start, p.fact.End}, next.Text})
		r.warn("Line %d says %s, which line %d corrects to %s: the letter has the corrected one.", p.line.Number, p.fact.Text, l.Number, next.Text)
	}
	delete(said, key)
}
