package understand

import (
	"regexp"
	"slices"
	"strings"
)

// Labels of those whom a document is about. Of each list the first that is there
// counts.
var (
	creditorLabels = []string{
		`name of (?:the )?claimant`, `claimant(?: \(name and address\))?`, `applicant`, `creditor`, `name of (?:the )?landlord`, `landlord`, `lender`,
	}
	clientLabels = []string{
		`name of (?:the )?defendant`, `defendant(?: \(name and address\))?`, `respondent`, `tenant`, `borrower`, `customer(?: name)?`, `member(?: name)?`, `account name`, `patient(?: name)?`, `account holder`, `employee(?: name)?`, `to the employer of`, `to`,
	}
	originalLabels = []string{`original creditor`, `our client`, `on behalf of`, `previous owner`, `original (?:lender|company)`}
)

// numbering may stand before a label on a form.
const numbering = `(?:\d{1,2}\.\s*|\([a-z\d]\)\s*)?`

// party finds a name behind one of the labels: in the same cell behind a colon,
// in the next cell, or on the next line.
func (t *text) party(labels []string) (Field, bool) {
	for _, words := range labels {
		alone := regexp.MustCompile(`(?i)^` + numbering + words + `:?$`)
		within := regexp.MustCompile(`(?i)^` + numbering + words + `\s*:\s+(.+)$`)
		for n, l := range t.lines {
			for i, c := range l.cells {
				if m := within.FindStringSubmatchIndex(c.text); m != nil {
					if f, ok := t.name(c.text[:m[2]], c.from+m[2], c.from+m[3]); ok {
						return f, true
					}
				}
				if !alone.MatchString(c.text) || words == "to" && !strings.HasSuffix(c.text, ":") {
					continue
				}
				if i+1 < len(l.cells) {
					if f, ok := t.name(c.text, l.cells[i+1].from, l.cells[i+1].to); ok {
						return f, true
					}
				} else if n+1 < len(t.lines) && i < len(t.lines[n+1].cells) {
					next := t.lines[n+1].cells[i]
					if f, ok := t.name(c.text, next.from, next.to); ok {
						return f, true
					}
				}
			}
		}
	}
	return Field{}, false
}

var (
	// bracket is a remark behind a name.
	bracket  = regexp.MustCompile(`\s*\(.*$|\s+t/a\s.*$`)
	postcode = regexp.MustCompile(`\b[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}\b`)
)

// name makes a field of the name that the place begins with: an address and
// remarks that follow it are cut off.
func (t *text) name(label string, from, to int) (Field, bool) {
	words := t.all[from:to]
	if at := bracket.FindStringIndex(words); at != nil && at[0] > 0 {
		words = words[:at[0]]
	}
	if at := strings.IndexByte(words, ','); at > 0 {
		words = words[:at]
	}
	words = strings.TrimRight(words, " .;:|*")
	if words == "" || len(words) > 120 || !strings.ContainsFunc(words, func(r rune) bool { return r >= 'A' && r <= 'Z' }) {
		return Field{}, false
	}
	return t.found(strings.Trim(label, " :"), from, from+len(words)), true
}

var (
	// titled is a person with a title, or two.
	titled = regexp.MustCompile(`(?i)^(?:(?:mr|mrs|ms|miss|mx|dr|rev|prof)\.?(?:\s+(?:and|&)\s+(?:mr|mrs|ms|miss|mx|dr)\.?)?)\s+[A-Z][\p{L}'’.\- ]*(?:\s+(?:and|&)\s+(?:mr|mrs|ms|miss|mx|dr)\.?\s+[\p{L}'’.\- ]+)?$`)
	// plainName is two to four words with capitals.
	plainName = regexp.MustCompile(`^\p{Lu}[\p{L}'’.\-]+(?:\s+(?:\p{Lu}[\p{L}'’.\-]*|&|and)){1,3}$`)
	salute    = regexp.MustCompile(`(?m)^\s*(?:Dear|Hello|Hi)\s+([^,\n]+?)[,.]?\s*$`)
	statement = regexp.MustCompile(`(?i)statement for ((?:[A-Z][\p{L}'’.\-]+ ?){2,4})`)
	// organisation are words in the names of those who write.
	organisation = regexp.MustCompile(`(?i)\b(?:ltd|limited|plc|llp|cyf|bank|council|energy|power|water|gas|association|homes|housing|society|revenue|department|dwp|hmrc|services?|solutions|hospital|trust|nursery|court|credit|enforcement|licensing|collections?|recover(?:y|ies)|finance|financial|group|lettings?|estates?|co|company|pension|university|college|school|insurance|loans?|mortgages?|management|partners(?:hip)?|solicitors|legal|agency|authority|awards|cards?|catalogue|parking|telecom|mobile|broadband|merchants|care|stores)\b`)
	// title are words of lines that name the document, not the sender.
	title = regexp.MustCompile(`(?i)\b(?:claim form|notice|statement|bill|invoice|pay ?slip|advice|summons|demand|letter|order|agreement|judgment|form \w+|proposal|reminder|warning|decision|overpayment|arrears|charges|in the|section \d+|act \d{4})\b`)
	// place are words in lines of an address.
	place = regexp.MustCompile(`(?i)\b(?:hall|centre|house|street|road|lane|buildings?|park|way|court|floor|unit|box|square|quay|close|avenue|forge|cottages?|terrace|mill|farm)\b`)
	// department ends the name of a council where its department begins.
	department = regexp.MustCompile(`^(.*?\bCouncil)\b.+$`)
	// company ends a name at its legal form, whatever a layout set beside it.
	company = regexp.MustCompile(`(?i)^(.*?\b(?:ltd|limited|plc|llp))\b.+$`)
	// broken are names that stand on several lines.
	broken = regexp.MustCompile(`(?i)\b(?:department\s+for\s+work\s+(?:and|&)\s+pensions|hm\s+revenue\s+(?:and|&)\s+customs)\b`)
	// court names the court that fined somebody.
	court = regexp.MustCompile(`(?i)^[A-Z][\w' ]+ magistrates' court$`)
)

// letterheadLines is how many lines may be the sender's.
const letterheadLines = 8

// creditor finds who writes, or on whose behalf.
func (t *text) creditor(k kind) Field {
	switch k.class {
	case CourtDocument, RentStatement, LoanAgreement:
		if f, ok := t.party(creditorLabels); ok {
			return f
		}
		if f, ok := t.matched("landlord", regexp.MustCompile(`(?i)the landlord,\s+([^,\n]+),`)); ok {
			return f
		}
	}
	switch k.name {
	case "enforcement_notice":
		if f, ok := t.party([]string{`creditor`, `claimant`, `(?:our )?client`}); ok {
			return f
		}
	case "statutory_demand":
		if f, ok := t.matched("creditor", regexp.MustCompile(`(?i)served on you by the creditor:?\s+name:?\s+([^\n]+)`)); ok {
			return f
		}
	case "fine":
		for _, l := range t.lines {
			if court.MatchString(l.cells[0].text) {
				return t.found("court", l.cells[0].from, l.cells[0].to)
			}
		}
	case "universal_credit_statement":
		if f, ok := t.matched("", regexp.MustCompile(`(Universal Credit)`)); ok {
			return f
		}
	}
	return t.letterhead()
}

func (t *text) matched(label string, pattern *regexp.Regexp) (Field, bool) {
	m := pattern.FindStringSubmatchIndex(t.all)
	if m == nil {
		return Field{}, false
	}
	return t.name(label, m[2], m[3])
}

// letterhead finds the sender in the first lines: the first that names an
// organisation, or else the first that is no title, person or address.
func (t *text) letterhead() Field {
	// Names that letterheads break over lines.
	if len(t.lines) > 0 {
		end := t.lines[min(len(t.lines), letterheadLines)-1].to
		if at := broken.FindStringIndex(t.all[:end]); at != nil {
			return t.found("letterhead", at[0], at[1])
		}
	}
	fallback := Field{}
	for n, l := range t.lines {
		if n == letterheadLines {
			break
		}
		c := l.cells[0]
		words := c.text
		if titled.MatchString(words) || strings.HasPrefix(words, "Dear ") || strings.Contains(words, ":") || dateOnly.MatchString(words) {
			continue
		}
		if len(strings.Fields(words)) > 8 || strings.Contains(words, "£") {
			continue
		}
		from, to := c.from, c.to
		if before, after, ok := strings.Cut(words, " - "); ok && title.MatchString(after) {
			words, to = before, from+len(before)
		}
		if m := company.FindStringSubmatchIndex(words); m != nil {
			words, to = words[:m[3]], from+m[3]
		}
		if m := department.FindStringSubmatchIndex(words); m != nil {
			to = from + m[3]
		}
		if (organisation.MatchString(words) || isTrader(words)) && (!title.MatchString(words) || department.MatchString(words)) {
			if f, ok := t.name("letterhead", from, to); ok {
				return f
			}
		}
		if fallback.Value == nil && !title.MatchString(words) && !strings.ContainsAny(words, "0123456789") {
			if f, ok := t.name("letterhead", from, to); ok {
				fallback = f
			}
		}
	}
	if fallback.Value != nil {
		return fallback
	}
	return missing("no sender stands in the first lines or under a name such as \"Claimant\"")
}

// isTrader reports whether the words are a name in capitals as on a letterhead.
func isTrader(words string) bool {
	return strings.EqualFold(words, "TV Licensing") || strings.EqualFold(words, "HM Revenue & Customs") || strings.EqualFold(words, "HM Revenue and Customs")
}

// client finds whom the document is for.
func (t *text) client(creditor Field) Field {
	if f, ok := t.party(clientLabels); ok {
		return f
	}
	if f, ok := t.party([]string{`(?:full )?name`}); ok && !sameAs(f, creditor) {
		return f
	}
	for _, l := range t.lines {
		for _, c := range l.cells {
			words, _, _ := strings.Cut(c.text, ",")
			words, _, _ = strings.Cut(words, " t/a ")
			if titled.MatchString(words) && len(words) < 60 {
				if f, ok := t.name("address", c.from, c.from+len(words)); ok && !sameAs(f, creditor) {
					return f
				}
			}
		}
	}
	if f, ok := t.matched("statement for", statement); ok {
		return f
	}
	// A name without a title, above an address.
	for n, l := range t.lines {
		if len(l.cells) != 1 || !plainName.MatchString(l.cells[0].text) || organisation.MatchString(l.cells[0].text) || title.MatchString(l.cells[0].text) || place.MatchString(l.cells[0].text) {
			continue
		}
		f, ok := t.name("address", l.cells[0].from, l.cells[0].to)
		if !ok || sameAs(f, creditor) {
			continue
		}
		below := t.lines[n+1 : min(len(t.lines), n+5)]
		if slices.ContainsFunc(below, func(l line) bool { return postcode.MatchString(l.text()) }) && strings.ContainsAny(textOf(below[:min(2, len(below))]), "0123456789") ||
			n < letterheadLines && slices.ContainsFunc(below[:min(1, len(below))], func(l line) bool { return period.MatchString(l.text()) }) {
			return f
		}
	}
	if m := salute.FindStringSubmatchIndex(t.all); m != nil && !strings.Contains(strings.ToLower(t.all[m[2]:m[3]]), "sir") {
		if f, ok := t.name("salutation", m[2], m[3]); ok {
			return f
		}
	}
	return missing("no person stands above an address, in a salutation or under a name such as \"Defendant\"")
}

func textOf(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text() + "\n")
	}
	return b.String()
}

func sameAs(a, b Field) bool {
	return a.Value != nil && b.Value != nil && strings.EqualFold(*a.Value, *b.Value)
}
