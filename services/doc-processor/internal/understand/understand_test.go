package understand

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"signpost.internal/services/doc-processor/internal/document"
)

// gold is what is to be found in a letter.
type gold map[string]string

// letters reads the fictional letters of a folder with their gold.
func letters(t testing.TB, folder string) map[string]struct {
	gold gold
	text string
} {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d letters, %v", len(paths), err)
	}
	all := map[string]struct {
		gold gold
		text string
	}{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, text, ok := strings.Cut(string(data), "\n--\n")
		if !ok {
			t.Fatalf("%s has no gold", path)
		}
		g := gold{}
		for line := range strings.SplitSeq(head, "\n") {
			key, value, _ := strings.Cut(line, ": ")
			g[key] = value
		}
		all[strings.TrimSuffix(filepath.Base(path), ".txt")] = struct {
			gold gold
			text string
		}{g, text}
	}
	return all
}

// compare returns what differs from the gold, by field.
func compare(g gold, p Part) map[string]string {
	wrong := map[string]string{}
	text := func(f Field) string {
		if f.Value == nil {
			return "none"
		}
		return *f.Value
	}
	check := func(key, got string) {
		if !strings.EqualFold(g[key], got) {
			wrong[key] = fmt.Sprintf("%q, want %q", got, g[key])
		}
	}
	check("class", string(p.Class))
	check("kind", p.Kind)
	check("priority", string(p.Priority))
	check("creditor", text(p.Fields.Creditor))
	check("client", text(p.Fields.Client))
	check("reference", text(p.Fields.Reference))
	check("date", text(p.Fields.Date))
	got := "none"
	if p.Fields.Amount.Value != nil {
		got = *p.Fields.Amount.Value
	}
	if want := g["amount"]; want == "none" && got != "none" || want != "none" && got != plainAmount(want) {
		wrong["amount"] = fmt.Sprintf("%q, want %q", got, want)
	}
	d := p.Fields.Deadline
	got = text(d.Field)
	if got == "none" && d.Span != nil {
		got = d.Label
	}
	same := strings.EqualFold
	if strings.HasPrefix(g["deadline"], "within") { // the document goes on to say from when
		same = func(got, want string) bool { return strings.HasPrefix(strings.ToLower(got), want) }
	}
	if want := g["deadline"]; !same(got, want) {
		wrong["deadline"] = fmt.Sprintf("%q, want %q", got, want)
	}
	if want := g["consequence"]; want != "none" && !strings.Contains(strings.ToLower(text(d.Consequence)), strings.ToLower(want)) {
		wrong["consequence"] = fmt.Sprintf("%q, want %q", text(d.Consequence), want)
	}
	return wrong
}

// The least share of right values in each folder. The rules were made with the
// letters of the first; those of the second were looked at when they were done.
func TestLetters(t *testing.T) {
	for folder, least := range map[string]float64{"dev": 1, "held": 0.98} {
		t.Run(folder, func(t *testing.T) {
			right, all := 0, 0
			var mistakes []string
			for name, l := range letters(t, folder) {
				p := Understand(Document{Pages: []Page{{Number: 1, Text: l.text}}, Kind: document.PDF}).Part
				wrong := compare(l.gold, p)
				all += len(l.gold)
				right += len(l.gold) - len(wrong)
				for key, what := range wrong {
					mistakes = append(mistakes, fmt.Sprintf("%s: %s is %s", name, key, what))
				}
			}
			t.Logf("%d of %d right", right, all)
			if float64(right) < least*float64(all) {
				t.Errorf("at least %.3f are to be right:\n%s", least, strings.Join(mistakes, "\n"))
			}
		})
	}
}

// sound reports what is wrong with a result, whatever the text was: a page that
// is in no part or in two, a value that is not in the text, a name that is a path.
func sound(doc Document, r Result) error {
	next := 0
	for _, part := range r.Parts {
		if next >= len(doc.Pages) || part.First != doc.Pages[next].Number {
			return fmt.Errorf("a part begins at page %d", part.First)
		}
		for next < len(doc.Pages) && doc.Pages[next].Number <= part.Last {
			next++
		}
		if strings.ContainsAny(part.SuggestedName, "/\\:\x00") || strings.HasPrefix(part.SuggestedName, ".") || part.SuggestedName == "" {
			return fmt.Errorf("the name %q", part.SuggestedName)
		}
		f := part.Fields
		fields := append([]Field{f.Creditor, f.OriginalCreditor, f.Client, f.Reference, f.Amount, f.Date, f.Deadline.Field, f.Deadline.Consequence}, f.References...)
		fields = append(append(fields, f.Amounts...), f.Dates...)
		spans := part.Evidence
		for _, field := range fields {
			if field.Value != nil && field.Span == nil || field.Value == nil && field.Reason == "" {
				return fmt.Errorf("a value without its place or its reason: %+v", field)
			}
			if field.Span != nil {
				spans = append(spans, *field.Span)
			}
		}
		for _, s := range spans {
			page := []rune{}
			for _, p := range doc.Pages {
				if p.Number == s.Page {
					page = []rune(p.Text)
				}
			}
			if s.From < 0 || s.To > len(page) || s.From > s.To || string(page[s.From:s.To]) != s.Text {
				return fmt.Errorf("not in the text: %+v", s)
			}
		}
	}
	if next != len(doc.Pages) {
		return fmt.Errorf("pages after %d are in no part", next)
	}
	return nil
}

func TestEveryValueIsInTheText(t *testing.T) {
	for _, folder := range []string{"dev", "held"} {
		for name, l := range letters(t, folder) {
			doc := Document{Pages: []Page{{Number: 1, Text: l.text}}}
			if err := sound(doc, Understand(doc)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A bundle of letters falls apart at their first pages, with blank and further
// pages where they belong, and every page is in exactly one part.
func TestBundlesFallApart(t *testing.T) {
	all := letters(t, "dev")
	names := []string{"possession-n5", "energy-bill", "debt-collector", "council-tax-reminder", "hmrc-self-assessment", "rent-arrears-letter", "default-notice"}
	var pages []Page
	var want []int
	for i, name := range names {
		want = append(want, len(pages)+1)
		pages = append(pages, Page{Number: len(pages) + 1, Text: all[name].text})
		if i%2 == 0 {
			pages = append(pages, Page{Number: len(pages) + 1, Text: "How we use your information. We keep it for six years. You can complain to the ombudsman."}, Page{Number: len(pages) + 2})
		}
	}
	r := Understand(Document{Pages: pages, Kind: document.PDF})
	var got []int
	seen := map[string]bool{}
	for _, p := range r.Parts {
		got = append(got, p.First)
		if seen[p.SuggestedName] {
			t.Errorf("%s is suggested twice", p.SuggestedName)
		}
		seen[p.SuggestedName] = true
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("parts begin at %v, want %v", got, want)
	}
	if err := sound(Document{Pages: pages}, r); err != nil {
		t.Error(err)
	}
}

func TestPagesOfOneLetterStayTogether(t *testing.T) {
	first := letters(t, "dev")["energy-bill"].text
	for _, second := range []string{
		"Page 2 of 3\nBrightwell Energy\nAccount number: 8500 2217 9934\n28 April 2025\nDear Mr Tan",
		"Brightwell Energy\nHow your bill is made up\nElectricity 612 kWh",
		"More about your tariff",
	} {
		if r := Understand(Document{Pages: []Page{{Number: 1, Text: first}, {Number: 2, Text: second}}}); len(r.Parts) != 1 {
			t.Errorf("%q begins a part: %v", second, r.Parts[1].Begins)
		}
	}
}

func TestSuggestedNames(t *testing.T) {
	text := "../../etc/passwd Ltd\n\nMr A Smith\n1 Road\nTown AB1 2CD\n\n3 June 2025\n\nDEFAULT NOTICE\nSection 87(1)"
	p := Understand(Document{Pages: []Page{{Number: 1, Text: text}}, Kind: document.PDF}).Part
	if p.SuggestedName != "2025-06-03_etc-passwd-Ltd_default-notice.pdf" {
		t.Errorf("%s", p.SuggestedName)
	}
	again := Understand(Document{Pages: []Page{{Number: 1, Text: text}}, Kind: document.PDF, Taken: []string{strings.ToUpper(p.SuggestedName)}})
	if again.SuggestedName != "2025-06-03_etc-passwd-Ltd_default-notice_2.pdf" {
		t.Errorf("%s", again.SuggestedName)
	}
	if empty := Understand(Document{Pages: []Page{{Number: 1}}, Kind: document.JPEG}); empty.SuggestedName != "undated_other.jpg" || empty.Class != Other || empty.Reason == "" {
		t.Errorf("%+v", empty.Part)
	}
}

// A value's box is that of its words, also where the text has marks between them
// and words that were mended have no place.
func TestBoxes(t *testing.T) {
	page := Page{Number: 1, Text: "# Brightwell Energy\n\n| Total to pay | £214.87 |\n\nthe official bill\n\nPlease pay by 12 May 2025."}
	x := 0.0
	for _, w := range []string{"Brightwell", "Energy", "Total", "to", "pay", "£214.87", "the", "of\ufffdcial", "bill", "Please", "pay", "by", "12", "May", "2025."} {
		page.Words = append(page.Words, Word{w, [4]float64{x, 0.5, x + 0.01, 0.52}})
		x += 0.05
	}
	f := Understand(Document{Pages: []Page{page}}).Fields
	for name, tc := range map[string]struct {
		field       Field
		left, right float64
	}{"creditor": {f.Creditor, 0, 0.06}, "amount": {f.Amount, 0.25, 0.26}, "deadline": {f.Deadline.Field, 0.6, 0.71}} {
		if b := tc.field.Span.Box; b == nil || math.Abs(b[0]-tc.left) > 1e-9 || math.Abs(b[2]-tc.right) > 1e-9 || b[1] != 0.5 || b[3] != 0.52 {
			t.Errorf("%s: %v", name, b)
		}
	}
}

// What a PDF's layout made one line is taken apart at its labels, and an amount
// that was torn apart is not taken for a smaller one.
func TestJoinedLines(t *testing.T) {
	text := "Fixed-sum loan agreement\n\nLender: Quickline Loans Ltd, 200 Canal Street, Dunmere DM4 4DD Borrower: Mr Ryan Cole, 2b Tower Hill Date of agreement: 4 October 2024 Member number: 40117 13 Hill Crescent\n\nTotal amount payable: £1, 548.00"
	f := Understand(Document{Pages: []Page{{Number: 1, Text: text}}}).Fields
	for want, got := range map[string]Field{"Quickline Loans Ltd": f.Creditor, "Mr Ryan Cole": f.Client, "2024-10-04": f.Date, "40117": f.Reference} {
		if got.Value == nil || *got.Value != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	if f.Amount.Value != nil {
		t.Errorf("amount %s", *f.Amount.Value)
	}
	f = Understand(Document{Pages: []Page{{Number: 1, Text: "Hillside Care Ltd PAYSLIP\n\nEmployee: Carys Pryce\n\nPayment date: 27 June 2025 Week 12\n\nNet pay £1,241.80"}}}).Fields
	for want, got := range map[string]Field{"Hillside Care Ltd": f.Creditor, "2025-06-27": f.Date} {
		if got.Value == nil || *got.Value != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

// A number that OCR was not sure of makes the field doubtful, and a page that
// says in its margin that it is a later one begins no document.
func TestDoubtsAndMargins(t *testing.T) {
	letter := letters(t, "dev")["energy-bill"].text
	r := Understand(Document{Pages: []Page{{Number: 1, Text: letter, Doubts: []string{"£214.87"}}, {Number: 2, Text: letter, Margin: "Page 2 of 2"}}})
	if f := r.Fields; !f.Amount.Doubtful || f.Date.Doubtful || len(r.Parts) != 1 {
		t.Errorf("%+v, %d parts", f.Amount, len(r.Parts))
	}
}

func TestReckonedDeadlines(t *testing.T) {
	for words, want := range map[string]string{
		"Please pay within 14 days of the date of this letter.":   "2025-06-17",
		"Please pay within two weeks of the date of this letter.": "2025-06-17",
		"Please pay within 14 days of receiving this letter.":     "",
		"Please pay within 14 days.":                              "",
		"Please pay by 31 February 2025.":                         "",
	} {
		d := Understand(Document{Pages: []Page{{Number: 1, Text: "3 June 2025\n\n" + words}}}).Fields.Deadline
		got := ""
		if d.Reckoned != nil {
			got = *d.Reckoned
		}
		if got != want || d.Value != nil {
			t.Errorf("%s: %q, %+v", words, got, d)
		}
	}
}

func TestParseDate(t *testing.T) {
	for text, want := range map[string]string{
		"1st May 2025": "2025-05-01", "May 1, 2025": "2025-05-01", "01/05/2025": "2025-05-01", "1.5.25": "2025-05-01", "2025-05-01": "2025-05-01",
		"3 Sept 2024": "2024-09-03", "31 June 2025": "", "13/13/2025": "", "29 February 2024": "2024-02-29", "29 February 2025": "",
	} {
		got := ""
		if d, ok := parseDate(text); ok {
			got = d.Format("2006-01-02")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestAnyPagesAreSound(t *testing.T) {
	pool := []string{"", "Dear Mr Smith", "Page 1 of 2", "Page 2 of 2", "3 June 2025", "£50", "  ", "| a | b |"}
	for _, l := range letters(t, "dev") {
		pool = append(pool, l.text)
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.SampledFrom(pool), 1, 4).Draw(t, "pages")
		doc := Document{}
		for i, text := range texts {
			doc.Pages = append(doc.Pages, Page{Number: i + 1, Text: text})
		}
		if err := sound(doc, Understand(doc)); err != nil {
			t.Error(err)
		}
	})
}

func FuzzUnderstand(f *testing.F) {
	for _, l := range letters(f, "dev") {
		f.Add(l.text, "")
	}
	f.Add("Date: 1 May 2025  £1,0 Claim No. A1B2", "within one days of the date of this letter")
	f.Fuzz(func(t *testing.T, first, second string) {
		if !utf8.ValidString(first) || !utf8.ValidString(second) {
			return
		}
		doc := Document{Pages: []Page{{Number: 1, Text: first}, {Number: 2, Text: second}}}
		if err := sound(doc, Understand(doc)); err != nil {
			t.Error(err)
		}
	})
}

// A page of dense text, of which a manual has hundreds.
func BenchmarkPage(b *testing.B) {
	page := strings.Repeat("The adviser looks at the account number and at what is owed by 3 June 2025, which is £1,200.50, and writes to the Claim No. 12 office. ", 25)
	doc := Document{}
	for n := range 10 {
		doc.Pages = append(doc.Pages, Page{Number: n + 1, Text: page})
	}
	for b.Loop() {
		Understand(doc)
	}
}
