package provider_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// TestStatusWords holds what is said where a server cannot be told to be down
// or to be starting.
func TestStatusWords(t *testing.T) {
	t.Run("a vLLM that refuses connections may be loading", func(t *testing.T) {
		up := providertest.NewVLLM(t, reply)
		environ := up.Environ()
		up.Close()
		got := open(t, environ).Status(t.Context())
		if got.State != provider.Unreachable || !strings.Contains(got.Reason, "`vllm serve`") || !strings.Contains(got.Reason, "loading its model refuses connections too") {
			t.Errorf("status %+v", got)
		}
		wantSentence(t, got.Reason)
	})
	t.Run("one that is too busy for a token is loading, not down", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		up.Handle(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/chat" {
				return false
			}
			http.Error(w, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, http.StatusServiceUnavailable)
			return true
		})
		got := open(t, up.Environ()).Status(t.Context())
		if got.State != provider.Loading || got.Reachable || !strings.Contains(got.Reason, "busy") {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("Ollama does not tell capitals apart", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		up.SetModels("llama3.2:latest", "LLaVA:7b", "Nomic-Embed-Text:latest")
		for _, u := range open(t, up.Environ()).Status(t.Context()).Upstreams {
			if u.State != provider.Ready {
				t.Errorf("%+v", u)
			}
		}
	})
}

// TestEmbedOnTheWire holds that nothing allows Ollama to cut a text.
func TestEmbedOnTheWire(t *testing.T) {
	up := providertest.NewOllama(t, reply)
	c := open(t, with(up, "OLLAMA_CONTEXT", "4096", "EMBEDDING_DOCUMENT_PREFIX", "none"))
	if _, err := c.Embed(t.Context(), provider.Document, []string{"rent", "tax"}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(up.Requests()[0].Body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"model": "nomic-embed-text", "input": []any{"rent", "tax"}, "truncate": false, "options": map[string]any{"num_ctx": 4096.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
