package httpapi_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/httpapi"
	"signpost.internal/services/doc-processor/internal/job"
	"signpost.internal/services/doc-processor/internal/worker"
	"signpost.internal/services/doc-processor/internal/workertest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// theMachine is set once by TestMain.
var theMachine workertest.Machine

func TestMain(m *testing.M) {
	machine, remove, err := workertest.Prepare()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	theMachine = machine
	code := m.Run()
	remove()
	os.Exit(code)
}

// newServer returns the service's real router over real workers.
func newServer(t *testing.T, change func(*worker.Options, *document.Options)) http.Handler {
	t.Helper()
	words, err := document.ReadWordList(strings.NewReader("first\nfinancial\nofficial\n"))
	if err != nil {
		t.Fatal(err)
	}
	pool := theMachine.Options()
	docs := document.Options{Words: words, SpoolDir: filepath.Join(t.TempDir(), "tmp"), Parallel: 2, MaxQueue: 2, MaxPages: 5000, Timeout: time.Minute}
	if change != nil {
		change(&pool, &docs)
	}
	pool.Settings.Figures = docs.Vision != nil
	if docs.Engine == nil {
		engine := worker.NewPool(pool)
		t.Cleanup(engine.Close)
		docs.Engine = engine
	}
	processor, err := document.New(docs)
	if err != nil {
		t.Fatal(err)
	}
	background, err := job.Open(t.Context(), job.Options{Dir: filepath.Join(t.TempDir(), "jobs"), Documents: processor, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(background.Close)
	api := httpapi.New(httpapi.Options{
		Documents: processor, Jobs: background, Heartbeat: time.Hour, OCR: func(context.Context) error { return nil },
		Model: noModel{}, Version: "test", PDFReader: "pdfium", OCRLanguages: []string{"eng", "cym"},
		MaxUpload: 8 << 20, MaxPages: 5000, DocumentTimeout: time.Minute, Vision: docs.Vision != nil, Cloud: docs.Cloud != nil,
	})
	server := httpserver.New(httpserver.Options{
		Logger: slog.New(slog.DiscardHandler), Registry: httpserver.NewRegistry(), Health: api.Health,
	})
	api.Register(server.Router())
	t.Cleanup(func() {
		left, err := os.ReadDir(docs.SpoolDir)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the spool: %v (%v)", left, err)
		}
	})
	return server.Router()
}

type noModel struct{}

func (noModel) Status(context.Context) provider.Status { return provider.Status{Provider: "none"} }

type file struct {
	field, name string
	data        []byte
}

func form(t *testing.T, files ...file) *http.Request { return formTo(t, "/process", files...) }

func formTo(t *testing.T, path string, files ...file) *http.Request {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range files {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, f.field, f.name)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("X-Request-ID", "test")
	return r
}

func post(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// golden compares a body with its golden file; times and confidences that a
// machine may round otherwise are set to fixed values before.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if _, ok := body["processing_time"]; ok {
		body["processing_time"] = 0
	}
	got, err := json.MarshalIndent(map[string]any{"status": w.Code, "content_type": w.Header().Get("Content-Type"), "body": body}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s:\n%s", name, diff)
	}
}

func manual(t *testing.T, form samplemanuals.Form) (samplemanuals.Manual, []byte) {
	t.Helper()
	markdown, err := os.ReadFile("../../../../docs/manuals/bankruptcy.md")
	if err != nil {
		t.Fatal(err)
	}
	m, data, err := samplemanuals.Render(string(markdown), form)
	if err != nil {
		t.Fatal(err)
	}
	return m, data
}

func TestGoldenSuccess(t *testing.T) {
	h := newServer(t, nil)
	golden(t, "text", post(h, form(t, file{"file", "notes.md", []byte("\ufeff# Notes\r\n\r\nOwes £1,500.\r\n")})))
	golden(t, "blank_pdf", post(h, form(t, file{"file", "blank.pdf", samplemanuals.OddEmptyPages(2)})))
	for _, path := range []string{"/", "/health", "/capabilities"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		golden(t, "get"+strings.ReplaceAll(path, "/", "_"), post(h, r))
	}
}

func TestGoldenBadInput(t *testing.T) {
	_, pdf := manual(t, samplemanuals.Text)
	encrypted, err := samplemanuals.OddEncrypted("secret")
	if err != nil {
		t.Fatal(err)
	}
	bomb, err := samplemanuals.OddBomb(600)
	if err != nil {
		t.Fatal(err)
	}
	h := newServer(t, nil)
	for name, files := range map[string][]file{
		"empty":          {{"file", "a.pdf", nil}},
		"not_a_pdf":      {{"file", "a.pdf", []byte("PK\x03\x04 not at all")}},
		"text_as_pdf":    {{"file", "a.pdf", []byte("MZ not a PDF\n")}},
		"encrypted":      {{"file", "a.pdf", encrypted}},
		"truncated":      {{"file", "a.pdf", samplemanuals.OddTruncated(pdf)}},
		"damaged":        {{"file", "a.pdf", []byte("%PDF-1.7\nnothing here\n%%EOF\n")}},
		"zero_pages":     {{"file", "a.pdf", samplemanuals.OddEmptyPages(0)}},
		"many_pages":     {{"file", "a.pdf", samplemanuals.OddEmptyPages(10000)}},
		"huge_page":      {{"file", "a.pdf", samplemanuals.OddPageSize(20000)}},
		"bomb":           {{"file", "a.pdf", bomb}},
		"too_large":      {{"file", "a.pdf", bytes.Repeat([]byte("x"), 8<<20+1)}},
		"path":           {{"file", "../../etc/cron.d/a.pdf", pdf}},
		"invalid_utf8":   {{"file", "a.txt", append(bytes.Repeat([]byte("word "), 300), 0xff)}},
		"wrong_field":    {{"document", "a.pdf", pdf}},
		"two_files":      {{"file", "a.pdf", pdf}, {"file", "b.pdf", pdf}},
		"cut_png":        {{"file", "a.png", []byte("\x89PNG\r\n\x1a\n\x00\x00")}},
		"many_pixels":    {{"file", "a.png", hugePNG(t)}},
		"looping_tiff":   {{"file", "a.tiff", []byte("II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00")}},
		"imageless_tiff": {{"file", "a.tiff", []byte("II*\x00\x00\x00\x00\x00")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(h, form(t, files...))
			if w.Code < 400 || w.Code > 499 {
				t.Errorf("status %d", w.Code)
			}
			golden(t, "bad_"+name, w)
		})
	}
	t.Run("not_multipart", func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/process", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Request-ID", "test")
		golden(t, "bad_not_multipart", post(h, r))
	})
	if w := post(h, form(t, file{"file", "a.pdf", pdf})); w.Code != http.StatusOK {
		t.Errorf("afterwards a good file gets %d: %s", w.Code, w.Body)
	}
}

// hugePNG is the beginning of a PNG of 60,000 by 60,000 pixels.
func hugePNG(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	const header = 8 // of the file: then the first chunk's length, name and body
	binary.BigEndian.PutUint32(data[header+8:], 60000)
	binary.BigEndian.PutUint32(data[header+12:], 60000)
	binary.BigEndian.PutUint32(data[header+21:], crc32.ChecksumIEEE(data[header+4:header+21]))
	return data
}

type answer struct {
	Markdown    string
	Method      string
	Pages       int
	MediaType   string `json:"media_type"`
	Warnings    []string
	PageResults []struct {
		Page       int
		Attachment string
		Method     string
		Confidence *float64
		Text       string
		Header     string
		Footer     string
		Prepared   []string
		Error      string
		Vision     *struct {
			Description      string
			Provider, Model  string
			MachineDescribed bool `json:"machine_described"`
			Warnings         []string
		}
	} `json:"page_results"`
}

func process(t *testing.T, h http.Handler, f file) answer {
	t.Helper()
	w := post(h, form(t, f))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// The text layer of every form is read word for word, in order, by both
// readers, and never by OCR.
func TestTextLayerIsRead(t *testing.T) {
	for _, tc := range []struct {
		reader string
		form   samplemanuals.Form
		limit  float64 // of the word error rate
	}{
		{worker.PDFiumReader, samplemanuals.Text, 0.001},
		{worker.PDFiumReader, samplemanuals.Columns, 0.01},
		{worker.PDFiumReader, samplemanuals.Ligatures, 0.005},
		// Known gaps of this reader: it has no widths for these fonts, so it
		// guesses where words end and columns begin.
		{worker.LedongthucReader, samplemanuals.Text, 0.10},
		{worker.LedongthucReader, samplemanuals.Columns, 0.10},
		{worker.LedongthucReader, samplemanuals.Ligatures, 0.10},
	} {
		t.Run(tc.reader+"/"+string(tc.form), func(t *testing.T) {
			want, data := manual(t, tc.form)
			words := wordList(t)
			h := newServer(t, func(w *worker.Options, d *document.Options) { w.Settings.Reader, d.Words = tc.reader, words })
			got := process(t, h, file{"file", "scan.png", data})
			if got.Method != "text_layer" || got.MediaType != "application/pdf" || got.Pages != len(want.Pages) {
				t.Errorf("method %s, type %s, %d pages", got.Method, got.MediaType, got.Pages)
			}
			if rate := errorRate(want.Pages, got); rate > tc.limit {
				t.Errorf("word error rate %.4f, at most %.4f", rate, tc.limit)
			}
		})
	}
}

func wordList(t *testing.T) document.WordList {
	t.Helper()
	f, err := os.Open("/usr/share/dict/british-english")
	if err != nil {
		t.Skip("needs the package wbritish:", err)
	}
	defer f.Close()
	words, err := document.ReadWordList(f)
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// A scan is read by OCR, page by page, with fewer than 3 % of words wrong.
func TestScanIsRead(t *testing.T) {
	want, data := manual(t, samplemanuals.Scan)
	h := newServer(t, nil)
	got := process(t, h, file{"file", "a.pdf", data})
	if got.Method != "tesseract" {
		t.Errorf("method %s", got.Method)
	}
	for _, p := range got.PageResults {
		if p.Text == "" || p.Confidence == nil || *p.Confidence < 0.8 {
			t.Errorf("page %d: %d characters, confidence %v", p.Page, len(p.Text), p.Confidence)
		}
	}
	if rate := errorRate(want.Pages, got); rate > 0.03 {
		t.Errorf("word error rate %.4f", rate)
	}
}

// errorRate is the edit distance in words over the words wanted.
func errorRate(want []string, got answer) float64 {
	distance, all := 0, 0
	for i, page := range want {
		a, b := strings.Fields(page), []string{}
		if i < len(got.PageResults) {
			p := got.PageResults[i]
			b = strings.Fields(p.Header + " " + p.Text + " " + p.Footer)
		}
		all += len(a)
		row := make([]int, len(b)+1)
		for j := range row {
			row[j] = j
		}
		for x := range a {
			diagonal := row[0]
			row[0] = x + 1
			for y := range b {
				cost := 1
				if a[x] == b[y] {
					cost = 0
				}
				diagonal, row[y+1] = row[y+1], min(row[y+1]+1, row[y]+1, diagonal+cost)
			}
		}
		distance += row[len(b)]
	}
	return float64(distance) / float64(max(all, 1))
}

// An engine whose worker is lost on one page costs that page only.
type fragile struct {
	document.Engine
	lost map[int]error
}

func (f fragile) Text(ctx context.Context, src document.Source, page int) (document.PageText, error) {
	if err := f.lost[page]; err != nil {
		return document.PageText{}, err
	}
	return document.PageText{Text: fmt.Sprintf("The words of page %d.", page+1)}, nil
}

func (fragile) Open(context.Context, document.Source) (int, error) { return 3, nil }

func TestLostPageCostsOnlyItself(t *testing.T) {
	h := newServer(t, func(_ *worker.Options, d *document.Options) {
		d.Engine = fragile{lost: map[int]error{1: document.ErrCrashed}}
	})
	golden(t, "lost_page", post(h, form(t, file{"file", "a.pdf", []byte("%PDF-1.7\n%%EOF\n")})))
	h = newServer(t, func(_ *worker.Options, d *document.Options) {
		d.Engine = fragile{lost: map[int]error{0: document.ErrDeadline, 1: document.ErrMemory, 2: document.ErrCrashed}}
	})
	golden(t, "bad_all_lost", post(h, form(t, file{"file", "a.pdf", []byte("%PDF-1.7\n%%EOF\n")})))
}

// waiting is an engine that opens nothing until it is let go.
type waiting struct {
	document.Engine
	entered chan struct{}
	release chan struct{}
}

func (w waiting) Open(ctx context.Context, _ document.Source) (int, error) {
	w.entered <- struct{}{}
	select {
	case <-w.release:
		return 0, fault.New(fault.Invalid, "Enough.")
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func TestFullQueueIsBusy(t *testing.T) {
	engine := waiting{entered: make(chan struct{}), release: make(chan struct{})}
	h := newServer(t, func(_ *worker.Options, d *document.Options) {
		d.Engine, d.Parallel, d.MaxQueue = engine, 1, 0
	})
	done := make(chan int)
	go func() { done <- post(h, form(t, file{"file", "a.txt", []byte("words")})).Code }()
	<-engine.entered
	w := post(h, form(t, file{"file", "a.txt", []byte("words")}))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	close(engine.release)
	if code := <-done; code != http.StatusUnprocessableEntity {
		t.Errorf("the first got %d", code)
	}
}

func TestClientGoneEndsTheReading(t *testing.T) {
	engine := waiting{entered: make(chan struct{}), release: make(chan struct{})}
	h := newServer(t, func(_ *worker.Options, d *document.Options) { d.Engine = engine })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	r := form(t, file{"file", "a.txt", []byte("words")}).WithContext(ctx)
	go func() { done <- post(h, r).Code }()
	<-engine.entered
	cancel()
	if code := <-done; code != 499 {
		t.Errorf("noted as %d, want 499", code)
	}
}
