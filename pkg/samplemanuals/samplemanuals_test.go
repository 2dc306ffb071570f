package samplemanuals_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/samplemanuals"
)

const sources = "../../docs/manuals"

// build makes the project's manuals in a folder of the test's own.
func build(t *testing.T) (dir string, manuals []samplemanuals.Manual) {
	t.Helper()
	dir = t.TempDir()
	manuals, err := samplemanuals.Build(sources, dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, manuals
}

func TestManuals(t *testing.T) {
	dir, manuals := build(t)
	t.Run("build", func(t *testing.T) { testBuild(t, dir, manuals) })
	t.Run("questions", func(t *testing.T) { testQuestions(t, manuals) })
	t.Run("text layers", func(t *testing.T) { testTextLayers(t, dir, manuals) })
}

func testBuild(t *testing.T, dir string, manuals []samplemanuals.Manual) {
	again, _ := build(t)

	pages := 0
	forms := map[samplemanuals.Form]int{}
	var files []string
	for _, m := range manuals {
		forms[m.Form]++
		files = append(files, m.File)
		pages += len(m.Pages)
		for i, page := range m.Pages {
			if !strings.Contains(page, "Sample manual. Not advice. Page ") {
				t.Errorf("%s page %d does not say that it is a sample", m.File, i+1)
			}
		}
		if !strings.HasPrefix(m.Pages[0], "Sample manual. Not advice.\n"+m.Title+"\n") {
			t.Errorf("%s: the first page begins %.60q", m.File, m.Pages[0])
		}
		first, err := os.ReadFile(filepath.Join(dir, m.File))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(again, m.File))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s: built twice, the bytes differ", m.File)
		}
		if m.Form == samplemanuals.Scan && len(first) > 2<<20 {
			t.Errorf("%s: %d bytes, want a modest file", m.File, len(first))
		}
	}
	if pages < 30 || pages > 60 {
		t.Errorf("%d pages, want 30 to 60", pages)
	}
	for form, least := range map[samplemanuals.Form]int{
		samplemanuals.Text: 1, samplemanuals.Columns: 1, samplemanuals.Ligatures: 1, samplemanuals.Scan: 2,
	} {
		if forms[form] < least {
			t.Errorf("%d manuals of form %s, want at least %d", forms[form], form, least)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	if diff := cmp.Diff(files, there); diff != "" {
		t.Errorf("files built (-named +there):\n%s", diff)
	}
}

func testQuestions(t *testing.T, manuals []samplemanuals.Manual) {
	content, err := os.ReadFile(filepath.Join(sources, "questions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var questions struct {
		Covered []struct {
			Question, Document string
			Page               int
			MustContain        string `json:"must_contain"`
		}
		NotCovered []struct{ Question string } `json:"not_covered"`
	}
	if err := json.Unmarshal(content, &questions); err != nil {
		t.Fatal(err)
	}
	if c, n := len(questions.Covered), len(questions.NotCovered); c != 30 || n != 15 {
		t.Errorf("%d covered and %d not covered, want 30 and 15", c, n)
	}
	for _, q := range questions.Covered {
		i := slices.IndexFunc(manuals, func(m samplemanuals.Manual) bool { return m.File == q.Document })
		if i < 0 || q.Page < 1 || q.Page > len(manuals[i].Pages) {
			t.Errorf("%q: no page %d in %s", q.Question, q.Page, q.Document)
			continue
		}
		page := strings.Join(strings.Fields(manuals[i].Pages[q.Page-1]), " ")
		if q.MustContain == "" || !strings.Contains(page, q.MustContain) {
			t.Errorf("%q: %q does not stand on page %d of %s", q.Question, q.MustContain, q.Page, q.Document)
		}
	}
}

// pdftotext reads page n, or every page when n is "", with a reader that is
// not ours.
func pdftotext(t *testing.T, pdf, n string) string {
	t.Helper()
	args := []string{"-enc", "UTF-8"}
	if n != "" {
		args = append(args, "-f", n, "-l", n)
	}
	out, err := exec.CommandContext(t.Context(), "pdftotext", append(args, pdf, "-")...).Output()
	if err != nil {
		t.Fatalf("pdftotext %s: %v", filepath.Base(pdf), err)
	}
	return string(out)
}

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed: the PDFs are not read back with it", program)
	}
}

func testTextLayers(t *testing.T, dir string, manuals []samplemanuals.Manual) {
	needs(t, "pdftotext")
	for _, m := range manuals {
		t.Run(m.File, func(t *testing.T) {
			read := strings.Split(pdftotext(t, filepath.Join(dir, m.File), ""), "\f")
			if len(read) != len(m.Pages)+1 {
				t.Fatalf("pdftotext finds %d pages, want %d", len(read)-1, len(m.Pages))
			}
			for i, page := range m.Pages {
				got, want := words(read[i]), words(page)
				switch m.Form {
				case samplemanuals.Scan:
					want = nil
				case samplemanuals.Ligatures:
					want = words(lost.Replace(page))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("words of page %d (-written +read):\n%s", i+1, diff)
				}
			}
		})
	}
}

// lost is what becomes of the ligatures.
var lost = strings.NewReplacer("ffi", "\ufffd", "ffl", "\ufffd", "ff", "\ufffd", "fi", "\ufffd", "fl", "\ufffd")

// words counts the words, because readers differ in the order of table cells.
func words(s string) map[string]int {
	var n map[string]int
	for _, w := range strings.Fields(s) {
		if n == nil {
			n = map[string]int{}
		}
		n[w]++
	}
	return n
}

func TestRender(t *testing.T) {
	const markdown = "# Benefits office\n\nThe *financial* officer offers a flat fee of £5.\n\n1. first\n2. muffler\n"
	const want = "Sample manual. Not advice.\nBenefits office\nThe financial officer offers a flat fee of £5.\n1. first\n2. muffler\nSample manual. Not advice. Page 1 of 1"
	for _, form := range []samplemanuals.Form{samplemanuals.Text, samplemanuals.Columns, samplemanuals.Ligatures, samplemanuals.Scan} {
		t.Run(string(form), func(t *testing.T) {
			m, pdf, err := samplemanuals.Render(markdown, form)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{want}, m.Pages); diff != "" {
				t.Errorf("pages (-want +got):\n%s", diff)
			}
			if form != samplemanuals.Ligatures {
				return
			}
			needs(t, "pdftotext")
			path := filepath.Join(t.TempDir(), "m.pdf")
			if err := os.WriteFile(path, pdf, 0o600); err != nil {
				t.Fatal(err)
			}
			read := pdftotext(t, path, "1")
			if !strings.Contains(read, "The \ufffdnancial o\ufffdcer o\ufffders a \ufffdat fee") {
				t.Errorf("ligatures are read as %q", read)
			}
		})
	}
	if _, _, err := samplemanuals.Render(markdown, "origami"); err == nil {
		t.Error("an unknown form was accepted")
	}
	if _, _, err := samplemanuals.Render("snow \u2603 in a font without it \U0001F9FE", samplemanuals.Text); err == nil {
		t.Error("a character without a glyph was accepted")
	}
}

func TestRenderLongTable(t *testing.T) {
	markdown := "| Name | Amount |\n|---|---|\n" + strings.Repeat("| Row | £1 |\n", 100)
	m, _, err := samplemanuals.Render(markdown, samplemanuals.Text)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, page := range m.Pages {
		if !strings.Contains(page, "Name\tAmount") {
			t.Errorf("page %d has no table head", i+1)
		}
		rows += strings.Count(page, "Row\t£1")
	}
	if rows != 100 || len(m.Pages) < 3 {
		t.Errorf("%d rows on %d pages, want 100 on several", rows, len(m.Pages))
	}
}

func TestParseRefuses(t *testing.T) {
	const front = "---\ntitle: T\nedition: 1\neffective: today\nstated: today\njurisdiction: E\nform: text\n---\n"
	if _, err := samplemanuals.Parse(front + "\nText.\n"); err != nil {
		t.Fatalf("a good manual is refused: %v", err)
	}
	for name, markdown := range map[string]string{
		"open front matter":  "---\ntitle: T\n",
		"missing name":       strings.Replace(front, "edition: 1\n", "", 1),
		"unknown name":       strings.Replace(front, "edition", "printing", 1),
		"unknown form":       strings.Replace(front, "form: text", "form: scroll", 1),
		"code block":         "```\nx\n```\n",
		"link":               "See [here](https://example.org).\n",
		"nested list":        "- a\n  - b\n",
		"empty list item":    "-\n",
		"HTML":               "<b>bold</b>\n",
		"quotation":          "> words\n",
		"inline code":        "Run `it`.\n",
		"picture in heading": "# ![x](y.png)\n",
	} {
		if _, err := samplemanuals.Parse(markdown); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBuildRefusesEmptyFolder(t *testing.T) {
	if _, err := samplemanuals.Build(t.TempDir(), t.TempDir()); err == nil {
		t.Error("a folder without manuals was accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("---\ntitle: T\nform: scan\n---\n\n# H\n")
	f.Add("| a | b |\n|---|---|\n| *c* | **d** |\n")
	f.Add("3. three\n4. four\n\n\\* &amp; text  \nhard break\n")
	f.Fuzz(func(t *testing.T, markdown string) {
		if _, err := samplemanuals.Parse(markdown); err != nil {
			return
		}
		if len(markdown) < 2000 {
			_, _, _ = samplemanuals.Render(markdown, samplemanuals.Columns)
		}
	})
}
