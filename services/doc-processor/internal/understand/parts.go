package understand

import (
	"fmt"
	"regexp"
	"strings"
)

// lookedAt is how many of a document's pages are looked at: what it is and asks
// for stands on its first ones.
const lookedAt = 20

// run is pages that follow each other and are one document.
type run struct {
	pages  []Page
	begins []string
	first  *text // its first page
}

// part reads the pages of a run as one document.
func (r run) part() Part {
	t := newText(r.pages[:min(len(r.pages), lookedAt)])
	v := t.classify()
	p := Part{
		First: r.pages[0].Number, Last: r.pages[len(r.pages)-1].Number,
		Class: v.kind.class, Kind: v.kind.name, Priority: v.kind.priority, Confidence: v.confidence,
		Evidence: []Span{}, Begins: r.begins,
	}
	for _, at := range v.evidence {
		p.Evidence = append(p.Evidence, *t.span(at[0], at[1]))
	}
	if v.pressing != nil {
		p.Evidence = append(p.Evidence, *t.span(v.pressing[0], v.pressing[1]))
	}
	if v.kind.name == string(Other) {
		p.Reason = "no kind of document that is known was recognised by its wording"
	}
	p.Fields = t.fields(v.kind)
	return p
}

// fields finds the key fields.
func (t *text) fields(k kind) Fields {
	f := Fields{References: t.references(), Amounts: []Field{}, Dates: t.allDates()}
	amounts := t.amounts()
	for _, a := range amounts {
		f.Amounts = append(f.Amounts, a.Field)
	}
	f.Creditor = t.creditor(k)
	f.Client = t.client(f.Creditor)
	if original, ok := t.party(originalLabels); ok && !sameAs(original, f.Creditor) {
		f.OriginalCreditor = original
	} else {
		f.OriginalCreditor = missing("no other creditor is named")
	}
	f.Reference = missing("nothing is called a reference, account or claim number")
	if len(f.References) > 0 {
		f.Reference = f.References[0]
	}
	f.Amount = t.amountDue(k, amounts)
	f.Date = t.letterDate()
	f.Deadline = t.deadline(k, f.Date)
	return f
}

// pageOf is the number that pages bear of themselves.
var pageOf = regexp.MustCompile(`(?i)\bpage\s+(\d{1,3})\s*(?:of|/)\s*(\d{1,3})\b`)

// enough signs make the beginning of a document.
const enough = 3

// split proposes where documents begin. Pages stay in their order and each is in
// exactly one run; a blank page belongs to what is before it.
func split(pages []Page) []run {
	var runs []run
	for i, p := range pages {
		if i == 0 {
			runs = append(runs, run{pages: pages[:1:1], first: newText(pages[:1])})
			continue
		}
		last := &runs[len(runs)-1]
		if begins := beginning(p, *last); begins != nil {
			runs = append(runs, run{pages: []Page{p}, begins: begins, first: newText([]Page{p})})
			continue
		}
		last.pages = append(last.pages, p)
	}
	return runs
}

// beginning returns the signs that a document begins with the page, nil where
// they are not enough.
func beginning(p Page, before run) []string {
	if p.Attachment != before.pages[len(before.pages)-1].Attachment {
		return []string{"it is another attachment"}
	}
	if strings.TrimSpace(p.Text) == "" {
		return nil
	}
	if m := pageOf.FindStringSubmatch(p.Text + "\n" + p.Margin); m != nil {
		if m[1] == "1" {
			return []string{"it says that it is " + strings.ToLower(m[0])}
		}
		return nil
	}
	t, old := newText([]Page{p}), before.first
	head := t.head()
	var signs []string
	weight := 0
	add := func(w int, format string, args ...any) {
		weight += w
		signs = append(signs, fmt.Sprintf(format, args...))
	}
	if strings.TrimSpace(old.all) == "" {
		return nil
	}
	top := newText([]Page{{Number: p.Number, Text: head}})
	v, was := top.classify(), old.kind()
	if v.kind.name != string(Other) && v.kind.name != was {
		add(2, "it is headed as another kind of document (%s)", strings.ReplaceAll(v.kind.name, "_", " "))
	}
	sender, oldSender := t.letterhead(), old.letterhead()
	if sender.Value != nil && sender.Label == "letterhead" && organisation.MatchString(*sender.Value) {
		switch {
		case oldSender.Value == nil || !sameAs(sender, oldSender):
			add(2, "another sender is at its top (%s)", *sender.Value)
		default:
			add(1, "a letterhead is at its top")
		}
	}
	if salute.MatchString(head) {
		add(2, "it has a salutation")
	}
	if postcode.MatchString(head) && titledLine(t) {
		add(1, "it is addressed to somebody")
	}
	if d := top.letterDate(); d.Span != nil {
		add(1, "it bears a date at its top")
	}
	if refs, olds := top.references(), old.references(); len(refs) > 0 && len(olds) > 0 && *refs[0].Value != *olds[0].Value {
		add(1, "it has another reference (%s)", *refs[0].Value)
	}
	if weight < enough {
		return nil
	}
	return signs
}

// headLines are the lines at the top of a page.
const headLines = 14

func (t *text) headEnd() int {
	if len(t.lines) > headLines {
		return t.lines[headLines].from
	}
	return len(t.all)
}

func (t *text) head() string { return t.all[:t.headEnd()] }

func titledLine(t *text) bool {
	for _, l := range t.lines[:min(len(t.lines), headLines)] {
		words, _, _ := strings.Cut(l.cells[0].text, ",")
		if titled.MatchString(words) {
			return true
		}
	}
	return false
}
