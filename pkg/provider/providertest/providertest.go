// Package providertest has stub servers for the tests of what uses package
// provider: they listen on 127.0.0.1, speak the wire protocols of Ollama and
// vLLM as documented, and answer with a fixed text.
//
//	up := providertest.NewOllama(t, "You may apply for a breathing space.")
//	var cfg provider.Config
//	err := env.Load(&cfg, up.Environ())
//
// What is true of the real servers is true of the stubs where a client could
// depend on it: names of models are checked, a prompt over the context length is
// refused, max_tokens cuts the answer, and the first event of a vLLM stream has
// no text. Tokens are words.
package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Dimension is the number of components of the stubs' vectors.
const Dimension = 8

// VLLMModel is the model that a vLLM stub lists first.
const VLLMModel = "served-model"

// Request is a request that a stub received.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         []byte
}

// Upstream is a stub server. Its methods may be called at the same time.
type Upstream struct {
	// URL is the server's base address, without a path.
	URL string

	server   *httptest.Server
	provider string // value of LLM_PROVIDER
	left     chan struct{}

	mu       sync.Mutex
	reply    string
	models   []string
	registry []string // what can be pulled
	context  int
	key      string
	handler  func(http.ResponseWriter, *http.Request) bool
	requests []Request
}

// NewOllama starts a stub of Ollama that answers every chat with reply. It has
// the models llama3.2:latest, nomic-embed-text:latest and llava:7b.
func NewOllama(t testing.TB, reply string) *Upstream {
	t.Helper()
	u := &Upstream{provider: "ollama", models: []string{"llama3.2:latest", "nomic-embed-text:latest", "llava:7b"}}
	return u.start(t, reply, u.ollama)
}

// NewVLLM starts a stub of vLLM that answers every chat with reply. It serves
// VLLMModel, and nomic-embed-text and llava:7b beside it, as no real one does.
func NewVLLM(t testing.TB, reply string) *Upstream {
	t.Helper()
	u := &Upstream{provider: "vllm", models: []string{VLLMModel, "nomic-embed-text", "llava:7b"}}
	return u.start(t, reply, u.vllm)
}

func (u *Upstream) start(t testing.TB, reply string, serve http.HandlerFunc) *Upstream {
	u.reply, u.context, u.left = reply, 8192, make(chan struct{}, 1024)
	u.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client left
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		u.mu.Lock()
		u.requests = append(u.requests, Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: body})
		handler := u.handler
		u.mu.Unlock()
		if handler == nil || !handler(w, r) {
			serve(w, r)
		}
	}))
	u.URL = u.server.URL
	t.Cleanup(u.Close)
	return u
}

// Close stops the server; connections to it are refused from then on. It need
// not be called: the test's end does.
func (u *Upstream) Close() {
	u.server.CloseClientConnections()
	u.server.Close()
}

// Environ returns the variables that point a service at this server, and at no
// other.
func (u *Upstream) Environ() map[string]string {
	return map[string]string{
		"LLM_PROVIDER": u.provider, strings.ToUpper(u.provider) + "_URL": u.URL,
		"VISION_PROVIDER": u.provider, "LLM_FALLBACK": "none",
	}
}

// Requests returns what was received so far.
func (u *Upstream) Requests() []Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.requests)
}

// Left receives a value each time that a client goes away from a request that
// hangs or stalls (see Hang and Stall).
func (u *Upstream) Left() <-chan struct{} { return u.left }

// SetReply changes the answer.
func (u *Upstream) SetReply(reply string) { u.set(func() { u.reply = reply }) }

// SetModels changes the models that the server has, as its list names them.
func (u *Upstream) SetModels(names ...string) { u.set(func() { u.models = names }) }

// SetContext changes the context length that the server gives its models; a
// shorter num_ctx in a request to Ollama wins.
func (u *Upstream) SetContext(tokens int) { u.set(func() { u.context = tokens }) }

// RequireKey makes a vLLM stub refuse requests without this key.
func (u *Upstream) RequireKey(key string) { u.set(func() { u.key = key }) }

// Handle lets fn answer each request in the server's place; false leaves the
// request to the server. Nil takes a former one away.
func (u *Upstream) Handle(fn func(http.ResponseWriter, *http.Request) bool) {
	u.set(func() { u.handler = fn })
}

// Fail makes every request fail with the status and an error in the server's
// shape. 0 ends it.
func (u *Upstream) Fail(status int) {
	if status == 0 {
		u.Handle(nil)
		return
	}
	u.Handle(func(w http.ResponseWriter, _ *http.Request) bool {
		u.fail(w, status, "induced failure")
		return true
	})
}

// Cut makes the server break the connection in the middle of each answer.
func (u *Upstream) Cut() {
	u.Handle(func(w http.ResponseWriter, r *http.Request) bool {
		if isChat(r) {
			u.mu.Lock()
			half := u.reply[:len(u.reply)/2]
			u.mu.Unlock()
			var req chatRequest
			_ = json.NewDecoder(r.Body).Decode(&req) // the model's name is all that is wanted
			for _, piece := range pieces(half) {
				u.delta(w, req.Model, piece)
			}
			panic(http.ErrAbortHandler)
		}
		return false
	})
}

// Stall makes the server send the first piece of each answer and then nothing
// until the client goes away.
func (u *Upstream) Stall() {
	u.Handle(func(w http.ResponseWriter, r *http.Request) bool {
		if !isChat(r) {
			return false
		}
		u.mu.Lock()
		first := pieces(u.reply)[0]
		u.mu.Unlock()
		u.delta(w, VLLMModel, first)
		<-r.Context().Done()
		u.left <- struct{}{}
		return true
	})
}

// Hang makes the server send no token until the client goes away.
func (u *Upstream) Hang() {
	u.Handle(func(_ http.ResponseWriter, r *http.Request) bool {
		if !isChat(r) {
			return false
		}
		<-r.Context().Done()
		u.left <- struct{}{}
		return true
	})
}

func (u *Upstream) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

func isChat(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/chat") || strings.HasSuffix(r.URL.Path, "/chat/completions")
}

// chatRequest is what the stubs read of both protocols.
type chatRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Stream        *bool           `json:"stream"`
	StreamOptions json.RawMessage `json:"stream_options"`
	MaxTokens     int             `json:"max_tokens"`
	Truncate      *bool           `json:"truncate"`
	Options       struct {
		NumCtx     int `json:"num_ctx"`
		NumPredict int `json:"num_predict"`
	} `json:"options"`
}

// words counts the prompt's tokens.
func (r chatRequest) words() int {
	n := 0
	for _, m := range r.Messages {
		n += len(strings.Fields(string(m.Content)))
	}
	return n
}

// answer returns the pieces of the reply and why it ends.
func (u *Upstream) answer(limit int) (parts []string, finish string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	parts, finish = pieces(u.reply), "stop"
	if limit > 0 && len(parts) > limit {
		parts, finish = parts[:limit], "length"
	}
	return parts, finish
}

// pieces cuts a text into words with the space before them.
func pieces(text string) []string {
	var parts []string
	for text != "" {
		end := strings.IndexByte(text[1:], ' ') + 1
		if end == 0 {
			end = len(text)
		}
		parts, text = append(parts, text[:end]), text[end:]
	}
	return parts
}

func (u *Upstream) has(model string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Contains(u.models, model) || u.provider == "ollama" && slices.Contains(u.models, model+":latest")
}

func (u *Upstream) limit() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.context
}

// fail writes an error in the server's shape.
func (u *Upstream) fail(w http.ResponseWriter, status int, message string) {
	if u.provider == "ollama" {
		send(w, status, map[string]any{"error": message})
		return
	}
	send(w, status, map[string]any{"error": map[string]any{
		"message": message, "type": http.StatusText(status), "param": nil, "code": status,
	}})
}

// delta writes one piece of a stream.
func (u *Upstream) delta(w http.ResponseWriter, model, piece string) {
	if u.provider == "ollama" {
		u.ollamaLine(w, model, piece)
		return
	}
	event(w, chunk(model, []any{map[string]any{
		"index": 0, "delta": map[string]any{"content": piece}, "logprobs": nil, "finish_reason": nil,
	}}))
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // only a client that left makes it fail
}

func flush(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush() // the recorder of httptest flushes too
}

// Vector returns the stubs' vector for a text: of unit length, and the same each time.
func Vector(text string) []float32 {
	v := make([]float32, Dimension)
	var sum float64
	for i := range v {
		h := fnv.New32a()
		_, _ = h.Write(append([]byte{byte(i)}, text...)) // a hash does not fail
		v[i] = float32(h.Sum32()%2000)/1000 - 1
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

func base64Vector(v []float32) string {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
