package docx_test

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/notes-service/internal/docx"
	"signpost.internal/services/notes-service/internal/paper"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const sample = "```sender\nNorthtown Advice\n1 High Street\n```\n\n```address\nMs Okoye\n12 Bridge St\n```\n\nDear Ms Okoye,\n\n" +
	"## Matters\n\n- You owe **Lowell** £304 & *more*.\n- Second\n\n  going on\n\n  1. nested\n  2. two\n\n" +
	"| Creditor | Amount |\n|---|--:|\n| Lowell | £304.00 |\n| <b>HMRC</b> | £1,204.55 |\n\n" +
	"3. Three\n4. Four\n\n> See [the guidance](https://example.org/a?b=1&c=2), not [this](javascript:alert).\n\n---\n\nمرحبا\n\nhard\\\nbreak\n"

func letter(markdown string) paper.Letter {
	return paper.Letter{Markdown: markdown, Title: "Confirmation <of> Advice", Author: "A & B", Language: "en-GB", Mark: `DRAFT "not" proved`, Page: "Page", Of: "of", Font: "Arial", Size: 11}
}

// unzip returns the parts of a file.
func unzip(t testing.TB, file []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		parts[f.Name] = data
	}
	return parts
}

// validate checks what Word checks before it opens a file: each part is
// well-formed and has a content type, each relationship leads to a part, and each
// reference to a relationship, a style or a list finds it.
func validate(t testing.TB, file []byte) map[string][]byte {
	t.Helper()
	parts := unzip(t, file)
	var types struct {
		Defaults []struct {
			Extension string `xml:"Extension,attr"`
		} `xml:"Default"`
		Overrides []struct {
			PartName string `xml:"PartName,attr"`
		} `xml:"Override"`
	}
	if err := xml.Unmarshal(parts["[Content_Types].xml"], &types); err != nil {
		t.Fatal(err)
	}
	for _, o := range types.Overrides {
		if parts[strings.TrimPrefix(o.PartName, "/")] == nil {
			t.Errorf("a content type for %s, which is not there", o.PartName)
		}
	}
	known := map[string]bool{} // relationships of the document
	for name, data := range parts {
		wellFormed(t, name, data)
		if !strings.HasSuffix(name, ".rels") {
			continue
		}
		var rels struct {
			Relationship []struct {
				ID         string `xml:"Id,attr"`
				Target     string `xml:"Target,attr"`
				TargetMode string `xml:"TargetMode,attr"`
			}
		}
		if err := xml.Unmarshal(data, &rels); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range rels.Relationship {
			if seen[r.ID] {
				t.Errorf("%s: %s twice", name, r.ID)
			}
			seen[r.ID] = true
			if strings.Contains(name, "document.xml") {
				known[r.ID] = true
			}
			if target := path.Join(path.Dir(path.Dir(name)), r.Target); r.TargetMode != "External" && parts[target] == nil {
				t.Errorf("%s: %s leads to %s, which is not there", name, r.ID, target)
			}
		}
	}
	styles, numbers := values(t, parts["word/styles.xml"], "style", "styleId"), values(t, parts["word/numbering.xml"], "num", "numId")
	for _, check := range []struct {
		element string
		known   map[string]bool
	}{{"pStyle", styles}, {"rStyle", styles}, {"tblStyle", styles}, {"numId", numbers}} {
		for value := range values(t, parts["word/document.xml"], check.element, "val") {
			if !check.known[value] {
				t.Errorf("%s %q is not defined", check.element, value)
			}
		}
	}
	for _, element := range []string{"hyperlink", "headerReference", "footerReference"} {
		for value := range values(t, parts["word/document.xml"], element, "id") {
			if !known[value] {
				t.Errorf("%s %q has no relationship", element, value)
			}
		}
	}
	return parts
}

func wellFormed(t testing.TB, name string, data []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// values returns what an attribute of an element says.
func values(t testing.TB, data []byte, element, attribute string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == element {
			for _, a := range start.Attr {
				if a.Name.Local == attribute {
					found[a.Value] = true
				}
			}
		}
	}
}

// words is the text of a document, as a reader meets it.
func words(t testing.TB, data []byte) string {
	t.Helper()
	var b strings.Builder
	inText := false
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "t"
		case xml.EndElement:
			inText = false
			if token.Name.Local == "p" {
				b.WriteByte('\n')
			}
		case xml.CharData:
			if inText {
				b.Write(token)
			}
		}
	}
}

func TestDocument(t *testing.T) {
	file, err := docx.Write(letter(sample))
	if err != nil {
		t.Fatal(err)
	}
	parts := validate(t, file)
	got := strings.NewReplacer("<w:p>", "\n<w:p>", "<w:tbl>", "\n<w:tbl>", "<w:sectPr>", "\n<w:sectPr>").Replace(string(parts["word/document.xml"])) + "\n"
	golden := filepath.Join("testdata", "document.xml")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("document.xml (-want +got):\n%s", diff)
	}
	for part, want := range map[string][]string{
		"word/header1.xml":             {"DRAFT &quot;not&quot; proved", "DraftMark"},
		"word/footer1.xml":             {"PAGE", "NUMPAGES", "Page ", " of "},
		"word/styles.xml":              {`w:val="en-GB"`, `w:ascii="Arial"`, `w:styleId="Heading2"`},
		"docProps/core.xml":            {"Confirmation &lt;of&gt; Advice", "A &amp; B", "en-GB"},
		"word/numbering.xml":           {`<w:startOverride w:val="3"/>`, `<w:lvlOverride w:ilvl="1">`},
		"word/_rels/document.xml.rels": {`Target="https://example.org/a?b=1&amp;c=2" TargetMode="External"`},
	} {
		for _, s := range want {
			if !strings.Contains(string(parts[part]), s) {
				t.Errorf("%s lacks %s:\n%s", part, s, parts[part])
			}
		}
	}
	if strings.Contains(string(parts["word/_rels/document.xml.rels"]), "javascript") {
		t.Error("a link does more than lead somewhere")
	}
	again, err := docx.Write(letter(sample))
	if err != nil || !bytes.Equal(file, again) {
		t.Errorf("not the same bytes again, %v", err)
	}
}

func TestWithoutMark(t *testing.T) {
	l := letter("x")
	l.Mark = ""
	file, err := docx.Write(l)
	if err != nil {
		t.Fatal(err)
	}
	if h := string(validate(t, file)["word/header1.xml"]); strings.Contains(h, "DraftMark") {
		t.Error(h)
	}
}

// Any Markdown becomes a file that opens, and loses no word of it.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{sample, "", "# x\n\n- a\n  - b\n    - c\n", "\x00\x01\x1f\u2028\uFFFE", "|a|\n|-|\n|b|c|", "99999999999. x", strings.Repeat("> ", 40) + "deep", strings.Repeat("- ", 40) + "deep", "<script>", "[a](<b>)", "`\t`", "&#0; &#xD800; &copy;", "```address\n\n```"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, markdown string) {
		l := letter(markdown)
		l.Mark = markdown
		file, err := docx.Write(l)
		if err != nil {
			t.Fatal(err)
		}
		parts := validate(t, file)
		got := words(t, parts["word/document.xml"])
		for _, word := range strings.Fields(l.Text()) {
			if strings.Trim(word, "0123456789.-|") != "" && strings.IndexFunc(word, func(r rune) bool { return r < 0x20 || r == 0xFFFE || r == 0xFFFF }) < 0 && !strings.Contains(got, word) {
				t.Errorf("%q is lost:\n%s\n%s", word, markdown, got)
			}
		}
	})
}
