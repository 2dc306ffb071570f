package provider_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/enginetest"
	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/pkg/tinymodels"
)

// journal is a log whose records can be waited for.
type journal struct {
	slog.Handler
	records chan slog.Record
}

func newJournal() *journal {
	return &journal{slog.DiscardHandler, make(chan slog.Record, 1000)}
}

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.records <- r
	return nil
}
func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }

// wait returns what the next record of the message says.
func (j *journal) wait(t *testing.T, message string) map[string]string {
	t.Helper()
	for {
		select {
		case r := <-j.records:
			if r.Message != message {
				continue
			}
			attributes := map[string]string{}
			r.Attrs(func(a slog.Attr) bool {
				attributes[a.Key] = a.Value.String()
				return true
			})
			return attributes
		case <-time.After(30 * time.Second):
			t.Fatalf("no %q in the log", message)
		}
	}
}

func openLogged(t *testing.T, environ map[string]string) (*provider.Client, *journal) {
	t.Helper()
	j := newJournal()
	c, err := provider.Open(config(t, environ), provider.Options{Logger: slog.New(j)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, j
}

func TestPull(t *testing.T) {
	t.Run("not unless it is allowed", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		up.SetModels()
		up.SetRegistry("llama3.2:latest")
		c := open(t, up.Environ())
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "`ollama pull llama3.2`")
		if got := c.Status(t.Context()); got.State != provider.ModelMissing || !strings.Contains(got.Reason, "`ollama pull llama3.2`") {
			t.Errorf("status %+v", got)
		}
		for _, r := range up.Requests() {
			if r.Path == "/api/pull" {
				t.Error("a model was pulled")
			}
		}
	})
	t.Run("by a call", func(t *testing.T) {
		for name, call := range map[string]func(context.Context, *provider.Client) error{
			"llama3.2": func(ctx context.Context, c *provider.Client) error { _, err := c.Chat(ctx, ask("x")); return err },
			"nomic-embed-text": func(ctx context.Context, c *provider.Client) error {
				_, err := c.Embed(ctx, provider.Query, []string{"x"})
				return err
			},
			"llava:7b": func(ctx context.Context, c *provider.Client) error { _, err := c.Describe(ctx, look()); return err },
		} {
			t.Run(name, func(t *testing.T) {
				up := providertest.NewOllama(t, reply)
				up.SetModels()
				up.SetRegistry("llama3.2:latest", "nomic-embed-text:latest", "llava:7b")
				c, log := openLogged(t, with(up, "OLLAMA_AUTO_PULL", "true"))
				err := call(t.Context(), c)
				wantFault(t, err, fault.Unavailable, "Ollama is pulling "+name)
				var f *fault.Error
				if !errors.As(err, &f) || f.RetryAfter <= 0 {
					t.Errorf("RetryAfter %v", f.RetryAfter)
				}
				if got := log.wait(t, "model pull ended"); got["total_bytes"] != "2000001429" {
					t.Errorf("logged %v", got)
				}
				if err := call(t.Context(), c); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		}
	})
	t.Run("at the start, and shown", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		up.SetModels()
		up.SetRegistry("llama3.2:latest")
		proceed := make(chan struct{})
		up.Handle(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/pull" {
				return false
			}
			providertest.PullLine(w, map[string]any{"status": "pulling manifest"})
			providertest.PullLine(w, map[string]any{"status": "pulling a", "digest": "sha256:a", "total": 2_000_000_000, "completed": 860_000_000})
			<-proceed
			up.SetModels("llama3.2:latest")
			providertest.PullLine(w, map[string]any{"status": "success"})
			return true
		})
		c, log := openLogged(t, with(up, "OLLAMA_AUTO_PULL", "true"))
		c.Warm(provider.TextRoute)
		if got := log.wait(t, "model pull progress"); got["percent"] != "43" || got["done_bytes"] != "860000000" {
			t.Errorf("logged %v", got)
		}
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "Ollama is pulling llama3.2: 43 % of 2.0 GB.")
		if err := c.Check(t.Context(), provider.TextRoute); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("check %v", err)
		}
		close(proceed)
		log.wait(t, "model pull ended")
		if got := c.Status(t.Context()); got.State != provider.Ready || got.Upstreams[0].Progress != 0 {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("another server answers meanwhile", func(t *testing.T) {
		up, other := providertest.NewOllama(t, reply), providertest.NewVLLM(t, reply)
		up.SetModels()
		c := open(t, with(up, "OLLAMA_AUTO_PULL", "true", "VLLM_URL", other.URL, "LLM_FALLBACK", "vllm"))
		got, err := c.Chat(t.Context(), ask("x"))
		if err != nil || got.Provider != "vllm" || got.Fallback != "ollama model_pulling" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("the end of the client is its end", func(t *testing.T) {
		up := providertest.NewOllama(t, reply)
		up.SetModels()
		began, left := make(chan struct{}), make(chan struct{})
		up.Handle(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/pull" {
				return false
			}
			close(began)
			<-r.Context().Done()
			close(left)
			return true
		})
		c := open(t, with(up, "OLLAMA_AUTO_PULL", "true"))
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "it has just begun")
		<-began
		c.Close()
		<-left
	})
}

// TestPullFailures holds what is said of each way in which a pull fails.
func TestPullFailures(t *testing.T) {
	line := func(message string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			providertest.PullLine(w, map[string]any{"status": "pulling a", "digest": "sha256:a", "total": 1000, "completed": 10})
			providertest.PullLine(w, map[string]any{"error": message})
		}
	}
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
	}{
		"not in the registry": {line("pull model manifest: file does not exist"), "the registry does not have it"},
		"no way to the registry": {
			line(`pull model manifest: Get "https://registry.example/v2/x": dial tcp: lookup registry.example: no such host`), "it cannot reach the registry",
		},
		"no trust": {
			line(`pull model manifest: Get "https://registry.example/v2/x": tls: failed to verify certificate: x509: certificate signed by unknown authority`), "it does not trust the registry's certificate",
		},
		"disk full":       {line("write /models/blobs/sha256-a-partial: no space left on device"), "its disk is full"},
		"another failure": {line("the moon is in the way"), `it says "the moon is in the way"`},
		"a status": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid model name"}`))
		}, "the name is not one of a model"},
		"cut": {func(w http.ResponseWriter) {
			providertest.PullLine(w, map[string]any{"status": "pulling manifest"})
			panic(http.ErrAbortHandler)
		}, "the connection to it was cut"},
		"no success": {func(w http.ResponseWriter) {
			providertest.PullLine(w, map[string]any{"status": "writing manifest"})
		}, "it ended without saying that the model is there"},
		"empty":   {func(http.ResponseWriter) {}, "it ended without saying that the model is there"},
		"garbage": {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>\n")) }, "its answer cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			up := providertest.NewOllama(t, reply)
			up.SetModels()
			up.Handle(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/pull" {
					tt.answer(w)
					return true
				}
				return false
			})
			c, log := openLogged(t, with(up, "OLLAMA_AUTO_PULL", "true"))
			_, err := c.Chat(t.Context(), ask("x"))
			wantFault(t, err, fault.Unavailable, "llama3.2")
			if got := log.wait(t, "model pull failed"); got["error"] == "" || got["again_in"] != "30s" {
				t.Errorf("logged %v", got)
			}
			for range 3 { // it is not repeated at once, and the reason stays
				_, err = c.Chat(t.Context(), ask("x"))
				wantFault(t, err, fault.Unavailable, "could not pull it: "+tt.want, "It is tried again at ", "`ollama pull llama3.2`")
			}
			got := c.Status(t.Context())
			if got.State != provider.ModelMissing || !strings.Contains(got.Reason, tt.want) || !strings.Contains(got.Reason, up.URL) {
				t.Errorf("status %+v", got)
			}
			wantSentence(t, got.Reason)
			tries := 0
			for _, r := range up.Requests() {
				if r.Path == "/api/pull" {
					tries++
				}
			}
			if tries != 1 {
				t.Errorf("%d pulls", tries)
			}
		})
	}
}

// TestWarm holds that the models of the routes named, and no others, are asked.
func TestWarm(t *testing.T) {
	up := providertest.NewOllama(t, reply)
	c, log := openLogged(t, up.Environ())
	c.Warm(provider.TextRoute, provider.EmbeddingRoute)
	ready := map[string]bool{}
	for len(ready) < 3 {
		if got := log.wait(t, "model provider state"); got["state"] == string(provider.Ready) {
			ready[got["route"]] = true
		}
	}
	var chats, embeds int
	for _, r := range up.Requests() {
		switch {
		case strings.HasSuffix(r.Path, "/chat"):
			chats++
		case strings.HasSuffix(r.Path, "/embed"):
			embeds++
		}
	}
	if chats != 1 || embeds != 1 {
		t.Errorf("%d chats, %d embeddings", chats, embeds)
	}
	t.Run("nothing to do", func(t *testing.T) {
		open(t, map[string]string{"LLM_PROVIDER": "none"}).Warm(provider.TextRoute, provider.EmbeddingRoute)
	})
}

// TestRealPull has a real Ollama pull from a registry.
func TestRealPull(t *testing.T) {
	registry := enginetest.StartRegistry(t)
	server := enginetest.StartOllama(t, registry.Setting)
	const words = "Keep a note of every call."
	server.Create(t, tinymodels.Model{Name: "adviser", Kind: tinymodels.Chat{Reply: words}})
	registry.Take(t, server, "adviser")
	start := func(t *testing.T, model string) (*provider.Client, *journal) {
		return openLogged(t, map[string]string{"LLM_PROVIDER": "ollama", "OLLAMA_URL": server.URL, "OLLAMA_AUTO_PULL": "true", "OLLAMA_MODEL": model})
	}
	failed := func(t *testing.T, model, want string) {
		c, log := start(t, model)
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "Ollama is pulling "+model)
		t.Log(log.wait(t, "model pull failed"))
		_, err = c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, want, "`ollama pull "+model+"`")
	}

	t.Run("a model that is there", func(t *testing.T) {
		model := registry.Host + "/library/adviser"
		c, log := start(t, model)
		c.Warm(provider.TextRoute)
		t.Log(log.wait(t, "model pull ended"))
		if got := c.Status(t.Context()); got.State != provider.Ready || got.Model != model {
			t.Errorf("status %+v", got)
		}
		if got, err := c.Chat(t.Context(), ask("x")); err != nil || got.Content != words {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("one that is not", func(t *testing.T) {
		failed(t, registry.Host+"/library/no-such", "the registry does not have it")
	})
	t.Run("no way to the registry", func(t *testing.T) {
		failed(t, "127.0.0.1:1/library/no-such", "it cannot reach the registry")
	})
	t.Run("what came is not what was promised", func(t *testing.T) {
		server.Create(t, tinymodels.Model{Name: "forged", Kind: tinymodels.Chat{Reply: "Pay at once."}})
		registry.Take(t, server, "forged")
		registry.Spoil(t, "forged")
		failed(t, registry.Host+"/library/forged", "what came is not what the registry promised")
	})
}
