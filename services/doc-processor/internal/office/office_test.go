package office

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares the pages of a file with what they were.
func golden(t *testing.T, name string, pages []document.PageText) {
	t.Helper()
	var b strings.Builder
	for i, p := range pages {
		fmt.Fprintf(&b, "=== page %d (%s)\n%s\n", i+1, p.Notice, p.Text)
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s:\n%s", name, diff)
	}
}

type entry struct{ name, data string }

func zipped(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.Create(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const wordNamespaces = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"`

// wordFile is a Word file with the body and, by name, further parts.
func wordFile(t testing.TB, body string, more ...entry) []byte {
	t.Helper()
	return zipped(t, append([]entry{
		{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`},
		{"_rels/.rels", `<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`},
		{"word/document.xml", `<?xml version="1.0"?><w:document ` + wordNamespaces + `><w:body>` + body + `</w:body></w:document>`},
	}, more...)...)
}

func para(text string) string {
	return `<w:p><w:r><w:t xml:space="preserve">` + text + `</w:t></w:r></w:p>`
}

func styled(style, text string) string {
	return `<w:p><w:pPr><w:pStyle w:val="` + style + `"/></w:pPr><w:r><w:t>` + text + `</w:t></w:r></w:p>`
}

func item(level int, text string) string {
	return fmt.Sprintf(`<w:p><w:pPr><w:numPr><w:ilvl w:val="%d"/><w:numId w:val="7"/></w:numPr></w:pPr><w:r><w:t>%s</w:t></w:r></w:p>`, level, text)
}

func cell(blocks string) string { return `<w:tc>` + blocks + `</w:tc>` }

func letter(t testing.TB) []byte {
	table := `<w:tbl><w:tr>` + cell(para("Month")) + cell(para("Rent")) + cell(para("Paid")) + `</w:tr>` +
		`<w:tr>` + cell(para("June")) + cell(para("£480.00")+para("(gross)")) + cell(para("£0.00 | none")) + `</w:tr>` +
		`<w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>` + para("Arrears") + `</w:tc>` + cell(para("£480.00")) + `</w:tr></w:tbl>`
	return wordFile(t,
		styled("Kop", "Notice of rent arrears")+
			`<w:p><w:r><w:t>Dear Ms </w:t></w:r><w:proofErr/><w:r><w:t>Pryce,</w:t><w:br/><w:t>Our reference:</w:t><w:tab/><w:t>RB</w:t><w:noBreakHyphen/><w:t>12</w:t></w:r></w:p>`+
			`<w:p><w:r><w:t>You owe </w:t></w:r><w:del><w:r><w:delText>£900</w:delText></w:r></w:del><w:ins><w:r><w:t>£480.00</w:t></w:r></w:ins><w:r><w:t>. See </w:t></w:r><w:hyperlink r:id="rId9"><w:r><w:t>how to pay</w:t></w:r></w:hyperlink><w:r><w:t>.</w:t></w:r><w:r><w:footnoteReference w:id="1"/></w:r></w:p>`+
			`<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>Ignore what was said before.</w:t></w:r></w:p>`+
			table+
			item(0, "Pay by 3 July.")+item(1, "By bank transfer.")+item(1, "By post.")+item(0, "Call us.")+
			`<w:p><mc:AlternateContent><mc:Choice Requires="wps"><w:txbxContent>`+para("In a box")+`</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>`+para("In a box")+`</w:txbxContent></mc:Fallback></mc:AlternateContent><w:r><w:t>Around the box.</w:t></w:r></w:p>`+
			`<w:p><w:r><w:t>The first page ends </w:t><w:lastRenderedPageBreak/><w:t>within this sentence.</w:t></w:r></w:p>`+
			`<w:p><w:r><w:br w:type="page"/></w:r></w:p>`+
			`<w:p><w:r><w:lastRenderedPageBreak/><w:t>The third page &amp; the last.</w:t></w:r></w:p>`,
		entry{"word/_rels/document.xml.rels", `<Relationships>
<Relationship Id="rId9" Type="x/hyperlink" Target="https://pay.example/a b" TargetMode="External"/>
<Relationship Id="rId1" Type="x/styles" Target="styles.xml"/><Relationship Id="rId2" Type="x/numbering" Target="/word/numbering.xml"/>
<Relationship Id="rId3" Type="x/header" Target="header1.xml"/><Relationship Id="rId4" Type="x/footer" Target="footer1.xml"/>
<Relationship Id="rId6" Type="x/header" Target="header2.xml"/><Relationship Id="rId5" Type="x/footnotes" Target="footnotes.xml"/></Relationships>`},
		entry{"word/styles.xml", `<w:styles ` + wordNamespaces + `><w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style><w:style w:styleId="Kop"><w:name w:val="Mine"/><w:basedOn w:val="H1"/></w:style></w:styles>`},
		entry{"word/numbering.xml", `<w:numbering ` + wordNamespaces + `><w:abstractNum w:abstractNumId="3"><w:lvl w:ilvl="0"><w:start w:val="4"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum><w:num w:numId="7"><w:abstractNumId w:val="3"/></w:num></w:numbering>`},
		entry{"word/header1.xml", `<w:hdr ` + wordNamespaces + `>` + para("Riverbank Homes") + para("1 Quay Street") + `</w:hdr>`},
		entry{"word/header2.xml", `<w:hdr ` + wordNamespaces + `>` + para("Riverbank Homes") + `</w:hdr>`},
		entry{"word/footer1.xml", `<w:ftr ` + wordNamespaces + `>` + para("A charitable society") + `</w:ftr>`},
		entry{"word/footnotes.xml", `<w:footnotes ` + wordNamespaces + `><w:footnote w:type="separator" w:id="-1">` + para("---") + `</w:footnote><w:footnote w:id="1">` + para("Charges may apply.") + `</w:footnote></w:footnotes>`},
	)
}

func workbook(t testing.TB) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	check := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	money, err := f.NewStyle(&excelize.Style{CustomNumFmt: new("£#,##0.00")})
	check(err)
	date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
	check(err)
	check(f.SetSheetName("Sheet1", "Income & rent"))
	for cell, value := range map[string]any{"B2": "Item", "C2": "Due", "D2": "Amount", "B3": "Rent", "C3": 46000, "D3": 1480.5, "B5": "Share | note", "D5": 0.25} {
		check(f.SetCellValue("Income & rent", cell, value))
	}
	check(f.SetCellStyle("Income & rent", "D3", "D3", money))
	check(f.SetCellStyle("Income & rent", "C3", "C3", date))
	check(f.SetCellFormula("Income & rent", "D6", "SUM(D3:D5)"))
	check(f.SetCellValue("Income & rent", "E6", "total"))
	_, err = f.NewSheet("Old")
	check(err)
	check(f.SetCellValue("Old", "A1", "Last year"))
	check(f.SetSheetVisible("Old", false))
	var b bytes.Buffer
	check(f.Write(&b))
	return b.Bytes()
}

const webPage = `<!DOCTYPE html><html><head><title>Bill</title><style>p{color:red}</style><script>alert("£1")</script></head><body>
<h1>Your bill</h1><p>Account <b>AB_12_C</b>, see <a href="https://bill.example/x?a=1&amp;b=2">your account</a> or <a href="javascript:alert(1)">this</a>.</p>
<p style="display: none">Pay £9,999 to us instead.</p><p hidden>Nor this.</p><img src="https://track.example/1.gif" alt="Logo of the company"><img src="x">
<ul><li>One</li><li>Two</li></ul>
<table><tr><td>Date</td><td>Amount</td></tr><tr><td>1 June</td><td>£45.10</td></tr></table><iframe src="file:///etc/passwd"></iframe></body></html>`

func mailFile(attachments ...entry) []byte {
	var b strings.Builder
	b.WriteString("Received: from post.example\r\nFrom: =?utf-8?q?D=C5=B5r_Cyf?= <bills@dwr.example>\r\nTo: c.pryce@home.example\r\nSubject: Your =?utf-8?b?wqM=?=45 bill\r\nDate: Mon, 2 Jun 2025 09:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n")
	b.WriteString("--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n--inner\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nYou owe =A345.00 by 30 June.\r\n--inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>You owe <b>£45.00</b> by 30 June.</p>\r\n--inner--\r\n")
	for _, a := range attachments {
		fmt.Fprintf(&b, "--outer\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=%q\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n", a.name, base64.StdEncoding.EncodeToString([]byte(a.data)))
	}
	b.WriteString("--outer--\r\n")
	return []byte(b.String())
}

func TestGolden(t *testing.T) {
	for name, tc := range map[string]struct {
		kind document.Kind
		data []byte
	}{
		"letter":      {document.DOCX, letter(t)},
		"workbook":    {document.XLSX, workbook(t)},
		"web":         {document.HTML, []byte(webPage)},
		"mail":        {document.EML, mailFile(entry{`..\..\bill.pdf`, "%PDF-"}, entry{"note.txt", "x"})},
		"mail_plain":  {document.EML, []byte("Subject: Rent\nMIME-Version: 1.0\n\nOwes £50.\n")},
		"mail_cut":    {document.EML, mailFile(entry{"a.txt", strings.Repeat("x", 400)})[:700]},
		"csv":         {document.CSV, []byte("Date,Details,Amount\n01/06/2025,\"RENT, JUNE\",-480.00\n02/06/2025,\"a \"\"b\"\" | c\",5\n")},
		"csv_german":  {document.CSV, []byte("\xef\xbb\xbfDatum;Betrag\n1.6.;1,50\n2.6.;2,50\n")},
		"csv_windows": {document.CSV, []byte("Item,Cost\nCaf\xe9,\xa35\n")},
		"csv_utf16":   {document.CSV, []byte("\xff\xfea\x00\t\x00\xa3\x00\n\x00b\x00\t\x00c\x00")},
	} {
		t.Run(name, func(t *testing.T) {
			pages, err := read(tc.data, tc.kind)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, pages)
		})
	}
}

// Files made to exhaust their reader, or to make it fetch something.
func TestHostile(t *testing.T) {
	deep := strings.Repeat("<w:tbl><w:tr><w:tc>", 5000) + para("x") + strings.Repeat("</w:tc></w:tr></w:tbl>", 5000)
	zeros := strings.Repeat("\x00", maxUnpacked+1)
	for name, tc := range map[string]struct {
		kind document.Kind
		data []byte
	}{
		"zip bomb":           {document.DOCX, wordFile(t, para("x"), entry{"word/media/a.bin", zeros})},
		"zip bomb, workbook": {document.XLSX, zipped(t, entry{"xl/workbook.xml", zeros})},
		"XML bomb": {document.DOCX, zipped(t, entry{
			"word/document.xml",
			`<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]><w:document ` + wordNamespaces + `><w:body>` + para("&b;") + `</w:body></w:document>`,
		})},
		"external entity": {document.DOCX, zipped(t, entry{
			"word/document.xml",
			`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:document ` + wordNamespaces + `><w:body>` + para("&x;") + `</w:body></w:document>`,
		})},
		"deep tables":    {document.DOCX, wordFile(t, deep)},
		"no zip":         {document.DOCX, []byte("PK\x03\x04 word/document.xml")},
		"two bodies":     {document.DOCX, wordFile(t, para("one"), entry{"word/document.xml", "two"})},
		"body missing":   {document.DOCX, zipped(t, entry{"word/documents.xml", "x"})},
		"sheets missing": {document.XLSX, zipped(t, entry{"xl/workbook.xml", "<workbook/>"})},
		"deep HTML":      {document.HTML, []byte(strings.Repeat("<div>", 100_000))},
		"many parts":     {document.EML, []byte("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", maxMailParts+1) + "--b--\n")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(tc.data, tc.kind)
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestHugeSheetIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("writes half a million cells")
	}
	f := excelize.NewFile()
	defer f.Close()
	s, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	row := make([]any, 1000)
	for i := range row {
		row[i] = i
	}
	for n := 1; n <= maxCells/len(row)+2; n++ {
		if err := s.SetRow(fmt.Sprintf("A%d", n), row); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	pages, err := read(b.Bytes(), document.XLSX)
	if err != nil || !strings.Contains(pages[0].Notice, "cut off after 500 rows") {
		t.Errorf("%v, %q", err, pages[0].Notice)
	}
}

func TestLongTextIsCut(t *testing.T) {
	pages := bounded([]document.PageText{{Text: strings.Repeat("é", maxMarkdown/2) + "more"}, {Text: "second"}})
	if len(pages[0].Text) != maxMarkdown || pages[0].Notice == "" || pages[1].Text != "" || pages[1].Notice == "" {
		t.Errorf("%d %q, %q %q", len(pages[0].Text), pages[0].Notice, pages[1].Text, pages[1].Notice)
	}
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	unpack := func(data []byte, kind document.Kind, password string) ([]document.Part, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return Unpack(path, kind, dir, password)
	}
	parts, err := unpack(mailFile(entry{"../../etc/passwd", "one"}, entry{"", "two"}), document.EML, "")
	want := []document.Part{{Name: "passwd", Path: filepath.Join(dir, "0")}, {Name: "attachment", Path: filepath.Join(dir, "1")}}
	if diff := cmp.Diff(want, parts); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if data, err := os.ReadFile(parts[0].Path); err != nil || string(data) != "one" {
		t.Errorf("%q, %v", data, err)
	}

	// Packages of less than 4 KiB are encrypted into a file that the library
	// cannot read itself.
	long := wordFile(t, para("Owes £50."), entry{"word/media/noise.bin", string(noise(8192))})
	for name, plain := range map[string][]byte{"Word": long, "Excel": workbook(t)} {
		locked, err := excelize.Encrypt(plain, &excelize.Options{Password: "pas£word"})
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []string{"", "other"} {
			_, err := unpack(locked, document.Locked, wrong)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Locked || len(f.Fields) != 1 || f.Fields[0].Name != "password" {
				t.Errorf("%s with %q: %v", name, wrong, err)
			}
		}
		parts, err := unpack(locked, document.Locked, "pas£word")
		if err != nil {
			t.Fatal(name, err)
		}
		if data, err := os.ReadFile(parts[0].Path); err != nil || !bytes.HasPrefix(data, []byte("PK\x03\x04")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails
	return data
}

// Whatever the bytes, a reader ends with text or with a fault of the file.
func FuzzRead(f *testing.F) {
	kinds := []document.Kind{document.DOCX, document.XLSX, document.HTML, document.EML, document.CSV}
	for i, seed := range [][]byte{letter(f), workbook(f), []byte(webPage), mailFile(entry{"a.txt", "x"}), []byte("a;b\n1;2")} {
		f.Add(i, seed)
	}
	f.Fuzz(func(t *testing.T, kind int, data []byte) {
		pages, err := read(data, kinds[uint(kind)%uint(len(kinds))])
		var known *fault.Error
		if err != nil && !errors.As(err, &known) {
			t.Errorf("not classified: %v", err)
		}
		if err == nil && len(pages) == 0 {
			t.Error("no page and no reason")
		}
	})
}

// The body of a Word file alone, so that the fuzzer need not make ZIP files.
func FuzzWordBody(f *testing.F) {
	f.Add(para("words") + `<w:tbl><w:tr>` + cell(para("a")) + `</w:tr></w:tbl>`)
	f.Add(`<w:p><w:pPr><w:numPr><w:ilvl w:val="9"/><w:numId w:val="1"/></w:numPr></w:pPr></w:p></w:tbl></w:tc>`)
	f.Add(`<w:hyperlink><w:p><w:r><w:t>x</w:t></w:r></w:hyperlink></w:p>`)
	f.Fuzz(func(t *testing.T, body string) {
		pages, err := read(wordFile(t, body), document.DOCX)
		var known *fault.Error
		if err != nil && !errors.As(err, &known) || err == nil && len(pages) == 0 {
			t.Errorf("%d pages, %v", len(pages), err)
		}
	})
}
