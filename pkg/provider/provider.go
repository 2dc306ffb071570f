package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.opentelemetry.io/otel/trace"

	"signpost.internal/pkg/egress"
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
	// Schema is a JSON schema that the answer must follow; nil for free text. An
	// answer that does not is sent back to the model once, unless it is streamed.
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
	Reasoning string
	Provider  string
	Model     string // as the engine names it
	// Fallback says, in ASCII, why the first choice did not answer, such as
	// "vllm unreachable"; empty when it did.
	Fallback     string
	Usage        Usage
	QueueTime    time.Duration // waited for a place on the server
	FirstToken   time.Duration // from the call to the first token, reasoning included
	FinishReason string        // FinishStop, FinishLength or the engine's own word
}

// StreamEvent is a piece of an answer, a seam, or the end.
type StreamEvent struct {
	Content   string
	Reasoning string
	// Seam is not nil where a server failed in the middle of its answer: what
	// the stream yielded before is void, and another begins anew. Such an event
	// has no text.
	Seam *Seam
	// Final is nil but on the last event, which has no text of its own; its
	// Content is the whole answer.
	Final *ChatResponse
}

// Seam says which server failed in the middle of its answer, and which begins
// anew.
type Seam struct {
	FromProvider, FromModel string
	ToProvider, ToModel     string
	Reason                  string // one word
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
	// Observe is told of each attempt that ended; nil for nobody. It is called
	// by many at the same time and must not block.
	Observe func(Attempt)
	// Switched is told of each switch, with the provider that is now in force;
	// nil for nobody.
	Switched func(provider string)
	// TracerProvider gets a span for each attempt, by OpenTelemetry's
	// conventions for generative models; nil for none. What is asked and answered
	// is in no span, and model servers are sent no trace headers.
	TracerProvider trace.TracerProvider
	// Dialer connects to the model servers, which it is told of; nil for one of
	// the client's own.
	Dialer *egress.Dialer
}

// Attempt is a call to one server, as metrics see it.
type Attempt struct {
	Operation  string // chat, describe or embed
	Provider   string
	Model      string // empty when it was not found out
	Outcome    string // ok, or in one word why not
	Number     int    // 1 for the first server tried by a call
	Usage      Usage
	QueueTime  time.Duration
	FirstToken time.Duration // from the attempt's begin; 0 for none
	Duration   time.Duration
}

// Client talks to the configured engines. Its methods may be called at the same
// time; all errors of calls are faults.
type Client struct {
	cfg      Config // of the environment
	logger   *slog.Logger
	dialer   *egress.Dialer
	observe  func(Attempt)
	switched func(string)
	repeat   failsafe.Executor[*ChatResponse]
	dog      *watchdog
	tracer   trace.Tracer // nil where nobody traces
	routes   atomic.Pointer[routes]
	active   atomic.Pointer[string] // the provider that answered last
	identity identity
	probe    probe
	pulls    pulls

	switching sync.Mutex
	life      context.Context // ends with Close
	end       context.CancelFunc
	group     sync.WaitGroup // what runs in the background
}

// Open returns a client for the configuration, or an error that lists all of
// its faults. It reads PROVIDER_FILE where one is set and touches no network. The
// caller closes the client.
func Open(cfg Config, o Options) (*Client, error) {
	if err := errors.Join(cfg.Validate()...); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, logger: o.Logger, observe: o.Observe, switched: o.Switched, repeat: newRepeat(), dog: newWatchdog(), tracer: newTracer(o.TracerProvider)}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.dialer = o.Dialer; c.dialer == nil {
		c.dialer = egress.New(egress.Config{}, c.logger)
	}
	var read file
	if cfg.File != "" {
		var err error
		if read, err = readFile(cfg.File); err != nil {
			return nil, fmt.Errorf("PROVIDER_FILE: %w", err)
		}
		if cfg, err = c.settings(read.content); err != nil {
			return nil, fmt.Errorf("PROVIDER_FILE: %s: %w", c.cfg.File, err)
		}
		if err := errors.Join(cfg.Validate()...); err != nil {
			return nil, fmt.Errorf("PROVIDER_FILE: %s: %w", c.cfg.File, err)
		}
	}
	r, err := newRoutes(cfg, c.dialer, nil)
	if err != nil {
		return nil, err
	}
	c.routes.Store(r)
	c.life, c.end = context.WithCancel(context.Background())
	if cfg.File != "" {
		c.group.Go(func() { c.watchFile(read) })
	}
	return c, nil
}

// Close ends what runs in the background and frees idle connections. Calls
// under way are their callers' to cancel.
func (c *Client) Close() {
	c.pulls.mu.Lock()
	c.end()
	c.pulls.mu.Unlock()
	c.group.Wait()
	c.switching.Lock()
	defer c.switching.Unlock()
	for _, u := range c.routes.Load().upstreams {
		u.driver.close()
	}
}

// Provider returns the active provider: ollama, vllm or none. With auto it is
// the one that answered last, and auto until one did.
func (c *Client) Provider() string {
	r := c.routes.Load()
	if active := c.active.Load(); r.provider == Auto && active != nil {
		return *active
	}
	return r.provider
}

// Model returns the name of the configured model of the first choice. It is
// empty for none, and for vLLM without VLLM_MODEL until the server was asked.
func (c *Client) Model() string {
	if t, ok := c.routes.Load().first(); ok {
		return t.name("")
	}
	return ""
}

// CheckModel returns nil for a model that a request may name: none, the word
// for the configured one (DefaultModel), the configured one, and those of
// LLM_ALLOWED_MODELS. For any other it is a fault.Invalid that lists these.
func (c *Client) CheckModel(model string) error {
	return c.routes.Load().check(model)
}

func (r *routes) check(model string) error {
	if r.own(model) || slices.Contains(r.accepted, model) {
		return nil
	}
	accepted := append([]string{DefaultModel + " (the configured model)"}, r.accepted...)
	detail := "This model is not offered. Accepted are: " + strings.Join(accepted, ", ") + "."
	err := fault.New(fault.Invalid, detail)
	err.Fields = []fault.Field{{Name: "model", Detail: detail}}
	return err
}

// Chat returns a whole answer. FinishLength may cut free text, which the caller
// sees by the finish reason; with a Schema it is an error.
func (c *Client) Chat(ctx context.Context, r ChatRequest) (*ChatResponse, error) {
	return c.converse(ctx, conversation{operation: "chat", request: r})
}

// ChatStream yields an answer piece by piece and at the end one event with Final
// set. An error is the last thing it yields; what came before it is then a
// fragment. Leaving the loop stops the engine's work.
func (c *Client) ChatStream(ctx context.Context, r ChatRequest) iter.Seq2[StreamEvent, error] {
	return func(yield func(StreamEvent, error) bool) {
		final, err := c.converse(ctx, conversation{operation: "chat", request: r, emit: func(e StreamEvent) bool { return yield(e, nil) }})
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
	return c.converse(ctx, conversation{
		operation: "describe",
		request:   ChatRequest{Messages: []Message{{Role: User, Content: r.Prompt}}, MaxTokens: r.MaxTokens},
		image:     &image{mediaType: r.MediaType, data: r.Image},
	})
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
	return nil
}

// noFiles keeps a schema from referring to what is outside it.
type noFiles struct{}

// Load refuses.
func (noFiles) Load(string) (any, error) { return nil, errors.New("the schema refers to another") }

// compile reads a JSON schema; nil stays nil.
func compile(schema json.RawMessage) (*jsonschema.Schema, error) {
	if schema == nil {
		return nil, nil
	}
	const name = "schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noFiles{})
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err == nil {
		err = compiler.AddResource(name, document)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The schema is not JSON.")
	}
	form, err := compiler.Compile(name)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The schema is not a JSON schema.")
	}
	return form, nil
}

// checkAnswer returns an error for a complete answer that is of no use.
func checkAnswer(ctx context.Context, e engine, a *ChatResponse, form *jsonschema.Schema) error {
	switch {
	case strings.TrimSpace(a.Content) == "" && strings.TrimSpace(a.Reasoning) != "":
		return fault.Wrap(fault.Upstream, errThoughts, e.name+" thought aloud and gave no answer: allow it more tokens, or use a model that does not reason.")
	case strings.TrimSpace(a.Content) == "":
		return e.classify(ctx, a.Model, errEmpty)
	case form == nil:
		return nil
	case a.FinishReason == FinishLength:
		return fault.Wrap(fault.Upstream, errUnfit, "The structured answer was cut at its length limit.")
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(a.Content))
	if err != nil {
		return fault.Wrap(fault.Upstream, errUnfit, "The structured answer is not JSON.")
	}
	if err := form.Validate(value); err != nil { // which would quote the answer
		return fault.Wrap(fault.Upstream, errUnfit, "The structured answer does not follow the schema.")
	}
	return nil
}
