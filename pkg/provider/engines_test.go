package provider_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/enginetest"
	"signpost.internal/pkg/tinymodels"
)

// TestRealOllama holds what only a real server can show.
func TestRealOllama(t *testing.T) {
	server := enginetest.StartOllama(t)
	start := func(t *testing.T, more map[string]string) *provider.Client {
		environ := map[string]string{"LLM_PROVIDER": "ollama", "OLLAMA_URL": server.URL, "LLM_ALLOWED_MODELS": tinymodels.BabbleModel}
		maps.Copy(environ, more)
		return open(t, environ)
	}
	babble := ask("Talk without end.")
	babble.Model = tinymodels.BabbleModel

	t.Run("the limit named is the model's when more is set", func(t *testing.T) {
		_, err := start(t, map[string]string{"OLLAMA_CONTEXT": "32768"}).Chat(t.Context(), ask(strings.Repeat("a ", 6000)))
		wantFault(t, err, fault.TooLarge, "8192")
	})
	t.Run("the limit named is the one set when the model holds more", func(t *testing.T) {
		c := start(t, map[string]string{"OLLAMA_CONTEXT": "512"})
		_, err := c.Chat(t.Context(), ask(strings.Repeat("a ", 500)))
		wantFault(t, err, fault.TooLarge, "512")
		got, err := c.Chat(t.Context(), babble)
		if err != nil || got.FinishReason != provider.FinishLength {
			t.Errorf("an answer that fills the context ends with %v, %v", got, err)
		}
	})
	t.Run("a text too long to embed", func(t *testing.T) {
		_, err := start(t, nil).Embed(t.Context(), provider.Document, []string{strings.Repeat("rent ", 2000)})
		wantFault(t, err, fault.TooLarge, "1024")
	})
	t.Run("an embedding model does not chat", func(t *testing.T) {
		_, err := start(t, map[string]string{"OLLAMA_MODEL": tinymodels.EmbedModel}).Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Upstream, "status 400")
	})
	t.Run("a schema that is none", func(t *testing.T) {
		r := ask("x")
		r.Schema = []byte(`{"type":"nonsense"}`)
		_, err := start(t, nil).Chat(t.Context(), r)
		wantFault(t, err, fault.Invalid, "not a JSON schema")
	})
	// A caller who leaves frees the one place. Ollama itself loses it where a
	// token comes at the very moment (its issue 17131), which the speed of these
	// models makes likely: then a restarted server shows it.
	frees := func(t *testing.T, leave func(*testing.T, *provider.Client)) {
		for range 6 {
			c := start(t, nil)
			leave(t, c)
			free, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			r := babble
			r.MaxTokens = 1
			_, err := c.Chat(free, r)
			cancel()
			if err == nil {
				return
			}
			t.Logf("after the caller has left: %v", err)
			server.Kill(t)
			server.Start(t)
		}
		t.Error("the place is never free again")
	}
	t.Run("leaving frees the one place", func(t *testing.T) {
		frees(t, func(t *testing.T, c *provider.Client) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			for _, err := range c.ChatStream(ctx, babble) {
				if err != nil {
					break
				}
				leave()
			}
		})
	})
	t.Run("leaving a whole answer frees the one place", func(t *testing.T) {
		frees(t, func(t *testing.T, c *provider.Client) {
			post(t, server, http.MethodPost, "/api/generate", `{"model":"`+tinymodels.BabbleModel+`","keep_alive":0}`)
			until(t, func() bool { return !loaded(t, server, tinymodels.BabbleModel) })
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			left := make(chan error, 1)
			go func() {
				_, err := c.Chat(ctx, babble)
				left <- err
			}()
			until(t, func() bool { return loaded(t, server, tinymodels.BabbleModel) })
			leave()
			wantFault(t, <-left, fault.Canceled)
		})
	})
	t.Run("calls that differ do not load the model anew", func(t *testing.T) {
		c := start(t, nil)
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Fatal(err)
		}
		before := server.Runners(t)
		short, warm, formed := ask("x"), ask("y"), ask("z")
		short.MaxTokens, warm.Temperature, formed.Schema = 2, 0.7, []byte(schema)
		for _, r := range []provider.ChatRequest{short, warm, formed} {
			if _, err := c.Chat(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
		if got := start(t, nil).Status(t.Context()); got.State != provider.Ready {
			t.Errorf("status %+v", got)
		}
		after := server.Runners(t)
		slices.Sort(before)
		slices.Sort(after)
		if !slices.Equal(before, after) {
			t.Errorf("runners %v, before %v", after, before)
		}
	})
	t.Run("a model unloaded between two calls", func(t *testing.T) {
		c := start(t, nil)
		for _, call := range []struct {
			model string
			again func() (string, error)
			want  string
		}{
			{tinymodels.ChatModel, func() (string, error) { return text(c.Chat(t.Context(), ask("x"))) }, tinymodels.Reply},
			{tinymodels.VisionModel, func() (string, error) { return text(c.Describe(t.Context(), look())) }, tinymodels.VisionReply},
			{tinymodels.EmbedModel, func() (string, error) { return vector(t.Context(), c) }, ""},
		} {
			before, err := call.again()
			if err != nil || call.want != "" && before != call.want {
				t.Errorf("%s: %q, %v", call.model, before, err)
			}
			post(t, server, http.MethodPost, "/api/generate", `{"model":"`+call.model+`","keep_alive":0}`)
			until(t, func() bool { return !loaded(t, server, call.model) })
			after, err := call.again()
			if err != nil || after != before {
				t.Errorf("%s after it was unloaded: %q, %v, want %q", call.model, after, err, before)
			}
			if got := c.Status(t.Context()); got.State != provider.Ready {
				t.Errorf("status %+v", got)
			}
		}
	})
	t.Run("a model removed between two calls", func(t *testing.T) {
		c := start(t, nil)
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Fatal(err)
		}
		post(t, server, http.MethodDelete, "/api/delete", `{"model":"`+tinymodels.ChatModel+`"}`)
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "`ollama pull "+tinymodels.ChatModel+"`")
		server.Create(t, tinymodels.Defaults()...)
		if got, err := c.Chat(t.Context(), ask("x")); err != nil || got.Content != tinymodels.Reply {
			t.Errorf("when it is there again: %+v, %v", got, err)
		}
	})
	t.Run("a server restarted between two calls", func(t *testing.T) {
		c := start(t, nil)
		for name, restart := range map[string]func(testing.TB){
			"stopped": server.Restart,
			"killed": func(t testing.TB) {
				server.Kill(t)
				server.Start(t)
			},
		} {
			before, err := vector(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			restart(t)
			if got, err := c.Chat(t.Context(), ask("x")); err != nil || got.Content != tinymodels.Reply {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			if after, err := vector(t.Context(), c); err != nil || after != before {
				t.Errorf("%s: the same text has another vector, %v", name, err)
			}
			if got, err := c.Describe(t.Context(), look()); err != nil || got.Content != tinymodels.VisionReply {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	})
	t.Run("a runner that dies in a stream", func(t *testing.T) {
		c := start(t, nil)
		killed := false
		var last error
		for _, err := range c.ChatStream(t.Context(), babble) {
			if last = err; err == nil && !killed {
				killed = server.KillRunners(t) > 0
			}
		}
		wantFault(t, last, fault.Upstream, "Ollama")
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("a server that dies in a stream and comes back", func(t *testing.T) {
		c := start(t, nil)
		var last error
		for _, err := range c.ChatStream(t.Context(), babble) {
			if last = err; err == nil {
				server.Kill(t)
			}
		}
		wantFault(t, last, fault.Upstream, "Ollama broke off")
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "Ollama cannot be reached", "`ollama serve`", "OLLAMA_URL")
		if got := c.Status(t.Context()); got.State != provider.Unreachable || !strings.Contains(got.Reason, server.URL) {
			t.Errorf("status %+v", got)
		} else {
			wantSentence(t, got.Reason)
		}
		server.Start(t)
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestRealOllamaBusy fills the queue of a real server.
func TestRealOllamaBusy(t *testing.T) {
	server := enginetest.StartOllama(t, "OLLAMA_MAX_QUEUE=1", "OLLAMA_MAX_LOADED_MODELS=1")
	c := open(t, map[string]string{"LLM_PROVIDER": "ollama", "OLLAMA_URL": server.URL, "LLM_ALLOWED_MODELS": tinymodels.BabbleModel})
	babble := ask("Talk without end.")
	babble.Model = tinymodels.BabbleModel
	const callers = 8
	answers := make(chan error, callers)
	for _, err := range c.ChatStream(t.Context(), babble) {
		if err != nil {
			t.Fatal(err)
		}
		// The other model has no room while this one is at work.
		for range callers {
			go func() {
				_, err := c.Chat(t.Context(), ask("x"))
				answers <- err
			}()
		}
		wantFault(t, <-answers, fault.Busy, "busy") // the first answers are refusals: the others wait
		break
	}
	for range callers - 1 {
		if err := <-answers; err != nil && fault.KindOf(err) != fault.Busy {
			t.Errorf("a caller who waits: %v", err)
		}
	}
}

// TestSimulator holds what the simulator of vLLM shows beyond the contract.
func TestSimulator(t *testing.T) {
	long := ask(strings.Repeat("word ", 200))
	t.Run("a full queue, said within a stream", func(t *testing.T) {
		server := enginetest.StartSim(t, "--max-num-seqs=1", "--max-waiting-queue-length=1", "--inter-token-latency=20ms")
		c := open(t, map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": server.URL + "/v1", "LLM_FALLBACK": "none"})
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		const callers = 6
		answers := make(chan error, callers)
		for range callers {
			go func() {
				_, err := c.Chat(ctx, ask(strings.Repeat("word ", 20)))
				answers <- err
			}()
		}
		err := <-answers
		wantFault(t, err, fault.Busy, "vLLM is busy")
		leave()
		for range callers - 1 {
			<-answers
		}
	})

	server := enginetest.StartSim(t, "--inter-token-latency=20ms")
	start := func(t *testing.T) *provider.Client {
		return open(t, map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": server.URL, "LLM_FALLBACK": "none"})
	}
	t.Run("what it says of each failure", func(t *testing.T) {
		for failure, want := range map[string]struct {
			kind  fault.Kind
			words string
		}{
			"rate_limit":      {fault.Busy, "try again"},
			"invalid_api_key": {fault.Unavailable, "VLLM_API_KEY"},
			"context_length":  {fault.TooLarge, "too long"},
			"server_error":    {fault.Busy, "try again"}, // its status is 503
			"invalid_request": {fault.Upstream, "status 400"},
			"model_not_found": {fault.Unavailable, "`vllm serve " + enginetest.SimModel + "`"},
		} {
			post(t, server, http.MethodPost, "/admin/config", `{"failure-injection-rate":100,"failure-types":["`+failure+`"]}`)
			for _, call := range calls {
				_, err := call.run(t.Context(), start(t), ask("x"))
				wantFault(t, err, want.kind, want.words)
			}
		}
		post(t, server, http.MethodPost, "/admin/config", `{"failure-injection-rate":0}`)
		if _, err := start(t).Chat(t.Context(), ask("x")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("a caller who leaves in the middle", func(t *testing.T) {
		c := start(t)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		var last error
		for _, err := range c.ChatStream(ctx, long) {
			last = err
			leave()
		}
		wantFault(t, last, fault.Canceled)
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
	t.Run("a server that dies in a stream and comes back", func(t *testing.T) {
		c := start(t)
		var last error
		for _, err := range c.ChatStream(t.Context(), long) {
			if last = err; err == nil {
				server.Kill(t)
			}
		}
		wantFault(t, last, fault.Upstream, "vLLM broke off")
		_, err := c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Unavailable, "vLLM cannot be reached", "`vllm serve`", "VLLM_URL")
		if got := c.Status(t.Context()); got.State != provider.Unreachable || !strings.Contains(got.Reason, server.URL) {
			t.Errorf("status %+v", got)
		}
		server.Start(t)
		if _, err := c.Chat(t.Context(), ask("x")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("a server killed and restarted between two calls", func(t *testing.T) {
		c := start(t)
		for range 2 {
			if got, err := c.Chat(t.Context(), ask("x y")); err != nil || got.Content != "x y" {
				t.Errorf("%+v, %v", got, err)
			}
			if _, err := vector(t.Context(), c); err != nil {
				t.Error(err)
			}
			server.Kill(t)
			server.Start(t)
		}
	})
}

func text(r *provider.ChatResponse, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return r.Content, nil
}

func vector(ctx context.Context, c *provider.Client) (string, error) {
	r, err := c.Embed(ctx, provider.Document, []string{"Rent arrears."})
	if err != nil {
		return "", err
	}
	return fmt.Sprint(r.Vectors[0]), nil
}

// post sends a server what is an administrator's to send.
func post(t *testing.T, server *enginetest.Server, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d %s, %v", method, path, resp.StatusCode, said, err)
	}
	return string(said)
}

// loaded reports whether a real Ollama has the model in memory.
func loaded(t *testing.T, server *enginetest.Server, model string) bool {
	t.Helper()
	return strings.Contains(post(t, server, http.MethodGet, "/api/ps", ""), `"`+model+`:`)
}

// until waits for something to become true.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not become so")
		}
	}
}

// TestRealFallback holds that a real Ollama goes on where a server of vLLM's
// protocol dies, before its first token and in the middle of its answer.
func TestRealFallback(t *testing.T) {
	sim := enginetest.StartSim(t, "--inter-token-latency=20ms")
	ollama := enginetest.StartOllama(t)
	c := open(t, map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": sim.URL, "OLLAMA_URL": ollama.URL})
	if got := c.Status(t.Context()); got.Provider != "vllm" || !got.Reachable {
		t.Errorf("status %+v", got)
	}
	var (
		seam  *provider.Seam
		text  string
		final *provider.ChatResponse
	)
	for ev, err := range c.ChatStream(t.Context(), ask(strings.Repeat("word ", 500))) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Seam != nil {
			seam, text = ev.Seam, ""
		}
		if text += ev.Content; seam == nil {
			sim.Kill(t)
		}
		final = ev.Final
	}
	want := provider.Seam{FromProvider: "vllm", FromModel: enginetest.SimModel, ToProvider: "ollama", ToModel: tinymodels.ChatModel, Reason: "cut"}
	if seam == nil || *seam != want || text != tinymodels.Reply || final.Fallback != "vllm cut" {
		t.Errorf("seam %+v, text %q, final %+v", seam, text, final)
	}
	got, err := c.Chat(t.Context(), ask("x"))
	if err != nil || got.Content != tinymodels.Reply || got.Fallback != "vllm unreachable" {
		t.Errorf("got %+v, %v", got, err)
	}
	sim.Start(t)
	if got, err = c.Chat(t.Context(), ask("x")); err != nil || got.Provider != "vllm" || got.Fallback != "" {
		t.Errorf("after its return: %+v, %v", got, err)
	}
}
