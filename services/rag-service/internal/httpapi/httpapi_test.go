package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/services/rag-service/internal/docclient"
	"signpost.internal/services/rag-service/internal/httpapi"
	"signpost.internal/services/rag-service/internal/jobs"
	"signpost.internal/services/rag-service/internal/originals"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	relief = "Debt relief orders\n\nThe total of the debts must not be more than £50,000 on the date of the application."
	space  = "Breathing space\n\nThe standard breathing space lasts for 60 days from the day after its entry in the register."
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type service struct {
	t      *testing.T
	url    string
	folder string
}

// newService starts the service's router over a real index, with a stub of the
// doc-processor that reads one page from what a form feed ends, with its words in rows, and the model that environ
// configures.
func newService(t *testing.T, environ map[string]string) *service {
	t.Helper()
	index, err := sqliteindex.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := index.Close(); err != nil {
			t.Error(err)
		}
	})
	var cfg provider.Config
	if err := env.Load(&cfg, environ); err != nil {
		t.Fatal(err)
	}
	model, err := provider.Open(cfg, provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Close)
	processor := httptest.NewServer(http.HandlerFunc(process))
	t.Cleanup(processor.Close)
	reader, err := docclient.New(docclient.Options{URL: processor.URL, Timeout: time.Minute, Dialer: egress.New(egress.Config{}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)

	folder, dir := t.TempDir(), t.TempDir()
	logger := slog.New(slog.DiscardHandler)
	queue, err := jobs.Open(t.Context(), jobs.Options{Dir: dir, Logger: logger, Workers: 2, Most: 100, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := originals.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s := rag.New(rag.Options{
		Index: index, Reader: reader, Generator: model, Logger: logger, Queue: queue, Originals: kept,
		ManualsPath: folder, MaxFile: 1 << 20, Patience: time.Second,
	})
	if err := queue.Start(t.Context(), s.Work); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(queue.Stop(context.Background()), queue.Close(), kept.Close()); err != nil {
			t.Error(err)
		}
	})
	api := httpapi.New(httpapi.Options{
		Service: s, Index: index, IndexKind: "embedded", Model: model,
		MaxUpload: 1 << 20, QueryTimeout: time.Minute, IngestTimeout: time.Minute, Heartbeat: 10 * time.Millisecond,
	})
	server := httpserver.New(httpserver.Options{
		Logger: logger, Registry: httpserver.NewRegistry(), Health: api.Health,
		Checks: []httpserver.Check{{Name: "index", Required: true, Probe: index.Ping}},
	})
	api.Register(server.Router())
	listening := httptest.NewServer(server.Router())
	t.Cleanup(listening.Close)
	return &service{t: t, url: listening.URL, folder: folder}
}

// process is the stub of the doc-processor.
func process(w http.ResponseWriter, r *http.Request) {
	file, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(file)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if bytes.HasPrefix(text, []byte("not a PDF")) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnsupportedMediaType)
		_, _ = io.WriteString(w, `{"detail": "The file is not a PDF, whatever its name says."}`)
		return
	}
	type word struct {
		Text string     `json:"text"`
		Box  [4]float64 `json:"box"`
	}
	type page struct {
		Page  int    `json:"page"`
		Text  string `json:"text"`
		Words []word `json:"words"`
	}
	answer := map[string]any{"success": true, "error": nil}
	var pages []page
	for i, line := range strings.Split(string(text), "\f") {
		p := page{Page: i + 1, Text: line}
		for row, text := range strings.Split(line, "\n") {
			for column, w := range strings.Fields(text) {
				left, top := 0.03125*float64(column+2), 0.0625*float64(row+1)
				p.Words = append(p.Words, word{w, [4]float64{left, top, left + 0.0234375, top + 0.03125}})
			}
		}
		pages = append(pages, p)
	}
	answer["page_results"] = pages
	_ = json.NewEncoder(w).Encode(answer)
}

func none() map[string]string { return map[string]string{"LLM_PROVIDER": "none"} }

// send sends a request and returns status and body.
func (s *service) send(method, path, contentType string, body io.Reader) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Request-ID", "test")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, got
}

func (s *service) json(path, body string) (int, []byte) {
	s.t.Helper()
	return s.send(http.MethodPost, path, "application/json", strings.NewReader(body))
}

func (s *service) get(path string) (int, []byte) {
	s.t.Helper()
	return s.send(http.MethodGet, path, "", nil)
}

func (s *service) upload(path, name, content string) (int, []byte) {
	s.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.send(http.MethodPost, path, w.FormDataContentType(), &body)
}

func (s *service) ingest() {
	s.t.Helper()
	if status, body := s.upload("/ingest-pdf", "relief.pdf", "Cover page of the manual\f"+relief); status != http.StatusOK {
		s.t.Fatalf("ingest: %d %s", status, body)
	}
	if status, body := s.json("/ingest", marshal(s.t, map[string]any{"documents": []string{space}, "filenames": []string{"team/space.txt"}})); status != http.StatusOK {
		s.t.Fatalf("ingest: %d %s", status, body)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// golden compares a body, indented, with testdata/name.golden.
func golden(t *testing.T, name string, status, wantStatus int, body []byte) {
	t.Helper()
	if status != wantStatus {
		t.Errorf("%s: status %d, want %d: %s", name, status, wantStatus, body)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, body, "", "  "); err != nil {
		t.Fatalf("%s: %v in %s", name, err, body)
	}
	goldenText(t, name, got.String())
}

// took is what differs from one time to the next.
var took = regexp.MustCompile(`("timings_ms": ?{)[^}]*}`)

// goldenText compares a text with testdata/name.golden.
func goldenText(t *testing.T, name, got string) {
	t.Helper()
	got = strings.TrimSpace(took.ReplaceAllString(got, "${1}…}"))
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestGolden(t *testing.T) {
	s := newService(t, none())
	status, body := s.get("/stats")
	golden(t, "stats_empty", status, 200, body)
	status, body = s.json("/query", `{"question": "Anything?"}`)
	golden(t, "query_empty", status, 503, body)

	status, body = s.upload("/ingest-pdf", "relief.pdf", "Cover page of the manual\f"+relief)
	golden(t, "ingest_pdf", status, 200, body)
	status, body = s.upload("/ingest-pdf", "relief.pdf", "Cover page of the manual\f"+relief)
	golden(t, "ingest_pdf_again", status, 200, body)
	status, body = s.json("/ingest", marshal(t, map[string]any{
		"documents": []string{space, "Too short."}, "filenames": []string{"team/space.txt", "short.txt"},
	}))
	golden(t, "ingest", status, 200, body)

	for name, text := range map[string]string{"space.md": space, "note.odt": "x", "sub/relief.pdf": relief, "sub/bad.pdf": "not a PDF"} {
		path := filepath.Join(s.folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status, body = s.json("/ingest-all-manuals", "")
	golden(t, "ingest_all", status, 200, body)

	status, body = s.json("/query", `{"question": "How long does the standard breathing space last?", "model": "llama3.2", "top_k": 2}`)
	golden(t, "query", status, 200, body)
	status, body = s.json("/query", `{"question": "How long does the standard breathing space last?", "top_k": 0}`)
	golden(t, "query_top_k_0", status, 200, body)
	status, body = s.json("/query", `{"question": "Which vaccinations does a standard poodle need?", "top_k": 1}`)
	golden(t, "query_refused", status, 200, body)

	for _, path := range []string{"/", "/health", "/ready", "/stats", "/debug/sources", "/debug/documents?limit=2&offset=1&source=sp"} {
		name := strings.Trim(strings.NewReplacer("/", "_", "?", "_", "&", "_", "=", "_").Replace(path), "_")
		if name == "" {
			name = "root"
		}
		status, body = s.get(path)
		golden(t, name, status, 200, body)
	}
}

func TestGeneratedByEitherProvider(t *testing.T) {
	const reply = "It lasts for 60 days [1]. It costs £12 [1]."
	for name, up := range map[string]*providertest.Upstream{
		"ollama": providertest.NewOllama(t, reply), "vllm": providertest.NewVLLM(t, reply),
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, up.Environ())
			s.ingest()
			status, body := s.json("/query", `{"question": "How long does the standard breathing space last?", "top_k": 1}`)
			golden(t, "query_"+name, status, 200, body)

			up.Fail(http.StatusInternalServerError)
			_, body = s.json("/query", `{"question": "How long does the standard breathing space last?"}`)
			var answer struct{ Mode, Notice, Answer string }
			if err := json.Unmarshal(body, &answer); err != nil || answer.Mode != "passages" || answer.Notice == "" || !strings.Contains(answer.Answer, "60 days") {
				t.Errorf("with a failing model: %s (%v)", body, err)
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	s := newService(t, none())
	s.ingest()
	long := strings.Repeat("a", 1<<20)
	tests := []struct {
		name string
		send func() (int, []byte)
		want int
		says string
	}{
		{"question of the wrong type", func() (int, []byte) { return s.json("/query", `{"question": 7}`) }, 422, `"field":"question"`},
		{"no question", func() (int, []byte) { return s.json("/query", `{}`) }, 422, `"field":"question"`},
		{"blank question", func() (int, []byte) { return s.json("/query", `{"question": " "}`) }, 422, "is blank"},
		{"question of 1 MB", func() (int, []byte) { return s.json("/query", `{"question": "`+long+`"}`) }, 413, "are accepted"},
		{"question of 5,000 characters", func() (int, []byte) { return s.json("/query", `{"question": "`+long[:5000]+`"}`) }, 422, "4000 characters"},
		{"top_k too high", func() (int, []byte) { return s.json("/query", `{"question": "What?", "top_k": 1000000}`) }, 422, "from 0 to 20"},
		{"top_k below zero", func() (int, []byte) { return s.json("/query", `{"question": "What?", "top_k": -1}`) }, 422, "from 0 to 20"},
		{"another model", func() (int, []byte) { return s.json("/query", `{"question": "What?", "model": "gpt-4"}`) }, 422, "llama3.2"},
		{"an unknown collection", func() (int, []byte) { return s.json("/query", `{"question": "What?", "collection": "clients"}`) }, 404, "There are: manuals"},
		{"a collection that none can be called", func() (int, []byte) { return s.json("/query", `{"question": "What?", "collection": "../x"}`) }, 422, `"field":"collection"`},
		{"a filter on what documents do not have", func() (int, []byte) { return s.json("/query", `{"question": "What?", "filter": {"colour": ["red"]}}`) }, 422, "filter by sources, editions, jurisdictions, on"},
		{"a filter of the wrong type", func() (int, []byte) { return s.json("/query", `{"question": "What?", "filter": {"sources": "a"}}`) }, 422, "a list of strings"},
		{"a filter by no day", func() (int, []byte) { return s.json("/query", `{"question": "What?", "filter": {"on": "May"}}`) }, 422, "2026-05-01"},
		{"a filter for search too", func() (int, []byte) { return s.json("/search", `{"question": "What?", "filter": {"colour": ["red"]}}`) }, 422, "filter.colour"},
		{"a turn of nobody", func() (int, []byte) {
			return s.json("/query", `{"question": "What?", "history": [{"role": "system", "content": "x"}]}`)
		}, 422, "history[0].role"},
		{"an empty turn", func() (int, []byte) {
			return s.json("/query", `{"question": "What?", "history": [{"role": "user", "content": " "}]}`)
		}, 422, "history[0].content"},
		{"too many turns", func() (int, []byte) {
			return s.json("/query", `{"question": "What?", "history": [`+strings.TrimSuffix(strings.Repeat(`{"role": "user", "content": "x"},`, 21), ",")+`]}`)
		}, 422, "the latest 20"},
		{"broken JSON", func() (int, []byte) { return s.json("/query", `{"question": `) }, 400, "not valid JSON"},
		{"invalid UTF-8", func() (int, []byte) { return s.json("/query", "{\"question\": \"\xff\"}") }, 400, "UTF-8"},
		{"an array", func() (int, []byte) { return s.json("/query", `[]`) }, 422, "an object is accepted"},
		{"unequal lengths", func() (int, []byte) { return s.json("/ingest", `{"documents": ["a"], "filenames": []}`) }, 400, "1 documents and 0 filenames"},
		{"no filenames", func() (int, []byte) { return s.json("/ingest", `{"documents": ["a"]}`) }, 422, `"field":"filenames"`},
		{"documents of the wrong type", func() (int, []byte) { return s.json("/ingest", `{"documents": "a", "filenames": ["a"]}`) }, 422, "documents"},
		{"a path upwards", func() (int, []byte) { return s.json("/ingest", `{"documents": ["a"], "filenames": ["../a"]}`) }, 400, "must be a plain name"},
		{"an absolute path", func() (int, []byte) { return s.json("/ingest", `{"documents": ["a"], "filenames": ["/a"]}`) }, 400, "must be a plain name"},
		{"a backslash", func() (int, []byte) { return s.json("/ingest", `{"documents": ["a"], "filenames": ["a\\b"]}`) }, 400, "must be a plain name"},
		{"too many texts", func() (int, []byte) {
			return s.json("/ingest", `{"documents": ["`+long+long+`"], "filenames": ["a"]}`)
		}, 413, "are accepted"},
		{"an upload that is too large", func() (int, []byte) { return s.upload("/ingest-pdf", "a.pdf", long+"x") }, 413, "1 MiB"},
		{"an upload with a path", func() (int, []byte) { return s.upload("/ingest-pdf", "../a.pdf", relief) }, 400, "plain name"},
		{"an upload that is no PDF by name", func() (int, []byte) { return s.upload("/ingest-pdf", "a.exe", relief) }, 400, ".pdf"},
		{"an upload that is no PDF by content", func() (int, []byte) { return s.upload("/ingest-pdf", "a.pdf", "not a PDF") }, 415, "whatever its name says"},
		{"an upload with hardly any text", func() (int, []byte) { return s.upload("/ingest-pdf", "a.pdf", "Hi") }, 422, "at least 50"},
		{"no upload", func() (int, []byte) { return s.json("/ingest-pdf", `{}`) }, 400, "multipart"},
		{"an empty folder", func() (int, []byte) { return s.json("/ingest-all-manuals", "") }, 404, "no documents"},
		{"limit of the wrong type", func() (int, []byte) { return s.get("/debug/documents?limit=x") }, 422, `"field":"limit"`},
		{"offset below zero", func() (int, []byte) { return s.get("/debug/documents?offset=-1") }, 422, `"field":"offset"`},
		{"source that is not UTF-8", func() (int, []byte) { return s.get("/debug/documents?source=%ff") }, 400, "UTF-8"},
		{"no such address", func() (int, []byte) { return s.get("/nowhere") }, 404, "no such address"},
	}
	for _, tt := range tests {
		status, body := tt.send()
		if status != tt.want || !strings.Contains(string(body), tt.says) || !strings.Contains(string(body), "urn:signpost:problem:") {
			t.Errorf("%s: %d %.300s, want %d with %q", tt.name, status, body, tt.want, tt.says)
		}
	}
	if status, _ := s.get("/health"); status != http.StatusOK {
		t.Errorf("afterwards /health is %d", status)
	}
}

func TestDebugDocumentsIsCapped(t *testing.T) {
	s := newService(t, none())
	_, body := s.get("/debug/documents?limit=5000")
	var got struct{ Limit int }
	if err := json.Unmarshal(body, &got); err != nil || got.Limit != 1000 {
		t.Errorf("limit %d, %v", got.Limit, err)
	}
}
