package docclient_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/chunk"
	"signpost.internal/services/rag-service/internal/docclient"
	"signpost.internal/services/rag-service/internal/rag"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, handler http.HandlerFunc) *docclient.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := docclient.New(docclient.Options{URL: server.URL + "/", Timeout: time.Minute, Dialer: egress.New(egress.Config{}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestRead(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		file, header, err := r.FormFile("file")
		if err != nil || r.URL.Path != "/process" || r.URL.RawQuery != "include=words" {
			t.Errorf("%s: %v", r.URL, err)
			return
		}
		sent, err := io.ReadAll(file)
		if err != nil || string(sent) != "the bytes" || header.Filename != "a b “c”.pdf" {
			t.Errorf("got %q named %q, %v", sent, header.Filename, err)
		}
		_, _ = io.WriteString(w, `{"success": true, "error": null, "pages": 2, "page_results": [
			{"page": 1, "method": "text_layer", "confidence": null, "text": "One"},
			{"page": 2, "method": "none", "confidence": 0.1, "text": " "},
			{"page": 3, "text": "Two words", "words": [{"text": "Two", "box": [0.1, 0.2, 0.3, 0.25], "confidence": 1}, {"text": "words", "box": [0.4, 0.2, 0.5, 0.25]}]}],
			"warnings": []}`)
	})
	got, err := client.Read(t.Context(), "a b “c”.pdf", []byte("the bytes"))
	want := rag.Reading{Pages: []chunk.Page{{Number: 1, Text: "One"}, {Number: 2, Text: " "}, {Number: 3, Text: "Two words", Words: []chunk.Word{
		{Text: "Two", Box: chunk.Box{Left: 0.1, Top: 0.2, Right: 0.3, Bottom: 0.25}}, {Text: "words", Box: chunk.Box{Left: 0.4, Top: 0.2, Right: 0.5, Bottom: 0.25}},
	}}}, Empty: []int{2}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestReadWithoutPages(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"success": true, "error": null, "pages": 2, "media_type": "message/rfc822", "page_results": [
			{"page": 1, "method": "none", "text": "The mail"}, {"page": 2, "method": "none", "text": ""}]}`)
	})
	got, err := client.Read(t.Context(), "mail.eml", []byte("x"))
	want := rag.Reading{Pages: []chunk.Page{{Text: "The mail"}, {Text: ""}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		says   string
	}{
		{"refused", 422, `{"detail": "It is encrypted."}`, fault.Invalid, "It is encrypted."},
		{"unreadable", 400, `{"detail": "Cut short."}`, fault.Malformed, "Cut short."},
		{"too large", 413, `{"detail": "Too large."}`, fault.TooLarge, "Too large."},
		{"unsupported", 415, `{"detail": "A video."}`, fault.Unsupported, "A video."},
		{"busy", 503, `{"detail": "The queue is full."}`, fault.Unavailable, "The queue is full."},
		{"many", 429, ``, fault.Busy, "status 429"},
		{"slow", 504, `{"detail": "Took too long."}`, fault.Timeout, "Took too long."},
		{"broken", 500, `<html>`, fault.Upstream, "status 500"},
		{"moved", 302, ``, fault.Upstream, "status 302"},
		{"not JSON", 200, `<html>`, fault.Upstream, "cannot be read"},
		{"another shape", 200, `{"page_results": 7}`, fault.Upstream, "cannot be read"},
		{"no success", 200, `{"success": false, "error": "Nothing came out."}`, fault.Invalid, "Nothing came out."},
		{"cut short", 200, `{"success": tr`, fault.Unavailable, "does not answer"},
		{"cut between pages", 200, `{"success": true, "page_results": [{"page": 1, "text": "One"},`, fault.Unavailable, "does not answer"},
		{"cut at the end", 200, `{"success": true, "page_results": []`, fault.Unavailable, "does not answer"},
		{"a list", 200, `[]`, fault.Upstream, "cannot be read"},
		{"words of another shape", 200, `{"success": true, "page_results": [{"page": 1, "words": [{"box": "here"}]}]}`, fault.Upstream, "cannot be read"},
		{"nothing", 200, `null`, fault.Invalid, "could not read"},
	}
	for _, tt := range tests {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		_, err := client.Read(t.Context(), "a.pdf", nil)
		if fault.KindOf(err) != tt.kind || !strings.Contains(fault.DetailOf(err), tt.says) {
			t.Errorf("%s: %v (%v), want %v with %q", tt.name, err, fault.KindOf(err), tt.kind, tt.says)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := docclient.New(docclient.Options{URL: server.URL, Timeout: time.Minute, Dialer: egress.New(egress.Config{}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(t.Context(), "a.pdf", nil); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.DetailOf(err), "DOC_PROCESSOR_URL") {
		t.Errorf("Read: %v", err)
	}
	if err := client.Ping(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Ping: %v", err)
	}
}

func TestDeadlineAndCancellation(t *testing.T) {
	waits := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	server := httptest.NewServer(http.HandlerFunc(waits))
	t.Cleanup(server.Close)
	client, err := docclient.New(docclient.Options{URL: server.URL, Timeout: 50 * time.Millisecond, Dialer: egress.New(egress.Config{}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(t.Context(), "a.pdf", nil); fault.KindOf(err) != fault.Timeout {
		t.Errorf("a document that takes too long: %v", err)
	}
	patient := serve(t, waits)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := patient.Read(ctx, "a.pdf", nil); fault.KindOf(err) != fault.Canceled {
		t.Errorf("a cancelled call: %v", err)
	}
}

func TestPing(t *testing.T) {
	if err := serve(t, func(http.ResponseWriter, *http.Request) {}).Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if err := serve(t, http.NotFound).Ping(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Ping of something else: %v", err)
	}
}
