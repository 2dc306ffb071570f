package rerank

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, api API, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(Options{URL: server.URL + "/", API: api, Model: "reranker", Key: "secret", Timeout: time.Minute, Dialer: egress.New(egress.Config{}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRerank(t *testing.T) {
	for api, c := range map[API]struct {
		answer string
		want   map[string]any
	}{
		VLLM: {
			`{"id": "rerank-1", "model": "reranker", "usage": {"total_tokens": 9}, "results": [
				{"index": 1, "document": {"text": "b"}, "relevance_score": 0.9}, {"index": 0, "document": {"text": "a"}, "relevance_score": 0.1}]}`,
			map[string]any{"model": "reranker", "query": "what?", "documents": []any{"a", "b"}},
		},
		TEI: {
			`[{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}]`,
			map[string]any{"query": "what?", "texts": []any{"a", "b"}, "truncate": true},
		},
	} {
		t.Run(string(api), func(t *testing.T) {
			c := client(t, api, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/rerank" || r.Header.Get("Authorization") != "Bearer secret" {
					t.Errorf("%s with %q", r.URL.Path, r.Header.Get("Authorization"))
				}
				var got map[string]any
				if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				_, _ = w.Write([]byte(c.answer))
			})
			scores, err := c.Rerank(t.Context(), "what?", []string{"a", "b"})
			if diff := cmp.Diff([]float64{0.1, 0.9}, scores); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestRerankRefusesAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"not JSON":    `<html>`,
		"another API": `[{"index": 0, "score": 1}]`,
		"too few":     `{"results": []}`,
		"too many":    `{"results": [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": 1}]}`,
		"no score":    `{"results": [{"index": 0}]}`,
		"of no text":  `{"results": [{"index": 1, "relevance_score": 1}]}`,
		"negative":    `{"results": [{"index": -1, "relevance_score": 1}]}`,
	} {
		c := client(t, VLLM, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) })
		if _, err := c.Rerank(t.Context(), "?", []string{"a"}); fault.KindOf(err) != fault.Upstream {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := client(t, VLLM, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	if _, err := c.Rerank(t.Context(), "?", []string{"a"}); fault.KindOf(err) != fault.Upstream {
		t.Errorf("a status: %v", err)
	}
}

func TestRerankFails(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	hanging := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}
	c := client(t, TEI, hanging)
	c.o.Timeout = time.Millisecond
	if _, err := c.Rerank(t.Context(), "?", []string{"a"}); fault.KindOf(err) != fault.Timeout {
		t.Errorf("too slow: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Rerank(ctx, "?", []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	dialer := egress.New(egress.Config{}, nil)
	c, err := New(Options{URL: gone.URL, Timeout: time.Minute, Dialer: dialer})
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	if _, err := c.Rerank(t.Context(), "?", []string{"a"}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("gone: %v", err)
	}
	if err := c.Ping(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("ping: %v", err)
	}
}

func TestPing(t *testing.T) {
	status := http.StatusOK
	c := client(t, VLLM, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			t.Error(r.URL.Path)
		}
		w.WriteHeader(status)
	})
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	status = http.StatusBadGateway
	if err := c.Ping(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"results": [{"index": 0, "relevance_score": 1}]}`), 1)
	f.Add([]byte(`[{"index": 0, "score": 1}, {"index": 1, "score": -1e9}]`), 2)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		if n < 0 || n > 100 {
			return
		}
		for _, api := range []API{VLLM, TEI} {
			if scores, err := parse(api, raw, n); err == nil && len(scores) != n {
				t.Errorf("%d scores for %d texts", len(scores), n)
			}
		}
	})
}
