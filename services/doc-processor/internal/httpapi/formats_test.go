package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"
	"github.com/xuri/excelize/v2"

	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/job"
)

// mailOf is a mail with attachments.
func mailOf(files ...file) []byte {
	var b strings.Builder
	b.WriteString("Received: from post.example\r\nFrom: bills@post.example\r\nSubject: Your letters\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee attached.\r\n")
	for _, f := range files {
		fmt.Fprintf(&b, "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=%q\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n", f.name, base64.StdEncoding.EncodeToString(f.data))
	}
	b.WriteString("--b--\r\n")
	return []byte(b.String())
}

// An attachment is read as what it is; one that cannot be read is named, and
// costs the mail nothing.
func TestMailWithAttachments(t *testing.T) {
	_, pdf := manual(t, samplemanuals.Text)
	var blank bytes.Buffer
	if err := png.Encode(&blank, image.NewGray(image.Rect(0, 0, 50, 50))); err != nil {
		t.Fatal(err)
	}
	inner := mailOf(file{name: "list.csv", data: []byte("Debt,Owed\nRent,480\n")})
	deep := []byte("x")
	for range 6 {
		deep = mailOf(file{name: "in.eml", data: deep})
	}
	h := newServer(t, nil)
	got := process(t, h, file{"file", "a.eml", mailOf(
		file{name: "guide.pdf", data: pdf}, file{name: "in.eml", data: inner}, file{name: "blank.png", data: blank.Bytes()},
		file{name: "broken.pdf", data: []byte("%PDF-1.7\nnothing\n%%EOF\n")}, file{name: "a.zip", data: []byte("PK\x03\x04")}, file{name: "deep.eml", data: deep})})
	if got.MediaType != "message/rfc822" || got.Method != "text_layer" || !strings.HasPrefix(got.Markdown, "# Your letters") {
		t.Errorf("%s by %s: %.60q", got.MediaType, got.Method, got.Markdown)
	}
	pages := map[string]int{}
	for _, p := range got.PageResults {
		pages[p.Attachment]++
	}
	if pages[""] != 1 || pages["guide.pdf"] < 2 || pages["in.eml"] != 1 || pages["in.eml / list.csv"] != 1 || pages["blank.png"] != 1 {
		t.Errorf("pages %v", pages)
	}
	if !strings.Contains(got.Markdown, "| Rent | 480 |") {
		t.Error("the table within the mail within the mail is missing")
	}
	warnings := strings.Join(got.Warnings, "\n")
	for _, want := range []string{`"broken.pdf" was not read: The PDF is damaged`, `"a.zip" was not read: The file's content is of no format`, "to a depth of 3"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning %q in\n%s", want, warnings)
		}
	}
}

// withFields is a form with plain fields beside the file.
func withFields(t *testing.T, path string, fields map[string]string, f file) *http.Request {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile(f.field, f.name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(f.data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("X-Request-ID", "test")
	return r
}

func TestProtectedFiles(t *testing.T) {
	pdf, err := samplemanuals.OddEncrypted("s£cret")
	if err != nil {
		t.Fatal(err)
	}
	book := excelize.NewFile()
	defer book.Close()
	if err := book.SetCellValue("Sheet1", "A1", "Owes £50"); err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if err := book.Write(&plain); err != nil {
		t.Fatal(err)
	}
	xlsx, err := excelize.Encrypt(plain.Bytes(), &excelize.Options{Password: "s£cret"})
	if err != nil {
		t.Fatal(err)
	}
	h := newServer(t, nil)
	for name, f := range map[string]file{"pdf": {"file", "a.pdf", pdf}, "xlsx": {"file", "a.xlsx", xlsx}} {
		golden(t, "locked_"+name, post(h, form(t, f)))
		golden(t, "locked_wrong_"+name, post(h, withField(t, "/process", "password", "other", f)))
		w := post(h, withField(t, "/process", "password", "s£cret", f))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if again := post(h, form(t, f)); again.Code != http.StatusUnauthorized || again.Header().Get("WWW-Authenticate") != `Form realm="document", field="password"` {
			t.Errorf("%s afterwards without the password: %d %v", name, again.Code, again.Header())
		}

		w = post(h, withField(t, "/jobs", "password", "s£cret", f))
		var j struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &j); err != nil {
			t.Fatal(err)
		}
		if state := waitFor(t, h, j.ID); state != job.Done {
			t.Errorf("%s: the job is %s", name, state)
		}
	}
}

// waitFor returns the state in which a job ended.
func waitFor(t *testing.T, h http.Handler, id string) job.State {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jobs/"+id+"/events", nil)
	r.Header.Set("Accept", "application/x-ndjson")
	post(h, r)
	var j struct{ State job.State }
	if err := json.Unmarshal(post(h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jobs/"+id, nil)).Body.Bytes(), &j); err != nil {
		t.Fatal(err)
	}
	return j.State
}

// Files attached to a PDF are not read, and that is said.
func TestPDFWithAttachments(t *testing.T) {
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetFont("Helvetica", "", 12)
	doc.AddPage()
	doc.Cell(40, 10, "You owe 50.")
	doc.SetAttachments([]fpdf.Attachment{{Content: []byte("MZ"), Filename: "bill.exe"}, {Content: []byte("x"), Filename: "../x"}})
	var b bytes.Buffer
	if err := doc.Output(&b); err != nil {
		t.Fatal(err)
	}
	got := process(t, newServer(t, nil), file{"file", "a.pdf", b.Bytes()})
	if got.Markdown != "You owe 50." || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "2 files attached") {
		t.Errorf("%q, %v", got.Markdown, got.Warnings)
	}
}

// A file that is two things at once is read as the one that its first bytes say.
func TestPolyglot(t *testing.T) {
	_, pdf := manual(t, samplemanuals.Text)
	h := newServer(t, nil)
	got := process(t, h, file{"file", "a.html", append(bytes.TrimRight(pdf, "\n"), []byte("\n<html><script>alert(1)</script></html>\n")...)})
	if got.MediaType != "application/pdf" {
		t.Errorf("read as %s", got.MediaType)
	}
	for _, data := range []string{"GIF89a<html></html>", "\x7fELF\n%PDF-", "PK\x03\x04\n%PDF-1.7\n%%EOF"} {
		if w := post(h, form(t, file{"file", "a.pdf", []byte(data)})); w.Code < 400 || w.Code > 499 {
			t.Errorf("%q: %d", data, w.Code)
		}
	}
}
