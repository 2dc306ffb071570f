package note

import (
	_ "embed"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"signpost.internal/services/notes-service/internal/pattern"
)

//go:embed thirdparties.txt
var thirdPartiesText string

// Subjects are told apart by the words that stand before "to", "will" and the
// like. "CT" is the client only where a verb or preposition shows it: it is
// council tax as well.
const (
	usPattern     = `(?:i|we|me|us|adviser|advisor|the adviser|the advisor|caseworker|the caseworker|case worker|debt adviser|this office|our office|cab|the cab|bureau|the bureau|citizens advice)`
	clientPattern = `(?:(?:ct|cl|clt|client) ?[12]|ct|cl|clt|client|the client|the ct|our client)`
	willPattern   = `(?:['’]ll|\s+will|\s+(?:is|are|am)\s+(?:going\s+to|gonna)|['’](?:s|re|m)\s+(?:going\s+to|gonna|to)|\s+(?:has|have)?\s*(?:also\s+)?(?:agreed|promised|undertaken|offered|intends?|plans?)\s+to|\s+(?:needs?|has|have)\s+to|\s+must|\s+should|\s+shall|\s+to|\s+is\s+to|\s+are\s+to|\s+am\s+to)`
	hedgePattern  = `(?:\s+(?:also|then|now|both|just|still|try\s+(?:to|and)))*`
)

var (
	ownSubjectRE = pattern.MustCompile(`(?i)^(?:(` + usPattern + `)|(` + clientPattern + `)|(he|she|they|you|both))(` + willPattern + `)(` + hedgePattern + `)\s+((not\s+)?[a-z][\w'’-]*)`)
	otherRE      = pattern.MustCompile(`^((?:(?i:the|her|his|their|our|your|ct['’]?s|client['’]s)\s+)?[\p{L}\d&.'’/-]+(?:\s+[\p{L}\d&.'’/-]+){0,3}?)((?i:['’]ll|\s+will|\s+(?:is|are)\s+(?:going\s+to|gonna|to)|\s+(?:(?:has|have)\s+)?(?:agreed|promised)\s+to|\s+must|\s+should|\s+shall|\s+(?:needs?|have|has)\s+to|\s+to))((?i:` + hedgePattern + `))\s+([a-z][\w'’-]*)`)
	agreedRE     = pattern.MustCompile(`(?i)^(?:(?:we|it was|ct|client|the client|both|all)\s+)?(?:also\s+)?agreed\s*(?:(?:with\s+|w/\s?|by\s+)(?:the\s+)?(?:client|ct|cl|her|him|them)\s+)?(?:that\s+|[:,-]\s*)?`)
	askedRE      = pattern.MustCompile(`(?i)^(?:(?:i|we)\s+(?:have\s+|['’]ve\s+)?|adviser\s+)?(?:also\s+|then\s+)?(?:asked|advised|told|reminded|instructed|recommended|encouraged|suggested|warned)\s+(?:that\s+)?(?:the\s+)?(ct|cl|client|her|him|them|she|he|they)(\s+to|\s+should|\s+must|\s+needs?\s+to|\s+not\s+to)\s+([a-z][\w'’-]*)`)
	wasAskedRE   = pattern.MustCompile(`(?i)^(?:the\s+)?(ct|cl|client|she|he|they)\s+(?:was\s+|is\s+|has been\s+)?(?:asked|advised|told|reminded|instructed)\s+(?:not\s+)?to\s+([a-z][\w'’-]*)`)
	labelledRE   = pattern.MustCompile(`(?i)^\[?(?:actions?\s*(?:for|by|on|-|–|:)?\s+)?(?:(` + usPattern + `|adv|our action|us/me)|(` + clientPattern + `|client action|ct action))\]?(?:\s+(?:action|actions|to do|todo))?\s*(?:[:>]|[-–—]+>?)\s*(?:to\s+|will\s+)?([a-z][\w'’-]*)`)
	taggedRE     = pattern.MustCompile(`(?i)(?:\s*[([]\s*(?:(` + usPattern + `|adv)|(` + clientPattern + `))\s*(?:to do|action)?\s*[)\]]|\s+(?:[-–—=]*>|→|[-–—]+|/)\s*(?:(` + usPattern + `|adv)|(` + clientPattern + `)))(?:\s*,?(\s+(?:by|before|on|due)\s.{1,40}))?[.;]?\s*$`)
	namedRE      = pattern.MustCompile(`^(\p{L}[\p{L}'’-]+(?: \p{Lu}[\p{L}'’-]+)?)\s*:\s*(?:to\s+|will\s+)?([a-z][\w'’-]*)`)
	roleRE       = pattern.MustCompile(`(?i)^[\p{L} ]{2,30}\s*\(\s*(?:(` + usPattern + `)|(` + clientPattern + `))\s*\)` + willPattern + hedgePattern + `\s+([a-z][\w'’-]*)`)
	// What somebody said that they would do, or what was agreed that they would.
	saidRE       = pattern.MustCompile(`(?i)^(?:(i|we)|(ct|cl|client|the client|she|he|they))\s+(?:have\s+|has\s+|also\s+)?(?:said|says|promised|confirmed|offered|agreed|undertook)\s+(?:that\s+)?(?:i|we|she|he|they)(?:['’]d|['’]ll|\s+would|\s+will)\s+(?:also\s+|try\s+to\s+|try\s+and\s+)?([a-z][\w'’-]*)`)
	wouldRE      = pattern.MustCompile(`(?i)^(?:(` + usPattern + `)|(` + clientPattern + `|she|he|they))(?:['’]d|\s+would|\s+should)\s+(?:also\s+)?([a-z][\w'’-]*)`)
	byAgentRE    = pattern.MustCompile(`(?i)\bto be \w+\b.*\bby (?:(` + usPattern + `)|(?:the )?(` + clientPattern + `))\b`)
	passiveRE    = pattern.MustCompile(`(?i)\b(?:to be|must be|needs? to be|will be|should be) (\w+(?:ed|en|nt|ne|de|id|lt))\b`)
	bareWillRE   = pattern.MustCompile(`(?i)^(?:will|gonna|to|need(?:s)? to|must|should|agreed to|going to|shall)\s+((?:not\s+)?[a-z][\w'’-]*)`)
	whenRE       = pattern.MustCompile(`(?i)^(?:if|when|once|as soon as|unless|after)\b[^.;,]{1,120}?\s((?:i|we|ct|client|the client|she|he)(?:['’]ll|\s+will|\s+must|\s+should|\s+to)\s)`)
	conditionRE  = pattern.MustCompile(`(?i)^(?:if|when|once|unless|after|as soon as|in case|until|before)\b[^,]{1,120},\s*(?:then\s+)?`)
	leadInRE     = pattern.MustCompile(`(?i)^(?:[qa][.:)]|(?:ok |good )?(?:for )?(?:the )?letter:|and|then|so|also|next step[s]?:?|action[s]?:|actions? agreed:|agreed actions?:|plan:|follow[- ]?up:|todo:|to do:|nb:?|\*+)\s+`)
	bulletRE     = pattern.MustCompile(`^\s*(?:[-–—*•‣▪◦·>]+|\(?\d{1,2}[.)]|\(?[a-hA-H][.)]|\[[ xX]?\])\s+`)
	ownerHeadRE  = pattern.MustCompile(`(?i)^(?:actions?|next steps?|to do|todo|tasks?|follow[- ]?up|plan)?\s*(?:for|by|-|–|:)?\s*(?:(` + usPattern + `|our|my|agency|bureau|what we will do|we will)|(` + clientPattern + `|client['’]s|ct['’]s|your|you|what (?:you need to do|client will do|ct will do)|client will|ct will))\s*(?:actions?|next steps?|to do|todo|tasks?|will|needs? to|agreed to)?\s*[:.-]*$`)
	actionHeadRE = pattern.MustCompile(`(?i)^(?:agreed\s+)?(?:actions?|next steps?|to[- ]?do(?: list)?|tasks?|follow[- ]?ups?|plan|action plan)(?:\s+(?:agreed|points?|list))?\s*[:.-]*$`)
	headingRE    = pattern.MustCompile(`^[\p{L}][\p{L}\d &/'’()-]{0,48}:$`)
	capsHeadRE   = pattern.MustCompile(`^[\p{Lu}][\p{Lu} &/'’-]{3,40}$`)
	twoClientsRE = pattern.MustCompile(`\b(?:(?i:(?:ct|cl|clt)[12]|client [12])(?:$|[^/.:\d])|(?i:clients?) [AB]\b|(?i:both clients|two clients|joint clients|other client|second client)\b|(?:CTs|cts|Clients|clients)\b(?:$|[^'’])|(?:Mr|Mrs|Ms) (?:and|&) (?:Mr|Mrs|Ms) \p{Lu})`)
	machineRE    = foldedRE(`\b(?:ignore|disregard|forget|override|bypass) (?:all |any |the |your |my |these |of )*(?:previous|prior|above|earlier|other|preceding|system|safety|foregoing) (?:instructions?|prompts?|rules?|notes|text|guidelines|messages?)|\b(?:system prompt|developer mode|jailbreak|prompt injection|you are (?:now )?(?:an? )?(?:ai|assistant|language model|chatbot|llm|chatgpt|bot)|as an ai(?: language model)?|new instructions?:|end of (?:notes|prompt|instructions)\b|<\|?(?:im_start|im_end|system|endoftext)\|?>|\[/?inst\]|###\s*(?:system|instruction))|^\W*(?:system|assistant|user|ai|llm|chatgpt|model|bot)\s*:|\b(?:respond|reply|answer|output) (?:only )?(?:with|in|as) (?:json|xml|the (?:word|phrase|text)|only)|\b(?:write|say|state|tell (?:the |her|him|them)?(?:client)?|put|add|include)\b[^.;]{0,30}\bin (?:the|your) (?:output|response|answer|reply)\b`)
	wordRE       = pattern.MustCompile(`[\p{L}\d&.'’/-]+`)
)

// Verbs that state how things will be, not what somebody will do.
var stative = set(`be have lose get receive qualify owe struggle run become remain end know inherit turn feel see
	hear expire fall stay cost affect include cover last mean depend appear show happen continue-to need like want`)

// Words that follow "to" without being a verb.
var notVerbs = set(`the a an her his their our my your its this that these those court date work school hospital which whom
	whether how what when where why and or but me us him them you it all any some no each both about date`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// subjects tells who is who in one set of notes.
type subjects struct {
	clientNames map[string]bool // parts of the client's name, lower case
	others      map[string]bool // third parties, lower case
	people      map[string]bool // persons among them
	initials    map[string]bool // of the client
	letters     map[string]bool // the first letters of the client's names
	adviser     map[string]bool // the adviser's names and initials
	gender      string          // of the client, by the title: "f", "m" or ""
}

var (
	titles       = set(`mr mrs ms miss dr mx the client sir prof and`)
	owedToRE     = pattern.MustCompile(`(?:\b(?i:owes?|owed to|debts? (?:to|with)|arrears (?:to|with)|loan (?:from|with)|account with|card with)\s+(?:to\s+)?)(\p{Lu}[\p{L}\d&'’-]*(?:\s+\p{Lu}[\p{L}\d&'’-]*){0,2})`)
	referenceRE  = pattern.MustCompile(`(\p{Lu}[\p{L}\d&'’-]*(?:\s+\p{Lu}[\p{L}\d&'’-]*){0,2})\s*[(,–-]\s*(?i:(?:cust(?:omer)?|our|their|your)\s)?(?i:ref|acc|acct|account|a/c)\b`)
	amountOwedRE = pattern.MustCompile(`(?m)^\W*(\p{Lu}[\p{L}\d&'’-]*(?:\s+\p{Lu}[\p{L}\d&'’-]*){0,2})\W{1,4}(?:£|\d)`)
	relationRE   = pattern.MustCompile(`\b(?i:her|his|their|ct['’]?s|client['’]s)\s+(?i:ex|ex[- ]?(?:partner|husband|wife)|partner|husband|wife|mum|mother|dad|father|sister|brother|son|daughter|friend|boss|landlord|landlady|neighbour|solicitor|social worker|support worker|gp|work coach)\b,?\s*\(?(\p{Lu}[\p{L}'’-]+)`)
	shortNameRE  = pattern.MustCompile(`\b(\p{Lu}[\p{L}'’-]{3,})\s+(?:Council|Bank|Energy|Water|Gas|Electric|Electricity|Finance|Financial|Recovery|Collections|Court|Housing|Homes|Loans|Enforcement|Credit|BS|Building Society)\b`)
	organisation = pattern.MustCompile(`(?i)\b(?:ltd|limited|plc|llp|council|bank|energy|water|gas|electric(?:ity)?|finance|financial|services|recover(?:y|ies)|collections?|court|housing|solicitors?|homes|loans?|credit|cards?|insurance|telecom|mobile|union|association|society|trust|office|team|department|dept|agency|group|bailiffs?|landlord|estates?|properties|lettings|management|enforcement|legal|catalogue|motors?)\b`)
	listedOthers = parseNames(thirdPartiesText)
)

func parseNames(text string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		if name := strings.TrimSpace(line); name != "" && !strings.HasPrefix(name, "#") {
			names[name] = true
		}
	}
	return names
}

func newSubjects(lines []Line, clientName string) subjects {
	s := subjects{clientNames: map[string]bool{}, others: map[string]bool{}, people: map[string]bool{}, initials: map[string]bool{}, letters: map[string]bool{}, adviser: map[string]bool{}}
	all := ""
	for _, w := range strings.Fields(strings.ToLower(clientName)) {
		w = strings.Trim(w, ".,")
		if !titles[w] && len(w) > 1 {
			s.clientNames[w] = true
			first := string(firstRune(w))
			s.letters[first] = true
			s.initials[first] = len(all) == 0 && first != "i"
			all += first
		}
		switch w {
		case "mr", "sir":
			s.gender = "m"
		case "mrs", "ms", "miss":
			s.gender = "f"
		}
	}
	if len(all) > 1 {
		s.initials[all] = true
	}
	for i, l := range lines {
		if i < 6 || i >= len(lines)-2 {
			s.readAdviser(l.Text)
		}
		for _, re := range []*pattern.Pattern{owedToRE, amountOwedRE, referenceRE, relationRE, shortNameRE} {
			for _, m := range re.FindAllStringSubmatch(l.Text, -1) {
				if name := strings.ToLower(m[1]); name != "ct" && name != "cl" && name != "client" && !s.clientNames[name] && !commonStart[name] && !vague[name] && !openers[name] {
					s.others[name] = true
					if re == relationRE {
						s.people[name] = true
					}
				}
			}
		}
	}
	return s
}

var adviserRE = pattern.MustCompile(`\b(?i:adviser|advisor|caseworker|adv|worker|interviewer|notes? by|written by|seen by|taken by|signed)\b\W{0,3}(?i:is |was |name )?\W{0,2}((?:\p{Lu}[\p{L}'’-]*\.? ?){1,3})`)

// readAdviser learns how the notes call the adviser: "Adviser T. Lunn", "Adv: SB".
func (s subjects) readAdviser(text string) {
	m := adviserRE.FindStringSubmatch(text)
	if m == nil {
		return
	}
	initials := ""
	for _, w := range strings.Fields(m[1]) {
		w = strings.ToLower(strings.Trim(w, ".,"))
		if w == "" || s.clientNames[w] || s.initials[w] || titles[w] || imperative(w) || openers[w] {
			return
		}
		initials += string(firstRune(w))
		if len(w) > 1 {
			s.adviser[w] = true
		}
	}
	if len(initials) > 1 && !s.initials[initials] {
		s.adviser[initials] = true
	}
}

// owner says who a named subject is.
func (s subjects) owner(name string) Owner {
	name = strings.ToLower(strings.TrimSpace(name))
	words := strings.Fields(name)
	if len(words) > 0 && len(s.clientNames) > 0 {
		client := true
		for _, w := range words {
			client = client && (s.clientNames[strings.Trim(w, ".")] || titles[strings.Trim(w, ".")])
		}
		if client && !titles[strings.Trim(words[len(words)-1], ".")] {
			return Client
		}
	}
	for _, lead := range []string{"the ", "her ", "his ", "their ", "our ", "your ", "ct's ", "cts ", "ct’s ", "client's ", "client’s "} {
		name = strings.TrimPrefix(name, lead)
	}
	if listedOthers[name] || s.others[name] || organisation.MatchString(name) {
		return ThirdParty
	}
	// "Donna at Lowell", "Lowell's agent": somebody of a known third party.
	for i, w := range strings.Fields(name) {
		if i == 0 && listedOthers[w] && w != "or" && w != "next" && w != "very" {
			return ThirdParty
		}
		w = strings.TrimSuffix(strings.TrimSuffix(w, "'s"), "’s")
		if len(w) > 3 && (listedOthers[w] || s.others[w]) {
			return ThirdParty
		}
	}
	return Unknown
}

// mentionsOther tells whether a sentence names a third party.
func (s subjects) mentionsOther(text string) bool {
	words := wordRE.FindAllString(strings.ToLower(text), -1)
	for i, w := range words {
		w = strings.Trim(w, ".'’")
		base := strings.TrimSuffix(strings.TrimSuffix(w, "'s"), "’s")
		if w != "or" && w != "next" && w != "very" && w != "ex" && w != "la" && (listedOthers[base] || s.others[base]) || organisation.MatchString(base) {
			return true
		}
		if i > 0 && listedOthers[words[i-1]+" "+base] {
			return true
		}
	}
	return false
}

var notForRE = foldedRE(`\bnot (?:for|to) (\p{L}+)`)

// notFor finds "not for Jo" and "not for J", where that is the client.
func (s subjects) notFor(text string) span {
	if m := notForRE.FindStringSubmatchIndex(text); m != nil {
		word := strings.ToLower(text[m[2]:m[3]])
		for name := range s.clientNames {
			if word == name || len(word) == 1 && strings.HasPrefix(name, word) {
				return span{m[0], m[1]}
			}
		}
	}
	return span{-1, -1}
}

// found is what the rules make of one clause.
type found struct {
	action bool
	owner  Owner
	verb   int  // offset in the clause where the thing to be done begins
	strip  bool // what stands before it may be left out under the section's heading
	list   bool // a label says it, and of what follows on the line too
	notes  bool // reads like an action whose owner the notes do not say
}

// owned reports whether the notes say who is to do something.
func (f found) owned() bool { return f.action && f.owner != Unknown }

// begins reports whether a clause begins with the client's name and says what the
// client will do.
func (s subjects) begins(text string) bool {
	if m := otherRE.FindStringSubmatch(text); m != nil {
		if owner := s.owner(m[1]); owner == Client || (owner == ThirdParty || owner == Unknown && personRE.MatchString(m[1]) && !imperative(m[1])) && imperative(m[4]) {
			return true
		}
	}
	f, ok := s.predicate(text, "", false)
	return ok && f.action
}

// parse reads one clause: is it something to be done, and by whom. context is
// the text before it on the line and the line before, to settle "she".
func (s subjects) parse(clause, context string) found {
	base := 0
	text := clause
	strip := true
	if strings.HasSuffix(strings.TrimSpace(text), "?") {
		return found{}
	}
	if m := ownTagRE.FindStringSubmatchIndex(text); m != nil {
		if verb := toVerbRE.FindStringIndex(text); verb != nil || imperative(wordRE.FindString(text)) {
			return found{action: true, owner: either(m[2] >= 0 || m[6] >= 0)}
		}
	}
	if f, ok := s.who(text, context); ok && !taggedRE.MatchString(text) {
		return f
	}
	for {
		m := leadInRE.FindStringIndex(text)
		if m == nil {
			break
		}
		base, text = base+m[1], text[m[1]:]
	}
	if m := conditionRE.FindStringIndex(text); m != nil {
		base, text, strip = base+m[1], text[m[1]:], false
	} else if m := whenRE.FindStringSubmatchIndex(text); m != nil {
		base, text, strip = base+m[2], text[m[2]:], false
	}
	agreed := false
	if m := agreedRE.FindStringIndex(text); m != nil && m[1] < len(text) && !strings.HasPrefix(strings.ToLower(text[m[1]:]), "to ") {
		base, text, agreed = base+m[1], text[m[1]:], true
	}
	f := s.subject(text, context, agreed)
	f.verb += base
	f.strip = f.strip && strip
	if !f.action && f.notes {
		f.action, f.owner, f.strip = true, Unknown, false
	}
	return f
}

var toVerbRE = foldedRE(`\b(?:to|will)\s+[a-z]`)

func (s subjects) subject(text, context string, agreed bool) found {
	if m := labelledRE.FindStringSubmatchIndex(text); m != nil && !notVerbs[strings.ToLower(text[m[6]:m[7]])] {
		inner := s.subject(text[m[6]:], context, agreed)
		if inner.action && inner.owner != Unknown {
			inner.verb += m[6]
			return inner
		}
		if imperative(text[m[6]:m[7]]) {
			return found{action: true, owner: either(m[2] >= 0), verb: m[6], strip: true}
		}
	}
	if m := taggedRE.FindStringSubmatchIndex(text); m != nil {
		if word := wordRE.FindString(text); imperative(word) {
			return found{action: true, owner: either(m[2] >= 0 || m[6] >= 0)}
		}
	}
	if m := namedRE.FindStringSubmatch(text); m != nil && s.owner(m[1]) == Client && imperative(m[2]) {
		return found{action: true, owner: Client, verb: strings.Index(text, ":") + 1 + strings.Index(text[strings.Index(text, ":")+1:], m[2]), strip: true}
	}
	if m := roleRE.FindStringSubmatchIndex(text); m != nil && imperative(text[m[6]:m[7]]) {
		return found{action: true, owner: either(m[2] >= 0), verb: m[6], strip: true}
	}
	if m := saidRE.FindStringSubmatchIndex(text); m != nil && imperative(text[m[6]:m[7]]) {
		if m[2] >= 0 || !isPronoun(strings.ToLower(text[m[4]:m[5]])) || !s.mentionsOther(context) {
			return found{action: true, owner: either(m[2] >= 0), verb: m[6], strip: true}
		}
	}
	if m := wouldRE.FindStringSubmatchIndex(text); m != nil && agreed && imperative(text[m[6]:m[7]]) {
		return found{action: true, owner: either(m[2] >= 0), verb: m[6], strip: true}
	}
	if m := askedRE.FindStringSubmatchIndex(text); m != nil {
		if who := strings.ToLower(text[m[2]:m[3]]); !isPronoun(who) || !s.mentionsOther(context) {
			softer := softRE.MatchString(text[:m[2]])
			verb := m[6]
			if not := strings.Index(strings.ToLower(text[m[4]:m[5]]), "not"); not >= 0 {
				verb = m[4] + not
			}
			return found{action: true, owner: Client, verb: verb, strip: !softer}
		}
		return found{notes: true, verb: m[6]}
	}
	if m := wasAskedRE.FindStringSubmatchIndex(text); m != nil {
		if who := strings.ToLower(text[m[2]:m[3]]); !isPronoun(who) || !s.mentionsOther(context) {
			return found{action: true, owner: Client, verb: m[4], strip: !softRE.MatchString(text) && !strings.Contains(strings.ToLower(text[:m[4]]), "not to")}
		}
		return found{notes: true, verb: m[4]}
	}
	if m := byAgentRE.FindStringSubmatchIndex(text); m != nil {
		return found{action: true, owner: either(m[2] >= 0)}
	}
	if m := ownSubjectRE.FindStringSubmatchIndex(text); m != nil {
		return s.own(text, m, context, agreed)
	}
	if m := bareWillRE.FindStringSubmatchIndex(text); m != nil {
		if word := strings.ToLower(text[m[2]:m[3]]); !notVerbs[word] && !stative[word] {
			if myselfRE.MatchString(text) {
				return found{action: true, owner: Us, verb: m[2], strip: true}
			}
			return found{notes: true, verb: m[2]}
		}
		return found{}
	}
	if passiveRE.MatchString(text) {
		return found{notes: strings.Contains(strings.ToLower(text), "to be ")}
	}
	if m := otherRE.FindStringSubmatchIndex(text); m != nil {
		verb := strings.ToLower(text[m[8]:m[9]])
		plainTo := strings.TrimSpace(strings.ToLower(text[m[4]:m[5]])) == "to"
		if notVerbs[verb] || stative[verb] && verb != "get" || plainTo && !imperative(verb) {
			return found{}
		}
		name := text[m[2]:m[3]]
		if imperative(wordRE.FindString(name)) || clauseWordRE.MatchString(name) {
			return found{}
		}
		switch owner := s.owner(name); {
		case owner == Client:
			return found{action: true, owner: Client, verb: m[8], strip: true}
		case verb == "get":
			return found{}
		case owner == ThirdParty:
			return found{action: true, owner: ThirdParty, verb: m[8]}
		case personRE.MatchString(name):
			return found{action: true, owner: Unknown, verb: m[8]}
		}
	}
	return found{}
}

// own reads a clause whose subject is we, the client or a pronoun.
func (s subjects) own(text string, m []int, context string, agreed bool) found {
	modal := strings.ToLower(strings.TrimSpace(text[m[8]:m[9]]))
	verb := strings.ToLower(text[m[12]:m[13]])
	negated := m[14] >= 0
	subject := strings.ToLower(text[m[0]:m[8]])
	verb = strings.TrimSpace(strings.TrimPrefix(verb, "not"))
	if verb == "need" || verb == "have" { // "will need to send"
		rest := text[m[13]:]
		if strings.HasPrefix(rest, " to ") {
			next := wordRE.FindString(rest[len(" to "):])
			if next != "" && !stative[strings.ToLower(next)] {
				verb = strings.ToLower(next)
				m = append([]int{}, m...)
				m[12] = m[13] + len(" to ")
			}
		}
	}
	switch {
	case notVerbs[verb], verb == "":
		return found{}
	case modal == "to" && !imperative(verb):
		return found{}
	}
	start := m[12]
	switch {
	case m[2] >= 0: // I, we, the adviser
		if subject == "us" && modal != "to" || negated {
			return found{}
		}
		if verb == "be" || stative[verb] && modal != "to" && verb != "see" && verb != "get" {
			return found{action: verb == "be", owner: Us, verb: start}
		}
		return found{action: true, owner: Us, verb: start, strip: true}
	case m[4] >= 0: // the client
		if stative[verb] && verb != "get" {
			return found{action: verb == "be" && (modal == "to" || modal == "must") && !passiveRE.MatchString(text), owner: Client, verb: start}
		}
		if negated && (modal == "will" || modal == "'ll" || modal == "’ll") {
			return found{}
		}
		return found{action: true, owner: Client, verb: start, strip: true}
	}
	// A pronoun: the client, unless somebody else was just spoken of.
	if stative[verb] || negated {
		return found{}
	}
	if subject == "you" || subject == "they" && !agreed || subject != "both" && !s.isClient(subject, context, agreed) {
		return found{notes: true, verb: start}
	}
	return found{action: true, owner: Client, verb: start, strip: true}
}

// myselfRE shows who writes of what is to be done.
var myselfRE = pattern.MustCompile(`(?i)\b(?:myself|ourselves)\b`)

// personRE finds what can be somebody's name.
var personRE = pattern.MustCompile(`^\p{Lu}[\p{L}'’.-]*(?: \p{Lu}[\p{L}'’.-]*)?$`)

var clauseWordRE = pattern.MustCompile(`(?i)\b(?:if|that|whether|to|when|what|how|who|which|as|because)\b`)

func either(us bool) Owner {
	if us {
		return Us
	}
	return Client
}

// softRE finds words whose force a heading "What you need to do" would change.
var softRE = pattern.MustCompile(`(?i)\b(?:recommended|encouraged|suggested|warned)\b`)

func isPronoun(word string) bool {
	switch word {
	case "she", "he", "they", "her", "him", "them":
		return true
	}
	return false
}

//go:embed verbs.txt
var verbsText string

var verbs = set(verbsText)

// imperative tells whether a word can begin "to …" as something to be done.
func imperative(word string) bool { return verbs[strings.ToLower(strings.Trim(word, ".'’"))] }

func isSectionHeading(trimmed string) bool {
	t := strings.Trim(bulletRE.ReplaceAllString(trimmed, ""), "#*_ ")
	return headingRE.MatchString(t) || capsHeadRE.MatchString(t) || ownerHeadRE.MatchString(t) || actionHeadRE.MatchString(t)
}

var (
	breakRE = pattern.MustCompile(`[.!?]+["'”’)]*\s+|;\s*|,?\s+(?:and|&|then|while|whilst|but|so)\s+(?:then\s+|also\s+)?|,\s+|\s+[-–—]+>?\s+|\s+\+\s+`)
	// neverEnd are short forms that are always followed by more; shortForms may
	// end a sentence, which a capital after them shows.
	neverEnd   = set(`mr mrs ms dr st no nos ref eg e.g i.e ie vs acct acc tel a/c approx incl re cf`)
	shortForms = set(`mr mrs ms dr st no nos ref approx eg e.g i.e ie etc vs inc acct acc tel ltd co p.a a.m p.m pm am jan feb mar apr jun jul
		aug sep sept oct nov dec mon tue tues wed weds thu thur thurs fri sat sun ext rd ave dept bal c o.d re cf p.w p.c.m pw pcm pa yr yrs wk wks mth mths mins hrs`)
	clauseRE = pattern.MustCompile(`(?i)^(?:(?:i|we)(?:['’]ll|\s+will|['’](?:m|re)\s+to\s|\s+to\s)|me\s+to\s|(?:the\s+)?(?:` + clientPattern + `)\s+(?:to|will|must|needs? to|agreed to|should)\s|(?:he|she)(?:['’]ll|\s+will|\s+needs? to)\s|adviser\s+(?:to|will)\s)`)
)

// findActions cuts each line into the clauses that become items of the letter,
// and reads each for something to be done.
func (r *Record) findActions() {
	for _, l := range r.Lines {
		if l.allHidden() || !twoClientsRE.MatchString(l.Text) {
			continue
		}
		r.twoClientLines = append(r.twoClientLines, l.Number)
		if !r.twoClients {
			r.twoClients = true
			r.doubt("Line %d speaks of more than one client: the letter does not guess which one is meant. Please check who each point is about.", l.Number)
		}
	}
	var section Owner
	inActions := false
	for i := range r.Lines {
		l := &r.Lines[i]
		body := strings.TrimSpace(bulletRE.ReplaceAllString(l.Text, ""))
		switch heading := strings.Trim(body, "#*_ "); {
		case l.blank():
			continue
		case l.allHidden():
			l.segments = r.clauses(l, i)
			continue
		case ownerHeadRE.MatchString(heading) && strings.Trim(heading, ":.- ") != "" && len(l.Facts) == 0 && !numberWordOnly(heading):
			m := ownerHeadRE.FindStringSubmatchIndex(heading)
			section, inActions = either(m[2] >= 0), true
			l.heading, l.section, l.actions = true, section, true
			continue
		case len(l.Facts) == 0 && r.subjects.heading(strings.TrimRight(heading, " ")) != "":
			section, inActions = r.subjects.heading(strings.TrimRight(heading, " ")), true
			l.heading, l.section, l.actions = true, section, true
			continue
		case actionHeadRE.MatchString(heading):
			section, inActions = Unknown, true
			l.heading, l.section, l.actions = true, Unknown, true
			continue
		case (headingRE.MatchString(heading) || capsHeadRE.MatchString(heading) && len(l.Facts) == 0) && !r.subjects.parse(strings.ToLower(strings.TrimRight(heading, ":")), "").owned():
			section, inActions = "", false
			l.heading = true
			continue
		}
		if inActions && i > 0 && r.Lines[i-1].blank() && !bulletRE.MatchString(l.Text) && !r.Lines[max(0, i-2)].heading {
			section, inActions = "", false
		}
		l.segments = r.clauses(l, i)
		if inActions {
			r.underHeading(l, section)
		}
		for _, s := range l.segments {
			if s.action && s.owner == Unknown && !s.hidden {
				r.doubt("Line %d reads like something to be done, but does not say for certain by whom: it stands under the matters discussed.", l.Number)
				break
			}
		}
	}
}

func numberWordOnly(heading string) bool { return strings.EqualFold(heading, "you") }

// dashOwnerRE finds who is named after a thing to be done: "3 payslips - him by Fri".
var dashOwnerRE = foldedRE(`^.{3,80}?\s[-–—=]+>?\s*([\p{L}'’]{1,12})(?:\s+(?:by|before|on|asap|today|tomorrow|this|next)\b.{0,30})?[\s.]*$`)

// named reads one word as who is to do something, in a list of such things.
func (s subjects) named(word string) Owner {
	switch strings.ToLower(word) {
	case "him", "her", "he", "she", "them", "they", "you":
		return Client
	}
	words := wordsIn(word)
	if owner, _, n, joined := s.person(words); n == len(words) && joined == "" {
		return owner
	}
	return ""
}

// underHeading gives the heading's owner to the imperatives that stand below it.
func (r *Record) underHeading(l *Line, owner Owner) {
	for j := range l.segments {
		s := &l.segments[j]
		if s.hidden || s.action && s.owner != Unknown {
			continue
		}
		text := l.Text[s.start:s.end]
		if m := dashOwnerRE.FindStringSubmatch(text); m != nil && owner == Unknown {
			if named := r.subjects.named(m[1]); named != "" {
				s.action, s.owner, s.verb = true, named, s.start
				s.deadline = l.deadline(*s)
				continue
			}
		}
		word := strings.ToLower(wordRE.FindString(text))
		if word == "to" || word == "will" {
			fields := strings.Fields(text)
			if len(fields) > 1 {
				word = strings.ToLower(fields[1])
			}
		}
		words := wordsIn(text)
		timed := owner != Unknown && bulletRE.MatchString(l.Text) && l.deadline(*s) != "" && !finite(words)
		if strings.HasSuffix(text, "?") || len(words) == 0 || !timed && !imperative(word) && (owner == Unknown || baseVerb(words[0].text) == "" && !thingToDo[words[0].text] || finite(words)) {
			continue
		}
		verb := s.start
		if m := bareWillRE.FindStringSubmatchIndex(text); m != nil {
			verb = s.start + m[2]
		}
		s.action, s.owner, s.verb, s.strip = true, owner, verb, owner != Unknown
		s.deadline = l.deadline(*s)
	}
}

// clauses cuts a line at the ends of sentences, and before a conjunction or
// comma where the next words say who is to do something.
func (r *Record) clauses(l *Line, index int) []segment {
	text := l.Text
	start := len(bulletRE.FindString(text))
	start += indentOf(text[start:])
	guard := newGuard(l)
	var cuts []span
	depth, scanned := 0, 0
	conditional := conditionStartRE.MatchString(ahead(text, start))
	for _, m := range breakRE.FindAllStringIndex(text, -1) {
		for ; scanned < m[0]; scanned++ {
			switch text[scanned] {
			case '(', '[':
				depth++
			case ')', ']':
				depth = max(0, depth-1)
			}
		}
		if m[0] < start || guard.inside(m[0]) {
			continue
		}
		switch text[m[0]] {
		case '.', '!', '?':
			if depth > 0 || text[m[0]] == '.' && isShortForm(text, m[0]) {
				continue
			}
			conditional = conditionStartRE.MatchString(ahead(text, m[1]))
		case ';':
			if depth > 0 {
				continue
			}
			conditional = conditionStartRE.MatchString(ahead(text, m[1]))
		default:
			if depth > 0 || conditional || !clauseRE.MatchString(ahead(text, m[1])) && !r.subjects.begins(ahead(text, m[1])) {
				continue
			}
		}
		cuts = append(cuts, span{m[0], m[1]})
	}
	for _, h := range l.hidden {
		if h.bracket {
			continue
		}
		for _, at := range []int{h.start, h.end} {
			if at > start && at < len(text) {
				cuts = append(cuts, span{at, at})
			}
		}
	}
	slices.SortFunc(cuts, func(a, b span) int { return a.start - b.start })
	var all []segment
	listed := Owner("")
	context := ""
	if index > 0 && !r.Lines[index-1].blank() && !r.Lines[index-1].heading && !r.Lines[index-1].allHidden() {
		context = behind(r.Lines[index-1].Text, len(r.Lines[index-1].Text))
	}
	for i := 0; i <= len(cuts); i++ {
		end := len(text)
		next := end
		if i < len(cuts) {
			end, next = cuts[i].start, cuts[i].end
			if c := text[cuts[i].start]; c == '.' || c == '!' || c == '?' {
				end = cuts[i].end // the stops and quotes belong to the sentence; the space is trimmed below
			}
		}
		end = start + len(strings.TrimRight(text[start:max(start, end)], " \t"))
		if strings.Trim(text[start:end], " .,;:-–—") != "" {
			s := segment{span: span{start, end}, verb: start}
			s.hidden = l.hides(s.span)
			f := r.subjects.parse(text[start:end], context)
			switch first := wordRE.FindString(text[start:end]); {
			case f.list && f.owned():
				listed = f.owner
			case listed != "" && !f.owned() && i > 0 && goesOn(text[start:end]):
				f = found{action: true, owner: listed, verb: strings.Index(text[start:end], first), strip: true}
			case f.owned():
				listed = ""
			}
			if f.action {
				s.action, s.owner, s.verb, s.strip = true, f.owner, start+f.verb, f.strip && (f.owner == Us || !r.twoClients)
				s.deadline = l.deadline(s)
			}
			if n := len(all); n > 0 && s.action && s.owner != Unknown && all[n-1].action && all[n-1].owner != s.owner && !all[n-1].hidden &&
				(endsTakenBack.MatchString(text[all[n-1].start:all[n-1].end]) || startsTakenBack.MatchString(text[s.start:s.end])) {
				all[n-1].hidden, all[n-1].action = true, false
				r.doubt("Line %d gives something to be done to somebody else than it first said: the letter has the later.", l.Number)
			}
			all = append(all, s)
			context = text[max(start, end-240):end] // what was said just before
		}
		start = next
	}
	return all
}

var (
	endsTakenBack   = foldedRE(`(?:[-–—,.(;:]\s*|\s)(?:no|nope|sorry|actually|wait|or rather|correction|scratch that|scrap that|strike that|hang on|my mistake|change of plan)[\s.,!:;-]*$`)
	startsTakenBack = foldedRE(`^[\s\-–—(,.]*(?:no|nope|sorry|actually|wait|or rather|correction|scratch that|scrap that|strike that|hang on|my mistake|change of plan)\b[\s.,:-]`)
)

var conditionStartRE = pattern.MustCompile(`(?i)^\W*(?:if|when|once|unless|as soon as|in case|because|provided)\b`)

// goesOn tells whether a clause after a labelled one is one more thing to be done:
// it begins with a verb, or names a thing to do, and states nothing.
func goesOn(clause string) bool {
	words := wordsIn(clause)
	if len(words) == 0 || finite(words) || strings.HasSuffix(strings.TrimSpace(clause), "?") {
		return false
	}
	return imperative(words[0].text) || slices.ContainsFunc(words[:min(3, len(words))], func(w word) bool { return thingToDo[w.text] })
}

// hides tells whether a segment must not reach the letter. A bracket marked
// internal within a segment hides the bracket only.
func (l *Line) hides(s span) bool {
	for _, h := range l.hiddenIn(s) {
		if !h.bracket || !s.holds(h.span) || h.span == s {
			return true
		}
	}
	return false
}

// firstRune returns the first rune of text.
func firstRune(text string) rune {
	r, _ := utf8.DecodeRuneInString(text)
	return r
}

// guard holds the places of a line at which it must not be cut: within facts
// and corrections.
type guard struct{ spans []span }

func newGuard(l *Line) guard {
	var g guard
	for _, f := range l.Facts {
		g.spans = append(g.spans, span{f.Start, f.End})
	}
	for _, e := range l.edits {
		g.spans = append(g.spans, e.span)
	}
	for _, h := range l.hidden {
		g.spans = append(g.spans, h.span)
	}
	sort.Slice(g.spans, func(i, j int) bool { return g.spans[i].start < g.spans[j].start })
	return g
}

// inside must be asked with rising positions.
func (g *guard) inside(i int) bool {
	for len(g.spans) > 0 && g.spans[0].end <= i {
		g.spans = g.spans[1:]
	}
	for _, s := range g.spans {
		if s.start > i {
			return false
		}
		if i < s.end {
			return true
		}
	}
	return false
}

var newSubjectRE = pattern.MustCompile(`^\s+(?:We|I|She|He|They|The|Client|Cl|CT|CL|Adviser|CAB)\b`)

func isShortForm(text string, dot int) bool {
	start := dot
	for start > 0 && dot-start < 8 && (isAlnum(text[start-1]) || text[start-1] == '.') {
		start--
	}
	word := strings.ToLower(text[start:dot])
	if start > 0 && text[start-1] == '/' && len(word) == 1 {
		return false // "£1,720/m."
	}
	if len(word) > 2 && newSubjectRE.MatchString(text[dot+1:min(len(text), dot+12)]) {
		return false
	}
	if neverEnd[word] || len(word) == 1 && isLetter(word[0]) && word != "i" {
		return true
	}
	next := strings.TrimLeft(ahead(text, dot+1), " \t\"'“‘(*")
	return shortForms[word] && next != "" && !unicode.IsUpper(firstRune(next)) && next[0] != "£"[0]
}

var (
	urgentRE   = pattern.MustCompile(`(?i)\b(?:asap|a\.s\.a\.p|as soon as possible|straight ?away|immediately|urgently|right away)\b`)
	deadlineRE = pattern.MustCompile(`(?i)(?:\b(?:by|aim(?:ing)? for|target(?:ing)?|before|no later than|deadline(?: is|:)?|until|due(?: by)?)\s+(?:the\s+|close of business\s+|cob\s+|noon\s+|\d{1,2}(?:[:.]\d\d)?\s?[ap]m\s+(?:on\s+)?)?)$`)
	pastDateRE = pattern.MustCompile(`(?i)(?:\b(?:dated|from|since|of|letter|sent|received|hearing|appointment|appt|meeting|eviction|court|visit|for)\s+(?:on\s+|is\s+|of\s+|dated\s+)?(?:the\s+)?)$`)
	beforeRE   = pattern.MustCompile(`(?i)\bbefore\s+(?:the\s+)?$`)
)

// eventRE finds what turns a date into a deadline of its own: "before next appt
// 24/2", "1 month from 3/2".
var eventRE = pattern.MustCompile(`(?i)\b(?:(?:before|by)\s+(?:the\s+|her\s+|his\s+|our\s+)?(?:next\s+)?(?:appt|appointment|meeting|hearing|court|visit|review)\s+(?:on\s+)?|(?:within\s+)?\d{1,3}\s+(?:working\s+)?(?:days?|weeks?|wks?|months?)\s+(?:from|of|after)\s+)$`)

func inBracket(before string) bool { return strings.Count(before, "(") > strings.Count(before, ")") }

// deadline returns by when an action is to be done, as said: the date after
// "by" and the like, else the first that is not the date of something else, else
// the day from which it is to be done.
func (l *Line) deadline(s segment) string {
	best, from := "", ""
	dates := l.factsIn(s.span)
	for i, f := range dates {
		if f.Kind != Date || f.Start < s.start || f.End > s.end || f.Superseded {
			continue
		}
		lead := behind(l.Text, f.Start)
		text := f.Text
		if i+1 < len(dates) && dates[i+1].Kind == Date && strings.Trim(l.Text[f.End:dates[i+1].Start], " ,") == "" && dates[i+1].End <= s.end {
			text = l.Text[f.Start:dates[i+1].End] // "COB Thurs"
		}
		if m := eventRE.FindString(lead); m != "" {
			return m + f.Text
		}
		if m := beforeRE.FindString(lead); m != "" {
			text = strings.TrimSpace(m) + " " + f.Text
		}
		past := strings.HasSuffix(f.Text, "ago") || strings.EqualFold(f.Text, "yesterday") || strings.HasPrefix(strings.ToLower(f.Text), "last ")
		switch {
		case deadlineRE.MatchString(lead):
			return text
		case past || inBracket(l.Text[s.start:f.Start]):
		case best == "" && (!pastDateRE.MatchString(lead) || hasWeekPrefix(f.Text)):
			best = text
		case from == "":
			if m := fromRE.FindString(lead); m != "" {
				from = strings.TrimSpace(m) + " " + text
			}
		}
	}
	if best == "" {
		best = urgentRE.FindString(l.Text[s.start:s.end])
	}
	if best == "" {
		best = from
	}
	return best
}

var fromRE = foldedRE(`\b(?:from|starting|appt|appointment|meeting|(?:appt|appointment|meeting|visit) on)\s+(?:the\s+)?$`)

var machineHints = []string{
	"ignore", "disregard", "forget", "overrid", "bypass", "prompt", "developer mode", "jailbreak", "you are", "an ai", "instruction", "end of", "<", "[inst", "[/inst", "#", ":",
	"respond", "reply", "answer", "output", "response",
}

// look adds the warnings that concern the notes as a whole.
func (r *Record) look() {
	words, facts := 0, 0
	for _, l := range r.Lines {
		facts += len(l.Facts)
		if hinted(l.Text, machineHints, machineRE) != nil {
			r.doubt("Line %d reads like an instruction to a machine: it was not obeyed, and is not in the letter.", l.Number)
		}
		words += len(contentWords(l.Text))
	}
	if words < minWords && facts == 0 {
		r.doubt("The notes are too short for a letter of advice: please check that all of them were sent.")
	}
}

// minWords is how many words of matter notes without a figure or date have, at
// least, that are more than a reminder.
const minWords = 4
