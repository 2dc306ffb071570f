package provider_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/enginetest"
	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/pkg/tinymodels"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	reply     = "You may apply for a breathing space of 60 days."
	jsonReply = `{"answer": "Write to the council.", "sure": true}`
	// schema is what jsonReply follows.
	schema = `{"type":"object","properties":{"answer":{"type":"string"},"sure":{"type":"boolean"}},"required":["answer","sure"]}`
	// picture is a PNG of one pixel.
	picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)

// target is a server that the suite runs on.
type target struct {
	provider   string
	model      string // the configured model's name as the server gives it
	question   string
	reply      string // what it answers to the question
	jsonReply  string // what it answers under the schema
	sight      string // what it says to the picture
	dimension  int
	limit      int    // tokens that the context error names
	embedLimit int    // the same of the embedding model
	counts     bool   // whether that error has the engine's own count of what is needed
	remedy     string // what the message for a missing model tells to run
	environ    func(testing.TB) map[string]string
	except     map[string]string // cases that do not hold, and why
}

// stub makes a target of a stub server, a new one for each case.
func stub(start func(testing.TB, string) *providertest.Upstream, g target) target {
	g.reply, g.jsonReply, g.sight, g.dimension, g.limit, g.embedLimit = reply, reply, reply, providertest.Dimension, 8192, 8192
	g.question = reply
	g.environ = func(t testing.TB) map[string]string { return start(t, reply).Environ() }
	g.except = map[string]string{"schema": "the stub has one answer; TestOnTheWire looks at the schema sent"}
	return g
}

// TestContract holds what must be true of every server, stub or real, and
// prints what each was asked. VLLM_TEST_URL adds a vLLM that runs already.
func TestContract(t *testing.T) {
	rows := [][]string{{"THE CONTRACT ON", "CASES", "HELD", "NOT ASKED, AND WHY"}}
	on := func(name string, arrange func(*testing.T) target) {
		t.Run(name, func(t *testing.T) { rows = append(rows, contract(t, name, arrange(t))...) })
	}
	on("our stub of Ollama", func(*testing.T) target {
		return stub(providertest.NewOllama, target{provider: "ollama", model: "llama3.2", remedy: "`ollama pull no-such`"})
	})
	on("our stub of vLLM", func(*testing.T) target {
		return stub(providertest.NewVLLM, target{provider: "vllm", model: providertest.VLLMModel, remedy: "`vllm serve no-such`", counts: true})
	})
	on("Ollama "+enginetest.OllamaVersion, func(t *testing.T) target {
		server := enginetest.StartOllama(t)
		return target{
			provider: "ollama", model: tinymodels.ChatModel, question: "What now?", reply: tinymodels.Reply, jsonReply: tinymodels.JSONReply,
			sight: tinymodels.VisionReply, dimension: 64, limit: 8192, embedLimit: tinymodels.EmbedContext, remedy: "`ollama pull no-such`",
			environ: func(testing.TB) map[string]string {
				return map[string]string{"LLM_PROVIDER": "ollama", "OLLAMA_URL": server.URL}
			},
			// TestRealOllama leaves an endless answer instead, on a server that it may restart.
			except: map[string]string{"leaving a stream": "it loses the place of a caller who leaves as a token comes (ollama/ollama#17131)"},
		}
	})
	on("llm-d-inference-sim "+enginetest.SimVersion, func(t *testing.T) target {
		server := enginetest.StartSim(t)
		return target{
			provider: "vllm", model: enginetest.SimModel, question: reply, reply: reply, dimension: 384, limit: 8192, counts: true,
			remedy: "`vllm serve no-such`",
			environ: func(testing.TB) map[string]string {
				return map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": server.URL, "LLM_FALLBACK": "none", "VISION_PROVIDER": "vllm"}
			},
			except: map[string]string{
				"schema":                     "it ignores response_format",
				"a bounded answer":           "as an echo it says all, and that it was cut",
				"describe":                   "it serves one model, which has no eyes",
				"an image nobody looks at":   "it takes images for any model",
				"a text too long to embed":   "it embeds texts of any length",
				"embed with a missing model": "it embeds with any model",
			},
		}
	})
	if env.Environ()["VLLM_TEST_URL"] != "" {
		on("vLLM at VLLM_TEST_URL", runningVLLM)
	}
	show(t, rows)
}

// runningVLLM is the vLLM at VLLM_TEST_URL, started with --max-model-len 8192
// and any model that answers a question in ten words or more. With
// VLLM_TEST_EMBEDDING_URL, of one that serves an embedding model as
// nomic-embed-text, embeddings are asked for too.
func runningVLLM(t *testing.T) target {
	here := env.Environ()
	environ := map[string]string{
		"LLM_PROVIDER": "vllm", "VLLM_URL": here["VLLM_TEST_URL"], "LLM_FALLBACK": "none", "VISION_PROVIDER": "vllm",
		"VLLM_API_KEY": here["VLLM_TEST_API_KEY"], "VLLM_EMBEDDING_URL": here["VLLM_TEST_EMBEDDING_URL"],
	}
	g := target{
		provider: "vllm", question: "What may somebody with debts apply for, and for how long? Answer in one sentence.",
		limit: 8192, remedy: "`vllm serve no-such`",
		environ: func(testing.TB) map[string]string { return maps.Clone(environ) },
		except:  map[string]string{"describe": "it serves one model, and not one for images"},
	}
	// What it says is not known beforehand: at temperature 0 it says it again.
	c := open(t, environ)
	said, err := c.Chat(t.Context(), ask(g.question))
	if err != nil {
		t.Fatal(err)
	}
	structured := ask(g.question)
	structured.Schema = json.RawMessage(schema)
	formed, err := c.Chat(t.Context(), structured)
	if err != nil {
		t.Fatal(err)
	}
	g.model, g.reply, g.jsonReply = said.Model, said.Content, formed.Content
	t.Logf("it says %q, and under the schema %q", g.reply, g.jsonReply)
	if environ["VLLM_EMBEDDING_URL"] == "" {
		for _, name := range []string{"embed", "a text too long to embed", "tasks of embedding", "embed with a missing model"} {
			g.except[name] = "VLLM_TEST_EMBEDDING_URL is not set"
		}
		return g
	}
	one, err := c.Embed(t.Context(), provider.Document, []string{"rent"})
	if err != nil {
		t.Fatal(err)
	}
	g.dimension = one.Dimension
	_, err = c.Embed(t.Context(), provider.Document, []string{strings.Repeat("rent ", 9000)})
	var tooLong *provider.ContextError
	if errors.As(err, &tooLong) {
		g.embedLimit = tooLong.Limit
	}
	return g
}

// contract runs the suite on a server and returns the rows that say how it went.
func contract(t *testing.T, server string, g target) (rows [][]string) {
	unused := maps.Clone(g.except)
	asked, held := 0, 0
	var excepted []string
	defer func() {
		slices.Sort(excepted)
		rows = append(rows, []string{server, fmt.Sprint(asked), fmt.Sprint(held), strings.Join(excepted[:min(1, len(excepted))], "")})
		for _, more := range excepted[min(1, len(excepted)):] {
			rows = append(rows, []string{"", "", "", more})
		}
	}()
	run := func(name string, more map[string]string, test func(*testing.T, *provider.Client)) {
		delete(unused, name)
		if why := g.except[name]; why != "" {
			excepted = append(excepted, name+": "+why) // neither passed nor skipped
			return
		}
		asked++
		if t.Run(name, func(t *testing.T) {
			environ := g.environ(t)
			maps.Copy(environ, more)
			test(t, open(t, environ))
		}) {
			held++
		}
	}

	run("chat", nil, func(t *testing.T, c *provider.Client) {
		got, err := c.Chat(t.Context(), ask(g.question))
		if err != nil {
			t.Fatal(err)
		}
		if got.FirstToken <= 0 || got.FirstToken > time.Minute {
			t.Errorf("FirstToken = %v", got.FirstToken)
		}
		if got.Usage.InputTokens < 10 || got.Usage.OutputTokens < 9 {
			t.Errorf("Usage = %+v", got.Usage)
		}
		got.FirstToken, got.QueueTime, got.Usage = 0, 0, provider.Usage{}
		want := &provider.ChatResponse{Content: g.reply, Provider: g.provider, Model: g.model, FinishReason: provider.FinishStop}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	run("stream", nil, func(t *testing.T, c *provider.Client) {
		var text strings.Builder
		events, final := 0, (*provider.ChatResponse)(nil)
		for ev, err := range c.ChatStream(t.Context(), ask(g.question)) {
			if err != nil {
				t.Fatal(err)
			}
			if final != nil {
				t.Error("an event after the final one")
			}
			events, final = events+1, ev.Final
			text.WriteString(ev.Content)
		}
		if final == nil || final.Content != g.reply || text.String() != g.reply || final.FinishReason != provider.FinishStop {
			t.Errorf("text %q, final %+v", text.String(), final)
		}
		if events < 10 {
			t.Errorf("%d events, want one for each token", events)
		}
	})
	run("leaving a stream", nil, func(t *testing.T, c *provider.Client) {
		for ev, err := range c.ChatStream(t.Context(), ask(g.question)) {
			if err != nil || ev.Content == "" {
				t.Errorf("first event %+v, %v", ev, err)
			}
			break
		}
		if _, err := c.Chat(t.Context(), ask(g.question)); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
	run("a bounded answer", nil, func(t *testing.T, c *provider.Client) {
		r := ask(g.question)
		r.MaxTokens = 3
		got, err := c.Chat(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got.FinishReason != provider.FinishLength || got.Content == "" || !strings.HasPrefix(g.reply, got.Content) || got.Content == g.reply {
			t.Errorf("got %q, finish %q", got.Content, got.FinishReason)
		}
	})
	run("schema", nil, func(t *testing.T, c *provider.Client) {
		r := ask(g.question)
		r.Schema = json.RawMessage(schema)
		got, err := c.Chat(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got.Content != g.jsonReply {
			t.Errorf("got %q, want %q", got.Content, g.jsonReply)
		}
		r.MaxTokens = 5
		_, err = c.Chat(t.Context(), r)
		wantFault(t, err, fault.Upstream, "cut at its length limit")
	})
	run("a text too long", nil, func(t *testing.T, c *provider.Client) {
		for _, call := range calls {
			_, err := call.run(t.Context(), c, ask(strings.Repeat("a ", 9000)))
			wantFault(t, err, fault.TooLarge, "too long")
			var e *provider.ContextError
			if !errors.As(err, &e) || e.Limit != g.limit || e.Needed <= e.Limit || g.counts && e.Needed < 9000 {
				t.Errorf("%s: %+v, want the limit %d and what is needed", call.name, e, g.limit)
			}
		}
	})
	run("a missing model", map[string]string{"OLLAMA_MODEL": "no-such", "VLLM_MODEL": "no-such"}, func(t *testing.T, c *provider.Client) {
		_, err := c.Chat(t.Context(), ask(g.question))
		wantFault(t, err, fault.Unavailable, "no-such", g.remedy)
		got := c.Status(t.Context())
		if got.State != provider.ModelMissing || got.Reachable || !strings.Contains(got.Reason, g.remedy) {
			t.Errorf("status %+v", got)
		}
		wantSentence(t, got.Reason)
	})
	run("embed", nil, func(t *testing.T, c *provider.Client) {
		// More than one batch, with a text that comes back.
		var texts []string
		for i := range 70 {
			texts = append(texts, strings.Repeat("rent ", i%7+1)+strings.Repeat("council ", i%5+1)+"advice")
		}
		got, err := c.Embed(t.Context(), provider.Document, texts)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Vectors) != len(texts) || got.Dimension != g.dimension || got.Provider != g.provider || got.Model != "nomic-embed-text" {
			t.Fatalf("%d vectors of %d components by %s %s", len(got.Vectors), got.Dimension, got.Provider, got.Model)
		}
		for i, one := range got.Vectors {
			if slices.Equal(one, got.Vectors[0]) != (texts[i] == texts[0]) {
				t.Errorf("vector %d is out of order", i)
			}
		}
		alone, err := c.Embed(t.Context(), provider.Document, texts[41:42])
		if err != nil {
			t.Fatal(err)
		}
		if near := cosine(alone.Vectors[0], got.Vectors[41]); near < 0.999 {
			t.Errorf("alone and in a batch: cosine %v", near)
		}
	})
	run("embed nothing", nil, func(t *testing.T, c *provider.Client) {
		got, err := c.Embed(t.Context(), provider.Document, nil)
		if err != nil || len(got.Vectors) != 0 || got.Dimension != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = c.Embed(t.Context(), provider.Document, []string{"a", " \n"})
		wantFault(t, err, fault.Invalid, "Text 2 of 2 is empty")
	})
	run("a text too long to embed", nil, func(t *testing.T, c *provider.Client) {
		_, err := c.Embed(t.Context(), provider.Document, []string{"short", strings.Repeat("rent ", 9000)})
		wantFault(t, err, fault.TooLarge, "too long")
		var e *provider.ContextError
		if !errors.As(err, &e) || e.Limit != g.embedLimit || e.Needed <= e.Limit || g.counts && e.Needed < 9000 {
			t.Errorf("%+v, want the limit %d and what is needed", e, g.embedLimit)
		}
	})
	run("tasks of embedding", nil, func(t *testing.T, c *provider.Client) {
		// Each task has its prefix: the same text has two vectors.
		var vectors [][]float32
		for _, task := range []provider.Task{provider.Document, provider.Query} {
			got, err := c.Embed(t.Context(), task, []string{"rent"})
			if err != nil {
				t.Fatal(err)
			}
			vectors = append(vectors, got.Vectors[0])
		}
		if slices.Equal(vectors[0], vectors[1]) {
			t.Error("a question is embedded as a document is")
		}
		found, err := c.EmbeddingIdentity(t.Context())
		if err != nil || found.DocumentPrefix != "search_document: " || found.QueryPrefix != "search_query: " || found.Dimension != g.dimension {
			t.Errorf("identity %+v, %v", found, err)
		}
	})
	run("embed with a missing model", map[string]string{"EMBEDDING_MODEL": "no-such"}, func(t *testing.T, c *provider.Client) {
		_, err := c.Embed(t.Context(), provider.Document, []string{"rent"})
		wantFault(t, err, fault.Unavailable, g.remedy)
	})
	run("describe", nil, func(t *testing.T, c *provider.Client) {
		got, err := c.Describe(t.Context(), look())
		if err != nil {
			t.Fatal(err)
		}
		if got.Content != g.sight || got.Model != "llava:7b" || got.FinishReason != provider.FinishStop {
			t.Errorf("got %+v", got)
		}
	})
	run("an image nobody looks at", map[string]string{"VISION_MODEL": g.model}, func(t *testing.T, c *provider.Client) {
		_, err := c.Describe(t.Context(), look())
		wantFault(t, err, fault.Unavailable, "VISION_MODEL", g.model)
	})
	run("bytes that are no image", nil, func(t *testing.T, c *provider.Client) {
		for _, r := range []provider.DescribeRequest{
			{Prompt: "What?", MediaType: "image/png", Image: []byte("no image at all")},
			{Prompt: "What?", MediaType: "image/png"},
			{Prompt: "What?", MediaType: "image/jpeg", Image: look().Image},
		} {
			_, err := c.Describe(t.Context(), r)
			wantFault(t, err, fault.Invalid, "The image is not what it is said to be")
		}
		_, err := c.Describe(t.Context(), provider.DescribeRequest{Prompt: "What?", MediaType: "image/tiff", Image: []byte("II*\x00")})
		wantFault(t, err, fault.Unsupported, "image/png")
	})
	run("status", nil, func(t *testing.T, c *provider.Client) {
		got := c.Status(t.Context())
		if got.Checked.IsZero() {
			t.Error("Checked is not set")
		}
		if len(got.Upstreams) != 3 || got.Upstreams[0].State != provider.Ready || got.Upstreams[0].Route != "text" {
			t.Errorf("upstreams %+v", got.Upstreams)
		}
		got.Checked, got.Upstreams = time.Time{}, nil
		want := provider.Status{Provider: g.provider, Model: g.model, State: provider.Ready, Reachable: true, Context: 8192}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if c.Model() != g.model || c.Provider() != g.provider {
			t.Errorf("model %q, provider %q", c.Model(), c.Provider())
		}
	})
	run("a caller who leaves", nil, func(t *testing.T, c *provider.Client) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Chat(ctx, ask(g.question))
		wantFault(t, err, fault.Canceled)
		_, err = c.Embed(ctx, provider.Document, []string{"rent"})
		wantFault(t, err, fault.Canceled)
	})
	for name := range unused {
		t.Errorf("the exception %q is of no case", name)
	}
	return nil
}

// calls are the two ways to ask for text. In both the error is that of the call.
var calls = []struct {
	name string
	run  func(context.Context, *provider.Client, provider.ChatRequest) (*provider.ChatResponse, error)
}{
	{"chat", func(ctx context.Context, c *provider.Client, r provider.ChatRequest) (*provider.ChatResponse, error) {
		return c.Chat(ctx, r)
	}},
	{"stream", func(ctx context.Context, c *provider.Client, r provider.ChatRequest) (final *provider.ChatResponse, err error) {
		for ev, e := range c.ChatStream(ctx, r) {
			final, err = ev.Final, e
		}
		return final, err
	}},
}

// open returns a client for the variables.
func open(t testing.TB, environ map[string]string) *provider.Client {
	t.Helper()
	c, err := provider.Open(config(t, environ), provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func config(t testing.TB, environ map[string]string) provider.Config {
	t.Helper()
	var cfg provider.Config
	if err := env.Load(&cfg, environ); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// loadError returns what is said of one variable's value.
func loadError(variable, value string) error {
	var cfg provider.Config
	return env.Load(&cfg, map[string]string{variable: value})
}

// with adds variables to those of a stub.
func with(up *providertest.Upstream, pairs ...string) map[string]string {
	environ := up.Environ()
	for i := 0; i < len(pairs); i += 2 {
		environ[pairs[i]] = pairs[i+1]
	}
	return environ
}

func ask(words string) provider.ChatRequest {
	return provider.ChatRequest{Messages: []provider.Message{
		{Role: provider.System, Content: "Answer from the manual."},
		{Role: provider.User, Content: words},
	}}
}

func look() provider.DescribeRequest {
	image, err := base64.StdEncoding.DecodeString(picture)
	if err != nil {
		panic(err) // a constant
	}
	return provider.DescribeRequest{Prompt: "What is on this page?", Image: image, MediaType: "image/png"}
}

// wantFault checks an error's kind and that its detail holds the words.
func wantFault(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind {
		t.Fatalf("got %v (%v), want a fault of kind %v", err, fault.KindOf(err), kind)
	}
	wantSentence(t, f.Detail)
	for _, w := range words {
		if !strings.Contains(f.Detail, w) {
			t.Errorf("detail %q lacks %q", f.Detail, w)
		}
	}
}

// wantSentence checks that a text is a sentence for people, not an error chain.
func wantSentence(t *testing.T, text string) {
	t.Helper()
	if !strings.HasSuffix(text, ".") || strings.Contains(text, "\n") || strings.Contains(text, "dial tcp") || strings.Contains(text, `Get "`) {
		t.Errorf("%q is not a sentence", text)
	}
}

// cosine of the angle between two vectors.
func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}
