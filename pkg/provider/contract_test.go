package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const reply = "You may apply for a breathing space of 60 days."

// open returns a client for the variables, with up's own when it is not nil.
func open(t testing.TB, up *providertest.Upstream, more map[string]string) *provider.Client {
	t.Helper()
	environ := map[string]string{}
	if up != nil {
		maps.Copy(environ, up.Environ())
	}
	maps.Copy(environ, more)
	var cfg provider.Config
	if err := env.Load(&cfg, environ); err != nil {
		t.Fatal(err)
	}
	c, err := provider.Open(cfg, provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func ask(words string) provider.ChatRequest {
	return provider.ChatRequest{Messages: []provider.Message{
		{Role: provider.System, Content: "Answer from the manual."},
		{Role: provider.User, Content: words},
	}}
}

// engineUnderTest is what differs between engines in the suite.
type engineUnderTest struct {
	start    func(testing.TB, string) *providertest.Upstream
	provider string
	model    string // the configured model's real name
	chatPath string
	// options finds the sampling options in a chat request's body.
	options func(body map[string]any) map[string]any
	limit   string // name of the option that bounds the answer
	urlVar  string
	remedy  string // what the message for a missing model tells to run
}

var engines = map[string]engineUnderTest{
	"ollama": {
		start: providertest.NewOllama, provider: "ollama", model: "llama3.2", chatPath: "/api/chat",
		options: func(b map[string]any) map[string]any { return b["options"].(map[string]any) },
		limit:   "num_predict", urlVar: "OLLAMA_URL", remedy: "`ollama pull llama3.2`",
	},
	"vllm": {
		start: providertest.NewVLLM, provider: "vllm", model: providertest.VLLMModel, chatPath: "/v1/chat/completions",
		options: func(b map[string]any) map[string]any { return b },
		limit:   "max_tokens", urlVar: "VLLM_URL", remedy: "`vllm serve ",
	},
}

// TestContract holds what must be true of every engine.
func TestContract(t *testing.T) {
	for name, e := range engines {
		t.Run(name, func(t *testing.T) { contract(t, e) })
	}
}

func contract(t *testing.T, e engineUnderTest) {
	t.Run("chat", func(t *testing.T) {
		up := e.start(t, reply)
		c := open(t, up, nil)
		got, err := c.Chat(t.Context(), ask("How long is a breathing space?"))
		if err != nil {
			t.Fatal(err)
		}
		if got.FirstToken <= 0 || got.FirstToken > time.Minute {
			t.Errorf("FirstToken = %v", got.FirstToken)
		}
		got.FirstToken = 0
		want := &provider.ChatResponse{
			Content: reply, Provider: e.provider, Model: e.model, FinishReason: provider.FinishStop,
			Usage: provider.Usage{InputTokens: 10, OutputTokens: 10},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("stream", func(t *testing.T) {
		c := open(t, e.start(t, reply), nil)
		var text strings.Builder
		events, final := 0, (*provider.ChatResponse)(nil)
		for ev, err := range c.ChatStream(t.Context(), ask("How long?")) {
			if err != nil {
				t.Fatal(err)
			}
			if final != nil {
				t.Error("an event after the final one")
			}
			events, final = events+1, ev.Final
			text.WriteString(ev.Content)
		}
		if final == nil || final.Content != reply || text.String() != reply || final.FinishReason != provider.FinishStop {
			t.Errorf("text %q, final %+v", text.String(), final)
		}
		if events != 11 {
			t.Errorf("%d events, want one for each of 10 words and the final one", events)
		}
	})

	t.Run("leaving a stream stops it", func(t *testing.T) {
		up := e.start(t, reply)
		left := make(chan struct{})
		up.Handle(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != e.chatPath {
				return false
			}
			first := map[string]string{
				"/api/chat":            `{"model":"m","message":{"role":"assistant","content":"You"},"done":false}` + "\n",
				"/v1/chat/completions": `data: {"choices":[{"index":0,"delta":{"content":"You"}}]}` + "\n\n",
			}[r.URL.Path]
			fmt.Fprint(w, first)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(left)
			return true
		})
		c := open(t, up, nil)
		for _, err := range c.ChatStream(t.Context(), ask("How long?")) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		<-left
	})

	t.Run("temperature 0 and the limit are on the wire", func(t *testing.T) {
		up := e.start(t, reply)
		c := open(t, up, nil)
		r := ask("How long?")
		r.MaxTokens = 3
		got, err := c.Chat(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got.FinishReason != provider.FinishLength || got.Content != "You may apply" {
			t.Errorf("got %q, finish %q", got.Content, got.FinishReason)
		}
		options := e.options(lastBody(t, up, e.chatPath))
		if v, ok := options["temperature"]; !ok || v != 0.0 {
			t.Errorf("temperature on the wire: %v, %v", v, ok)
		}
		if v := options[e.limit]; v != 3.0 {
			t.Errorf("%s on the wire: %v", e.limit, v)
		}
		r.Temperature = 0.7
		if _, err := c.Chat(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if v := e.options(lastBody(t, up, e.chatPath))["temperature"]; v != 0.7 {
			t.Errorf("temperature on the wire: %v", v)
		}
	})

	t.Run("status ready", func(t *testing.T) {
		c := open(t, e.start(t, reply), nil)
		got := c.Status(t.Context())
		got.Checked = time.Time{}
		want := provider.Status{Provider: e.provider, Model: e.model, State: provider.Ready, Reachable: true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if c.Model() != e.model || c.Provider() != e.provider {
			t.Errorf("model %q, provider %q", c.Model(), c.Provider())
		}
	})
}

// lastBody returns the body of the latest request to the path.
func lastBody(t *testing.T, up *providertest.Upstream, path string) map[string]any {
	t.Helper()
	requests := up.Requests()
	for i := len(requests) - 1; i >= 0; i-- {
		if requests[i].Path == path {
			var body map[string]any
			if err := json.Unmarshal(requests[i].Body, &body); err != nil {
				t.Fatal(err)
			}
			return body
		}
	}
	t.Fatalf("no request to %s", path)
	return nil
}

func wantKind(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind {
		t.Fatalf("got %v (%v), want a fault of kind %v", err, fault.KindOf(err), kind)
	}
	for _, w := range words {
		if !strings.Contains(f.Detail, w) {
			t.Errorf("detail %q lacks %q", f.Detail, w)
		}
	}
}

var _ = context.Canceled
