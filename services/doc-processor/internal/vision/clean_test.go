package vision

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	const page = "Ref AB/12345C. You owe £1,500.50 by 12 March 2024, within fourteen days.\n" +
		"12 items\n450 kg at 4.5 per cent, or 10:30-11:45. £3 million."
	const took = "a figure in the description is not in the page's text and was taken out"
	const growing = "The table lists the names of all the people in it and "
	const repeated = "the description repeated itself and was cut"
	for _, tc := range []struct {
		name, answer, want string
		warnings           []string
	}{
		{"words only", "A letter with a stamp.", "A letter with a stamp.", nil},
		{"amount", "It says £1,500.50 in bold.", "It says £1,500.50 in bold.", nil},
		{"amount, as the page writes it", "It says £1500.50.", "It says £1,500.50.", nil},
		{"amount without its sign", "The figure 1500.50.", "The figure 1,500.50.", nil},
		{"amount in pounds", "It says 1500.50 pounds.", "It says £1,500.50.", nil},
		{"part of an amount", "The figure £500.50.", "The figure [figure not read].", []string{took}},
		{"amount with another sign", "It says $1,500.50.", "It says [figure not read].", []string{took}},
		{"amount that is none on the page", "It says £12.", "It says [figure not read].", []string{took}},
		{"amount with another scale", "It says £3 billion or £3.", "It says [figures not read].", []string{"2 figures in the description are not in the page's text and were taken out"}},
		{"amount with its scale", "It says £3 million.", "It says £3 million.", nil},
		{"letter after the number", "It says £450k.", "It says [figure not read].", []string{took}},
		{"thousands parted by a space", "It says 12 450.", "It says [figure not read].", []string{took}},
		{"share", "A rate of 4.5% is shown.", "A rate of 4.5 per cent is shown.", nil},
		{"date", "Dated March 12, 2024.", "Dated March 12, 2024.", nil},
		{"month and year", "Dated March 2024.", "Dated March 2024.", nil},
		{"year", "From 2024.", "From 2024.", nil},
		{"another month", "Dated 12 May 2024.", "Dated [figure not read].", []string{took}},
		{"another form of the date", "Dated 12/03/2024.", "Dated [figure not read].", []string{took}},
		{"time of a range", "At 10:30.", "At 10:30.", nil},
		{"part of a time", "At 30 past 10.", "At 30 past 10.", nil},
		{"reference", "Reference ab/12345c.", "Reference ab/12345C.", nil},
		{"another reference", "Reference 12345D.", "Reference [figure not read].", []string{took}},
		{"counting what is seen", "It has two stamps and three columns.", "It has two stamps and three columns.", nil},
		{"time in words", "Within fourteen days.", "Within fourteen days.", nil},
		{"another time in words", "Within twenty-one days.", "Within [figure not read].", []string{took}},
		{"amount in words", "It asks for five hundred and six.", "It asks for [figure not read].", []string{took}},
		{"several in a row", "Cells hold 7, 8 and 9.", "Cells hold [figures not read].", []string{"3 figures in the description are not in the page's text and were taken out"}},
		{"other digits", "Signs ½, ³, ⑧, Ⅷ, ٣ and １.", "Signs [figures not read].", []string{"6 figures in the description are not in the page's text and were taken out"}},
		{"list", "The page shows:\n1. A stamp.\n2. A table.\n- A signature.", "The page shows: A stamp. A table. A signature.", nil},
		{"hidden characters", "A\u200b st\u202eamp\x00\r\nhere\ue000.", "A stamp here.", nil},
		{"sentence twice", "The page shows a stamp. It is red. The page shows a stamp.", "The page shows a stamp. It is red. …", []string{repeated}},
		{"phrase in circles", "There is a table with a row with a row with a row with a row with a", "There is a table with a row …", []string{repeated}},
		{"word in circles", "A stamp stamp stamp stamp stamp", "A stamp …", []string{repeated}},
		{"figures in circles", "Row 5 is empty. Row 6 is empty. Row 7 is empty.", "Row [figure not read] is empty. …", []string{"3 figures in the description are not in the page's text and were taken out", repeated}},
		{"growing sentence", growing + "a. " + growing + "b. " + growing + "c.", growing + "a. " + growing + "b. …", []string{repeated}},
		{"nothing", " \n\x00", "", nil},
		{"one endless word", strings.Repeat("ab", 500), "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, warnings := Clean(tc.answer, false, page)
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
			if diff := cmp.Diff(tc.warnings, warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCleanCuts(t *testing.T) {
	const tooLong = "the description was too long and was cut"
	// The last number may have had more digits.
	got, warnings := Clean("A stamp, and the sum is £15", true, "15 £15 150")
	if want := "A stamp, and the sum is …"; got != want || !cmp.Equal(warnings, []string{tooLong}) {
		t.Errorf("got %q, %q", got, warnings)
	}
	var words []string
	for i := range 500 {
		words = append(words, strings.Repeat(string(rune('a'+i%26)), 1+i/26))
	}
	got, warnings = Clean(strings.Join(words, " "), false, "")
	if n := len(got); n > maxLength+len(" …") || n < maxLength-maxWord || !cmp.Equal(warnings, []string{tooLong}) {
		t.Errorf("%d characters, %q", n, warnings)
	}
}

// A page of no words vouches for no figure.
func TestCleanWithoutText(t *testing.T) {
	if got, _ := Clean("A meter that shows 04512 kWh.", false, ""); got != "A meter that shows [figure not read] kWh." {
		t.Errorf("got %q", got)
	}
}

// digitRuns are the runs of digits in the text.
func digitRuns(text string) map[string]bool {
	runs := map[string]bool{}
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsNumber(r) }) {
		runs[run] = true
	}
	return runs
}

// holds checks what is true of every description.
func holds(t interface{ Fatalf(string, ...any) }, answer string, cut bool, text string) {
	got, _ := Clean(answer, cut, text)
	known := digitRuns(text)
	for run := range digitRuns(got) {
		if !known[run] {
			t.Fatalf("%q is in %q, but not in the text %q", run, got, text)
		}
	}
	if strings.ContainsFunc(got, func(r rune) bool {
		return r != ' ' && (unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Co))
	}) {
		t.Fatalf("hidden characters or line ends in %q", got)
	}
	if len([]rune(got)) > maxLength*len(someFigures) {
		t.Fatalf("%d characters", len([]rune(got)))
	}
	line := (&Note{Description: got, Model: "m"}).Markdown()
	if strings.ContainsAny(line, "\n\r") || strings.ContainsAny(strings.ReplaceAll(line[2:], `\<`, ""), "<") {
		t.Fatalf("the block can be left: %q", line)
	}
}

func TestNoFigureOfItsOwn(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"1", "12", "500", "1,500", "£", "£1,500", "%", " per cent", " ", " ", ".", ",", "/", "-", "–", ":", "'", "\n", "March", " May ", "2024", "12th", "st",
		"AB", "½", "²", "٣", "\u0301", "\u200b", "one", " hundred", " pounds", " million", "a stamp", "<b>", "`", "[", "](x)", "\ue000",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 20).Draw(t, "text"), "")
		answer := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "answer"), "")
		holds(t, answer, rapid.Bool().Draw(t, "cut"), text)
	})
}

func FuzzClean(f *testing.F) {
	f.Add("It says £1,500 by 12 March 2024.\n1. A stamp stamp stamp", false, "£1,500 on 12 March 2024")
	f.Add("1\u0301500 ½ 12 450", true, "1 500 12 450")
	f.Add("\xff\ue000[x](y) <script>", false, "")
	f.Fuzz(func(t *testing.T, answer string, cut bool, text string) { holds(t, answer, cut, text) })
}

func TestMarkdown(t *testing.T) {
	for name, tc := range map[string]struct{ description, want string }{
		"plain":   {"A stamp (red), top right.", `A stamp (red), top right.`},
		"mark":    {"A sum of [figure not read] and [figures not read].", `A sum of [figure not read] and [figures not read].`},
		"no link": {"[figure not read](http://x) [a](b) ![c](d)", `[figure not read]\(http\://x) \[a\]\(b) \!\[c\]\(d)`},
		"no HTML": {"<script>alert`x`</script> <!-- &lt;", `\<script\>alert\` + "`x\\`" + `\</script\> \<\!-- \&lt;`},
		"no code": {"``` # *bold* _x_ |a| ~~b~~ $c$ \\n", "\\`\\`\\` \\# \\*bold\\* \\_x\\_ \\|a\\| \\~\\~b\\~\\~ \\$c\\$ \\\\n"},
		"address": {"see www.example.test or a@example.test", `see www\.example.test or a\@example.test`},
	} {
		t.Run(name, func(t *testing.T) {
			want := "> **Described by a machine, may be wrong** (tiny\\_eye:7b): " + tc.want
			got := (&Note{Description: tc.description, Model: "tiny_eye:7b"}).Markdown()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func BenchmarkClean(b *testing.B) {
	text := strings.Repeat("You owe £1,500.50 by 12 March 2024, within fourteen days, at 4.5 per cent. ", 50)
	answer := strings.Repeat("A table with a total of £1,500.50, a stamp dated 12 March 2024 at the top; ", 10)
	for b.Loop() {
		Clean(answer, false, text)
	}
}
