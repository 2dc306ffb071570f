package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/services/doc-processor/internal/workertest"
)

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
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// The service starts on a free port, reads a file, and stops without leaving a
// process or a file behind.
func TestRun(t *testing.T) {
	data := t.TempDir()
	spool := filepath.Join(data, "tmp")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"upload-1", "kept"} {
		if err := os.WriteFile(filepath.Join(spool, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log bytes.Buffer
	addr, ran := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ran <- run(ctx, map[string]string{
			"DOC_PROCESSOR_PORT": "0", "DATA_DIR": data, "CACHE_DIR": filepath.Dir(theMachine.CacheDir), "LLM_PROVIDER": "none", "WORKERS": "1",
		}, &log, theMachine.Program, func(a net.Addr) { addr <- a })
	}()
	var url string
	select {
	case a := <-addr:
		url = "http://" + a.String()
	case err := <-ran:
		t.Fatal(err)
	}

	var health struct {
		Status   string
		OCR      bool `json:"ocr_service_available"`
		Provider string
	}
	get(t, url+"/health", &health)
	if health.Status != "healthy" || !health.OCR || health.Provider != "none" {
		t.Errorf("health %+v", health)
	}
	var ready struct{ Status string } // as no model is used
	if get(t, url+"/ready", &ready); ready.Status != "ready" {
		t.Errorf("ready %+v", ready)
	}
	if got := upload(t, url, "note.txt", []byte("The words.")); got != "The words." {
		t.Errorf("read %q", got)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(spool)
	if err != nil || len(left) != 1 || left[0].Name() != "kept" {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
	if tasks, _ := filepath.Glob("/proc/self/task/*/children"); len(tasks) > 0 {
		for _, task := range tasks {
			if children, _ := os.ReadFile(task); len(bytes.TrimSpace(children)) > 0 {
				t.Errorf("processes left: %s", children)
			}
		}
	}
	if strings.Contains(log.String(), "The words") {
		t.Error("the document's words are in the log")
	}
}

// USE_VISION_ANALYSIS alone decides whether the model is asked.
func TestVisionVariable(t *testing.T) {
	marked := image.NewGray(image.Rect(0, 0, 400, 300))
	for i := range marked.Pix {
		marked.Pix[i] = uint8(255 * (i / 400 / 100 % 2)) // stripes
	}
	var page bytes.Buffer
	if err := png.Encode(&page, marked); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "false", "true"} {
		t.Run(value, func(t *testing.T) {
			up := providertest.NewOllama(t, "Broad stripes.")
			environ := up.Environ()
			maps.Copy(environ, map[string]string{
				"DOC_PROCESSOR_PORT": "0", "DATA_DIR": t.TempDir(), "CACHE_DIR": filepath.Dir(theMachine.CacheDir), "WORKERS": "1", "USE_VISION_ANALYSIS": value,
			})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var log bytes.Buffer
			addr, ran := make(chan net.Addr, 1), make(chan error, 1)
			go func() { ran <- run(ctx, environ, &log, theMachine.Program, func(a net.Addr) { addr <- a }) }()
			var url string
			select {
			case a := <-addr:
				url = "http://" + a.String()
			case err := <-ran:
				t.Fatal(err)
			}
			got := upload(t, url, "page.png", page.Bytes())
			stop()
			if err := <-ran; err != nil {
				t.Error(err)
			}
			asked, on := 0, value == "true"
			for _, r := range up.Requests() {
				if bytes.Contains(r.Body, []byte(`"images"`)) {
					asked++
				}
			}
			if on && asked != 1 || !on && asked != 0 || strings.Contains(got, "Described by a machine") != on {
				t.Errorf("asked %d times, got %q", asked, got)
			}
			if strings.Contains(log.String(), "stripes") {
				t.Error("the description is in the log")
			}
		})
	}
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, r, into)
}

func upload(t *testing.T, url, name string, data []byte) string {
	t.Helper()
	var answer struct{ Markdown string }
	send(t, form(t, url+"/process", name, data), &answer)
	return answer.Markdown
}

// form is a request that sends a file.
func form(t *testing.T, url, name string, data []byte) *http.Request {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return r
}

func send(t *testing.T, r *http.Request, into any) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", r.URL.Path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestBadConfigurationStopsTheStart(t *testing.T) {
	err := Run(t.Context(), map[string]string{"PDF_READER": "acrobat", "LLM_PROVIDER": "clippy"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "PDF_READER") || !strings.Contains(err.Error(), "LLM_PROVIDER") {
		t.Errorf("got %v", err)
	}
	err = Run(t.Context(), map[string]string{"WORD_LIST": "/nowhere", "LLM_PROVIDER": "none", "DATA_DIR": t.TempDir(), "CACHE_DIR": t.TempDir()}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "WORD_LIST") {
		t.Errorf("got %v", err)
	}
}

func TestMissingLanguageIsReported(t *testing.T) {
	check := newOCRCheck(theMachine.Program, []string{"xyz"}, nil)
	if err := check.status(t.Context()); err == nil || !strings.Contains(err.Error(), "xyz") {
		t.Errorf("got %v", err)
	}
}
