package app

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start runs the service until the returned function is called.
func start(t *testing.T, environ map[string]string) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan net.Addr, 1)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, environ, io.Discard, func(a net.Addr) { listening <- a }) }()
	select {
	case a := <-listening:
		url = "http://" + a.String()
	case err := <-ended:
		t.Fatalf("the service ended: %v", err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return url, stop
}

func call(t *testing.T, method, url, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

type stats struct {
	TotalDocuments int `json:"total_documents"`
	TotalChunks    int `json:"total_chunks"`
	Ingest         struct {
		State               string
		Total, Done, Failed int
	}
}

// settled waits until an ingest of n documents is over.
func settled(t *testing.T, url string, n int) stats {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var s stats
		call(t, http.MethodGet, url+"/stats", "", &s)
		if s.Ingest.State == "idle" && s.Ingest.Done == n {
			return s
		}
	}
	t.Fatal("the ingest does not end")
	return stats{}
}

func TestEndToEnd(t *testing.T) {
	processor := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"success": true, "page_results": [{"page": 1, "text": "Breathing space"},
			{"page": 2, "text": "The standard breathing space lasts for 60 days from the day after its entry in the register."}]}`)
	}))
	address := processor.Listener.Addr().String()
	if err := processor.Listener.Close(); err != nil { // it is not up yet
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"space.pdf": "x",
		"agents.md": "# Enforcement agents\n\nThey may visit between 6 am and 9 pm on any day of the week.",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := map[string]string{
		"RAG_SERVICE_PORT": "0", "DATA_DIR": t.TempDir(), "MANUALS_PATH": folder, "LLM_PROVIDER": "none",
		"DOC_PROCESSOR_URL": "http://" + address,
	}
	url, stop := start(t, environ)
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	processor.Listener = listener
	processor.Start()
	defer processor.Close()

	before := settled(t, url, 2)
	if before.TotalDocuments != 2 || before.Ingest.Failed != 0 {
		t.Fatalf("after the first start: %+v", before)
	}
	var answer struct {
		Refused   bool
		Citations []struct {
			Document string
			Page     *int
			Quote    string
		}
	}
	question := `{"question": "How long does the standard breathing space last?"}`
	if status := call(t, http.MethodPost, url+"/query", question, &answer); status != http.StatusOK || answer.Refused {
		t.Fatalf("status %d, answer %+v", status, answer)
	}
	first := answer.Citations[0]
	if first.Document != "space.pdf" || first.Page == nil || *first.Page != 2 || !strings.Contains(first.Quote, "60 days") {
		t.Errorf("citation %+v", first)
	}
	var ready struct {
		Status string
		Checks []struct{ Name, Status string }
	}
	if status := call(t, http.MethodGet, url+"/ready", "", &ready); status != http.StatusOK || ready.Status != "degraded" || ready.Checks[4].Status != "failed" {
		t.Errorf("ready %d %+v", status, ready)
	}
	stop()

	url, _ = start(t, environ)
	if after := settled(t, url, 2); after.TotalChunks != before.TotalChunks || after.TotalDocuments != 2 {
		t.Errorf("after the second start %+v, before %+v", after, before)
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		environ map[string]string
		want    string
	}{
		{map[string]string{"LLM_PROVIDER": "gpt"}, "LLM_PROVIDER"},
		{map[string]string{"DATA_DIR": file}, "DATA_DIR"},
		{map[string]string{"DATA_DIR": t.TempDir(), "LISTEN_HOST": "203.0.113.1", "RAG_SERVICE_PORT": "0"}, "203.0.113.1"},
	} {
		err := run(t.Context(), tt.environ, io.Discard, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.environ, err, tt.want)
		}
	}
}
