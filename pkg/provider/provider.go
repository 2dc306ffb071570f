package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"signpost.internal/pkg/fault"
)

// Role says who speaks a [Message].
type Role string

// The roles that both engines know.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// The finish reasons that both engines give. Others are passed on as they come.
const (
	FinishStop   = "stop"   // the model ended its answer
	FinishLength = "length" // the answer was cut at MaxTokens or at the end of the context
)

// DefaultModel is the model name by which clients of the services mean "the
// configured one", under any provider.
const DefaultModel = "llama3.2"

// Message is one turn of a conversation. Content is never empty.
type Message struct {
	Role    Role
	Content string
}

// ChatRequest asks for the next turn.
type ChatRequest struct {
	// Model is empty or DefaultModel for the configured model; others must be
	// allowed (see CheckModel).
	Model    string
	Messages []Message
	// MaxTokens bounds the answer; 0 leaves it to the engine.
	MaxTokens int
	// Temperature is sent as it is, 0 to 2; 0 is greedy.
	Temperature float64
	// Schema is a JSON schema that the answer must follow; nil for free text.
	Schema json.RawMessage
}

// DescribeRequest asks for a text about an image.
type DescribeRequest struct {
	Prompt    string
	Image     []byte
	MediaType string // image/png, image/jpeg or image/webp
	MaxTokens int    // 0 leaves it to the engine
}

// Usage counts tokens as the engine does; zeros mean that it did not say.
type Usage struct{ InputTokens, OutputTokens int }

// ChatResponse is a whole answer.
type ChatResponse struct {
	Content string // never blank
	// Reasoning is what the model thought aloud before its answer. It is not
	// part of the answer and not checked by anyone.
	Reasoning    string
	Provider     string
	Model        string // as the engine names it
	Usage        Usage
	FirstToken   time.Duration // from the call to the first token, reasoning included
	FinishReason string        // FinishStop, FinishLength or the engine's own word
}

// StreamEvent is a piece of an answer, or its end.
type StreamEvent struct {
	Content   string
	Reasoning string
	// Final is nil but on the last event, which has no text of its own; its
	// Content is the whole answer.
	Final *ChatResponse
}

// EmbedResponse holds one vector for each text, in the order of the texts.
type EmbedResponse struct {
	Vectors   [][]float32 // all of Dimension components, finite, none of them zero throughout
	Dimension int         // 0 when there were no texts
	Provider  string
	Model     string
	Usage     Usage
}

// Options are what the program sets.
type Options struct {
	Logger *slog.Logger // nil discards
}

// Client talks to the configured engine. Its methods may be called at the same
// time; all errors of calls are faults.
type Client struct {
	cfg         Config
	provider    string // lower case
	embedding   string // lower case
	text        driver // chat and images
	embedder    driver
	logger      *slog.Logger
	discovered  atomic.Pointer[string] // the model found on the server, when none is configured
	seeing      sync.Map               // names of the models known to read images
	probe       probe
	accepted    []string // model names of requests, besides DefaultModel
	embedderOwn bool     // embedder is not text
}

// Open returns a client for the configuration, or an error that lists all of
// its faults. It touches no network.
func Open(cfg Config, o Options) (*Client, error) {
	if err := errors.Join(cfg.Validate()...); err != nil {
		return nil, err
	}
	c := &Client{
		cfg:       cfg,
		provider:  strings.ToLower(cfg.Provider),
		embedding: cfg.embeddingProvider(),
		logger:    o.Logger,
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.text, err = newDriver(cfg, c.provider, "LLM_PROVIDER", "VLLM_URL", cfg.VLLMURL); err != nil {
		return nil, err
	}
	c.embedder = c.text
	if c.embedding != c.provider || c.embedding == VLLM && cfg.VLLMEmbeddingURL != "" {
		c.embedderOwn = true
		if c.embedder, err = newDriver(cfg, c.embedding, "EMBEDDING_PROVIDER", "VLLM_EMBEDDING_URL", cfg.vllmEmbeddingURL()); err != nil {
			return nil, err
		}
	}
	for _, name := range append([]string{c.configured()}, cfg.AllowedModels...) {
		if name = strings.TrimSpace(name); name != "" && name != DefaultModel && !slices.Contains(c.accepted, name) {
			c.accepted = append(c.accepted, name)
		}
	}
	return c, nil
}

func newDriver(cfg Config, name, variable, vllmVariable, vllmURL string) (driver, error) {
	switch name {
	case Ollama:
		base, err := parseURL(cfg.OllamaURL)
		if err != nil {
			return nil, err
		}
		return newOllama(base, cfg.OllamaContext), nil
	case VLLM:
		base, err := parseURL(vllmURL)
		if err != nil {
			return nil, err
		}
		return newVLLM(base, vllmVariable, cfg.VLLMAPIKey), nil
	}
	return noDriver{variable: variable}, nil
}

// Close waits for a probe under way and frees idle connections. Calls under way
// are their callers' to cancel.
func (c *Client) Close() {
	c.probe.wait()
	c.text.close()
	if c.embedderOwn {
		c.embedder.close()
	}
}

// Provider returns the active provider: ollama, vllm or none.
func (c *Client) Provider() string { return c.provider }

// Model returns the name of the configured model. It is empty for none, and for
// vLLM without VLLM_MODEL until the server was first asked.
func (c *Client) Model() string {
	if found := c.discovered.Load(); found != nil {
		return *found
	}
	return c.configured()
}

func (c *Client) configured() string {
	switch c.provider {
	case Ollama:
		return c.cfg.OllamaModel
	case VLLM:
		return c.cfg.VLLMModel
	}
	return ""
}

// CheckModel returns nil for a model that a request may name: none, the word
// for the configured one (DefaultModel), the configured one, and those of
// LLM_ALLOWED_MODELS. For any other it is a fault.Invalid that lists these.
func (c *Client) CheckModel(model string) error {
	if model == "" || model == DefaultModel || slices.Contains(c.accepted, model) || model == c.Model() {
		return nil
	}
	accepted := append([]string{DefaultModel + " (the configured model)"}, c.accepted...)
	detail := "This model is not offered. Accepted are: " + strings.Join(accepted, ", ") + "."
	err := fault.New(fault.Invalid, detail)
	err.Fields = []fault.Field{{Name: "model", Detail: detail}}
	return err
}

// resolve returns the name under which the engine knows a request's model.
func (c *Client) resolve(ctx context.Context, model string) (string, error) {
	if err := c.CheckModel(model); err != nil {
		return "", err
	}
	if model != "" && model != DefaultModel {
		return model, nil
	}
	if name := c.Model(); name != "" || c.provider != VLLM {
		return name, nil
	}
	names, err := c.text.models(ctx)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fault.New(fault.Unavailable, "vLLM serves no model: start it with `vllm serve` and a model's name.")
	}
	c.discovered.Store(&names[0])
	return names[0], nil
}

// Chat returns the model's whole answer. FinishLength may cut free text, which
// the caller sees by the finish reason; with a Schema it is an error.
func (c *Client) Chat(ctx context.Context, r ChatRequest) (*ChatResponse, error) {
	return c.converse(ctx, r, nil, func(delta) bool { return true })
}

// ChatStream yields the model's answer piece by piece and at the end one event
// with Final set. An error is the last thing it yields; what came before it is
// then a fragment. Leaving the loop stops the engine's work.
func (c *Client) ChatStream(ctx context.Context, r ChatRequest) iter.Seq2[StreamEvent, error] {
	return func(yield func(StreamEvent, error) bool) {
		final, err := c.converse(ctx, r, nil, func(d delta) bool {
			return yield(StreamEvent{Content: d.content, Reasoning: d.reasoning}, nil)
		})
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(StreamEvent{}, err)
		default:
			yield(StreamEvent{Final: final}, nil)
		}
	}
}

// Describe returns what the vision model (VISION_MODEL) says about an image.
func (c *Client) Describe(ctx context.Context, r DescribeRequest) (*ChatResponse, error) {
	switch r.MediaType {
	case "image/png", "image/jpeg", "image/webp":
	default:
		return nil, fault.New(fault.Unsupported, "The image's type is not handled. Accepted are image/png, image/jpeg and image/webp.")
	}
	// Bytes that are no image at all can bring down the engine's process.
	if found := http.DetectContentType(r.Image); found != r.MediaType {
		return nil, fault.Newf(fault.Invalid, "The image is not what it is said to be: its bytes are not %s.", r.MediaType)
	}
	return c.converse(ctx, ChatRequest{
		Messages:  []Message{{Role: User, Content: r.Prompt}},
		MaxTokens: r.MaxTokens,
	}, &image{mediaType: r.MediaType, data: r.Image}, func(delta) bool { return true })
}

// converse checks a request, runs it and checks the answer. Each piece of text
// is handed to emit; when that returns false, the error is errStopped.
func (c *Client) converse(ctx context.Context, r ChatRequest, img *image, emit func(delta) bool) (*ChatResponse, error) {
	if err := checkRequest(r); err != nil {
		return nil, err
	}
	began := time.Now()
	ctx, watch := startWatch(ctx, c.cfg.FirstTokenTimeout)
	defer watch.stop()

	model := c.cfg.VisionModel
	if img == nil {
		var err error
		if model, err = c.resolve(ctx, r.Model); err != nil {
			return nil, c.text.engine().classify(ctx, c.Model(), err)
		}
	}
	if img != nil {
		if err := c.checkSight(ctx, model); err != nil {
			return nil, err
		}
	}
	var (
		split              splitter
		content, reasoning strings.Builder
		first              time.Duration
	)
	pass := func(answer, thought string) bool {
		content.WriteString(answer)
		reasoning.WriteString(thought)
		return answer == "" && thought == "" || emit(delta{content: answer, reasoning: thought})
	}
	end, err := c.text.chat(ctx, call{
		model: model, messages: r.Messages, image: img,
		maxTokens: r.MaxTokens, temperature: r.Temperature, schema: r.Schema,
	}, func(d delta) bool {
		watch.progress(c.cfg.IdleTimeout)
		if first == 0 {
			first = time.Since(began)
		}
		answer, thought := split.add(d.content)
		return pass(answer, d.reasoning+thought)
	})
	if err == nil && !pass(split.end()) {
		err = errStopped
	}
	switch {
	case errors.Is(err, errStopped):
		return nil, errStopped
	case img != nil && refusesImage(err):
		return nil, blind(model, err)
	case err != nil:
		err = c.text.engine().classify(ctx, model, err)
		var status *statusError
		if errors.As(err, &status) && status.code == 404 {
			c.discovered.Store(nil) // the server may have another model by now
		}
		return nil, err
	}
	answer := &ChatResponse{
		Content:      content.String(),
		Reasoning:    reasoning.String(),
		Provider:     c.provider,
		Model:        end.model,
		Usage:        end.usage,
		FirstToken:   first,
		FinishReason: end.reason,
	}
	if answer.Model == "" {
		answer.Model = model
	}
	return answer, c.checkAnswer(ctx, answer, r.Schema != nil)
}

// checkSight returns an error for a model that does not read images. A model is
// asked for until it does.
func (c *Client) checkSight(ctx context.Context, model string) error {
	if _, known := c.seeing.Load(model); known {
		return nil
	}
	switch sees, err := c.text.sees(ctx, model); {
	case err != nil:
		return c.text.engine().classify(ctx, model, err)
	case !sees:
		return blind(model, nil)
	}
	c.seeing.Store(model, nil)
	return nil
}

func checkRequest(r ChatRequest) error {
	if len(r.Messages) == 0 {
		return fault.New(fault.Invalid, "There is no message to answer.")
	}
	for i, m := range r.Messages {
		if m.Role != System && m.Role != User && m.Role != Assistant {
			return fault.Newf(fault.Invalid, "Message %d has an unknown role. Accepted are system, user and assistant.", i+1)
		}
		if strings.TrimSpace(m.Content) == "" {
			return fault.Newf(fault.Invalid, "Message %d is empty.", i+1)
		}
	}
	if r.MaxTokens < 0 {
		return fault.New(fault.Invalid, "The number of tokens is negative.")
	}
	if !(r.Temperature >= 0 && r.Temperature <= 2) {
		return fault.New(fault.Invalid, "The temperature is not between 0 and 2.")
	}
	if r.Schema != nil && !json.Valid(r.Schema) {
		return fault.New(fault.Invalid, "The schema is not JSON.")
	}
	return nil
}

// checkAnswer returns an error for a complete answer that is of no use.
func (c *Client) checkAnswer(ctx context.Context, a *ChatResponse, structured bool) error {
	e := c.text.engine()
	switch {
	case strings.TrimSpace(a.Content) == "" && strings.TrimSpace(a.Reasoning) != "":
		return fault.Wrap(fault.Upstream, errEmpty, e.name+" thought aloud and gave no answer: allow it more tokens, or use a model that does not reason.")
	case strings.TrimSpace(a.Content) == "":
		return e.classify(ctx, a.Model, errEmpty)
	case structured && a.FinishReason == FinishLength:
		return fault.Wrap(fault.Upstream, errIncomplete, "The structured answer was cut at its length limit.")
	case structured && !json.Valid([]byte(a.Content)):
		return fault.Wrap(fault.Upstream, errGarbled, "The structured answer is not JSON.")
	}
	return nil
}

// embedBatch is how many texts go to the engine in one request. Both engines
// work through a batch one text after the other, or nearly.
const embedBatch = 32

// Embed returns a vector for each text. A text longer than the embedding
// model's context is a ContextError; nothing is cut. No text may be blank.
func (c *Client) Embed(ctx context.Context, texts []string) (*EmbedResponse, error) {
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			return nil, fault.Newf(fault.Invalid, "Text %d of %d is empty.", i+1, len(texts))
		}
	}
	out := &EmbedResponse{Vectors: make([][]float32, 0, len(texts)), Provider: c.embedding, Model: c.cfg.EmbeddingModel}
	for batch := range slices.Chunk(texts, embedBatch) {
		vectors, tokens, err := c.embedOne(ctx, batch)
		if err != nil {
			return nil, err
		}
		out.Vectors = append(out.Vectors, vectors...)
		out.Usage.InputTokens += tokens
	}
	if len(out.Vectors) > 0 {
		out.Dimension = len(out.Vectors[0])
	}
	if err := checkVectors(out.Vectors, len(texts)); err != nil {
		return nil, c.embedder.engine().classify(ctx, c.cfg.EmbeddingModel, err)
	}
	return out, nil
}

func (c *Client) embedOne(ctx context.Context, texts []string) ([][]float32, int, error) {
	ctx, watch := startWatch(ctx, c.cfg.FirstTokenTimeout)
	defer watch.stop()
	vectors, tokens, err := c.embedder.embed(ctx, c.cfg.EmbeddingModel, texts)
	if err == nil && len(vectors) != len(texts) {
		err = fmt.Errorf("%w: %d for %d texts", errMismatch, len(vectors), len(texts))
	}
	if err != nil {
		return nil, 0, c.embedder.engine().classify(ctx, c.cfg.EmbeddingModel, err)
	}
	return vectors, tokens, nil
}

// checkVectors checks that there are count vectors of one dimension, each of
// finite numbers that are not all zero.
func checkVectors(vectors [][]float32, count int) error {
	if len(vectors) != count {
		return fmt.Errorf("%w: %d for %d texts", errMismatch, len(vectors), count)
	}
	for i, v := range vectors {
		if len(v) == 0 || len(v) != len(vectors[0]) {
			return fmt.Errorf("%w: vector %d has %d components, the first has %d", errMismatch, i, len(v), len(vectors[0]))
		}
		zero := true
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("%w: vector %d is not finite", errMismatch, i)
			}
			zero = zero && x == 0
		}
		if zero {
			return fmt.Errorf("%w: vector %d is zero", errMismatch, i)
		}
	}
	return nil
}

// watch ends a call that makes no progress.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	late   atomic.Pointer[error] // why the call would be ended now
}

// startWatch returns a context that ends with the cause errSlowStart after
// timeout, unless there is progress before.
func startWatch(ctx context.Context, timeout time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel}
	w.late.Store(&errSlowStart)
	w.timer = time.AfterFunc(timeout, func() { cancel(*w.late.Load()) })
	return ctx, w
}

// progress allows the call idle more until the next progress.
func (w *watch) progress(idle time.Duration) {
	w.late.Store(&errStalled)
	w.timer.Reset(idle)
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
