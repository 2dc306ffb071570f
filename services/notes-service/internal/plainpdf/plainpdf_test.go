package plainpdf_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/paper"
	"signpost.internal/services/notes-service/internal/plainpdf"
)

func letter(markdown string) paper.Letter {
	return paper.Letter{Markdown: markdown, Title: "Confirmation of Advice", Author: "Northtown Advice", Language: "cy-GB", Mark: "DRAFT – not proved: why", Page: "Tudalen", Of: "o", Size: 11}
}

// pages returns what another reader finds on each page.
func pages(t *testing.T, file []byte) []string {
	t.Helper()
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("pdftotext (poppler-utils) is not installed: the PDF is not read back")
	}
	path := filepath.Join(t.TempDir(), "letter.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "pdftotext", "-layout", path, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\f"), "\f")
}

func TestWrite(t *testing.T) {
	text := "```sender\nNorthtown Advice\n```\n\n```address\nMs Okoye\n```\n\n# Cyngor\n\nŴ ŵ Ŷ ŷ £304 “x” 1–2 → ≥\n\n" +
		strings.Repeat("- You owe **Lowell** £1,204.55; ref LW/55120.\n", 60) +
		"\n| Creditor | Amount |\n|---|--:|\n" + strings.Repeat("| HMRC | £12.00 |\n", 50) +
		"\n3. three\n   - inner\n\n> quoted [link](https://example.org)\n\n---\n\nlast \U0001F642 words"
	file, missing, err := plainpdf.Write(letter(text))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(missing, []rune{0x1F642}) {
		t.Errorf("missing: %q", missing)
	}
	all := pages(t, file)
	if len(all) < 3 {
		t.Errorf("%d pages", len(all))
	}
	for i, page := range all {
		for _, want := range []string{"DRAFT – not proved: why", fmt.Sprintf("Tudalen %d o %d", i+1, len(all))} {
			if !strings.Contains(page, want) {
				t.Errorf("page %d lacks %q", i+1, want)
			}
		}
	}
	whole := strings.Join(all, "\n")
	for want, times := range map[string]int{"You owe Lowell £1,204.55; ref LW/55120.": 60, "HMRC": 50, "Ŵ ŵ Ŷ ŷ £304 “x” 1–2 → ≥": 1, "last [U+1F642] words": 1, "quoted link": 1, "3.": 1} {
		if got := strings.Count(whole, want); got < times {
			t.Errorf("%q is there %d times, not %d", want, got, times)
		}
	}
	if heads := strings.Count(whole, "Creditor"); heads < 2 {
		t.Errorf("the table's head is there %d times: it goes on on another page", heads)
	}
	again, _, err := plainpdf.Write(letter(text))
	if err != nil || !bytes.Equal(file, again) {
		t.Errorf("not the same bytes again, %v", err)
	}
}

func TestRightToLeftIsRefused(t *testing.T) {
	_, _, err := plainpdf.Write(letter("مرحبا"))
	if fault.KindOf(err) != fault.Unsupported {
		t.Errorf("got %v", err)
	}
}

func TestOdd(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "",
		"a long word":   strings.Repeat("x", 5000),
		"a tall row":    "|a|b|\n|-|-|\n|" + strings.Repeat("word ", 4000) + "|x|",
		"many columns":  "|" + strings.Repeat("a|", 40) + "\n|" + strings.Repeat("-|", 40) + "\n|" + strings.Repeat("b|", 40),
		"deep":          strings.Repeat("- ", 40) + "deep",
		"empty items":   "-\n-\n- \n",
		"controls":      "a\x01b\x1fc",
		"private use":   "\uE000 \uFFFD",
		"alias":         "a {nb} b",
		"ten thousand":  strings.Repeat("Ten thousand words of a letter. ", 1700),
		"a long header": strings.Repeat("#", 1) + " " + strings.Repeat("word ", 300),
	} {
		t.Run(name, func(t *testing.T) {
			file, _, err := plainpdf.Write(letter(text))
			if err != nil || !bytes.HasPrefix(file, []byte("%PDF-")) {
				t.Error(err)
			}
			if name == "a tall row" && strings.Count(strings.Join(pages(t, file), ""), "word") != 4000 {
				t.Error("words of the row are lost")
			}
		})
	}
}

func FuzzWrite(f *testing.F) {
	for _, s := range []string{"# a\n\n- b\n", "|a|\n|-|\n|b|", "```sender\nx\n```", "\x00\u2028\U0010FFFF", "> > > a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, markdown string) {
		file, _, err := plainpdf.Write(letter(markdown))
		if err != nil && fault.KindOf(err) != fault.Unsupported {
			t.Fatal(err)
		}
		if err == nil && !bytes.HasPrefix(file, []byte("%PDF-")) {
			t.Error("not a PDF")
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	l := letter("Dear Ms Okoye,\n\n## Matters\n\n" + strings.Repeat("- You owe Lowell £1,204.55; ref LW/55120.\n", 30))
	for b.Loop() {
		if _, _, err := plainpdf.Write(l); err != nil {
			b.Fatal(err)
		}
	}
}
