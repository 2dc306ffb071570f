package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// TestOnTheWire holds what is sent.
func TestOnTheWire(t *testing.T) {
	r := ask("How long?")
	r.MaxTokens = 300
	r.Schema = json.RawMessage(schema)
	var form any
	if err := json.Unmarshal(r.Schema, &form); err != nil {
		t.Fatal(err)
	}
	messages := []any{
		map[string]any{"role": "system", "content": "Answer from the manual."},
		map[string]any{"role": "user", "content": "How long?"},
	}
	for name, want := range map[string]map[string]any{
		"ollama": {
			"model": "llama3.2", "messages": messages, "stream": true, "think": false, "truncate": false, "shift": false,
			"format": form, "options": map[string]any{"num_ctx": 4096.0, "num_predict": 300.0, "temperature": 0.0},
		},
		"vllm": {
			"model": providertest.VLLMModel, "messages": messages, "stream": true, "stream_options": map[string]any{"include_usage": true},
			"max_tokens": 300.0, "temperature": 0.0,
			"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "schema": form, "strict": true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			up := stubs[name].start(t, jsonReply)
			c := open(t, with(up, "OLLAMA_CONTEXT", "4096"))
			if _, err := c.Chat(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, lastBody(t, up, stubs[name].chatPath)); diff != "" {
				t.Error(diff)
			}
			warm := ask("How long?")
			warm.Temperature = 0.7
			if _, err := c.Chat(t.Context(), warm); err != nil {
				t.Fatal(err)
			}
			body := lastBody(t, up, stubs[name].chatPath)
			if options, ok := body["options"].(map[string]any); ok {
				body = options
			}
			if body["temperature"] != 0.7 {
				t.Errorf("temperature %v", body["temperature"])
			}
			for _, request := range up.Requests() {
				if got := request.Header.Get("Authorization"); got != "" {
					t.Errorf("%s was sent a key: %s", request.Path, got)
				}
			}
		})
	}
	t.Run("an image", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		c := open(t, up.Environ())
		for range 2 {
			if _, err := c.Describe(t.Context(), look()); err != nil {
				t.Fatal(err)
			}
		}
		var paths []string
		for _, r := range up.Requests() {
			paths = append(paths, r.Path)
		}
		if diff := cmp.Diff([]string{"/api/show", "/api/chat", "/api/chat"}, paths); diff != "" {
			t.Error(diff)
		}
		sent := lastBody(t, up, "/api/chat")["messages"].([]any)[0]
		if diff := cmp.Diff(map[string]any{"role": "user", "content": look().Prompt, "images": []any{picture}}, sent); diff != "" {
			t.Error(diff)
		}

		up = providertest.NewVLLM(t, reply)
		if _, err := open(t, up.Environ()).Describe(t.Context(), look()); err != nil {
			t.Fatal(err)
		}
		sent = lastBody(t, up, "/v1/chat/completions")["messages"].([]any)[0]
		want := map[string]any{"role": "user", "content": []any{
			map[string]any{"type": "text", "text": look().Prompt},
			map[string]any{"type": "image_url", "image_url": map[string]any{"url": "data:image/png;base64," + picture}},
		}}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a key", func(t *testing.T) {
		up := providertest.NewVLLM(t, reply)
		up.RequireKey("s3cret")
		_, err := open(t, up.Environ()).Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "VLLM_API_KEY")
		c := open(t, with(up, "VLLM_API_KEY", "s3cret"))
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Error(err)
		}
		if got := c.Status(t.Context()); got.State != provider.Ready {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("embeddings of a second vLLM", func(t *testing.T) {
		up, second := providertest.NewVLLM(t, reply), providertest.NewVLLM(t, reply)
		c := open(t, with(up, "VLLM_EMBEDDING_URL", second.URL+"/v1/"))
		if _, err := c.Embed(t.Context(), provider.Document, []string{"rent"}); err != nil {
			t.Fatal(err)
		}
		if len(up.Requests()) != 0 {
			t.Error("the first server was asked")
		}
		second.Close()
		_, err := c.Embed(t.Context(), provider.Document, []string{"rent"})
		wantFault(t, err, fault.Unavailable, "VLLM_EMBEDDING_URL")
	})
}

// TestReasoning holds that thoughts are kept apart from the answer.
func TestReasoning(t *testing.T) {
	bodies := map[string][]string{
		"ollama": {
			`{"message":{"thinking":"Hm. "}}` + "\n" + `{"message":{"thinking":"60."}}` + "\n" + `{"message":{"content":"Sixty days."},"done":true}` + "\n",
		},
		"vllm": {
			`data: {"choices":[{"delta":{"reasoning":"Hm. "}}]}` + "\n\n" + `data: {"choices":[{"delta":{"reasoning_content":"60.","content":null}}]}` + "\n\n" +
				": ping\n\n" + `data: {"choices":[{"delta":{"content":"Sixty days."},"finish_reason":"stop"}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}` + "\n\ndata: [DONE]\n\n",
			`data: {"choices":[{"delta":{"content":"<th"}}]}` + "\n\n" + `data: {"choices":[{"delta":{"content":"ink>Hm. 60.</thi"}}]}` + "\n\n" +
				`data: {"choices":[{"delta":{"content":"nk>\n\nSixty days."},"finish_reason":"stop"}]}` + "\n\n",
		},
	}
	for name, list := range bodies {
		for i, body := range list {
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				up := stubs[name].start(t, reply)
				raw(200, body)(up)
				var answer, thought strings.Builder
				var final *provider.ChatResponse
				for ev, err := range open(t, with(up, "VLLM_MODEL", "m")).ChatStream(t.Context(), ask("x")) {
					if err != nil {
						t.Fatal(err)
					}
					answer.WriteString(ev.Content)
					thought.WriteString(ev.Reasoning)
					final = ev.Final
				}
				if answer.String() != "Sixty days." || thought.String() != "Hm. 60." || final.Content != answer.String() || final.Reasoning != thought.String() {
					t.Errorf("answer %q, thought %q, final %+v", answer.String(), thought.String(), final)
				}
			})
		}
	}
}

func TestBadRequests(t *testing.T) {
	up := providertest.NewOllama(t, reply)
	c := open(t, up.Environ())
	for name, r := range map[string]provider.ChatRequest{
		"no message":         {},
		"an unknown role":    {Messages: []provider.Message{{Role: "tool", Content: "x"}}},
		"an empty message":   {Messages: []provider.Message{{Role: provider.User, Content: " "}}},
		"negative tokens":    {Messages: ask("x").Messages, MaxTokens: -1},
		"a high temperature": {Messages: ask("x").Messages, Temperature: 2.1},
		"no temperature":     {Messages: ask("x").Messages, Temperature: math.NaN()},
		"a broken schema":    {Messages: ask("x").Messages, Schema: json.RawMessage(`{`)},
		"no schema":          {Messages: ask("x").Messages, Schema: json.RawMessage(`{"type": "nonsense"}`)},
		"a schema elsewhere": {Messages: ask("x").Messages, Schema: json.RawMessage(`{"$ref": "file:///etc/hostname"}`)},
		"another model":      {Messages: ask("x").Messages, Model: "gpt-4"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, call := range calls {
				_, err := call.run(t.Context(), c, r)
				wantFault(t, err, fault.Invalid)
			}
		})
	}
	if n := len(up.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	up.SetReply("no JSON")
	r := ask("x")
	r.Schema = json.RawMessage(schema)
	_, err := c.Chat(t.Context(), r)
	wantFault(t, err, fault.Upstream, "not JSON")
}

// TestRepair holds that an answer that does not follow the schema is sent back
// once.
func TestRepair(t *testing.T) {
	for name, s := range stubs {
		t.Run(name, func(t *testing.T) {
			up := s.start(t, `{"answer": 7}`)
			c := open(t, with(up, "VLLM_MODEL", providertest.VLLMModel))
			r := ask("x")
			r.Schema = json.RawMessage(schema)
			_, err := c.Chat(t.Context(), r)
			wantFault(t, err, fault.Upstream, "does not follow the schema")
			if n := len(up.Requests()); n != 2 {
				t.Errorf("asked %d times, want twice", n)
			}
			second := lastBody(t, up, s.chatPath)["messages"].([]any)
			if len(second) != 4 || second[2].(map[string]any)["content"] != `{"answer": 7}` {
				t.Errorf("sent back: %v", second)
			}
			up.Handle(func(http.ResponseWriter, *http.Request) bool { // right from now on
				up.SetReply(jsonReply)
				return false
			})
			if got, err := c.Chat(t.Context(), r); err != nil || got.Content != jsonReply {
				t.Errorf("got %+v, %v", got, err)
			}
			up.Handle(nil)
			up.SetReply("{}")
			before := len(up.Requests())
			if got := listenTo(t.Context(), c, r); got.err == nil || len(up.Requests()) != before+1 {
				t.Errorf("a stream was repaired: %+v", got)
			}
		})
	}
}

func TestCheckModel(t *testing.T) {
	for _, test := range []struct {
		environ  map[string]string
		accepted []string
		refused  []string
	}{
		{map[string]string{"LLM_FALLBACK": "none"}, []string{"", "llama3.2"}, []string{"mistral", "llama3.2:1b", " "}},
		{map[string]string{"OLLAMA_MODEL": "mistral"}, []string{"", "llama3.2", "mistral"}, []string{"gpt-4"}},
		{map[string]string{"LLM_PROVIDER": "VLLM", "VLLM_MODEL": "qwen", "LLM_ALLOWED_MODELS": "a, b"}, []string{"", "llama3.2", "qwen", "a", "b"}, []string{"c", "nomic-embed-text"}},
		{map[string]string{"LLM_PROVIDER": "vllm"}, []string{"", "llama3.2"}, []string{"qwen"}},
		{map[string]string{"LLM_PROVIDER": "none"}, []string{"", "llama3.2"}, []string{"qwen"}},
	} {
		c := open(t, test.environ)
		for _, model := range test.accepted {
			if err := c.CheckModel(model); err != nil {
				t.Errorf("%v: %q: %v", test.environ, model, err)
			}
		}
		for _, model := range test.refused {
			wantFault(t, c.CheckModel(model), fault.Invalid, "llama3.2 (the configured model)")
		}
	}
	t.Run("the word and an allowed one on the wire", func(t *testing.T) {
		up := providertest.NewVLLM(t, reply)
		up.SetModels(providertest.VLLMModel, "qwen")
		c := open(t, with(up, "LLM_ALLOWED_MODELS", "qwen"))
		for asked, sent := range map[string]string{"": providertest.VLLMModel, "llama3.2": providertest.VLLMModel, "qwen": "qwen", providertest.VLLMModel: providertest.VLLMModel} {
			r := ask("x")
			r.Model = asked
			if asked == providertest.VLLMModel {
				c.Status(t.Context()) // by now it is known
			}
			got, err := c.Chat(t.Context(), r)
			if err != nil || got.Model != sent {
				t.Errorf("asked %q: %+v, %v", asked, got, err)
			}
		}
	})
	t.Run("a model that was exchanged on the server", func(t *testing.T) {
		up := providertest.NewVLLM(t, reply)
		c := open(t, up.Environ())
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Fatal(err)
		}
		up.SetModels("newer")
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable)
		if got, err := c.Chat(t.Context(), ask("x")); err != nil || got.Model != "newer" {
			t.Errorf("got %+v, %v", got, err)
		}
		up.SetModels()
		_, err = c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable)
		_, err = c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "serves no model")
	})
}

func TestConfig(t *testing.T) {
	for _, test := range []struct{ variable, value, says string }{
		{"LLM_PROVIDER", "openai", "accepted are auto, ollama, vllm and none"},
		{"LLM_PROVIDER", " ", "accepted are auto, ollama, vllm and none"},
		{"EMBEDDING_PROVIDER", "x", "accepted are ollama, vllm"},
		{"OLLAMA_URL", "localhost:11434", "http://"},
		{"OLLAMA_URL", "ftp://host", "http://"},
		{"OLLAMA_URL", "http://", "http://"},
		{"OLLAMA_URL", "http://host/?x=1", "http://"},
		{"VLLM_URL", "http://user:s3cret@host:8000/#x", "xxxxx"},
		{"VLLM_URL", "http://user:s3cret@host:port", "(not shown)"},
		{"VLLM_EMBEDDING_URL", "host", "http://"},
		{"OLLAMA_MODEL", " ", "name of a model"},
		{"EMBEDDING_MODEL", " ", "name of a model"},
		{"VISION_MODEL", " ", "name of a model"},
		{"OLLAMA_CONTEXT", "100", "512"},
		{"LLM_FIRST_TOKEN_TIMEOUT", "0s", "above 0"},
		{"LLM_IDLE_TIMEOUT", "-1s", "above 0"},
		{"LLM_FALLBACK", "auto", "accepted are ollama, vllm and none"},
		{"VISION_PROVIDER", "auto", "accepted are ollama, vllm and none"},
		{"VLLM_URL", "http://a:8000,,http://b:8000", "http://"},
		{"LLM_CONCURRENCY", "0", "from 1"},
		{"LLM_QUEUE", "-1", "from 0"},
		{"LLM_QUEUE_TIMEOUT", "0s", "above 0"},
	} {
		cfg := config(t, nil)
		if faults := cfg.Validate(); len(faults) != 0 {
			t.Fatalf("the defaults: %v", faults)
		}
		err := loadError(test.variable, test.value)
		if err == nil || !strings.Contains(err.Error(), test.variable+": ") || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s=%q: %v, want %q", test.variable, test.value, err, test.says)
		}
	}
	cfg := config(t, nil)
	cfg.Provider, cfg.OllamaURL = "x", "y"
	if _, err := provider.Open(cfg, provider.Options{}); err == nil || !strings.Contains(err.Error(), "LLM_PROVIDER") || !strings.Contains(err.Error(), "OLLAMA_URL") {
		t.Errorf("Open: %v, want both faults", err)
	}
}

func TestStatus(t *testing.T) {
	t.Run("asked by many, looked at once", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		c := open(t, up.Environ())
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				if got := c.Status(t.Context()); got.State != provider.Ready {
					t.Errorf("status %+v", got)
				}
			})
		}
		callers.Wait()
		up.Close() // what was found a moment ago is still said
		if got := c.Status(t.Context()); got.State != provider.Ready {
			t.Errorf("status %+v", got)
		}
		if n := len(up.Requests()); n != 3 {
			t.Errorf("%d requests, want one for the list, one for a token and one for the context length", n)
		}
	})
	t.Run("as a readiness probe", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		if err := open(t, up.Environ()).Check(t.Context(), provider.TextRoute); err != nil {
			t.Error(err)
		}
		up.Close()
		wantFault(t, open(t, up.Environ()).Check(t.Context(), provider.TextRoute), fault.Unavailable, "Ollama at "+up.URL+" cannot be reached")
	})
	t.Run("a caller who does not wait", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		release := make(chan struct{})
		up.Handle(func(http.ResponseWriter, *http.Request) bool {
			<-release
			return false
		})
		c := open(t, up.Environ())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got := c.Status(ctx)
		if got.State != provider.Unreachable {
			t.Errorf("status %+v", got)
		}
		wantSentence(t, got.Reason)
		close(release) // the look goes on for the others
		if got := c.Status(t.Context()); got.State != provider.Ready {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("a server that does not answer", func(t *testing.T) {
		t.Parallel()
		up := providertest.NewVLLM(t, reply)
		up.Handle(func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		})
		got := open(t, up.Environ()).Status(t.Context())
		if got.State != provider.Unreachable || !strings.Contains(got.Reason, "VLLM_URL") || !strings.Contains(got.Reason, up.URL) {
			t.Errorf("status %+v", got)
		}
		wantSentence(t, got.Reason)
	})
	t.Run("a vLLM whose engine died", func(t *testing.T) {
		up := providertest.NewVLLM(t, reply)
		up.Handle(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/health" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return r.URL.Path == "/health"
		})
		if got := open(t, up.Environ()).Status(t.Context()); got.State != provider.Unreachable {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("the states are logged as they change", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		up.SetModels("a:latest", "b", "c", "d", "e", "f", "g")
		var lines strings.Builder
		c, err := provider.Open(config(t, up.Environ()), provider.Options{Logger: slog.New(slog.NewTextHandler(&lines, nil))})
		if err != nil {
			t.Fatal(err)
		}
		got := c.Status(t.Context())
		c.Close()
		if !strings.Contains(got.Reason, "a:latest, a, b, c, d and 3 more") {
			t.Errorf("reason %q", got.Reason)
		}
		if !strings.Contains(lines.String(), "state=model_missing") || strings.Count(lines.String(), "\n") != 3 {
			t.Errorf("log %q", lines.String())
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

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestStatusAfterAFailedCall(t *testing.T) {
	up := providertest.NewOllama(t, reply)
	c := open(t, up.Environ())
	if status := c.Status(t.Context()); status.State != provider.Ready {
		t.Fatalf("%+v", status)
	}
	up.Fail(http.StatusInternalServerError)
	if _, err := c.Chat(t.Context(), ask("Hello?")); err == nil {
		t.Fatal("it answered")
	}
	if status := c.Status(t.Context()); status.State == provider.Ready {
		t.Error("still ready")
	}
}
