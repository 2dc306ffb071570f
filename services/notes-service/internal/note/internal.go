package note

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"signpost.internal/services/notes-service/internal/pattern"
)

// oneOf joins patterns to one that matches any of them, whatever the case.
func oneOf(patterns ...string) string { return `(?:` + strings.Join(patterns, "|") + `)` }

func foldedRE(expr string) *pattern.Pattern { return pattern.MustCompile(`(?i)` + expr) }

// markers are patterns in groups. A group is tried only on text that holds one of
// its hints, which every text that it matches holds: most sentences hold none.
type (
	markers []struct {
		hints    []string
		patterns []string
	}
	marker struct {
		hints []string
		re    *pattern.Pattern
	}
	markSet []marker
)

func (m markers) compile(lead string) markSet {
	var set markSet
	for _, group := range m {
		set = append(set, marker{group.hints, foldedRE(lead + oneOf(group.patterns...))})
	}
	return set
}

// FindStringIndex returns the place of the first match.
func (s markSet) FindStringIndex(text string) []int {
	lower := strings.ToLower(text)
	var first []int
	for _, m := range s {
		if !holdsAny(lower, m.hints) {
			continue
		}
		if at := m.re.FindStringIndex(text); at != nil && (first == nil || at[0] < first[0]) {
			first = at
		}
	}
	return first
}

// MatchString tells whether anything matches.
func (s markSet) MatchString(text string) bool { return s.FindStringIndex(text) != nil }

// ReplaceAllString replaces what matches.
func (s markSet) ReplaceAllString(text, with string) string {
	for _, m := range s {
		text = m.re.ReplaceAllString(text, with)
	}
	return text
}

func holdsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// What advisers call matter that is not for the client.
const (
	theLetter  = `(?:(?:the|this|that|her|his|their|any|client['’]?s?) )?(?:client )?(?:letters?|ltrs?|lttr|coa|confirmation(?: of advice)?|correspondence)`
	theClient  = `(?:(?:the|our) )?(?:client|cl|clt|ct|customer|service user)`
	relatives  = `(?:partner|husband|hubby|wife|spouse|ex|ex[- ]?(?:partner|husband|wife)|family|parents?|mum|mam|mother|dad|father|sister|brother|son|daughter|kids?|children|boyfriend|girlfriend|bf|gf|employer|boss|work|landlord|landlady|ll|neighbours?|anyone|anybody|others?)`
	doNot      = `(?:do not|don['’]?t|dont|do n['’]t|never|please no|not to|must not|mustn['’]?t|should not|shouldn['’]?t|will not|won['’]?t|shan['’]?t)`
	isNot      = `(?:not|(?:is|was|are|were|does|do|did|has|have|had|would|should|must|need|wo|ca|ai)n['’]?t|never)`
	accusation = `\b(?:undeclared|(?:benefit |tax |housing )?fraud\w*|cash[- ]in[- ]hand|(?:working |doing \w+ |earning )?on the side|moonlighting|overstay\w*|illegal\w*|(?:being )?exploit\w*|traffick\w*|drug\w*|dealing|sub-?let\w*|convict\w*|abus\w*|violen\w*|launder\w*|stol\w+|steal\w*|fiddling|conceal\w*|undisclosed|coerc\w*)`
	audience   = `(?:us|staff|team|office|colleagues?|adviser|advisor|advisers|bureau|agency|cab|admin|managers?|management|supervisors?|file|files|records?|log|logs|crm|casebook|aic|audit|case ?notes?|in[- ]?house|internal)`
	labelWords = `(?:strictly |staff |very )?(?:(?:for )?(?:my|our|own) (?:own )?(?:notes?|eyes|info|reference|records?|file)(?: only)?|notes only|internal|confidential|conf|confid|priv|pvt|p ?& ?c|off[- ](?:the[- ])?record|otr|` + audience + `(?: use| eyes| info)? only|for (?:the |our |my )?` + audience + `(?: only)?|private(?: (?:&|and) confidential| notes?)|(?:supervision|supervisor|handover|admin|file|management|mgmt|casework|colleague|team|safeguarding|self|private|adviser|advisor|staff|office|personal|own|int\.?)(?:['’]s)?[ -](?:notes?|memo|remarks?|opinion|view|comments?|thoughts?|impression)|memo|intl?|unofficially|third[- ]party info(?:rmation)?|anon(?:ymous)? (?:tip|call|caller|info)|lone[- ]working?(?: risk)?|risk to staff|flag on (?:file|system)|case closure|supervision|mgr|team leader|debrief|reflection|hunch|gossip|rumours?|hearsay|allegations?|compliance|fyi(?: only)?|fyeo|handle with care|hidden from (?:client|cl|ct)|not to be seen|passwords?(?: for [\w ]{1,20})?|sup|s/v|supervisor|ps? for (?:the )?file|(?:memo|reminder|notes?|message|query|question) (?:to|for|on) (?:the |our )?(?:self|me|myself|file|supervisor|colleagues?|manager|team|reception|admin|us)|(?:fao|attn|dear) (?:supervisor|manager|colleagues?|team)|nts|n2s|nfd|nfl|nfc|aside|sensitive|restricted|safeguarding|secret|redact(?:ed)?|withhold|withheld|between (?:us|ourselves|you and me)|(?:adviser|advisor|staff|our|your) eyes only|not (?:for )?` + theLetter + `|not for (?:the )?(?:client|cl|ct|clt|release|disclosure|sharing|inclusion|circulation|onward \w+|copying|publication))`
	labelTail  = `\.?(?:\s(?:only|note|notes|remark|remarks|comment|comments|use|use only|info|information|matter|bit|part|stuff))?(?:\s?\([^)]{0,60}\))?`
	labelName  = labelWords + labelTail
)

var (
	// A label opens internal matter: at the start of a sentence or bracket,
	// followed by a colon or dash; elsewhere only with a colon.
	labelRE = foldedRE(`(?:(?:^\W*|[.;!?]\s+|[([{*_]+\s*|\s[-–—]\s+)(` + labelName + `|private)(?:\s*(?::|[-–—]\s))` +
		`|\s(` + labelName + `)\s*:)`)
	// A label in brackets or as a tag opens a line or sentence without a colon.
	tagRE = foldedRE(`^\W*[(\[{<*]\s*(?:` + labelName + `|private)\s*[)\]}>*]`)
	// Elements of markup hold internal matter, on one line or several.
	openTagRE  = foldedRE(`<\s*(?:internal|conf|confidential|private|staff)\s*>|\[\s*(?:internal|conf|confidential|private|staff)\s*\][^\[]*\[/`)
	closeTagRE = foldedRE(`(?:<\s*/\s*|\[\s*/\s*)(?:internal|conf|confidential|private|staff)\s*[>\]]`)
	// Upper case alone is label enough, with or without a colon.
	shoutRE = pattern.MustCompile(`^\W*(INTERNAL|CONFIDENTIAL|SENSITIVE|NOT FOR LETTER|NOT FOR CLIENT|NOT FOR THE CLIENT|NOT FOR THE LETTER|OFF THE RECORD|STAFF ONLY|PRIVATE|DO NOT DISCLOSE|OTR|NFD|CONF|PVT|SAFEGUARDING|FYEO)\b|^\W*(?i:(?:conf|pvt|nfd|otr|fyeo)\s+\w)`)
	// A label in brackets or between signs, anywhere in a sentence.
	bracketedRE = foldedRE(`[(\[{<*!=~#_]+\s?(?:` + labelName + `|private|omit|exclude|delete|remove|keep out|leave out)\s?[)\]}>*!=~#_|]+`)
	// A label at a sentence's end.
	tailRE = foldedRE(`(?:\s[-–—]+>?\s*|[({\[<*^]+\s*|\s\^+\s*|<-+\s*)(?:` + labelName + `|private|omit|exclude|redact(?:ed)?|keep out|leave out|delete|remove)\W*$`)
	// From here on all is internal.
	fromHereRE = foldedRE(`\b(?:from here(?: on)?|from now on|from this point|below this line|below here|everything below|all below|everything (?:after|from)|rest of (?:the |this )?(?:page|notes?))\b`)

	// A mark makes the sentence it stands in internal, and what the sentence
	// speaks of ("don't put that in the letter").
	markRE = markers{
		// Of the letter.
		{hints: []string{"letter", "ltr", "lttr", "coa", "confirm", "correspond", "writing", "send", "it goes", "print", "post"}, patterns: []string{
			isNot + ` (?:for|to go in|to go into|to be put in|to be included in|to be in|in|part of) ` + theLetter + `\b`,
			`(?:keep|leave|stays?|kept|left|strip|take|taken|cut) (?:\w+ ){0,4}(?:out of|off|from) ` + theLetter,
			`not ` + theLetter + `\b`, `(?:omit|exclude|remove|delete|strip|cut|redact|withhold|keep|leave|take|hold|held)(?:d|ed|ing)?\b[^.;]{0,40}\b(?:back|from|out of|off|before) (?:` + theLetter + `|sending|it goes|send|post|printing|writing)`,
			isNot + `\b[^.;]{0,30}\b(?:in|into|for|on|to) ` + theLetter + `\b`, `(?:nothing|no mention)\b[^.;]{0,50}\b(?:in|into|to) (?:` + theLetter + `|writing|` + theClient + `)\b`,
		}},
		{hints: []string{"leav", "left", "miss", "keep", "hold back", "disclos", "take", "cut"}, patterns: []string{
			`(?:leave|left|leaving|miss|keep|take|cut) (?:this|that|it|these|those|all)(?: \w+){0,3} (?:out|back|off)\b`, `keep(?:ing)?\b[^.;]{0,40}\b(?:private|quiet|secret|confidential)\b`,
			`(?:leave|left|leaving|miss|keep) (?:this|that|it|these|those|all this|him|her|the (?:above|following|last bit|next bit)) (?:out|back|off|to (?:our|your|my)sel(?:f|ves)|under wraps|in[- ]house)\b`, `leave out\b`, `things? to (?:leave|keep) out`, `hold back\b`,
			`non[- ]disclos\w+`,
		}},
		// Of the audience.
		{hints: []string{"not ", "n't", "n’t", "never", "only", "eyes", "record", "file", "audit", "colleague", "team", "supervis", "manager", "note", "log", "for us", "just for", "internal", "confiden", "privat", "sensitiv", "secret", "privileg", "hush", "dont", "wont", "info", "hid", "withhold", "withheld", "conceal", "from"}, patterns: []string{
			isNot + ` (?:for|to (?:go|be (?:sent|given|shown))? ?to|to) (?:the )?(?:client|cl|ct|clt|customer|release|disclosure|sharing|sending|circulation|copying|publication)\b`,
			theClient + ` (?:not to|must not|mustn['’]?t|should not|shouldn['’]?t|can['’]?t|cannot|is not to|isn['’]?t to|does not|doesn['’]?t) (?:see|be told|read|be shown|need to know|have sight)`,
			`for (?:the )?info(?:rmation)? of (?:` + audience + `|colleagues)`, `(?:hidden|hide|hiding|withhold|withheld|conceal(?:ed)?|kept|keep) (?:this |it |that )?from (?:the )?(?:client|cl|ct|her|him|them|` + relatives + `)\b`, `stays? (?:in|on) (?:the |our )?(?:file|system|crm|record|casebook)`,
			`not client[- ]facing`, audience + `(?:['’]s?)? ?(?:use |eyes |info(?:rmation)? |notes? |record |purposes? )?only\b`, `only for (?:our|the|my) ` + audience, `for ` + audience + ` only`,
			`for (?:our|my|the|internal) (?:own )?(?:records?|files?|eyes|audit|case ?notes?|log|colleagues|team|supervis(?:or|ion)|manager)\b(?: only)?`, `(?:just )?for (?:us|colleagues)\b(?: only)?`, `just for our`,
			`(?:sensitive|confidential|in confidence)\s*[)\]]`, `internal (?:only|notes?|use|use only|remarks?|comments?|matter|info)\b`, `marked confidential`, `confidential(?: notes?\b|,? please)`, `(?:strictly|very|highly|extremely) (?:confidential|private|sensitive)`,
			`(?:this|that|it|which|all this|below|following|above)(?:['’]s| is| was| are| stays| remains)? (?:strictly |very |highly |all )?(?:confidential|private|internal|sensitive|secret|privileged|hush[- ]hush)\b`,
			`(?:treat|kept?|keep|keeping|hold|held|mark(?:ed)?|staying|stays?) (?:this |that |it |as |strictly |very )*(?:confidential|private|quiet|secret|internal|hush|between)\b`,
		}},
		{hints: []string{"record", "staff", "file", "eyes", "between", "entre", "house", "stay", "wraps", "hush", "let on", "selves", "doors", "walls", "memo", "reminder", "note to", "remind", "nts", "n2s", "chtum", "mum"}, patterns: []string{
			`off[- ](?:the[- ])?record`, `staff only`, `s?chtum`, `mum['’]?s the word`, `file only`, `eyes only`, `between (?:ourselves|us|you and me|you, me)\b`, `entre nous`, `in[- ]house only`, `stays? (?:here|with us|in[- ]house|between)`, `under wraps`, `hush`, `let on\b`,
			`to (?:our|your)selves\b`, `(?:behind|within) (?:closed doors|these (?:four )?walls)`, `(?:note|memo|reminder) to (?:self|me|myself)`, `remind me\b`, `nts\b`, `n2s\b`,
		}},
		// Of the telling.
		{hints: []string{"confid", "quiet", "qt", "q.t", "privat", "secret", "not ", "n't", "n’t", "dont", "never", "no ", "nobody", "asked", "prefer", "rather", "want", "wish", "like", "request", "best", "better", "let", "left", "out"}, patterns: []string{
			`(?:in|under)(?: strict(?:est)?| the strictest)? confidence`, `confided`, `confidentially`, `on the (?:quiet|qt|q\.t\.)`, `(?:told|said|mentioned|disclosed|admitted)\b[^.;]{0,30}\b(?:privately|in secret)`,
			`(?:do not|don['’]?t|dont|never|must not|mustn['’]?t|not to) (?:be )?(?:disclosed?|repeat(?:ed)?|minuted?|quoted?|reveal(?:ed)?)\b`, `not (?:to be )?(?:disclosed|shared|released|repeated|shown|revealed|minuted|made known|passed on|passed to|mentioned|quoted|known|copied)\b`,
			`(?:do not|don['’]?t|dont|never|must not|mustn['’]?t) (?:mention|tell|say|share)\b[^.;]{0,60}\b(?:anyone|anybody|her|him|them|client|cl|ct|` + relatives + `)\b`,
			`(?:do not|don['’]?t|dont|never) (?:put|write|note|commit|record|type|get)\b[^.;]{0,40}\b(?:paper|writing|down|letter|ltr|this|that|it)\b`, `(?:i|we) (?:will|shall|would|must|should) (?:not|never) (?:mention|refer|say|put|include|disclose|write|tell)\b`, `(?:i|we) (?:won|shan)['’]?t (?:mention|refer|say|put|include|disclose|tell)\b`,
			`(?:not|(?:does|do|did|is|was|should|must|need|wo|ca|has|have|would)n['’]?t|no) (?:want|wish|like)(?:s|ed|ing)?\b[^.;]{0,40}\b(?:known|in writing|written down|mentioned|shared|disclosed|on paper|repeated|in ` + theLetter + `)\b`, `nobody (?:is to|must|should|else) (?:to )?know`,
			doNot + ` (?:be )?(?:send|sent|print(?:ed|ing)?|typ(?:e|ed|ing)|releas(?:e|ed)|publish(?:ed)?|forward(?:ed)?|record(?:ed)?|log(?:ged)?|pass(?:ed)? on)\b[^.;]{0,30}(?:this|it\b|that|bit|part|to (?:the )?(?:client|cl|ct|her|him|them)\b|$)`,
			`(?:best|better|prefer|rather|lets|let['’]?s) not (?:to )?(?:mention|say|put|refer|write|raise|tell)`, `(?:do not|don['’]?t|dont|never) (?:share|include|mention|repeat|disclose|print|send|copy|tell)(?: (?:this|that|it|further|on|widely|with anyone|her|him|them|client|cl|ct))?\s*(?:$|[:.;)\]!]|\s[-–—])`,
			`(?:promise[ds]?|swear|swore|begged|begs|asked|pleaded|made (?:me|us))\b[^.;]{0,40}\bnot to (?:say|tell|write|mention|pass|let|put|repeat|share)`,
			`not for (?:him|her|them|anyone|anybody|others|partner|family)\b`, `(?:when|after|once|while) (?:he|she) (?:left|had left|was out of|stepped out|went out)\b`, `(?:do not|don['’]?t|dont|never) copy\b`,
			`(?:do not|don['’]?t|dont|never) (?:discuss|talk about|speak about)\b[^.;]{0,40}\bwith\b`,
			`need not know`, `needn['’]?t know`, `asked (?:me|us|that we|that i|for this|for it) (?:not to|to keep|do not|don['’]?t|not be|to stay|to remain|not to be)\b`,
			`(?:prefers?|rather|would like|wants?|wishes|asked|asks|requests?|requested)\b[^.;]{0,40}\b(?:not (?:be )?(?:writ|record|mention|shar|note|put|say|known|told)|(?:we|i) (?:do not|don['’]?t) (?:mention|say|put|tell|write)|kept (?:private|secret|quiet|out|off|between))`,
		}},
		{hints: []string{"discre", "delicate", "tread", "careful what", "careful not", "verbal only", "on no account", "no circumstances", "mortified", "on paper", "off paper", "avoid", "no mention", "nobody else", "no one else", "opens her", "opens his", "reads her", "reads his", "minuted"}, patterns: []string{
			`discre(?:et|etly|tion)`, `delicate`, `tread (?:carefully|softly|lightly)`, `(?:be )?careful (?:what|not to)`, `verbal only`, `on no account`, `under no circumstances`, `mortified`, `(?:on|off) paper`, `avoid (?:mention\w*|raising|any mention|saying)`, `no mention of`,
			`(?:nobody|no one) else (?:knows|is to know|must know|should know)`, `(?:opens|reads) (?:her|his) (?:post|mail|letters|emails?)`, `not (?:to be )?minuted`,
		}},
		// Of how far it may go.
		{hints: []string{"leave th", "go any", "goes no", "go no", "go further", "gone further", "this room", "this office", "these four", "so you know", "heads up", "heads-up", "between you", "in front of", "copy to", "cc ", "cc'", "as his", "as her", "as their", "as a friend", "nobody else", "no one else", "no-one else", "anyone else", "anybody else", "shouldn", "supposed to", "him and me", "her and me", "them and me", "us and", "knows nothing", "know nothing", "knows naff", "reads all", "reads the post", "reads her", "minute"}, patterns: []string{
			`(?:n['’]?t|not|never|no need) (?:\w+ ){0,2}(?:leave|go|goes|get) (?:beyond |outside |out of |past )?(?:this|the|these|our) (?:\w+ )?(?:room|office|walls|building|file|team|service)\b`, `(?:goes?|go|going|gone) (?:no|not any|any) further\b`, `not to go (?:anywhere|further|any further|out|home|in the post)\b`,
			`(?:just )?so (?:that )?you(?:['’]re| are)? (?:all )?(?:know|aware)\b`, `heads[- ]up\b`, `between you,? (?:and )?me\b`, `between (?:him|her|them) and (?:me|us)\b`, `not (?:to )?(?:be )?(?:cc|copy|copied|cc['’]?d)\b`, doNot + ` (?:cc|bcc|copy in|minute|log|document|record)\b`,
			`(?:told|said|spoke|disclosed|shared|mentioned|confirmed)\b[^.;]{0,40}\b(?:as (?:a friend|(?:her|his|their|my) (?:adviser|advisor|friend|worker))\b|(?:and )?(?:to )?(?:nobody|no[- ]one) else)`,
			`(?:i|we) (?:really )?(?:should ?n['’]?t|should not|am not supposed to|['’]m not supposed to|ought not|probably shouldn['’]?t) (?:really |strictly )?(?:say|tell|write|repeat|know|mention|be telling|be saying|put|have)\b`, `knows? nothing (?:of|about)\b`, `reads? (?:all|the|any) (?:of (?:the|her|his) )?(?:post|mail|letters|emails?)\b`,
		}},
		// Of secrets.
		{hints: []string{"not ", "n't", "n’t", "dont", "doesnt", "hasnt", "unaware", "idea", "nothing", "secret", "behind", "without", "never", "find", "get"}, patterns: []string{
			`(?:must|should|can|is|are) ?(?:not|n['’]?t) (?:to )?(?:know|find out|hear|see this|be told|learn|be aware|get wind)`, `(?:does ?n['’]?t|does not|do not|don['’]?t|dont|did ?n['’]?t) want\b[^.;]{0,40}\bto (?:know|find out|hear|see)`,
			relatives + ` (?:(?:does ?n['’]?t|does not|do not|don['’]?t|doesnt|dont) know|(?:has no idea|have no idea|unaware|not aware|is not aware|isn['’]?t aware|is unaware|are unaware|knows nothing|know nothing)\b|(?:is |are )?(?:not|never) to (?:know|find out|hear|be told))`,
			relatives + `\b[^.;]{0,30}\bfind(?:s|ing)? out\b`, `get(?:s|ting)? back to (?:her|his|their|the) ` + relatives + `\b`,
			`without (?:her|his|their|the|` + theClient + `['’]s) ` + relatives + `\b[^.;]{0,20}(?:knowing|finding out)`, `(?:has ?n['’]?t|has not|have ?n['’]?t|hav(?:e|ing) not|not|never|hasnt) (?:yet )?told (?:(?:her|his|their|the) )?` + relatives + `\b`,
			`secretly`, `in secret`, `behind (?:her|his|their) (?:\w+['’]s )?back`, `(?:her|his|their) secret\b`,
		}},
	}.compile(`\b`)
	// Signs that say hush.
	hushRE = pattern.MustCompile(`[🔒🔐🤫🤐🙊🚫]`)
	// An aside is internal from where its clause begins: what the adviser thinks
	// of the client, and the office's own business.
	asideRE = markers{
		{hints: []string{"conflict", "client of", "act", "mlro", "suspicious", "tipping", "launder", "poca"}, patterns: []string{
			`\b(?:conflict (?:of interest|check|search)|(?:also|former|ex-?) ?(?:our|a) client of ours|(?:also|former|ex-?) (?:a )?client of (?:ours|this office)|we (?:also )?(?:act|acted) for (?:her|his|their|the))\b`,
			`\b(?:mlro|suspicious activity|tipping off|money launder\w*|poca)\b`,
		}},
		{hints: []string{"rang", "call", "phone", "email", "contact", "text", "came in", "told", "tell", "tipped", "say", "said", "mention", "think", "report", "disclos", "alleg", "claim"}, patterns: []string{
			`\b(?:(?:her|his|their|cl['’]?s|ct['’]?s|client['’]s) )(?:` + relatives + `|neighbour) (?:\w+ )?(?:rang|called|phoned|emailed|contacted|texted|came in|told|tells|tipped)\b(?: (?:me|us|in|here|the office|to (?:say|tell|let|warn)|and))?`,
			`\b(?:a |the )?(?:neighbour|relative|family member|third party|anonymous caller|caller) (?:\w+ )?(?:rang|called|phoned|told|says|said|reported|reports|alleges?d?|claims?|has reported|tipped)\b`,
			`\b(?:support|social|key|outreach|mental health|care|youth|family) worker (?:rang|called|phoned|told|tells|says|said|mentioned|thinks|reports|reported|disclosed|confided)\b`, `\b(?:housing officer|gp|doctor|teacher|school|college|social services|dwp|jobcentre|work coach|solicitor|landlord|agent)\b[^.;]{0,25}\b(?:mentioned|told me|told us|says?|said|thinks?|reported|let slip)\b[^.;]{0,25}\b(?:(?:been|is being) (?:reported|investigated|seen|arrested)|(?:he|she|cl|client)(?:['’]s| is| was| has)? (?:drinking|using|working|subletting|lying|hiding|not living|living))`, `\b(?:cpn|probation(?: officer)?|ward staff|nurse|police|health visitor) (?:rang|called|phoned|told|tells|says|said|mentioned|thinks?|reports?|reported|disclosed|confided)\b`,
		}},
		{hints: []string{"supervis", "manager", "review", "meeting", "md", "deputy", "clos", "colleague"}, patterns: []string{
			`\b(?:raise|flag|discuss|check|run|take|escalate)\b[^.;]{0,30}\b(?:w/|with|at|in|to|past|by) (?:(?:my|our|the|a) )?(?:supervis\w*|line manager|manager|case review|team meeting|md\b|deputy|(?:\w+ )?colleagues?\b)`, `\b(?:ask|tell|see|speak to|fao|dear|via|need) (?:(?:my|our|the) )?(?:supervis(?:or|ion)|line manager)\b`, `\b(?:ask|tell|see|speak to|via) (?:my|our) manager\b`, `^\W*(?:my |our )?(?:supervisor|line manager|manager|team leader|gm|ceo) (?:is |was |has |been )*(?:aware|informed|notified|consulted|agrees|agreed|told|happy|says|said|thinks|wants)\b`, `\bcase review(?:$|[^ \w]| (?:meeting|needed|due))`, `^\W*(?:for|to|fao|attn|@)\s[^:.;]{0,30}\b(?:supervis\w+|manager|team leader|deputy)\b`, `\((?:manager|supervisor|team leader|deputy)\)`, `\bfor supervis`, `\b(?:my|our) supervis(?:or|ion)\b`, `\b(?:w/|with|to) supervisor\b`,
			`\b(?:close|closing|closed?) (?:the |this |her |his |their )?(?:case|file)\b`, `\bfile closed\b`,
		}},
		{hints: []string{"vibe", "whether", "impression", "feeling", "sense", "personal", "adviser", "imo", "imho", "tbh", "tbf", "gut", "my ", "our ", "suspect"}, patterns: []string{
			`\b(?:imh?o|tbh|tbf)\b`, `\bgut feel`, `\bgut (?:says|tells)`, `\b(?:great|good|bad|funny|odd|strange|uneasy) (?:feeling|vibe)s?\b`, `\bwhether (?:she|he|they|cl|client)(?:['’]ll|['’]s| will| is| are| can)? (?:really |actually |going to )*(?:follow through|stick|engage|cope|keep it up|turn up)`, `\b(?:got|get|had|have) (?:the|an?) (?:impression|feeling|sense)\b`, `\b(?:my|our|personal|adviser['’]s) (?:own |personal |honest )?(?:view|opinion|feeling|hunch|impression|suspicion|guess|gut|worry|sense|instinct)\b`,
			`^\W*suspects?\b`, `\bi(?:['’]d| would| do)? (?:also |still |personally |honestly |really |strongly )?suspect\b`,
		}},
		{hints: []string{"straight", "honest", "truth", "open", "upfront", "up front", "forthcoming", "frank", "candid", "telling"}, patterns: []string{
			`(?:isn['’]?t|not|wasn['’]?t|aren['’]?t|never)(?: being)? (?:entirely |totally |quite |very |wholly |fully |always |completely )?(?:being )?(?:straight|honest|truthful|open|upfront|up front|forthcoming|frank|candid|telling (?:us |me )?(?:the truth|everything))\b`,
		}},
		{hints: []string{"lying", "evasive", "shifty", "dodgy", "fishy", "dishonest", "untruthful", "aggress", "rude", "unpleasant", "drunk", "intoxic", "hungover", "stoned", "slurr", "influence", "unreliable", "manipul", "denial", "chaotic", "lazy", "clueless", "difficult", "hostile", "liar", "pain", "nightmare", "waster", "nuisance", "handful", "hiding", "wool", "taking us", "stick", "system", "trying it", "smel", "reek", "stank", "stink", "sounded", "seemed", "looked", "came across", "appeared", "drinking"}, patterns: []string{
			`\b(?:sounded|seemed|looked|came across|appeared) (?:like|as (?:if|though)|to have been)\b`, `\bslurr\w+`, `\b(?:been|was|is) drinking\b`, `\bunder the influence\b`,
			`\b(?:is|was|seems?|seemed|looks?|looked|sounds?|sounded|being|very|bit|quite|rather|came across as|comes across as|appears?|appeared) (?:to be )?(?:a bit |rather |very |quite |really |slightly )?(?:lying|evasive|shifty|dodgy|fishy|dishonest|untruthful|aggressive|rude|unpleasant|drunk|intoxicated|hungover|stoned|slurr\w+|under the influence|unreliable|manipulative|in denial|chaotic|lazy|clueless|difficult|hostile|a (?:liar|pain|nightmare|time ?waster|nuisance|handful))\b`,
			`\b(?:hiding (?:it|this|that|the|her|his|money|assets?|something|things)|pulling the wool|taking us for|won['’]?t stick|time ?waster|playing the system|trying it on)\b`,
			`\b(?:smelt|smelled|smells|reeked|reeks|stank|stinks) (?:strongly )?of\b`,
		}},
		// What others let us know of the client, whoever they are.
		{hints: []string{"told us", "told me", "tells us", "let us know", "let me know", "informed us", "informed me", "says s", "says h", "said s", "said h", "claims", "alleg", "warned", "reckons"}, patterns: []string{
			`\b(?:` + relatives + `|neighbours?|workmate|lodger|flatmate|housemate|carer|friend|mate|colleague at \w+|ex)\b[^.;]{0,50}\b(?:(?:told|tells|informed|warned) (?:us|me|the office)|let (?:us|me) know|says?|said|claims?|claimed|alleges?d?|reckons?)\b:?\s*(?:that\s+|about\s+)?(?:she|he|they|cl|ct|clt|client|hes|shes)(?:['’]s|['’]d|\b)(?: (?:is|was|has|had|does|did|drinks|gambles|uses|takes|works|still|been|isn|doesn|never|really|secretly|actually)\b|\s\w+(?:s|ing|ed)\b)`,
		}},
		// What is only supposed of the client, and would accuse somebody.
		{hints: []string{"undeclared", "fraud", "cash in hand", "cash-in-hand", "on the side", "moonlight", "overstay", "illegal", "exploit", "traffick", "dealing", "drug", "sublet", "convict", "prison", "tagged", "abus", "violen", "launder", "stolen", "steal", "fiddl", "conceal", "undisclosed", "hidden", "coerc"}, patterns: []string{
			`(?:\?\s*|\b(?:poss(?:ibly|ible|ib)?|maybe|may(?: well)? be|might(?: well)? be|could be|perhaps|potential(?:ly)?|probabl[ey]|prob|likely|suspected|apparently|alleged(?:ly)?|rumoured|speculat\w+|hints? (?:of|at)|signs? of|worried about|suspicion of|concerns? (?:re|about|over)|query|whiff of)\b[^.;]{0,40}\b)` + accusation,
			accusation + `[^.;?]{0,12}\?`,
			`\b(?:undeclared|undisclosed|hidden) (?:income|earnings|work|job|savings|money|assets?|cash|partner|accounts?)\b`, `\bcash[- ]in[- ]hand (?:work|jobs?|earnings|income|pay|payments|basis|for)\b`, `\b(?:work\w*|jobs?|paid|earn\w*|does)\b[^.;]{0,25}\bcash[- ]in[- ]hand\b`,
		}},
		// What the office has to do with itself.
		{hints: []string{"funder", "target", "kpi", "time rec", "billing", "matter start", "qa", "audit", "file lacks", "file review", "peer review", "trainee", "incident", "banned", "barred", "warning marker", "complain", "messed", "mucked", "cocked", "slipped up", "dropped the ball", "my fault", "right advice", "wrong advice", "we forgot", "i forgot", "our mistake", "indemnity", "negligen", "near miss", "oisc", "rota", "appraisal", "quietly", "training need"}, patterns: []string{
			`\bfunder\b`, `\b(?:time[- ]rec(?:ord(?:ed|ing)?)?|billing code|matter start|kpis?|peer review|file review|appraisal|training need|near miss|pi insur\w+|professional indemnity|negligen\w+)\b`, `\b(?:file|case)[ -](?:file )?(?:lacks|is missing|has no|needs)\b`, `\b(?:before|for|after|ahead of) (?:the )?audit\b`,
			`\btrainee\b`, `\bincident (?:log|form|report|book)`, `\b(?:banned|barred) from (?:\w+ ){0,3}(?:office|branch|bureau|centre|building|premises)`, `\bwarning marker\b`,
			`\b(?:i|we)(?:['’]ve| have| had| think i| may have| might have)? (?:really |badly |probably )?(?:messed|mucked|cocked|screwed|slipped) up\b`, `\bdropped the ball\b`, `\b(?:my|our) (?:fault|oversight|cock[- ]?up|screw[- ]?up)\b`, `\b(?:gave|given|give|giving)\b[^.;]{0,20}\b(?:right|wrong|bad|poor|duff) advice\b`, `\b(?:i|we) (?:\w+ )?forgot to\b`, `\bsort (?:it )?(?:out )?quietly\b|\bquietly (?:fix|sort|drop|close)\w*|\b(?:fix|sort|drop|close)\b[^.;]{0,15}\bquietly\b`,
		}},
		// What the adviser thinks of, or went through with, anybody.
		{hints: []string{"rude", "useless", "hopeless", "incompetent", "idiot", "moron", "clown", "shower", "swore", "swear", "shout", "yell", "abusive", "uncomfortable", "scared", "threaten", "nasty", "obnoxious", "arrogant", "bully", "snotty", "stroppy", "pathetic", "disgrace", "vexatious", "time wast", "unhelpful", "hate", "typical of", "as usual", "fed up", "sick of", "annoy", "wind", "hung up on me", "hung up on us", "a joke", "difficult", "awkward", "tricky", "demanding", "problem", "nightmare"}, patterns: []string{
			`\b(?:useless|hopeless|incompetent|idiots?|morons?|clowns?|obnoxious|arrogant|bullying|bull(?:y|ies)|snotty|stroppy|pathetic|a disgrace|disgraceful|vexatious|downright|nasty|abusive|a joke)\b`, `\b(?:swore|swearing|shout(?:ed|ing)|yell(?:ed|ing)|threaten(?:ed|ing)|rude|abusive|hung up)\b(?: \w+){0,3}? (?:at|to|on|towards|with) (?:me|us|staff|reception|the (?:adviser|volunteer|receptionist|team)|colleagues?)\b`,
			`\b(?:difficult|awkward|tricky|demanding|problem|nightmare) (?:client|cl|ct|clt|customer)\b`, `\bkept (?:shouting|swearing|interrupting|changing (?:her|his|their) (?:story|mind))\b`, `\bthreaten(?:s|ed|ing) (?:(?:her|his|the|to hurt|to harm|to hit|to kill) )?(?:her|him|me|us|staff|` + relatives + `)\b`, `\b(?:made me|felt|feel|feeling) (?:\w+ )?(?:uncomfortable|unsafe|intimidated|threatened|uneasy|sorry for)\b`,
			`\b(?:fed up|sick) (?:of|with) (?:her|him|them|this|the)\b`, `\bi(?:['’]d)? (?:can['’]?t stand|hate|loathe)\b`,
		}},
		// What authorities know of the client, and what is said of a person's ways.
		{hints: []string{"intel", "investigat", "arrest", "charged with", "cautioned", "been reported", "probation", "on tag", "a tag", "on bail", "on licen", "relapsed", "using again", "back on the", "chancer", "waffl", "to save her", "to save his", "be surprised", "be amazed", "smell", "fishy", "rat", "add up", "hygiene", "clutter", "unkempt", "dishevel", "sob story", "playing", "hopeless", "pinch of salt", "not the full", "porky", "fibs", "fibbing", "cagey", "vague", "guarded", "drama", "moan", "story", "believ", "credib", "plausib", "turn up", "take it with"}, patterns: []string{
			`\bintel\b`, `\b(?:being|is|was|been|under|are) (?:also )?investigat\w+`, `\b(?:been|being|was|is|got) (?:arrested|cautioned|reported (?:for|by|to)|charged with)\b`, `\b(?:on bail|on licen[cs]e|(?:on|has|got|wears|wearing) (?:a |an )?(?:ankle )?tag)\b`, `\b(?:relapsed|using again|back on (?:the )?(?:booze|drink|drugs|gear|bottle))\b`,
			`\b(?:bit of a|a real|a right|such a|total|complete) (?:chancer|nightmare|pain|mess|muddle|drama|character|moaner|liar|handful|joker|state|flake)\b`, `\bto save (?:her|his|their) life\b`, `\b(?:i['’]?d|i would|we['’]?d) be (?:very |really )?(?:surprised|amazed|shocked|astonished)\b`, `\bsmell(?:s|ed)? (?:a rat|funny|off|wrong)\b`, `\b(?:n['’]?t|not|never) (?:really |quite )?(?:add up|ring true|stack up|make sense to me)\b`,
			`\b(?:hygiene|unkempt|dishevel\w+|sob story|pinch of salt|porky|porkies|fib(?:s|bing)|cagey|waffl\w+)\b`, `\b(?:very|bit|rather|quite|so|was|seemed) (?:vague|guarded)\b`, `\b(?:her|his|their) story\b`, `\bnot (?:very |entirely |wholly )?(?:believable|credible|plausible)\b`,
		}},
		// What is told of one's body, one's love and the law, to whom it is told only.
		{hints: []string{"pregnan", "miscarr", "abortion", "hiv", "affair", "alcohol", "addict", "heroin", "cocaine", "drug", "criminal record", "asylum", "transition", "abus", "porn", "sex", "stalk", "eating disorder", "steal", "theft", "stole"}, patterns: []string{
			`\b(?:told|tells|disclos\w+|admit\w*|reveal\w*|confess\w*|said|says|mention\w*|shared|hint\w*|let on)\b[^.;]{0,60}\b(?:pregnan\w+|miscarr\w+|abortion|hiv|an affair|alcohol\w*|addict\w*|heroin|cocaine|(?:on|uses?|using|taking|takes) drugs|criminal record|asylum|transition(?:ing|ed)?|abus(?:ed|ive)|porn\w*|sex\w*|stalk\w*|eating disorder|stealing|theft|stole)\b`,
		}},
		// What was let out, and what somebody is not to learn.
		{hints: []string{"let slip", "confess", "blurt", "sworn", "secrecy", "know we know", "know i know", "nobody", "no-one", "no one", "getting back", "get back", "unaware", "not aware", "isn't aware", "isnt aware", "doesn't know that", "doesn't realise", "does not know that", "no idea that", "privy", "keep it to", "keep this to", "keep that to", "opened up", "trusted me", "breathe a word", "not a word", "before we tell", "until we tell", "till panel"}, patterns: []string{
			`\b(?:let (?:it )?slip|confess(?:ed|es)|blurted|sworn (?:me |us )?to|(?:to|of) secrecy|opened up (?:to|about)|breathe a word|not a word)\b`, `\bknow(?:s)? (?:that )?(?:we|i) know\b`, `\b(?:nobody|no[- ]one)(?: else| at home| in the family)? (?:knows?|(?:is|must|should|can|may|to)(?: to| be)* (?:know|told|aware|hear|find out))\b`, `\b(?:told|tell) (?:nobody|no[- ]one)\b`,
			`(?:n['’]?t|\bnot|\bnever|\bhope)\b[^.;]{0,30}\bget(?:ting|s)? back to\b`, `\b` + theClient + ` (?:is |was )?(?:unaware|not aware|isn['’]?t aware|oblivious|(?:has )?no idea)(?: that| of| about|\b)[^.;]{0,40}\b(?:us|we|i|me|our|office|contacted|told|rang|daughter|son|` + relatives + `)\b`,
			`\bkeep(?:ing)? (?:it|this|that|them|these) to (?:my|our|your|him|her|them)sel(?:f|ves)\b`,
		}},
	}.compile("")
	// A head that names the office, or what is not known for sure, opens internal
	// matter: "Comments for supervisor: …", "QA - …", "Vuln: …".
	officeHeadRE = markers{
		{hints: []string{":", " -", "–", "—", "to", "fao", "attn", "dear", "hi", "@"}, patterns: []string{
			`^\W*(?:[\p{L}'’&/.]+ ){0,3}?(?:(?:worker|caseworker|keyworker|interviewer|volunteer|triage|gateway|assessor)(?:['’]?s)? (?:notes?|obs|observations?|views?|thoughts?|remarks?|opinions?|impressions?)|personal|supervisors?|supervision|mgrs?|qa|audit|admin|staff|colleagues?|team|reflections?|hunch|gut(?: feel(?:ing)?)?|impressions?|speculation|hearsay|rumou?rs?|unverified|unconfirmed|uncorroborated|suspicions?|thinking|musings?|vuln|vulnerabilit(?:y|ies)|incidents?|handover|in confidence|on the qt|intel|observations?|disclosures?|off the books|workers?|adv(?:iser|isor)? (?:view|obs|observations?|thoughts?))(?: (?:only|notes?|comments?|info|flags?|marker|issues?|concerns?|report|log|to note|pls note|please note|pls be aware|be aware)){0,2}\s*(?:\([^)]{0,30}\)\s*)?(?::|\s[-–—]+>?\s)`,
			`^\W*(?:to|fao|attn|dear|hi|@)\s*(?::\s*)?(?:(?:my|our|the|all) )?(?:supervisors?|managers?|mgr|colleagues|all staff|team(?: leader)?)\s*[.,:]`,
		}},
	}.compile("")
	officeNotRE = foldedRE(`\b(?:loans?|details|allowance|independence|pip|pension|budget|fraud|support|outreach|social|full|financial|iva|trustee|at|fees?|charges?|costs?|their|council|bank|recovery|collections?|debt|legal|sup(?:port)? team)\b`)
	// A remark of a program, and words between doubled brackets, are asides of the
	// writer to himself.
	remarkRE = pattern.MustCompile(`^\s*(?://|%%|--\s*//|/\*)\s*\p{L}|^\s*(?:[-•]\s*)?(?:\[\[[^\]]*\]\]|\{\{[^}]*\}\}|<<[^>]*>>|\(\([^)]*\)\))[\s.]*$`)
	// The adviser's own thoughts about the client.
	thoughtRE = foldedRE(`(?:^\W*(?:(?:still|really|personally|honestly|do) )?(?:thinks?|reckon|doubt|suspect|bet|guess|fear|not sure|unsure|not convinced|don['’]?t (?:think|believe|trust)|can['’]?t (?:believe|trust))\b|\bi(?:['’]m| am)? (?:concerned|worried|bothered)\b|\b(?:i(?:['’]m| am)? (?:also |still |personally |honestly |just |really )?(?:suspect|doubt|reckon|fear|worry|bet|guess|sense|feel|think|believe|wonder|not sure|not convinced|don['’]?t (?:think|believe|trust|buy)|do not (?:think|believe|trust)|have (?:my )?doubts)\b|(?:office|team|pam|manager|colleagues?|we all) (?:thinks?|reckons?|feels?|suspects?)\b))(?: (?:that|if|whether|about|all|a lot of|some of))*(?: (?:the|this|our|what))* ([\p{L}'’]+)`)
	aPerson   = set(`he she they him her them his their cl ct clt client customer hes shes`)
	adviceRE  = foldedRE(`\b(?:qualif\w*|eligib\w*|entitled?|better off|can claim|could claim|may be able|might be able|should (?:apply|claim|ask|get|be)|would benefit|can apply|could apply)\b`)
	notSureRE = foldedRE(`\b(?:not sure|don['’]?t|do not|cannot|can['’]?t) (?:i |if i |that i )?(?:believe|trust|buy)\b`)
	doubtRE   = foldedRE(`\b(?:don['’]?t|do not|not|doubt|suspect|fear|worry|bet)\b`)
	ivaRE     = foldedRE(`\b(?:iva|trustee|nominee)\b`)
	// What may put somebody in danger if others at home read it.
	safetyRE = foldedRE(`\b` + oneOf(
		`safeguarding`, `(?:do not|don['’]?t|never|no) (?:leave |leaving )?(?:a |any )?(?:voice ?mails?|messages?|vm)\b`, `lone[- ]work\w*`, `passwords?\b`, `memorable (?:word|answer|info\w*)`, `marac`, `idva`, `isva`, `domestic (?:abuse|violence)`, `\bdv\b`, `coercive control`, `(?:women['’]?s )?refuge\b`, `(?:fled|fleeing|flees) (?:violence|abuse|her|his|the|from)`, `non[- ]mol(?:estation)?(?: order)?`,
		`suicid\w*`, `self[- ]?harm\w*`, `overdos\w+`, `sectioned`, `end(?:ing)? (?:it all|her life|his life)`, `rap(?:ed|ist)\b`, `sexual(?:ly)? (?:assault\w*|abus\w*)`, `child protection`,
		`(?:hits?|beats?|beating|hitting|assault(?:s|ed)?|attacks?|threatens? to (?:kill|hurt)|violent (?:to|towards|with)) (?:her|him|them|the (?:kids|children))\b`,
	))

	// Some lines say it of others: those before ("^^ above line not for letter")
	// or after them ("next 2 lines confidential").
	saidOfLines = `.{0,40}(?:confidential|\bconf\b|internal|private|sensitive|off (?:the )?record|\bnot (?:for|in|to go|to be)|leave out|keep out|out of|don['’]?t (?:put|include|send)|only\b)`
	aboveRE     = foldedRE(`^\W*(?:(?:nb|n\.b\.|ps|note)\W+)?(?:pls |please )?(?:\^+\s*|(?:the )?(?:above|previous|preceding|last)\b)` + saidOfLines)
	belowRE     = foldedRE(`^\W*(?:(?:nb|n\.b\.|ps|note)\W+)?(?:pls |please )?(?:the )?(?:next|following|below|rest)\b` + saidOfLines)
	countRE     = foldedRE(`\b(\d|two|three|four|five|six)\b`)
	manyRE      = foldedRE(`\b(?:lines|points|sentences|bullets|items)\b`)
	restRE      = foldedRE(`\b(?:rest|para|paragraph|section|part|bit)\b`)
	bareLabelRE = foldedRE(`^\W*(?:(?:begin|start|begins|starts)(?: of)?\s+)?(?:strictly |staff )?(?:internal|confidential|private|conf|sensitive|off (?:the )?record|staff only|notes? to self|not for (?:the )?(?:letter|client|coa|release))(?:\s*(?:&|and|\+|/)\s*(?:confidential|private|internal))?(?: (?:only|section|notes?|remarks?|comments?|use only|matters?|info|starts?|begins?|follows?|bit|block|below))*(?:\s*[-–—,/(]+\s*(?:not for (?:the )?(?:letter|client|coa)|do not (?:send|share|include|disclose)|(?:adviser|advisor|staff|our) (?:eyes )?only|internal|confidential|internal only))*\W*$`)
	onlyLabelRE = foldedRE(`^\W*(?:` + labelName + `)\W*$`)
	endLabelRE  = foldedRE(`^\W*(?:(?:ends?|stop|close|finish(?:ed)?|ends? of)(?: of)?\s+(?:the\s+)?(?:internal|confidential|conf|private|sensitive|notes?|section|block|bit)|ends?\W*$|/internal|/confidential|/conf|(?:internal|confidential|private|conf|sensitive)(?: notes?| section| bit)? (?:ends?|stops?|over|finish(?:es|ed)?|closed?)|(?:ok )?(?:back )?(?:for|to) (?:the )?(?:letter|client)|ok to (?:share|send)|resumes?\W*$|normal notes)\b.*$`)
	// A key says how internal lines are marked.
	legendRE = foldedRE(`(?:\b(?:lines?|items?|points?|bits?|anything|everything|text|paras?|notes?|entries|sentences?|stuff)\b[^.;]{0,25}?\b(?:with|marked|starting|beginning|in|after|by|prefixed)(?: with| by)?(?: an?| the)?|^\W*(?:key\W+)?)\s*["'“‘(]?([#*!†‡§¬~^@%&+=>|$]{1,3}|\[[a-z]{0,3}\]|square brackets|\(?[A-Z]{1,3}\)|double brackets)["'”’]?\s*(?:=|:|are|is|means?|not|for|stays?|sign)`)
)

// markInternal finds what the adviser marked as not for the client. When the
// extent of a mark is in doubt more is held back rather than less, and a
// warning says so.
func (r *Record) markInternal() {
	inBlock, untilEnd, inTag := false, false, false
	blockAt := 0
	ahead := 0 // lines that an earlier one says are internal; -1 for all to a blank one
	indent := -1
	var closer byte // what closes a bracket of internal matter that runs over lines
	key := legend{}
	for i := range r.Lines {
		l := &r.Lines[i]
		trimmed := strings.TrimSpace(l.Text)
		whole := []mark{{span: span{0, len(l.Text)}}}
		if k, ok := legendOf(l.Text); ok {
			key, l.hidden = k, whole
			continue
		}
		switch {
		case closer != 0:
			if at := closedAt(l.Text, closer); at >= 0 {
				closer = 0
				l.hidden = r.hideHead(l, at)
			} else {
				l.hidden = whole
			}
		case inTag || openTagRE.MatchString(l.Text):
			l.hidden, inTag = tagged(l.Text, inTag)
		case ahead != 0 && trimmed != "":
			l.hidden = whole
			ahead = max(ahead-1, -1)
		case aboveRE.MatchString(trimmed):
			l.hidden = whole
			r.hideBefore(i, reachOf(trimmed))
		case len(trimmed) < 80 && fromHereRE.MatchString(trimmed) && (regexpInternal.MatchString(trimmed) || markRE.MatchString(trimmed)):
			inBlock, untilEnd, blockAt = true, true, i
			l.hidden = whole
		case belowRE.MatchString(trimmed):
			l.hidden = whole
			ahead = reachOf(trimmed)
		case endLabelRE.MatchString(trimmed) && inBlock:
			inBlock, untilEnd = false, false
			l.hidden = whole
		case bareLabelRE.MatchString(trimmed) || onlyLabelRE.MatchString(trimmed):
			inBlock, untilEnd, blockAt = true, r.endsLater(i+1), i
			l.hidden = whole
			if r.trails(i) {
				r.hideBefore(i, 1)
				inBlock = untilEnd || i+1 < len(r.Lines) && !r.Lines[i+1].blank()
			}
		case ahead < 0 && trimmed == "":
			ahead = 0
		case inBlock && trimmed == "" && !untilEnd:
			// A blank line right after the label does not end what it opens, nor
			// does any where the notes are in sections with headings.
			inBlock = r.nextIsIndented(i) || i > 0 && onlyLabel(r.Lines[i-1].Text) || r.sectioned(blockAt, i) || r.plainParagraph(i+1)
		case inBlock && !untilEnd && isSectionHeading(trimmed):
			inBlock = false
		case inBlock:
			l.hidden = whole
		case indent >= 0 && trimmed != "" && indentOf(l.Text) > indent:
			l.hidden = whole
		case r.runsOn(i):
			l.hidden = whole
		default:
			indent = -1
			l.hidden = r.spansOf(i, key)
			if l.allHidden() && labelRE.MatchString(trimmed) {
				indent = indentOf(l.Text)
			}
			switch c := r.leftOpen(i); {
			case c != 0:
				closer = c
			case l.allHidden() && strings.HasSuffix(trimmed, ":"):
				inBlock, untilEnd, blockAt = true, r.endsLater(i+1), i
			}
		}
	}
	r.hideNamed()
	r.warnInternal()
}

var (
	namedWords = `((?:[\p{L}'’-]{3,} )?[\p{L}'’-]{3,})`
	namedLead  = `(?:(?:the|her|his|their|any|all|about|of|to|anything|mention|re) )*`
	// What is to be left out, named: "leave the operation out", "don't mention the
	// operation".
	leaveOutRE   = foldedRE(`^\W*(?:(?:pls|please|nb|and|also)\W+)*(?:leave|keep|miss|take) ` + namedLead + namedWords + ` (?:out|off)\W*$`)
	notMentionRE = foldedRE(`\b(?:` + doNot + `|avoid|no) (?:mention(?:ing)?|refer(?:ring)?|discuss(?:ing)?|include|including|rais(?:e|ing)|bring(?:ing)? up) ` + namedLead + namedWords + `|\b(?:leave|keep|miss|take) ` + namedLead + namedWords + ` (?:out|off|private|confidential|quiet)\b`)
)

// hideNamed hides the sentences that speak of what a mark elsewhere names as not
// for the letter. One with a fact stays, with a warning.
func (r *Record) hideNamed() {
	var names [][]string
	for i := range r.Lines {
		l := &r.Lines[i]
		if m := leaveOutRE.FindStringSubmatch(l.Text); m != nil && !l.allHidden() {
			if words := namedStems(m[1]); words != nil && r.speaksOf(i, words) {
				l.hidden = []mark{{span: span{0, len(l.Text)}}}
				names = append(names, words)
			}
		}
		for _, h := range l.hidden {
			if words := leftOut(l.Text[h.start:h.end]); words != nil {
				names = append(names, words)
			}
		}
	}
	for _, words := range names {
		for i := range r.Lines {
			l := &r.Lines[i]
			for _, s := range sentencesOf(l.Text) {
				if l.allHidden() || len(l.hiddenIn(s)) > 0 || !holdsStems(l.Text[s.start:s.end], words) {
					continue
				}
				if len(l.factsIn(s)) > 0 {
					r.doubt("Line %d speaks of what another line says is not for the letter. Please check.", l.Number)
					continue
				}
				h := hider{text: l.Text, record: r, found: slices.Clone(l.hidden)}
				h.hide(s, false)
				l.hidden = h.marks()
			}
		}
	}
}

// leftOut returns the stems of the thing that a text says is not to be mentioned.
func leftOut(text string) []string {
	m := notMentionRE.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	return namedStems(m[1] + m[2])
}

func (r *Record) speaksOf(but int, words []string) bool {
	for i := range r.Lines {
		if i != but && holdsStems(r.Lines[i].Text, words) {
			return true
		}
	}
	return false
}

// namedStems returns the stems of the words that name a thing, or nil where they
// could be anything.
func namedStems(text string) []string {
	var stems []string
	for _, w := range contentWords(text) {
		if s := stem(w); len(s) > 2 && !vague[s] && !vague[w] && !aPerson[w] {
			stems = append(stems, s)
		}
	}
	return stems
}

func holdsStems(text string, stems []string) bool {
	words := map[string]bool{}
	for _, w := range contentWords(text) {
		words[stem(w)] = true
	}
	return !slices.ContainsFunc(stems, func(s string) bool { return !words[s] })
}

func (r *Record) warnInternal() {
	for i := range r.Lines {
		l := &r.Lines[i]
		for j := range l.Facts {
			f := &l.Facts[j]
			f.Line = l.Number
			f.Internal = len(l.hiddenIn(span{f.Start, f.End})) > 0
		}
		switch {
		case len(l.hidden) == 0 || l.blank(), hinted(l.Text, machineHints, machineRE) != nil:
		case l.allHidden() && safetyRE.MatchString(l.Text) && !markRE.MatchString(l.Text) && !labelRE.MatchString(l.Text):
			r.doubt("Line %d speaks of somebody's safety: it was held back, for others at home may read the letter.", l.Number)
		case l.allHidden():
			r.warn("Line %d is marked internal: it is not in the letter.", l.Number)
		default:
			r.warn("Line %d is partly marked internal: that part is not in the letter.", l.Number)
		}
	}
}

// legend is how a key at the notes' head says that internal lines are marked.
type legend struct{ sign string }

func legendOf(text string) (legend, bool) {
	if len(text) > 200 {
		return legend{}, false
	}
	m := legendRE.FindStringSubmatch(text)
	if m == nil || !markRE.MatchString(text) && !regexpInternal.MatchString(text) {
		return legend{}, false
	}
	return legend{m[1]}, true
}

var regexpInternal = foldedRE(`\b(?:internal|confidential|private|staff|colleagues?|us only|off (?:the )?record|not for)\b`)

// spans returns what of a line the key marks.
func (k legend) spans(text string) []mark {
	switch strings.ToLower(k.sign) {
	case "":
		return nil
	case "square brackets", "[]":
		return bracketed(text, '[', ']')
	case "double brackets":
		return bracketed(text, '(', ')')
	}
	body := strings.TrimSpace(bulletRE.ReplaceAllString(text, ""))
	if strings.HasPrefix(strings.TrimSpace(text), k.sign) || strings.HasPrefix(body, k.sign) || strings.HasSuffix(body, k.sign) {
		return []mark{{span: span{0, len(text)}}}
	}
	return nil
}

func bracketed(text string, open, closing byte) []mark {
	var all []mark
	for at := 0; at < len(text); {
		i := strings.IndexByte(text[at:], open)
		if i < 0 {
			break
		}
		end := len(text)
		if j := strings.IndexByte(text[at+i:], closing); j >= 0 {
			end = at + i + j + 1
		}
		all = append(all, mark{span{at + i, end}, true})
		at = end
	}
	return all
}

// trails tells whether the label on line i speaks of the line before it: "(not
// for the letter)", in small letters and without a colon, with nothing after it
// or with a line right before it.
func (r *Record) trails(i int) bool {
	text := strings.TrimSpace(r.Lines[i].Text)
	if i == 0 || r.Lines[i-1].blank() || strings.HasSuffix(text, ":") || strings.ToUpper(text) == text {
		return false
	}
	if c := text[0]; c != '(' && c != '[' && c != '^' && !isLetter(c) {
		return false
	}
	lower := firstLetter(text)
	return unicode.IsLower(lower) || strings.HasPrefix(text, "(") || strings.HasPrefix(text, "[") || i+1 == len(r.Lines) || r.Lines[i+1].blank()
}

func firstLetter(text string) rune {
	for _, c := range text {
		if unicode.IsLetter(c) {
			return c
		}
	}
	return 0
}

// sectioned tells whether the notes have headings before and after a block, so
// that a blank line does not end it.
func (r *Record) sectioned(from, blank int) bool {
	before, after := false, false
	for i := from - 1; i >= 0 && from-i < 200 && !before; i-- {
		before = isSectionHeading(strings.TrimSpace(r.Lines[i].Text))
	}
	for i := blank + 1; before && i < len(r.Lines) && i-blank < 200 && !after; i++ {
		after = isSectionHeading(strings.TrimSpace(r.Lines[i].Text))
	}
	return before && after
}

// plainParagraph tells whether the paragraph at line i begins with a word that
// points back and gives no fact and nothing to be done, so that it may belong to
// the internal matter before it.
func (r *Record) plainParagraph(i int) bool {
	h := hider{record: r}
	any := false
	for ; i < len(r.Lines) && (!any || !r.Lines[i].blank()); i++ {
		text := strings.TrimSpace(r.Lines[i].Text)
		if text == "" {
			continue
		}
		h.text = text
		if !any && !continuesRE.MatchString(text) {
			return false
		}
		any = true
		if isSectionHeading(text) || !h.plain(span{0, len(text)}) {
			return false
		}
	}
	return any
}

// runsOn tells whether line i goes on with the internal matter at the end of the
// line before it.
func (r *Record) runsOn(i int) bool {
	if i == 0 || r.Lines[i].blank() || len(r.Lines[i-1].hidden) == 0 {
		return false
	}
	before := &r.Lines[i-1]
	last := before.hidden[len(before.hidden)-1]
	text := strings.TrimSpace(r.Lines[i].Text)
	if last.end < len(strings.TrimRight(before.Text, " \t.")) || last.bracket || bulletRE.MatchString(r.Lines[i].Text) {
		return false
	}
	end := strings.TrimRight(before.Text, " \t")
	if !strings.ContainsAny(end[max(0, len(end)-1):], ".!?:;)]}>*") && unicode.IsLower(firstRune(text)) && unicode.IsUpper(firstLetter(end)) {
		h := hider{text: text, record: r}
		f := r.subjects.parse(text, "")
		return !f.owned() && !clauseRE.MatchString(text) && (len(end) > 55 || h.plain(span{0, len(text)}) && continuesRE.MatchString(text))
	}
	h := hider{text: text, record: r}
	return labelRE.MatchString(before.Text) && h.continues(span{0, len(text)})
}

// leftOpen returns what closes a bracket of internal matter that the line opens
// and a later line closes, or 0.
func (r *Record) leftOpen(i int) byte {
	l := &r.Lines[i]
	if len(l.hidden) == 0 {
		return 0
	}
	for _, pair := range []string{"()", "[]", "{}"} {
		at := strings.LastIndexByte(l.Text, pair[0])
		if at < 0 || strings.IndexByte(l.Text[at:], pair[1]) >= 0 || len(l.hiddenIn(span{at, len(l.Text)})) == 0 {
			continue
		}
		for j := i + 1; j < min(len(r.Lines), i+40); j++ {
			if closedAt(r.Lines[j].Text, pair[1]) >= 0 {
				return pair[1]
			}
		}
	}
	return 0
}

// closedAt returns where a bracket that was opened on an earlier line closes, or -1.
func closedAt(text string, closer byte) int {
	open := map[byte]byte{')': '(', ']': '[', '}': '{'}[closer]
	level := 0
	for i := range len(text) {
		switch text[i] {
		case open:
			level++
		case closer:
			if level == 0 {
				return i
			}
			level--
		}
	}
	return -1
}

// hideHead hides a line up to and with the byte at i.
func (r *Record) hideHead(l *Line, i int) []mark {
	if strings.Trim(l.Text[i+1:], " \t.;,") == "" {
		return []mark{{span: span{0, len(l.Text)}}}
	}
	return []mark{{span: span{0, i + 1}}}
}

func onlyLabel(text string) bool {
	text = strings.TrimSpace(text)
	return bareLabelRE.MatchString(text) || onlyLabelRE.MatchString(text)
}

// reachOf says of how many lines a line speaks: -1 for all to the next blank one.
func reachOf(text string) int {
	if m := countRE.FindString(text); m != "" {
		if n := strings.Index("123456789", m); n >= 0 {
			return n + 1
		}
		return slices.Index([]string{"two", "three", "four", "five", "six"}, strings.ToLower(m)) + 2
	}
	if manyRE.MatchString(text) || restRE.MatchString(text) {
		return -1
	}
	return 1
}

// hideBefore hides the lines before the one at i that it speaks of.
func (r *Record) hideBefore(i, reach int) {
	for i--; i >= 0 && reach != 0; i-- {
		l := &r.Lines[i]
		if l.blank() {
			if reach < 0 && i+1 < len(r.Lines) {
				return
			}
			continue
		}
		l.hidden = []mark{{span: span{0, len(l.Text)}}}
		reach = max(reach-1, -1)
	}
}

// tagged finds what stands between tags of internal matter, and whether the last
// of them is still open.
func tagged(text string, open bool) (found []mark, still bool) {
	for at := 0; ; {
		if !open {
			m := openTagRE.FindStringIndex(text[at:])
			if m == nil {
				return found, false
			}
			at += m[0]
		}
		m := closeTagRE.FindStringIndex(text[at:])
		if m == nil {
			if at == 0 {
				return []mark{{span: span{0, len(text)}}}, true
			}
			return append(found, mark{span: span{at, len(text)}}), true
		}
		end := at + m[1]
		if at == 0 && strings.TrimSpace(text[end:]) == "" {
			return []mark{{span: span{0, len(text)}}}, false
		}
		found = append(found, mark{span{at, end}, true})
		at, open = end, false
	}
}

func (r *Record) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// doubt is a warning of what the adviser must settle before the letter goes out.
func (r *Record) doubt(format string, args ...any) {
	r.warn(format, args...)
	r.doubts++
}

func (r *Record) endsLater(from int) bool {
	for _, l := range r.Lines[from:] {
		trimmed := strings.TrimSpace(l.Text)
		if endLabelRE.MatchString(trimmed) {
			return true
		}
		if bareLabelRE.MatchString(trimmed) {
			return false
		}
	}
	return false
}

func (r *Record) nextIsIndented(blank int) bool {
	return blank+1 < len(r.Lines) && indentOf(r.Lines[blank+1].Text) > 0 && !r.Lines[blank+1].blank()
}

// spansOf finds internal matter within one line, and hides the line before it
// where the line speaks of that one.
func (r *Record) spansOf(i int, key legend) []mark {
	text := r.Lines[i].Text
	if marked := key.spans(text); marked != nil {
		return marked
	}
	if shoutRE.MatchString(text) || tagRE.MatchString(text) || remarkRE.MatchString(text) {
		return []mark{{span: span{0, len(text)}}}
	}
	h := hider{text: text, record: r}
	h.labels()
	if h.sentences() && i > 0 {
		r.hideBefore(i, 1)
	}
	return h.marks()
}

// hider collects the internal stretches of one line.
type hider struct {
	text   string
	record *Record
	found  []mark
}

// marks returns what was found, put in order; all of the line where nothing but
// punctuation is left of it.
func (h *hider) marks() []mark {
	if len(h.found) == 0 {
		return nil
	}
	sort.Slice(h.found, func(i, j int) bool { return h.found[i].start < h.found[j].start })
	merged := h.found[:1]
	for _, m := range h.found[1:] {
		last := &merged[len(merged)-1]
		if m.start <= last.end || !m.bracket && !last.bracket && strings.TrimFunc(h.text[last.end:m.start], notLetter) == "" && !strings.ContainsAny(h.text[last.end:m.start], "0123456789") {
			last.end, last.bracket = max(last.end, m.end), last.bracket && m.bracket
			continue
		}
		merged = append(merged, m)
	}
	left := 0
	at := 0
	for _, m := range append(slices.Clone(merged), mark{span: span{len(h.text), len(h.text)}}) {
		left += len(strings.TrimFunc(h.text[at:m.start], func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }))
		at = m.end
	}
	if left == 0 {
		return []mark{{span: span{0, len(h.text)}}}
	}
	return merged
}

// labels hides what a label opens: its bracket, or all to the end of the line.
func (h *hider) labels() {
	for from := 0; from < len(h.text); {
		m := labelRE.FindStringSubmatchIndex(h.text[from:])
		if m == nil {
			return
		}
		start := from + max(m[2], m[4])
		switch open := enclosing(h.text, start); {
		case open.start >= 0:
			h.found = append(h.found, mark{open, true})
			from = open.end
		case strings.TrimLeftFunc(h.text[:start], notLetter) == "" || !sentenceStart(h.text, start):
			h.found = []mark{{span: span{0, len(h.text)}}}
			return
		default:
			h.found = append(h.found, mark{span: span{start, len(h.text)}})
			return
		}
	}
}

func (h *hider) holds(s span) bool {
	return slices.ContainsFunc(h.found, func(m mark) bool { return m.holds(s) })
}

// anaphorRE finds that a mark speaks of what was said before it.
var anaphorRE = foldedRE(`\b(?:this|that|these|those|it|above|last bit|either|any of (?:this|that))\b(?:['’]s)?(?:\s+(?:last |bit |part )?(?:out|back|off|to|in|into|from|between|quiet|private|stays?|is|was|bit|one|down|on|please|pls|confidential|known|writing|written|shared|mentioned|part|line|para|and|or|but|further|with|any)\b|\W*$)`)

// tellsRE finds after a mark what it speaks of: "keep it to myself, that she …".
var tellsRE = foldedRE(`^[,\s]*(?:(?:this|it|that)\s+)?(?:that|about|how|but)\s+\p{L}+ \p{L}+`)

// sentences hides the sentences that are marked, with what they speak of, and
// reports whether one at the line's start speaks of the line before.
func (h *hider) sentences() (before bool) {
	all := sentencesOf(h.text)
	for n := 0; n < len(all); n++ {
		s := all[n]
		part := h.text[s.start:s.end]
		if m := bracketedRE.FindStringIndex(part); m != nil && !h.holds(span{s.start + m[0], s.start + m[1]}) {
			h.bracketLabel(all, n, span{s.start + m[0], s.start + m[1]}, &before)
			continue
		}
		at, mark := h.marked(part)
		if at.start < 0 {
			continue
		}
		at = span{at.start + s.start, at.end + s.start}
		if h.holds(at) {
			continue
		}
		if open := enclosing(h.text, at.start); open.start >= 0 {
			if strings.Trim(h.text[open.start+1:at.start]+h.text[at.end:max(at.end, open.end)], " .,:;-–—)]}") != "" && !tagOnly(h.text[open.start:open.end]) {
				h.hide(open, true)
				continue
			}
			// The bracket holds nothing but the mark: it speaks of its sentence.
			s = span{min(s.start, open.start), max(s.end, open.end)}
			if lead := strings.TrimSpace(h.text[:open.start]); len(lead) < 16 && strings.TrimFunc(h.text[open.end:], notLetter) != "" {
				h.hide(span{0, len(h.text)}, false) // "Q (us only): …"
				return before
			}
			if strings.TrimFunc(h.text[s.start:open.start], notLetter) == "" {
				before = h.backwards(all, n) || before
			}
			h.hide(s, false)
			continue
		}
		lead := strings.TrimFunc(h.text[s.start:at.start], notLetter)
		tail := h.text[at.end:]
		switch {
		case mark == aside:
			h.hide(span{h.clauseStart(s, at.start), s.end}, false)
		case len(lead) <= 40 && openerRE.MatchString(tail[:min(len(tail), 60)]):
			// The mark is a label of its own: "Things to leave out: …".
			from := s.start
			if lead != "" && sentenceStart(h.text, at.start) {
				from = at.start
			}
			h.hide(span{from, len(h.text)}, false)
			return before
		default:
			if label := strings.IndexByte(h.text[at.start:at.end], ':'); label >= 0 {
				h.hide(span{s.start, len(h.text)}, false)
				return before
			}
			if anaphorRE.MatchString(part) && !tellsRE.MatchString(tail) && len(contentWords(lead)) <= 1 && !strings.HasSuffix(strings.TrimSpace(h.text[s.start:at.start]), "-") || len(contentWords(part)) <= 3 && len(contentWords(markRE.ReplaceAllString(part, " "))) == 0 && leftOut(part) == nil {
				before = h.backwards(all, n) || before
			}
			h.hide(s, false)
		}
		for n+1 < len(all) && h.continues(all[n+1]) {
			n++
			h.hide(all[n], false)
		}
	}
	return before
}

// bracketLabel hides what a label in brackets speaks of: what comes after it where
// it stands at the line's start, else its sentence, or the one before where it is
// one of its own.
func (h *hider) bracketLabel(all []span, n int, at span, before *bool) {
	s := all[n]
	s.end = max(s.end, at.end)
	lead := strings.TrimFunc(h.text[s.start:at.start], notLetter)
	tail := strings.TrimFunc(h.text[at.end:], notLetter)
	switch {
	case len(lead) < 16 && tail != "":
		h.hide(span{s.start, len(h.text)}, false)
	case lead == "":
		*before = h.backwards(all, n) || *before
		h.hide(s, false)
	default:
		h.hide(s, false)
	}
}

var openerRE = foldedRE(`^[\p{L}\d ,'’/()]{0,40}(?::|\s[-–—]\s|[-–—]\s)`)

// tagOnly tells whether a bracket is a label, or remarks that end with one: "(told
// today, sensitive)".
func tagOnly(bracket string) bool {
	return onlyLabelRE.MatchString(bracket) || tagTailRE.MatchString(bracket)
}

var tagTailRE = foldedRE(`^[(\[{][^;.]{2,40}(?:,|\s[-–—])\s*(?:sensitive|confidential|in confidence|private|internal|off the record)\s*[)\]}]\W*$`)

// backwards hides the sentence before the n-th, and those before it that give no
// fact. It reports whether the mark is the line's first sentence.
func (h *hider) backwards(all []span, n int) bool {
	if n == 0 {
		return true
	}
	h.hide(all[n-1], false)
	for k := n - 2; k >= 0 && h.continues(all[k+1]) && h.plain(all[k]); k-- {
		h.hide(all[k], false)
	}
	return false
}

// plain tells whether a sentence holds neither a fact nor something to be done.
func (h *hider) plain(s span) bool {
	text := h.text[s.start:s.end]
	return len(facts(text)) == 0 && !clauseRE.MatchString(strings.TrimSpace(text)) && h.record.subjects.parse(strings.TrimSpace(text), "").owner == ""
}

var continuesRE = foldedRE(`^\W*(?:and|but|also|so|then|because|this|that|these|it|its|it['’]s|she|he|they|her|his|their|him|apparently|pls|please|very|hence|therefore|says?|said)\b`)

// continues tells whether a sentence goes on with what the one before it says:
// it begins with a word that points back, and gives no fact of its own.
func (h *hider) continues(s span) bool {
	return continuesRE.MatchString(h.text[s.start:s.end]) && h.plain(s)
}

func (h *hider) hide(s span, bracket bool) { h.found = append(h.found, mark{s, bracket}) }

type strength int

const (
	marked strength = iota
	aside
)

// marked finds the first mark in a sentence.
func (h *hider) marked(text string) (span, strength) {
	if m := markRE.FindStringIndex(text); m != nil {
		return span{m[0], m[1]}, marked
	}
	if name := h.record.subjects.notFor(text); name.start >= 0 {
		return name, marked
	}
	if m := hinted(text, machineHints, machineRE); m != nil {
		return span{m[0], m[1]}, marked
	}
	if m := officeHeadRE.FindStringIndex(text); m != nil && !officeNotRE.MatchString(text[m[0]:m[1]]) {
		return span{m[0], m[1]}, marked
	}
	if m := hushRE.FindStringIndex(text); m != nil {
		return span{m[0], m[1]}, marked
	}
	if m := tailRE.FindStringIndex(text); m != nil {
		return span{m[0], m[1]}, marked
	}
	if m := startMarkRE.FindStringIndex(text); m != nil {
		return span{m[0], m[1]}, marked
	}
	if m := confidentialRE.FindStringIndex(text); m != nil && !serviceRE.MatchString(text) {
		return span{m[0], m[1]}, marked
	}
	if m := asideRE.FindStringIndex(text); m != nil && (!ivaRE.MatchString(text) || !strings.Contains(strings.ToLower(text[m[0]:m[1]]), "supervis")) {
		return span{m[0], m[1]}, aside
	}
	if m := hinted(text, thoughtHints, thoughtRE); m != nil {
		who := strings.ToLower(text[m[2]:m[3]])
		base, _, _ := strings.Cut(strings.ReplaceAll(who, "’", "'"), "'")
		person := aPerson[base] || h.record.subjects.clientNames[base]
		if person && (doubtRE.MatchString(text[m[0]:m[1]]) || !adviceRE.MatchString(text[m[1]:])) {
			return span{m[0], m[1]}, aside
		}
	}
	if m := hinted(text, []string{"believe", "trust", "buy"}, notSureRE); m != nil {
		return span{m[0], m[1]}, aside
	}
	if m := hinted(text, safetyHints, safetyRE); m != nil {
		return span{m[0], m[1]}, marked
	}
	return span{-1, -1}, marked
}

var (
	// At the start of a sentence a bare order not to say something is a mark.
	startMarkRE    = foldedRE(`(?:^\W*|[(\[{<]\s*)(?:(?:nb|pls|please|ps|and)\W+)*(?:do not|don['’]?t|dont|never|avoid) (?:ever )?(?:mention\w*|refer(?:ring)? to|rais(?:e|ing)|bring(?:ing)? up|let (?:on|slip)|reveal\w*|quot(?:e|ing)|include|including|tell|say|share)\b`)
	confidentialRE = foldedRE(`\bconfidential\b|\bpvt\b`)
	serviceRE      = foldedRE(`\b(?:service|advice is|free and|explained|independent|we are|policy|help[- ]?line|phone line|number|support line)\b`)
	clauseStartRE  = foldedRE(`(?:\s[-–—]+\s|,\s+(?:but|and|so|though|which)\s+|;\s*|\.{2,}\s*|\s(?:but|though|although)\s)`)
)

// clauseStart returns where the clause of a sentence begins that holds position
// i, if the words between are the clause's subject only; else the sentence's.
func (h *hider) clauseStart(s span, i int) int {
	start := s.start
	for _, m := range clauseStartRE.FindAllStringIndex(h.text[s.start:i], -1) {
		start = s.start + m[0]
	}
	return start
}

// sentencesOf cuts a line into sentences, and at semicolons, but not within
// brackets.
func sentencesOf(text string) []span {
	var all []span
	start, depth := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		case '.', '!', '?', ';':
			end := i + 1
			for end < len(text) && strings.IndexByte(".!?\"')", text[end]) >= 0 {
				end++
			}
			if depth > 0 || end < len(text) && text[end] != ' ' && text[end] != '\t' && c != ';' || c == '.' && end == i+1 && isShortForm(text, i) {
				continue
			}
			all = append(all, span{start, end})
			start, i = end, end-1
		}
	}
	if strings.TrimSpace(text[start:]) != "" {
		all = append(all, span{start, len(text)})
	}
	return all
}

var (
	thoughtHints = []string{"suspect", "doubt", "reckon", "fear", "worry", "bet", "guess", "sense", "feel", "think", "believe", "wonder", "sure", "convinced", "buy", "concern", "worried", "bothered", "trust"}
	safetyHints  = []string{"voice", "message", "vm", "lone", "password", "memorable", "safeguard", "marac", "idva", "isva", "domestic", "dv", "coerc", "refuge", "fled", "flee", "mol", "suicid", "harm", "overdos", "section", "end", "rape", "rapi", "sexual", "child prot", "hit", "beat", "assault", "attack", "threat", "violent"}
)

// hinted matches a pattern against text that holds one of its hints.
func hinted(text string, hints []string, re *pattern.Pattern) []int {
	if !holdsAny(strings.ToLower(text), hints) {
		return nil
	}
	return re.FindStringSubmatchIndex(text)
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// sentenceStart tells whether the text before i ends a sentence or is set off by a dash.
func sentenceStart(text string, i int) bool {
	before := strings.TrimRight(text[:i], " \t*_")
	return before == "" || strings.ContainsAny(before[len(before)-1:], ".;!?:")
}

// bracketReach bounds the search for an opening bracket, in bytes.
const bracketReach = 2000

// enclosing returns the bracket around position i, from the opening to just
// after the closing one (or the line's end); start is -1 when there is none.
func enclosing(text string, i int) span {
	depth := 0
	for j := i - 1; j >= max(0, i-bracketReach); j-- {
		switch text[j] {
		case ')', ']', '}':
			depth++
		case '(', '[', '{':
			if depth > 0 {
				depth--
				continue
			}
			for k, level := i, 0; k < len(text); k++ {
				switch text[k] {
				case '(', '[', '{':
					level++
				case ')', ']', '}':
					if level == 0 {
						return span{j, k + 1}
					}
					level--
				}
			}
			return span{j, len(text)}
		}
	}
	return span{-1, -1}
}

func indentOf(text string) int { return len(text) - len(strings.TrimLeft(text, " \t")) }
