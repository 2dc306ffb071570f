package migration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/enginetest"
	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/pkg/tinymodels"
)

// abstraction is what the services may ask of a model, whichever engine runs it.
type abstraction interface {
	Chat(context.Context, provider.ChatRequest) (*provider.ChatResponse, error)
	ChatStream(context.Context, provider.ChatRequest) iter.Seq2[provider.StreamEvent, error]
	Embed(context.Context, provider.Task, []string) (*provider.EmbedResponse, error)
	Describe(context.Context, provider.DescribeRequest) (*provider.ChatResponse, error)
	Status(context.Context) provider.Status
	Switch(context.Context, provider.Selection) error
	Close()
}

var _ abstraction = (*provider.Client)(nil)

// picture is a PNG of one pixel.
func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func question(text string) provider.ChatRequest {
	return provider.ChatRequest{Messages: []provider.Message{{Role: provider.User, Content: text}}}
}

// providerImports: there is one abstraction, and the same calls give the same
// answers on both engines.
func providerImports(t *testing.T, s *showing) {
	const reply = "You may apply for a breathing space."
	for _, engine := range []string{provider.Ollama, provider.VLLM} {
		var model abstraction = open(t, stub(t, engine, reply).Environ())
		ctx := t.Context()

		whole, err := model.Chat(ctx, question("What may I do?"))
		if err != nil || whole.Content != reply || whole.Provider != engine || whole.Model != modelOf(engine) || whole.Usage.OutputTokens == 0 {
			t.Errorf("%s: chat: %+v, %v", engine, whole, err)
		}
		var pieces []string
		for event, err := range model.ChatStream(ctx, question("What may I do?")) {
			if err != nil {
				t.Fatalf("%s: stream: %v", engine, err)
			}
			if event.Final == nil {
				pieces = append(pieces, event.Content)
			}
		}
		if len(pieces) < 2 || strings.Join(pieces, "") != reply {
			t.Errorf("%s: stream: %q", engine, pieces)
		}
		vectors, err := model.Embed(ctx, provider.Document, []string{"rent"})
		if err != nil || len(vectors.Vectors) != 1 || vectors.Dimension != providertest.Dimension {
			t.Errorf("%s: embed: %+v, %v", engine, vectors, err)
		}
		seen, err := model.Describe(ctx, provider.DescribeRequest{Prompt: "What is it?", Image: picture(t), MediaType: "image/png"})
		if err != nil || seen.Content != reply || seen.Model != "llava:7b" {
			t.Errorf("%s: describe: %+v, %v", engine, seen, err)
		}
		if status := model.Status(ctx); status.State != provider.Ready || status.Provider != engine {
			t.Errorf("%s: status: %+v", engine, status)
		}
	}
	s.shows("one client gives the same answers on Ollama and vLLM: chat, stream, embeddings, image, status")
}

// providerInitialisation: LLM_PROVIDER picks the engine, a wrong value is a
// typed error, and nothing need be there to begin with.
func providerInitialisation(t *testing.T, s *showing) {
	for _, tc := range []struct {
		name    string
		environ map[string]string
		// The first server that calls for text go to, and its model.
		provider, address, model string
	}{
		{"unset", nil, "ollama", "http://localhost:11434", "llama3.2"},
		{"ollama", map[string]string{"LLM_PROVIDER": "ollama", "OLLAMA_URL": "http://127.0.0.1:9", "OLLAMA_MODEL": "mistral"}, "ollama", "http://127.0.0.1:9", "mistral"},
		{"vllm", map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": "http://127.0.0.1:9", "VLLM_MODEL": "served"}, "vllm", "http://127.0.0.1:9", "served"},
		{"written otherwise", map[string]string{"LLM_PROVIDER": "vLLM", "VLLM_MODEL": "served"}, "vllm", "http://localhost:8000", "served"},
		{"auto", map[string]string{"LLM_PROVIDER": "auto", "VLLM_URL": "http://127.0.0.1:9", "VLLM_MODEL": "served", "OLLAMA_URL": "http://127.0.0.1:9"}, "vllm", "http://127.0.0.1:9", "served"},
		{"none", map[string]string{"LLM_PROVIDER": "none"}, "none", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := open(t, tc.environ) // with no server there
			if client.Model() != tc.model {
				t.Errorf("model %q", client.Model())
			}
			if tc.provider == provider.None {
				if _, err := client.Chat(t.Context(), question("?")); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.DetailOf(err), "LLM_PROVIDER") {
					t.Errorf("chat: %v", err)
				}
				return
			}
			upstreams := client.Status(t.Context()).Upstreams
			if len(upstreams) == 0 || upstreams[0].Provider != tc.provider || upstreams[0].Address != tc.address {
				t.Errorf("servers %+v", upstreams)
			}
		})
	}
	for _, wrong := range []struct{ variable, value string }{
		{"LLM_PROVIDER", "gpt"}, {"LLM_FALLBACK", "openai"}, {"VLLM_URL", "vllm:8000"}, {"OLLAMA_URL", "ftp://ollama"}, {"OLLAMA_MODEL", " "},
	} {
		_, err := load(map[string]string{wrong.variable: wrong.value})
		if err == nil || !strings.Contains(err.Error(), wrong.variable) || !strings.Contains(err.Error(), "accepted") {
			t.Errorf("%s=%q: %v", wrong.variable, wrong.value, err)
		}
	}
	up := stub(t, provider.Ollama, "Yes.")
	client := open(t, up.Environ())
	if asked := up.Requests(); len(asked) > 0 {
		t.Errorf("at its start the client sent %v", asked)
	}
	if err := client.Switch(t.Context(), provider.Selection{Provider: "gpt"}); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.DetailOf(err), "ollama, vllm") {
		t.Errorf("switched to gpt: %v", err)
	}
	if answer, err := client.Chat(t.Context(), question("Is it so?")); err != nil || answer.Provider != provider.Ollama {
		t.Errorf("after a refused switch: %+v, %v", answer, err)
	}
	s.shows("ollama, vllm, auto, none and unset choose the documented address and model with no server there and nothing sent; 5 wrong values refused by name, a switch to one as a typed error that changes nothing")
}

// embeddingsInitialisation: the embedding model is the configured one, its
// dimension is what the server sends, texts go in batches.
func embeddingsInitialisation(t *testing.T, s *showing) {
	const texts, batch = 70, 32
	for _, engine := range []string{provider.Ollama, provider.VLLM} {
		up := stub(t, engine, "")
		up.SetModels("nomic-embed-text", "bge-m3", "bge-m3:latest")
		environ := up.Environ()
		environ["EMBEDDING_MODEL"] = "bge-m3"
		got, err := open(t, environ).Embed(t.Context(), provider.Document, slices.Repeat([]string{"rent"}, texts))
		if err != nil || got.Model != "bge-m3" || got.Dimension != providertest.Dimension || len(got.Vectors) != texts {
			t.Fatalf("%s: %+v, %v", engine, got, err)
		}
		var sizes []int
		for _, r := range up.Requests() {
			var sent struct {
				Model string
				Input []string
			}
			if strings.Contains(r.Path, "embed") && json.Unmarshal(r.Body, &sent) == nil && len(sent.Input) > 0 {
				if sizes = append(sizes, len(sent.Input)); sent.Model != "bge-m3" {
					t.Errorf("%s: asked for %q", engine, sent.Model)
				}
			}
		}
		if !slices.Equal(sizes, []int{batch, batch, texts - 2*batch}) {
			t.Errorf("%s: batches of %v", engine, sizes)
		}
	}
	for variable, value := range map[string]string{"VLLM_EMBEDDING_URL": "bge:8006", "EMBEDDING_MODEL": " ", "EMBEDDING_PROVIDER": "openai"} {
		if _, err := load(map[string]string{variable: value}); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s=%q: %v", variable, value, err)
		}
	}
	s.shows("the configured model is asked, its dimension learnt from its vectors, %d texts sent in 3 batches; a wrong address, model or engine refused", texts)
}

// llmInitialisation: model, temperature and length are on the wire.
func llmInitialisation(t *testing.T, s *showing) {
	for _, engine := range []string{provider.Ollama, provider.VLLM} {
		up := stub(t, engine, "Yes.")
		client := open(t, up.Environ())
		for _, temperature := range []float64{0, 0.25} {
			r := question("Is it so?")
			r.Temperature, r.MaxTokens = temperature, 77
			if _, err := client.Chat(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			sent := chats(up, "")
			body := sent[len(sent)-1]
			var wire struct {
				Model       string
				Temperature *float64
				MaxTokens   int `json:"max_tokens"`
				Truncate    *bool
				Options     struct {
					Temperature *float64
					NumPredict  int `json:"num_predict"`
					NumCtx      int `json:"num_ctx"`
				}
			}
			if err := json.Unmarshal([]byte(body), &wire); err != nil {
				t.Fatal(err)
			}
			if engine == provider.Ollama {
				if wire.Truncate == nil || *wire.Truncate || wire.Options.NumCtx != 8192 {
					t.Errorf("ollama may cut the prompt: %s", body)
				}
				wire.Temperature, wire.MaxTokens = wire.Options.Temperature, wire.Options.NumPredict
			}
			if wire.Model != modelOf(engine) || wire.MaxTokens != 77 || wire.Temperature == nil || *wire.Temperature != temperature {
				t.Errorf("%s, temperature %v: sent %s", engine, temperature, body)
			}
		}
	}
	s.shows("model, temperature (0 too) and answer length are in the request of both protocols; Ollama is told its context and not to cut the prompt")
}

// embeddingsGeneration: as many vectors as texts, in order, or an error.
func embeddingsGeneration(t *testing.T, s *showing) {
	texts := []string{"rent arrears", "council tax", "rent arrears", "bailiffs"}
	for _, engine := range []string{provider.Ollama, provider.VLLM} {
		up := stub(t, engine, "")
		client := open(t, up.Environ())
		got, err := client.Embed(t.Context(), provider.Query, texts)
		if asked := len(up.Requests()); err != nil || len(got.Vectors) != len(texts) || asked != 1 {
			t.Fatalf("%s: in %d requests %+v, %v", engine, asked, got, err)
		}
		for i, v := range got.Vectors {
			same := slices.Equal(v, got.Vectors[0])
			if len(v) != got.Dimension || same != (i == 0 || i == 2) {
				t.Errorf("%s: vector %d: %v", engine, i, v)
			}
		}
		alone, err := client.Embed(t.Context(), provider.Query, texts[3:])
		if err != nil || !slices.Equal(alone.Vectors[0], got.Vectors[3]) {
			t.Errorf("%s: the order is not kept: %v", engine, err)
		}
		for fault, vectors := range map[string][]any{
			"one short":           {[]float32{1, 2}, []float32{1, 2}, []float32{1, 2}},
			"dimensions differ":   {[]float32{1, 2}, []float32{1, 2}, []float32{1, 2}, []float32{1}},
			"one empty":           {[]float32{1, 2}, []float32{1, 2}, []float32{1, 2}, []float32{}},
			"one zero throughout": {[]float32{1, 2}, []float32{1, 2}, []float32{1, 2}, []float32{0, 0}},
		} {
			up.Handle(embeds(vectors))
			if got, err := client.Embed(t.Context(), provider.Query, texts); err == nil {
				t.Errorf("%s: %s is taken: %v", engine, fault, got.Vectors)
			}
		}
	}
	s.shows("4 texts become 4 vectors of one length in order in one request on both engines; 4 kinds of wrong answer are errors")

	live := func(t *testing.T, environ map[string]string) {
		got, err := open(t, environ).Embed(t.Context(), provider.Query, texts)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Vectors) != len(texts) || got.Dimension == 0 {
			t.Errorf("%d vectors of %d dimensions", len(got.Vectors), got.Dimension)
		}
	}
	s.on(t, "a real Ollama "+enginetest.OllamaVersion, func(t *testing.T) string {
		server := enginetest.StartOllama(t)
		environ := map[string]string{"LLM_PROVIDER": "ollama", "OLLAMA_URL": server.URL}
		live(t, environ)
		got, err := open(t, environ).Embed(t.Context(), provider.Query, texts)
		if err != nil || !near(got.Vectors[0], got.Vectors[2]) || near(got.Vectors[0], got.Vectors[1]) {
			t.Errorf("the same text is not near itself, or another is: %v", err)
		}
		return "4 vectors in order from a tiny model"
	})
	s.on(t, "a simulator of vLLM", func(t *testing.T) string {
		server := enginetest.StartSim(t)
		live(t, map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": server.URL})
		return "4 vectors over vLLM's protocol; it is not vLLM, and the numbers mean nothing"
	})
}

// embeds answers a request for embeddings with vectors in either protocol.
func embeds(vectors []any) func(http.ResponseWriter, *http.Request) bool {
	data := make([]map[string]any, len(vectors))
	for i, v := range vectors {
		data[i] = map[string]any{"index": i, "object": "embedding", "embedding": v}
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "embed") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"model": "nomic-embed-text", "embeddings": vectors, "object": "list", "data": data,
		})
		return true
	}
}

// near tells vectors whose cosine is nearly 1.
func near(a, b []float32) bool {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab*ab > 0.99*aa*bb
}

// llmChatCompletion: a whole answer or an error, streamed or not; who leaves
// stops the work.
func llmChatCompletion(t *testing.T, s *showing) {
	const reply = "A breathing space lasts 60 days."
	for _, engine := range []string{provider.Ollama, provider.VLLM} {
		up := stub(t, engine, reply)
		client := open(t, up.Environ())
		whole, err := client.Chat(t.Context(), question("How long?"))
		if err != nil || whole.Content != reply || whole.FinishReason != provider.FinishStop {
			t.Errorf("%s: %+v, %v", engine, whole, err)
		}
		text, final, err := read(client.ChatStream(t.Context(), question("How long?")))
		if err != nil || text != reply || final == nil || final.Content != reply {
			t.Errorf("%s: streamed %q, %+v, %v", engine, text, final, err)
		}

		up.SetReply(" ")
		if got, err := client.Chat(t.Context(), question("How long?")); err == nil {
			t.Errorf("%s: a blank answer is taken: %+v", engine, got)
		}
		up.SetReply(reply)
		up.Cut()
		if got, err := client.Chat(t.Context(), question("How long?")); err == nil {
			t.Errorf("%s: half an answer is taken: %+v", engine, got)
		}

		up.Hang()
		ctx, leave := context.WithCancel(t.Context())
		before, failed := len(chats(up, "")), make(chan error, 1)
		go func() {
			_, err := client.Chat(ctx, question("How long?"))
			failed <- err
		}()
		eventually(t, "a call under way", func() bool { return len(chats(up, "")) > before })
		leave()
		<-up.Left() // the server saw the caller leave
		if err := <-failed; fault.KindOf(err) != fault.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: %v", engine, err)
		}
	}
	s.shows("whole and streamed answers are the server's words on both engines; a blank or a cut one is an error; cancelling closes the server's request")

	s.on(t, "a real Ollama "+enginetest.OllamaVersion, func(t *testing.T) string {
		server := enginetest.StartOllama(t)
		client := open(t, map[string]string{"LLM_PROVIDER": "ollama", "OLLAMA_URL": server.URL})
		whole, err := client.Chat(t.Context(), question("How long?"))
		if err != nil || whole.Content != tinymodels.Reply {
			t.Errorf("%+v, %v", whole, err)
		}
		if text, _, err := read(client.ChatStream(t.Context(), question("How long?"))); err != nil || text != tinymodels.Reply {
			t.Errorf("streamed %q, %v", text, err)
		}
		return "a tiny model's answer, whole and streamed"
	})
	s.on(t, "a simulator of vLLM", func(t *testing.T) string {
		server := enginetest.StartSim(t)
		client := open(t, map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": server.URL})
		whole, err := client.Chat(t.Context(), question("How long?"))
		if err != nil || whole.Content != "How long?" || whole.Model != enginetest.SimModel {
			t.Errorf("%+v, %v", whole, err)
		}
		if text, _, err := read(client.ChatStream(t.Context(), question("How long?"))); err != nil || text != "How long?" {
			t.Errorf("streamed %q, %v", text, err)
		}
		return "its echo, whole and streamed; it is not vLLM"
	})
}

// read returns the pieces of a stream put together, and its last event.
func read(events iter.Seq2[provider.StreamEvent, error]) (text string, final *provider.ChatResponse, err error) {
	for event, err := range events {
		if err != nil {
			return text, nil, err
		}
		if event.Final != nil {
			final = event.Final // its Content is the whole answer once more
			continue
		}
		text += event.Content
	}
	return text, final, nil
}
