package note

import (
	"slices"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

// A clause says who is to do something in one of three ways: with a label
// ("Us: ring Dune", "Action client - send stmts"), with a subject and a word of
// intent ("cl has promised to send"), or with a subject and a deed in the
// present ("she sends the form, we check it").

// word is one word of a clause with its place.
type word struct {
	text       string // lower case, without punctuation around it
	start, end int
	capital    bool
	stop       bool // a comma or the like follows
}

var clauseWord = pattern.MustCompile(`[\p{L}\d][\p{L}\d'’/&.-]*`)

// maxWords bounds how far into a clause is looked.
const maxWords = 18

func wordsIn(text string) []word {
	var all []word
	for _, m := range clauseWord.FindAllStringIndex(ahead200(text), maxWords) {
		if m[1]-m[0] <= 2 && m[0] > 0 && text[m[0]-1] == '(' && m[1] < len(text) && text[m[1]] == ')' {
			continue // "(a)"
		}
		raw := strings.TrimRight(text[m[0]:m[1]], ".'’/&-")
		end := m[0] + len(raw)
		first := firstRune(raw)
		all = append(all, word{
			text: strings.ReplaceAll(strings.ToLower(raw), "’", "'"), start: m[0], end: end,
			capital: first >= 'A' && first <= 'Z' || first > 127 && strings.ToUpper(string(first)) == string(first),
			stop:    end < len(text) && strings.IndexByte(",:;()[]|–—>", text[end]) >= 0,
		})
	}
	return all
}

func ahead200(text string) string { return text[:min(len(text), 240)] }

var (
	usWords     = set(`i we us me adviser advisor adv cab bureau caseworker`)
	clientWords = set(`cl ct clt client cust customer cl1 cl2 ct1 ct2`)
	contracted  = map[string][2]string{
		"i'll": {"us", "will"}, "ill": {"us", "will"}, "il": {"us", "will"}, "we'll": {"us", "will"}, "wll": {"us", "will"}, "i'm": {"us", "am"}, "im": {"us", "am"},
		"we're": {"us", "are"}, "i've": {"us", "have"}, "we've": {"us", "have"}, "ive": {"us", "have"}, "weve": {"us", "have"}, "i'd": {"us", "would"}, "we'd": {"us", "would"},
		"she'll": {"pronoun", "will"}, "he'll": {"pronoun", "will"}, "she's": {"pronoun", "is"}, "he's": {"pronoun", "is"}, "shes": {"pronoun", "is"}, "hes": {"pronoun", "is"},
		"she'd": {"pronoun", "would"}, "he'd": {"pronoun", "would"}, "cl's": {"client", "is"}, "ct's": {"client", "is"}, "client's": {"client", "is"}, "cl'll": {"client", "will"}, "client'll": {"client", "will"},
		"they'll": {"they", "will"}, "they're": {"they", "are"}, "they've": {"they", "have"},
	}
	adverbs  = set(`also then now both just still kindly again only really definitely probably hopefully already each all now today tomorrow either next therefore too please pls`)
	promised = set(`agreed agrees agree promised promises promise undertook undertaken undertakes offered offers intends intend plans planning plan committed happy due supposed expected asked told advised reminded urged instructed required responsible going gonna goin gona confirmed hoping aiming ready set`)
	// What somebody does who does what was agreed; paying and the like are how
	// things stand, unless a day is named.
	deeds = set(`send return complete ring phone call email e-mail text provide bring sign post contact write chase check draft prepare submit apply file fill find gather collect upload ask cancel open
		register request refer print review report let arrange book attend drop log lodge appeal close notify supply forward copy scan fetch prepare calculate negotiate approach query obtain produce follow raise dispute complain escalate`)
	datedDeeds = set(`pay get start stop make set put hold take set keep switch move`)
	notDone    = set(`can could may might would cannot can't couldn't won't wouldn't doesn't didn't isn't hasn't wants want wanted needs`)
)

// third tells the base form of a verb in the third person or with -ing, or "".
func baseVerb(w string) string {
	if imperative(w) {
		return w
	}
	for _, end := range []string{"ies", "es", "s", "ing"} {
		stem, ok := strings.CutSuffix(w, end)
		if !ok || len(stem) < 2 {
			continue
		}
		if end == "ies" {
			stem += "y"
		}
		switch {
		case imperative(stem):
			return stem
		case end == "ing" && imperative(stem+"e"):
			return stem + "e"
		case end == "ing" && len(stem) > 3 && stem[len(stem)-1] == stem[len(stem)-2] && imperative(stem[:len(stem)-1]):
			return stem[:len(stem)-1]
		}
	}
	return ""
}

// What may stand before the clause that says who does what.
var prefixRE = pattern.MustCompile(`^(?:\[?\d{1,2}[:.]\d\d\]?(?:\s?[ap]m)?\s*[-–—:]?\s*|[^:;.!?]{1,34}?:\s+|[^:;.!?]{1,34}?\s[-–—]+>?\s+|(?i:by|on|before|after|from|within|until|next|this|in|tomorrow|today|if|when|once|as soon as|meanwhile|meantime|also|and|then|so|plus|ok|agreed|finally|lastly|firstly|first)\b[^:;.!?,]{0,60},\s*|(?i:today|tomorrow|tmrw|meanwhile|meantime|in the meantime|next|later|again|so|plus|ok|also|finally|agreed)\s+|(?i:by|on|before|from|until|this|next)\s+(?:the\s+)?[\p{L}\d/]+\s+|(?i:(?:i|we)?\s*(?:have\s+|had\s+|['’]ve\s+|['’]d\s+)?(?:told|advised|informed|explained to|said to|assured|reminded|promised|said|left it)\s+(?:(?:the\s+)?(?:cl|ct|clt|client|her|him|them|it)\s+|\p{Lu}\p{L}+\s+)?(?:that\s+)?))`)

// who reads a clause for something to be done by us or by the client. Where the
// subject is somebody else, or nobody, it reports false.
func (s subjects) who(text, context string) (found, bool) {
	base := 0
	agreed := agreedAtEnd.MatchString(text)
	if f, ok := s.tag(text); ok {
		return f, true
	}
	if f, ok := s.row(text); ok {
		return f, true
	}
	for range 3 {
		if m := leadInRE.FindString(text[base:]); m != "" {
			agreed = agreed || strings.Contains(strings.ToLower(m), "agreed") || strings.Contains(strings.ToLower(m), "plan")
			base += len(m)
		}
		rest := text[base:]
		strip := base == 0 || strings.Trim(leadInRE.ReplaceAllString(text[:base], ""), " ") == ""
		if f, ok := s.label(rest, context); ok {
			f.verb += base
			f.strip = f.strip && strip
			return f, true
		}
		if f, ok := s.predicate(rest, context, agreed); ok {
			f.verb += base
			f.strip = f.strip && strip
			return f, true
		}
		m := prefixRE.FindString(rest)
		if m == "" || len(m) == len(rest) {
			return found{}, false
		}
		lower := strings.ToLower(m)
		agreed = agreed || holdsAny(lower, []string{"agreed", "told", "said", "promised", "assured", "left it"})
		base += len(m)
	}
	return found{}, false
}

var (
	agreedAtEnd = foldedRE(`[,;(-]\s*(?:we |as |it was |both )?agreed\W*$`)
	tagEndRE    = foldedRE(`^(.{4,}?)\s*(?:\s[-–—=]+>?\s*|→\s*|:\s+|\s/\s)((?:the )?[\p{L}'’.]{1,20}(?: [\p{L}'’]{1,20}){0,2}?)(?:\s+(?:to do|to action|todo|action))?[\s.!]*$`)
)

var cellRE = pattern.MustCompile(`\s*(?:\||\t|\s/\s)\s*`)

// row reads a row of a table of actions, of which one cell says who: "Ring Dune |
// us | Fri".
func (s subjects) row(text string) (found, bool) {
	if !strings.ContainsAny(text, "|\t/") {
		return found{}, false
	}
	cells := cellRE.Split(strings.Trim(text, "| \t"), 8)
	if len(cells) < 2 {
		return found{}, false
	}
	who, verb := Owner(""), -1
	at := 0
	for _, cell := range cells {
		start := at + strings.Index(text[at:], cell)
		at = start + len(cell)
		words := wordsIn(cell)
		if len(words) == 0 {
			continue
		}
		if owner, _, n, joined := s.person(words); owner != "" && n == len(words) && joined == "" && who == "" {
			who = owner
		} else if verb < 0 && len(words) > 1 && baseVerb(words[0].text) != "" {
			verb = start
		}
	}
	if who == "" || verb < 0 {
		return found{}, false
	}
	return found{action: true, owner: who, verb: verb, strip: strings.Contains(text[:verb], "|") || strings.Contains(text[:verb], "/") || strings.Contains(text[:verb], "\t")}, true
}

// heading reads a heading that names who is to do what stands below it: "Jo to:",
// "We agreed to:".
func (s subjects) heading(text string) Owner {
	if !strings.HasSuffix(text, ":") && !strings.HasSuffix(text, "-") || len(text) > 50 {
		return ""
	}
	m := labelLeadRE.FindString(text)
	words := wordsIn(text[len(m):])
	owner, _, n, joined := s.person(words)
	if owner == "" {
		return ""
	}
	for _, w := range words[n:] {
		if !headingWords[w.text] {
			return ""
		}
	}
	if joined != "" && joined != "will" && joined != "is" {
		return ""
	}
	return owner
}

var headingWords = set(`to will agreed has have is are needs need must should do actions action tasks bit part side list homework promised undertook now next steps todo also going by`)

var doIt = foldedRE(`\s+(?:to do|to action|todo|action)$`)

// tag reads who is named at the end of something to be done: "Send budget - Ann".
func (s subjects) tag(text string) (found, bool) {
	m := tagEndRE.FindStringSubmatch(text)
	if m == nil || !imperative(wordRE.FindString(text)) {
		return found{}, false
	}
	words := wordsIn(doIt.ReplaceAllString(m[2], ""))
	owner, _, n, joined := s.person(words)
	if owner == "" || n != len(words) || joined != "" {
		return found{}, false
	}
	return found{action: true, owner: owner}, true
}

// person reads a subject at the start of words: who it is, how many words it
// takes, and the word of intent it is joined with.
func (s subjects) person(words []word) (owner Owner, pronoun string, n int, joined string) {
	if len(words) == 0 {
		return "", "", 0, ""
	}
	first := words[0]
	if c, ok := contracted[first.text]; ok {
		if first.text == "ill" && (first.capital && len(words) > 1 && !imperative(words[1].text) || len(words) < 2) {
			return "", "", 0, ""
		}
		switch c[0] {
		case "us":
			return Us, "", 1, c[1]
		case "client":
			return Client, "", 1, c[1]
		}
		return "", first.text[:strings.IndexByte(first.text+"'", '\'')], 1, c[1]
	}
	i := 0
	if first.text == "the" || first.text == "our" {
		i = 1
	}
	if i >= len(words) {
		return "", "", 0, ""
	}
	w := words[i].text
	next := ""
	if i+1 < len(words) {
		next = words[i+1].text
	}
	switch {
	case first.text == "i" && i == 0 && !first.capital && next != "to" && next != "will" && !strings.HasPrefix(next, "'"):
		return Us, "", 1, ""
	case (w == "office" || w == "team") && first.text == "our", w == "office" && first.text == "this":
		return Us, "", i + 1, ""
	case w == "citizens" && next == "advice":
		return Us, "", i + 2, ""
	case (w == "debt" || w == "case" || w == "money") && (next == "adviser" || next == "advisor" || next == "worker"):
		return Us, "", i + 2, ""
	case usWords[w]:
		return Us, "", i + 1, ""
	case s.adviser[possessor(w)] && words[i].capital && i == 0:
		n := 1
		for n < len(words) && words[n].capital && s.adviser[words[n].text] && !words[n-1].stop {
			n++
		}
		return Us, "", n, ""
	case clientWords[w] && (w != "ct" || !councilTaxNext(next)):
		if (next == "1" || next == "2") && (i+2 >= len(words) || !imperative(words[i+2].text)) {
			i++
		}
		return Client, "", i + 1, ""
	case w == "service" && next == "user":
		return Client, "", i + 2, ""
	case w == "she" || w == "he" || w == "they" || w == "you":
		return "", w, i + 1, ""
	}
	// The client by name, by initials, or by the first letter.
	j := 0
	for j < len(words) && j < 4 && (titles[words[j].text] && words[j].text != "and" && words[j].text != "the" || s.clientNames[possessor(words[j].text)]) {
		j++
		if words[j-1].text != possessor(words[j-1].text) || words[j-1].stop {
			break
		}
	}
	if j > 0 && titles[words[j-1].text] && j < len(words) && len(words[j].text) == 1 && s.letters[words[j].text] {
		return Client, "", j + 1, ""
	}
	if j > 0 && !titles[words[j-1].text] {
		if possessor(words[j-1].text) != words[j-1].text {
			return Client, "", j, "is"
		}
		return Client, "", j, ""
	}
	if s.initials[words[0].text] && (len(words[0].text) == 1 && (next == "to" || next == "will" || next == "2" || next == "gonna") || len(words[0].text) > 1 && words[0].capital) {
		return Client, "", 1, ""
	}
	return "", "", 0, ""
}

func possessor(w string) string { return strings.TrimSuffix(w, "'s") }

func councilTaxNext(w string) bool {
	return councilTax.MatchString(" " + w)
}

var labelSepRE = foldedRE(`^['’]?s?(?:\s+(?:by|before)\s+[\w/ ]{2,16}?)?(?:\s+(?:to|will)\b)?\s*(?:(?:bit|job|part|side|end|task|tasks|actions?|to[- ]?dos?|homework|list|jobs)\b)?\s*\)?\]?\s*(?::|\||\t|[-–—=]*>|→|=|\s[-–—]+\s|\s/\s|(?:job|turn|task|responsibility)\s+(?:is\s+)?to\s)\s*(?:to\s+|will\s+|2\s+)?`)

var labelLeadRE = foldedRE(`^\[?\(?(?:(?:agreed |next )?(?:actions?|steps?|tasks?|to[- ]?do)\s*(?:for|by|on|of|-|–|:|\()?\s*)?(?:(?:it['’]?s |it is |its )?(?:for|by|over to|down to|left with|left to|on|@|up to)\b)?\s*`)

// label reads "Us: …", "Action client - …", "JE / …", "Over to cl to …".
func (s subjects) label(text, context string) (found, bool) {
	if m := partRE.FindStringSubmatchIndex(text); m != nil && m[1] < len(text) {
		whose := strings.ToLower(text[m[2]:m[3]])
		owner := Us
		if whose == "your" || whose == "her" || whose == "his" {
			owner = Client
		}
		if first := wordsIn(text[m[1]:]); len(first) > 0 && (baseVerb(first[0].text) != "" || thingToDo[first[0].text]) {
			return found{action: true, owner: owner, verb: m[1], strip: true, list: true}, true
		}
	}
	lead := labelLeadRE.FindString(ahead200(text))
	rest := text[len(lead):]
	words := wordsIn(rest)
	owner, _, n, _ := s.person(words)
	if owner == "" || n == 0 {
		return found{}, false
	}
	end := words[n-1].end
	if raw := rest[words[n-1].start:]; strings.HasSuffix(words[n-1].text, "'s") {
		end = words[n-1].start + strings.IndexAny(raw, "'’")
	}
	sep := labelSepRE.FindString(rest[end:])
	if sep == "" {
		// "Over to cl to ring Dune".
		if lead != "" && strings.TrimSpace(strings.ToLower(lead)) != "" && n < len(words) && (words[n].text == "to" || words[n].text == "2") && n+1 < len(words) && imperative(words[n+1].text) {
			return found{action: true, owner: owner, verb: len(lead) + words[n+1].start, strip: true}, true
		}
		return found{}, false
	}
	at := len(lead) + end + len(sep)
	inner := text[at:]
	first := wordsIn(inner)
	if len(first) == 0 {
		return found{}, false
	}
	w := first[0].text
	if w == "not" || w == "don't" || w == "keep" || w == "pls" || w == "please" {
		return found{action: true, owner: owner, verb: at, strip: true, list: true}, true
	}
	switch {
	case imperative(w), owner == Us && baseVerb(w) != "":
		return found{action: true, owner: owner, verb: at, strip: true, list: true}, true
	case !finite(first) && withinRE.MatchString(inner) && !slices.ContainsFunc(first[:min(5, len(first))], func(w word) bool { return intents[w.text] }), !finite(first) && slices.ContainsFunc(first[:min(3, len(first))], func(w word) bool { return thingToDo[w.text] }) || len(lead) > 0 && strings.Contains(strings.ToLower(lead), "action") && !finite(first):
		return found{action: true, owner: owner, verb: at, strip: true, list: true}, true
	}
	if f, ok := s.predicate(inner, context, true); ok {
		f.verb += at
		f.strip = false
		return f, true
	}
	return found{}, false
}

// partRE reads "Our bit: …", "her homework - …".
var partRE = foldedRE(`^(?:on )?(our|my|your|her|his|ours|mine)\s*(?:bit|to[- ]?do list|job|part|side|end|tasks?|actions?|to[- ]?dos?|homework|list|jobs)?\s*(?::|[-–—=]*>|→|\s[-–—]+\s)\s*(?:to\s+|will\s+)?`)

// Things that stand for doing something with them: "Us: letter to the agent".
var thingToDo = set(`letter letters email call form forms application referral statement statements payslips payslip bank docs documents evidence proof id budget i&e sfs copy copies phonecall appeal complaint request offer offers token holding dhp wage wageslips p60 v5 medical gp tenancy meter report reports photo photos`)

// finite tells whether words hold a verb that makes them a statement.
func finite(words []word) bool {
	for _, w := range words {
		switch w.text {
		case "is", "was", "has", "had", "owes", "are", "were", "says", "said", "lives", "gets", "will", "went", "got":
			return true
		}
	}
	return false
}

// predicate reads "SUBJECT … INTENT … VERB" and "SUBJECT DOES".
func (s subjects) predicate(text, context string, agreed bool) (found, bool) {
	words := wordsIn(text)
	if f, ok := s.told(words, text, context); ok {
		return f, true
	}
	owner, pronoun, n, joined := s.person(words)
	if n == 0 || n >= len(words) {
		return found{}, false
	}
	if pronoun != "" {
		if !s.isClient(pronoun, context, agreed) {
			return found{}, false
		}
		owner = Client
	}
	if words[n-1].stop && joined == "" {
		return found{}, false
	}
	i := n
	skip := func() {
		for i < len(words) && adverbs[words[i].text] && !words[i].stop {
			i++
		}
	}
	skip()
	if i >= len(words) {
		return found{}, false
	}
	intent, negated := joined, false
	if joined == "would" && !agreed {
		return found{}, false
	}
	// Read the words of intent.
	ready := joined == "will" || joined == "would"
	for i < len(words) {
		switch w := words[i].text; {
		case w == "will", w == "must", w == "shall", w == "should", w == "2" && intent == "", w == "gonna", w == "gona":
			intent, ready = w, true
		case w == "to" && !ready:
			intent, ready = intent+" to", true
		case w == "is", w == "are", w == "am", w == "has", w == "have", w == "had", w == "need", w == "needs", w == "was", w == "were", w == "been", w == "got":
			if ready && (w == "need" || w == "have" || w == "be") {
				ready = false
			}
			intent += " " + w
		case promised[w] && !ready:
			intent += " " + w
		case w == "said", w == "says":
			intent += " said"
		case w == "that" && intent != "":
		case (w == "would" || w == "'d") && (strings.Contains(intent, "pron") || agreed):
			intent, ready = intent+" would", true
		case intent != "" && !ready && isSubjectAgain(w, owner):
			intent += " pron"
			if c, ok := contracted[w]; ok && (c[1] == "will" || c[1] == "would") {
				ready = true
			}
		case w == "not", w == "never":
			negated = true
		case w == "mustn't", w == "shouldn't":
			intent, ready, negated = "must", true, true
			if i+1 < len(words) && owner == Client && imperative(words[i+1].text) {
				return found{action: true, owner: owner, verb: words[i].start}, true
			}
		case adverbs[w], w == "try" && i+1 < len(words) && (words[i+1].text == "to" || words[i+1].text == "and"), w == "and" && words[i-1].text == "try":
			if w == "try" {
				i++
			}
		default:
			return s.deed(text, words, i, n, owner, pronoun, intent, ready, negated, agreed)
		}
		i++
	}
	return found{}, false
}

func isSubjectAgain(w string, owner Owner) bool {
	if c, ok := contracted[w]; ok {
		return c[0] == "us" && owner == Us || c[0] == "pronoun" && owner == Client
	}
	if owner == Us {
		return w == "i" || w == "we"
	}
	return w == "she" || w == "he" || w == "they"
}

// deed judges the verb that the words lead to.
func (s subjects) deed(text string, words []word, i, n int, owner Owner, pronoun, intent string, ready, negated, agreed bool) (found, bool) {
	w := words[i]
	verb := w.text
	start := w.start
	if negated {
		if owner == Us || strings.Contains(intent, "will") || !ready {
			return found{}, false
		}
		start = words[i-1].start
	}
	strip := true
	switch {
	case notVerbs[verb], (verb == "do" || verb == "action") && i+1 == len(words):
		return found{}, false
	case ready && intent == "to" && !imperative(verb):
		return found{}, false
	case ready && strings.HasPrefix(strings.TrimSpace(intent), "2") && !imperative(verb):
		return found{}, false
	case ready && verb == "be" && i+1 < len(words) && strings.HasSuffix(words[i+1].text, "ing") && deeds[baseVerb(words[i+1].text)]:
		return found{action: true, owner: owner, verb: words[i].start, strip: false}, true
	case ready && stative[verb] && verb != "get" && verb != "see" && verb != "keep" && verb != "stay":
		return found{}, false
	case ready && strings.Contains(intent, "wa"): // "was to", "were going to": in the past
		if !strings.Contains(intent, "told") && !strings.Contains(intent, "asked") && !strings.Contains(intent, "advised") && !strings.Contains(intent, "reminded") {
			return found{}, false
		}
		return found{action: true, owner: owner, verb: start, strip: strip}, true
	case ready && owner == Us && (strings.Contains(intent, "asked") || strings.Contains(intent, "told") || strings.Contains(intent, "advised")) && !strings.Contains(intent, "is") && !strings.Contains(intent, "been"):
		return found{}, false
	case ready && (strings.Contains(intent, "due") || strings.Contains(intent, "had")) && !strings.Contains(intent, "need"):
		return found{}, false
	case ready && (imperative(verb) || intent != "to"):
		if !isLetter(verb[0]) {
			return found{}, false
		}
		return found{action: true, owner: owner, verb: start, strip: strip}, true
	case ready:
		return found{}, false
	}
	// Without a word of intent: what is being done, or is done.
	plain := baseVerb(verb)
	if plain == "" || notDone[verb] {
		return found{}, false
	}
	timed := s.timed(text)
	continuous := strings.HasSuffix(verb, "ing") && !imperative(verb)
	switch {
	case continuous && intent == "" && !timed && !agreed:
		return found{}, false
	case continuous && owner == Us && (deeds[plain] || timed && datedDeeds[plain]):
		return found{action: true, owner: Us, verb: start}, true
	case continuous:
		if timed && deeds[plain] {
			return found{action: true, owner: owner, verb: start}, true
		}
		return found{}, false
	case intent != "" || negated || n != i && !adverbs[words[i-1].text]:
		return found{}, false
	case deeds[plain] && (owner == Us || verb != plain || agreed || pronoun == "they") && (owner != Us || words[0].text != "me" && words[0].text != "us"):
		if owner == Us && (plain == "ask" || plain == "review" || plain == "check") && !timed && !agreed && strings.Contains(strings.ToLower(text), "?") {
			return found{}, false
		}
		return found{action: true, owner: owner, verb: start, strip: verb == plain}, true
	case datedDeeds[plain] && timed && (verb != plain || owner == Us):
		if plain == "pay" && !agreed && !byRE.MatchString(text) || plain == "get" && !byRE.MatchString(text) || plain == "keep" && !agreed {
			return found{}, false
		}
		return found{action: true, owner: owner, verb: start, strip: false}, true
	}
	return found{}, false
}

// Words that show that a clause has a subject of its own.
var intents = set(`to will must should shall needs need gonna agreed can may might would`)

var withinRE = foldedRE(`\b(?:by|before|within|no later than|asap)\b`)

var byRE = foldedRE(`\b(?:by|before|asap|no later than|now)\b`)

var everRE = foldedRE(`\b(?:every|each|usually|always|often|sometimes|weekly|monthly|since|ago|last|a (?:week|month)|per)\b`)

// timed tells whether a clause names a day that is to come.
func (s subjects) timed(text string) bool {
	if everRE.MatchString(text) {
		return false
	}
	for _, f := range facts(text) {
		if f.Kind == Date {
			return true
		}
	}
	return urgentRE.MatchString(text)
}

// told reads "asked Una to keep …", "need cl to sign": the client is to do it.
func (s subjects) told(words []word, text, context string) (found, bool) {
	i := 0
	if len(words) > 0 && (words[0].text == "i" || words[0].text == "we" || words[0].text == "adviser" || words[0].text == "i've" || words[0].text == "we've" || words[0].text == "have") {
		i++
		for i < len(words) && (words[i].text == "have" || adverbs[words[i].text]) {
			i++
		}
	}
	if i >= len(words) || !toldWords[words[i].text] {
		return found{}, false
	}
	verb := words[i].text
	i++
	if i < len(words) && words[i].text == "that" {
		i++
		if i+1 < len(words) && baseVerb(words[i+1].text) != "" { // "asked that she send"
			if owner, pronoun, n, _ := s.person(words[i:]); n == 1 && (owner == Client || pronoun != "" && s.isClient(pronoun, context, false)) {
				return found{action: true, owner: Client, verb: words[i+1].start}, true
			}
		}
	}
	owner, pronoun, n, joined := s.person(words[i:])
	if i < len(words) && (words[i].text == "him" || words[i].text == "her" || words[i].text == "them") {
		pronoun, n = words[i].text, 1
		if i+1 < len(words) && words[i+1].text != "to" && words[i+1].text != "not" {
			return found{}, false // "told her mum to"
		}
	}
	if n == 0 || joined != "" || owner == Us {
		return found{}, false
	}
	if pronoun != "" && !s.isClient(pronoun, context, false) {
		return found{}, false
	}
	i += n
	start := -1
	if i < len(words) && words[i].text == "not" {
		start = words[i].start
		i++
	}
	if i == 0 {
		return found{}, false
	}
	if i < len(words) && words[i].start > 2 && text[words[i].start-2] == ')' && imperative(words[i].text) {
		return found{action: true, owner: Client, verb: words[i].start, strip: true}, true // "told Jo (1) pay the rent"
	}
	if i+1 >= len(words) || words[i].text != "to" && words[i].text != "2" && words[i].text != "should" && words[i].text != "must" {
		return found{}, false
	}
	i++
	if words[i].text == "not" && i+1 < len(words) {
		start = words[i].start
		i++
	}
	if !imperative(words[i].text) && !stative[words[i].text] {
		return found{}, false
	}
	if start < 0 {
		start = words[i].start
	}
	soft := verb == "suggested" || verb == "encouraged" || verb == "recommended" || verb == "warned"
	return found{action: true, owner: Client, verb: start, strip: !soft}, true
}

var toldWords = set(`asked asking ask told telling advised advise reminded remind urged instructed need needs want recommended encouraged suggested warned`)

// isClient settles a pronoun: it is the client's unless somebody else was just
// spoken of whom it may mean.
func (s subjects) isClient(pronoun, context string, agreed bool) bool {
	switch pronoun {
	case "you":
		return false
	case "they", "them":
		return agreed && !s.mentionsOther(context)
	}
	female := pronoun == "she" || pronoun == "her"
	if s.gender == "f" && !female || s.gender == "m" && female {
		return false
	}
	if s.gender == "" && agreed {
		return true
	}
	return !s.mentionsPerson(context, female)
}

var (
	femaleRE = foldedRE(`\b(?:mum|mam|mother|wife|sister|daughter|girlfriend|gf|nan|gran|grandmother|aunt|auntie|niece|landlady|mrs|ms|miss)\b`)
	maleRE   = foldedRE(`\b(?:dad|father|husband|hubby|brother|son|boyfriend|bf|grandad|grandfather|uncle|nephew|mr)\b`)
	eitherRE = foldedRE(`\b(?:partner|ex|friend|landlord|officer|agent|worker|boss|manager|neighbour|solicitor|gp|doctor|judge|bailiff|ea|tenant|lodger|carer|advocate|colleague|supervisor|receptionist)\b|(?:^|\s)ll\b`)
)

// mentionsPerson tells whether a text speaks of somebody else whom she, or he,
// may be.
func (s subjects) mentionsPerson(text string, female bool) bool {
	text = s.withoutClient(text)
	if eitherRE.MatchString(text) || female && femaleRE.MatchString(text) || !female && maleRE.MatchString(text) {
		return true
	}
	for _, m := range capitalRE.FindAllString(text, -1) {
		if lower := strings.ToLower(m); s.people[lower] || s.adviser[lower] {
			return true
		}
	}
	return false
}

// withoutClient takes the client's name, with its title, out of a text.
func (s subjects) withoutClient(text string) string {
	for name := range s.clientNames {
		if i := strings.Index(strings.ToLower(text), name); i >= 0 && len(strings.ToLower(text)) == len(text) {
			start := i
			for t := range titles {
				if cut, ok := strings.CutSuffix(strings.ToLower(strings.TrimRight(text[:i], " .")), t); ok {
					start = len(cut)
				}
			}
			text = text[:start] + strings.Repeat(" ", i+len(name)-start) + text[i+len(name):]
		}
	}
	return text
}

var ownTagRE = foldedRE(`(?:[-–—,]\s*(?:that['’]?s|thats|this is)\s+(?:(us|me|for us|for me|our job|ours|mine)|(cl|ct|client|her|him|for (?:cl|ct|client)))\s*[.!]*|\s*@(?:(me|us|cab|adviser)|(cl|ct|client))\s*[.!]*)$`)
