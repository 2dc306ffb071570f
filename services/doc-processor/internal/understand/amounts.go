package understand

import (
	"fmt"
	"regexp"
	"strings"
)

// money finds amounts in pounds.
var money = regexp.MustCompile(`[-−–]?£\s?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{2})?\b`)

// plainAmount is the amount without its sign, commas and pound: pence are kept
// as they stand, and what has none gets none made up but ".00".
func plainAmount(s string) string {
	s = strings.NewReplacer("£", "", ",", "", " ", "", "\u00a0", "", "-", "", "−", "", "–", "").Replace(s)
	if !strings.Contains(s, ".") {
		s += ".00"
	}
	return s
}

// amount is one with what stands before it.
type amount struct {
	Field
	from, to int
	before   string // on its line, or in its sentence
	after    string
}

// torn is what follows an amount that was torn apart in reading: "£356. 90".
var torn = regexp.MustCompile(`^[.,] ?\d`)

var dateAtEnd = regexp.MustCompile(`(?i)\s*(?:at|on|as at)?\s*` + datePattern + `[\s|:]*$`)

const (
	beforeLength = 110
	afterLength  = 60
)

func (t *text) amounts() []amount {
	var all []amount
	for _, at := range money.FindAllStringIndex(t.all, -1) {
		f := t.found(t.labelBefore(at[0]), at[0], at[1])
		plain := plainAmount(f.Span.Text)
		f.Value = &plain
		// A running sentence goes on over a line's end, a column does not.
		before := t.all[max(0, at[0]-beforeLength):at[0]]
		if i := strings.LastIndex(before, "\n\n"); i >= 0 {
			before = before[i:]
		}
		if i := strings.LastIndexAny(before, ".;"); i >= 0 && i+1 < len(before) && before[i+1] == ' ' {
			before = before[i:]
		}
		if i := strings.LastIndexByte(before, '\n'); i >= 0 && (strings.Contains(before[i:], "  ") || money.MatchString(before[:i])) {
			before = before[i:]
		}
		after, _, _ := strings.Cut(t.all[at[1]:min(len(t.all), at[1]+afterLength)], "\n")
		// "Closing balance 30/09/2026": the date is no part of the name.
		if m := dateAtEnd.FindStringIndex(before); m != nil {
			before = before[:m[0]]
		}
		all = append(all, amount{f, at[0], at[1], strings.ToLower(strings.Join(strings.Fields(before), " ")), strings.ToLower(after)})
	}
	return all
}

// due are the words before the amount that a document is about, by how sure
// they are. The last that stands before the amount counts, and the nearer.
var due = []struct {
	weight  int
	pattern *regexp.Regexp
}{
	{100, regexp.MustCompile(`(?:total (?:amount )?(?:now )?(?:due|payable|outstanding|owed|to pay)|total amount(?: (?:due|payable))?|total payment for this period|amount payable|a total of|net pay|current arrears|overdue amount of|new balance|closing balance|total due|total debts are|your payment this month is|you'll be paid|you’ll be paid|you will be paid|balance outstanding|total sum due)\W*$`)},
	{97, regexp.MustCompile(`(?:claim total|total)\W*$`)},
	{95, regexp.MustCompile(`(?:amount (?:now )?(?:due|owed|outstanding|overdue)|debt|outstanding balance|balance owed is|balance due|amount to pay|the sum of)\W*$`)},
	{92, regexp.MustCompile(`(?:arrears(?: of| by| at the date of (?:the claim|this notice)| under the mortgage are| now)?|(?:in|the) arrears (?:are|is)|rent of|you owe(?: us)?(?: the sum of)?|overpaid .{0,30}of|you have been paid|you will get|weekly amount is|week(?:ly)? will be|amount outstanding is|charge (?:is|of)|will be)\W*$`)},
	{85, regexp.MustCompile(`(?:overdue .{0,30}|(?:full|whole|remaining) balance of|(?:must|need to|should|please) (?:now )?pay(?: the (?:claimant|full balance of|total of))?(?: arrears of| the sum of)?|account is now|balance(?: of| is)?|payment of)\W*$`)},
	{60, regexp.MustCompile(`(?:owed?|owing|outstanding|due|unpaid|payable)\W*$`)},
}

var (
	// besides are amounts that a document names beside the one that it is about.
	besides = regexp.MustCompile(`(?:court fee|costs?|fee(?: account)?|previous|last statement|brought forward|opening balance|credit limit|overdraft limit|available credit|minimum payment(?: due)?|up to|monthly (?:payment|contributions?)(?: is| of)?|instalments? of|next payment of|followed by \d+ of|by adding|reduced to|discount|per (?:month|week)|vat|surcharge|interest|deductions|gross pay|total gross|budget|demand the full balance of|early payment of the balance of|require .{0,40}balance of)\W*(?:[^£]{0,3})$`)
	// besidesAfter are words behind such an amount.
	// duePlainly are words behind the amount that is asked for.
	duePlainly   = regexp.MustCompile(`^,? (?:must|should|needs to|has to) (?:now )?(?:be paid|reach us)|^ (?:must be |is )?(?:payable|due) (?:by|on|now)`)
	dueBehind    = regexp.MustCompile(`^,? (?:by|before) \d|^ is (?:now |still )?(?:overdue|outstanding|owed|unpaid|in arrears)`)
	besidesAfter = regexp.MustCompile(`^\s*(?:will be added|a month|per month|fee\b|for the year|in costs)`)
)

// amountDue chooses the amount that the document is about.
func (t *text) amountDue(k kind, all []amount) Field {
	best, score, count := -1, 0, map[string]bool{}
	for i, a := range all {
		count[*a.Value] = true
		s := 0
		if torn.MatchString(a.after) {
			continue
		}
		for _, d := range due {
			if d.pattern.MatchString(a.before) {
				s = d.weight
				break
			}
		}
		if (besides.MatchString(a.before) || besidesAfter.MatchString(a.after)) && !strings.HasSuffix(strings.TrimRight(a.before, " |:"), "total") {
			s -= 70
		}
		switch {
		case duePlainly.MatchString(a.after):
			s = max(s, 93)
		case dueBehind.MatchString(a.after):
			s = max(s, 80)
		}
		if k.class == BenefitStatement && strings.HasPrefix(strings.TrimSpace(a.after), "a week") {
			s = max(s, 90)
		}
		if (k.class == BankStatement || k.name == "loan_statement") && strings.Contains(a.before, "closing balance") {
			s = 110
		}
		if s > score {
			best, score = i, s
		}
	}
	switch {
	case best >= 0:
		return all[best].Field
	case len(count) == 1 && !torn.MatchString(all[0].after):
		return all[0].Field
	case len(all) == 0:
		return missing("there is no amount in pounds")
	default:
		return missing(fmt.Sprintf("there are %d different amounts, and none of them is called the one that is due", len(count)))
	}
}
