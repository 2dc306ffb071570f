package enginetest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"signpost.internal/pkg/provider/enginetest"
	"signpost.internal/pkg/tinymodels"
)

// picture is a PNG of one pixel, in base64.
const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="

func TestOllama(t *testing.T) {
	ollama := enginetest.StartOllama(t)
	const chat, embed = "/api/chat", "/api/embed"

	t.Run("version", func(t *testing.T) {
		if got := ok(t, ollama, "/api/version", nil); "v"+text(got["version"]) != enginetest.OllamaVersion {
			t.Errorf("version %v, want %s", got["version"], enginetest.OllamaVersion)
		}
	})
	t.Run("chat", func(t *testing.T) {
		for _, prompt := range []string{"What now?", "", strings.Repeat("Which letter? £ŵ\n", 50)} {
			got := ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false, "messages": user(prompt)})
			if at(got, "message", "content") != tinymodels.Reply || got["done_reason"] != "stop" {
				t.Errorf("asked %q: %v", prompt, got)
			}
		}
	})
	t.Run("a prompt costs one token a byte and one a message", func(t *testing.T) {
		got := ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false, "messages": []object{
			{"role": "system", "content": "Be kind."}, {"role": "user", "content": "£5?"},
		}})
		if got["prompt_eval_count"] != 15.0 {
			t.Errorf("%v tokens, want 8 and 4 for the bytes, 2 for the messages, 1 for the answer to begin", got["prompt_eval_count"])
		}
	})
	t.Run("chat at a high temperature", func(t *testing.T) {
		got := ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false, "messages": user("x"), "options": object{"temperature": 1.5, "seed": 7}})
		if at(got, "message", "content") != tinymodels.Reply {
			t.Errorf("answer: %v", got)
		}
	})
	t.Run("stream", func(t *testing.T) {
		stream := ask(t.Context(), t, ollama, chat, object{"model": tinymodels.ChatModel, "messages": user("What now?")})
		var said string
		var last object
		n := 0
		for line := range lines(t, stream.Body) {
			last = parse(t, line)
			said += text(at(last, "message", "content"))
			n++
		}
		if said != tinymodels.Reply || last["done"] != true || last["done_reason"] != "stop" || last["prompt_eval_count"] == nil || n < 10 {
			t.Errorf("said %q in %d lines, the last: %v", said, n, last)
		}
	})
	t.Run("JSON reply", func(t *testing.T) {
		got := ok(t, ollama, chat, object{
			"model": tinymodels.ChatModel, "stream": false, "messages": user("x"),
			"format": schema(object{"answer": object{"type": "string"}, "sure": object{"type": "boolean"}}, "answer", "sure"),
		})
		if at(got, "message", "content") != tinymodels.JSONReply {
			t.Errorf("answer: %v", got)
		}
	})
	t.Run("another schema", func(t *testing.T) {
		got := ok(t, ollama, chat, object{
			"model": tinymodels.ChatModel, "stream": false, "messages": user("x"), "options": object{"num_predict": 200},
			"format": schema(object{
				"name": object{"type": "string"}, "count": object{"type": "integer"},
				"facts": object{"type": "array", "items": object{"type": "string"}},
				"kind":  object{"enum": []string{"letter", "bill"}},
			}, "name", "count", "facts", "kind"),
		})
		document := parse(t, text(at(got, "message", "content")))
		facts, isList := document["facts"].([]any)
		if document["name"] != "" || !isList || len(facts) != 0 || document["kind"] != "letter" && document["kind"] != "bill" {
			t.Errorf("not the smallest document: %q", at(got, "message", "content"))
		}
	})
	t.Run("image", func(t *testing.T) {
		var read [2]float64
		for i, images := range [][]string{nil, {picture}} {
			message := object{"role": "user", "content": "What is this?", "images": images}
			got := ok(t, ollama, chat, object{"model": tinymodels.VisionModel, "stream": false, "messages": []object{message}})
			if at(got, "message", "content") != tinymodels.VisionReply {
				t.Errorf("answer: %v", got)
			}
			read[i], _ = got["prompt_eval_count"].(float64)
		}
		if read[1]-read[0] != 4 {
			t.Errorf("the image took %v tokens, want 4", read[1]-read[0])
		}
	})
	t.Run("an image nobody looks at", func(t *testing.T) {
		// A model without eyes is not refused an image: what a model can do is
		// to be asked first.
		for model, can := range map[string]string{
			tinymodels.ChatModel: "[completion]", tinymodels.VisionModel: "[completion vision]", tinymodels.EmbedModel: "[embedding]",
		} {
			if got := ok(t, ollama, "/api/show", object{"model": model}); text(got["capabilities"]) != can {
				t.Errorf("%s can do %v, want %s", model, got["capabilities"], can)
			}
		}
		with := object{"role": "user", "content": "What is this?", "images": []string{picture}}
		got := ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false, "messages": []object{with}})
		if at(got, "message", "content") != tinymodels.Reply {
			t.Errorf("answer: %v", got)
		}
	})
	t.Run("embed", func(t *testing.T) {
		got := ok(t, ollama, embed, object{"model": tinymodels.EmbedModel, "truncate": false, "input": []string{
			"How can I stop an eviction for rent arrears?",
			"Rent arrears and the notice of eviction that the landlord sent.",
			"Council tax support is a discount for people on a low income.",
			"Choirs sing madrigals by candlelight.",
		}})
		asked := vector(at(got, "embeddings", 0))
		var near [3]float64
		for i := range near {
			near[i] = cosine(asked, vector(at(got, "embeddings", i+1)))
		}
		t.Logf("cosines: %.3f", near)
		if near[0] < 0.5 || near[1] > near[0]/2 || near[2] > near[0]/2 {
			t.Errorf("cosines %.3f: the first text shares the words, the others do not", near)
		}
		if one := cosine(asked, asked); len(asked) != 64 || math.Abs(one-1) > 1e-5 {
			t.Errorf("%d dimensions, the vector and itself: %v", len(asked), one)
		}
	})
	t.Run("an over-long prompt, if nothing forbids it, is cut", func(t *testing.T) {
		got := ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false, "options": object{"num_ctx": 256}, "messages": user(long(500))})
		if got["prompt_eval_count"] != 256.0 {
			t.Errorf("%v tokens were read, want 256", got["prompt_eval_count"])
		}
	})
	t.Run("OpenAI's form", func(t *testing.T) {
		got := ok(t, ollama, "/v1/chat/completions", object{"model": tinymodels.ChatModel, "messages": user("x")})
		if at(got, "choices", 0, "message", "content") != tinymodels.Reply {
			t.Errorf("answer: %v", got)
		}
	})

	const tooLong = `{"error":"the input length exceeds the context length"}`
	small := object{"num_ctx": 256}
	refuses(t, ollama, []refusal{
		{"unknown chat model", chat, object{"model": "no-such", "messages": user("x")}, nil, http.StatusNotFound, `{"error":"model 'no-such' not found"}`},
		{"unknown embedding model", embed, object{"model": "no-such", "input": "x"}, nil, http.StatusNotFound, `{"error":"model \"no-such\" not found, try pulling it first"}`},
		{"over-long", chat, object{"model": tinymodels.ChatModel, "stream": false, "truncate": false, "options": small, "messages": user(long(500))}, nil, http.StatusBadRequest, tooLong},
		{"over-long stream", chat, object{"model": tinymodels.ChatModel, "truncate": false, "options": small, "messages": user(long(500))}, nil, http.StatusBadRequest, tooLong},
		{"over-long text to embed", embed, object{"model": tinymodels.EmbedModel, "truncate": false, "input": []string{"short", long(2000)}}, nil, http.StatusBadRequest, tooLong},
		{"chat of an embedding model", chat, object{"model": tinymodels.EmbedModel, "messages": user("x")}, nil, http.StatusBadRequest, `{"error":"\"nomic-embed-text\" does not support chat"}`},
		{"no schema", chat, object{"model": tinymodels.ChatModel, "messages": user("x"), "format": object{"type": "nonsense"}}, nil, http.StatusInternalServerError, `{"error":"invalid JSON schema in format"}`},
		{"no thinking", chat, object{"model": tinymodels.ChatModel, "messages": user("x"), "think": true}, nil, http.StatusBadRequest, `{"error":"\"llama3.2\" does not support thinking"}`},
		{"no image", chat, object{"model": tinymodels.VisionModel, "stream": false, "messages": []object{{"role": "user", "content": "x", "images": []string{"%"}}}}, nil, http.StatusBadRequest, `{"error":"illegal base64 data at input byte 0"}`},
		{
			"not an image", chat,
			object{"model": tinymodels.VisionModel, "stream": false, "messages": []object{{"role": "user", "content": "x", "images": []string{"aGVsbG8="}}}},
			nil, http.StatusInternalServerError,
			`{"error":"model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details"}`,
		},
	})

	t.Run("unload and reload", func(t *testing.T) {
		got := ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false, "keep_alive": 0})
		if got["done_reason"] != "unload" {
			t.Errorf("unload: %v", got)
		}
		until(t, func() bool { return !loaded(t, ollama, tinymodels.ChatModel) })
		got = ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false})
		if got["done_reason"] != "load" || !loaded(t, ollama, tinymodels.ChatModel) {
			t.Errorf("load: %v", got)
		}
	})
	t.Run("cancellation frees the place", func(t *testing.T) {
		endless := object{"model": tinymodels.BabbleModel, "messages": user("x")}
		// Ollama loses the place where a token comes at the moment at which the
		// caller leaves (its issue 17131): then it is asked again, restarted.
		var err error
		for range 6 {
			ctx, leave := cancellable(t)
			read(t, ask(ctx, t, ollama, chat, endless).Body)
			// The one place is taken: a second caller waits, and leaves.
			short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			if err := reply(short, ollama, tinymodels.BabbleModel); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("while another stream runs: %v, want to wait", err)
			}
			cancel()
			leave()
			free, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err = reply(free, ollama, tinymodels.BabbleModel)
			cancel()
			if err == nil {
				return
			}
			ollama.Kill(t)
			ollama.Start(t)
		}
		t.Errorf("after the caller has left: %v", err)
	})
	t.Run("a runner that dies in a stream", func(t *testing.T) {
		stream := ask(t.Context(), t, ollama, chat, object{"model": tinymodels.BabbleModel, "messages": user("x")})
		rest := read(t, stream.Body)
		if n := ollama.KillRunners(t); n == 0 {
			t.Fatal("no runner was there")
		}
		var last string
		for line := range lines(t, rest) {
			last = line
		}
		t.Logf("the stream's last line: %s", last)
		if parse(t, last)["error"] == nil {
			t.Errorf("the stream's last line: %s, want an error", last)
		}
		if err := reply(t.Context(), ollama, tinymodels.BabbleModel); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("restart", func(t *testing.T) {
		ollama.Restart(t)
		got := ok(t, ollama, chat, object{"model": tinymodels.ChatModel, "stream": false, "messages": user("x")})
		if at(got, "message", "content") != tinymodels.Reply {
			t.Errorf("after a restart: %v", got)
		}
	})
	t.Run("a server that dies in a stream", func(t *testing.T) {
		stream := ask(t.Context(), t, ollama, chat, object{"model": tinymodels.BabbleModel, "messages": user("x")})
		rest := read(t, stream.Body)
		ollama.Kill(t)
		_, err := io.Copy(io.Discard, rest)
		t.Logf("the stream ends with: %v", err)
		if err == nil {
			t.Error("the stream ended as if it were whole")
		}
		ollama.Start(t)
	})
	t.Run("nothing is left behind", func(t *testing.T) {
		if err := reply(t.Context(), ollama, tinymodels.ChatModel); err != nil {
			t.Fatal(err)
		}
		runners := ollama.Runners(t)
		if len(runners) != 1 {
			t.Errorf("%d runners, want one", len(runners))
		}
		ollama.Stop(t)
		for _, pid := range runners {
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("runner %d is still there: %v", pid, err)
			}
		}
	})
}

// An Ollama whose queue is full refuses.
func TestOllamaBusy(t *testing.T) {
	ollama := enginetest.StartOllama(t, "OLLAMA_MAX_QUEUE=1", "OLLAMA_MAX_LOADED_MODELS=1")
	ctx, leave := cancellable(t)
	read(t, ask(ctx, t, ollama, "/api/chat", object{"model": tinymodels.BabbleModel, "messages": user("x")}).Body)
	// The other model has no room while that one is at work.
	const callers = 8
	answers := make(chan error, callers)
	for range callers {
		go func() { answers <- reply(t.Context(), ollama, tinymodels.ChatModel) }()
	}
	const full = `503 Service Unavailable: {"error":"server busy, please try again.  maximum pending requests exceeded"}`
	// The first answers are refusals: those that are served wait for the stream.
	for i := range callers {
		err := <-answers
		if i == 0 && err == nil || err != nil && err.Error() != full {
			t.Errorf("answer %d: %v, want %s", i, err, full)
		}
		leave()
	}
}

// scripts/engines builds what this package looks for.
func TestVersions(t *testing.T) {
	script, err := os.ReadFile("../../../scripts/engines")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"ollama_version=" + enginetest.OllamaVersion, "sim_version=" + enginetest.SimVersion} {
		if !strings.Contains(string(script), "\n"+line+"\n") {
			t.Errorf("scripts/engines has no line %s", line)
		}
	}
}

func schema(properties object, required ...string) object {
	return object{"type": "object", "properties": properties, "required": required}
}

// reply asks a model for one token and reports what kept it from coming.
func reply(ctx context.Context, s *enginetest.Server, model string) error {
	body := strings.NewReader(`{"model":"` + model + `","stream":false,"messages":[{"role":"user","content":"x"}],"options":{"num_predict":1}}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/chat", body)
	if err != nil {
		return err
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(response.Body)
		return errors.New(response.Status + ": " + string(said))
	}
	return nil
}

func loaded(t testing.TB, s *enginetest.Server, model string) bool {
	t.Helper()
	models, _ := ok(t, s, "/api/ps", nil)["models"].([]any)
	for _, m := range models {
		if strings.TrimSuffix(text(at(m, "name")), ":latest") == model {
			return true
		}
	}
	return false
}

// read reads a stream's first line, so that it has begun, and returns the rest.
func read(t testing.TB, body io.Reader) io.Reader {
	t.Helper()
	rest := bufio.NewReader(body)
	if _, err := rest.ReadString('\n'); err != nil {
		t.Fatalf("the stream does not begin: %v", err)
	}
	return rest
}

func cancellable(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// until waits for a condition.
func until(t testing.TB, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about within ten seconds")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func vector(value any) []float64 {
	list, _ := value.([]any)
	numbers := make([]float64, len(list))
	for i, x := range list {
		numbers[i], _ = x.(float64)
	}
	return numbers
}

func cosine(a, b []float64) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += a[i] * b[i]
		aa += a[i] * a[i]
		bb += b[i] * b[i]
	}
	return ab / math.Sqrt(aa*bb)
}
