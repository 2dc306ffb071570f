package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"signpost.internal/pkg/egress"
)

// maxLine is the longest line accepted in a stream. A line holds one token, or
// the whole of a short answer.
const maxLine = 4 << 20

// ollama speaks Ollama's own protocol; its /v1 cannot set the context length.
// Requests are the api package's; streams of chat are read here, because the
// package's reader reports a stream that was cut as success and allocates 8 MB
// for each call.
type ollama struct {
	base    *url.URL
	http    *http.Client
	api     *api.Client
	context int
	// variables are those that name models, where it is not OLLAMA_MODEL.
	variables map[string]string
	chatURL   string
	header    http.Header // of chat requests
	readers   lineReaders
}

func newOllama(dialer *egress.Dialer, base *url.URL, contextLength int) *ollama {
	client := newHTTPClient(dialer)
	return &ollama{
		base: base, http: client, api: api.NewClient(base, client), context: contextLength,
		chatURL: base.JoinPath("api/chat").String(),
		header:  http.Header{"Content-Type": {"application/json"}, "Accept": {"application/x-ndjson"}, idempotencyKey: {}},
	}
}

func (o *ollama) engine() engine {
	return engine{
		name:        "Ollama",
		address:     o.base.Redacted(),
		urlVariable: "OLLAMA_URL",
		start:       "start it with `ollama serve`",
		missing: func(model string) string {
			return "run `ollama pull " + model + "`, or set " + cmp.Or(o.variables[model], "OLLAMA_MODEL") + " to one that it has"
		},
	}
}

func (o *ollama) close() { o.http.CloseIdleConnections() }

func (o *ollama) chat(ctx context.Context, c call, emit func(delta) bool) (ending, error) {
	yes, no := true, false
	messages := make([]api.Message, len(c.messages))
	length := 0
	for i, m := range c.messages {
		messages[i] = api.Message{Role: string(m.Role), Content: m.Content}
		length += len(m.Content)
	}
	if err := o.fits(ctx, c.model, length); err != nil {
		return ending{}, err
	}
	if c.image != nil {
		messages[len(messages)-1].Images = []api.ImageData{c.image.data}
	}
	// Options that differ between calls make Ollama load the model anew, so
	// those of the runner (num_ctx, shift) are always the same.
	resp, err := post(ctx, o.http, o.chatURL, o.header, &ollamaRequest{
		ChatRequest: api.ChatRequest{
			Model:    c.model,
			Messages: messages,
			Stream:   &yes,
			Format:   c.schema,
			Think:    &api.ThinkValue{Value: false},
			Truncate: &no,
			Shift:    &no,
		},
		Options: ollamaOptions{NumCtx: o.context, Temperature: c.temperature, NumPredict: c.maxTokens},
	})
	if err != nil {
		return ending{}, o.measured(ctx, c.model, err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := o.readers.get(resp.Body)
	defer o.readers.put(lines)
	return readOllama(lines, emit)
}

// ollamaRequest is api's, but for the options, which api keeps in a map.
type ollamaRequest struct {
	api.ChatRequest

	Options ollamaOptions `json:"options"`
}

type ollamaOptions struct {
	NumCtx      int     `json:"num_ctx"`
	Temperature float64 `json:"temperature"`
	NumPredict  int     `json:"num_predict,omitempty"` // 0 leaves it to the engine
}

// ollamaLine is a line of a chat stream.
type ollamaLine struct {
	Model   string `json:"model"`
	Message struct {
		Content  string `json:"content"`
		Thinking string `json:"thinking"`
	} `json:"message"`
	Done            bool            `json:"done"`
	DoneReason      string          `json:"done_reason"`
	PromptEvalCount int             `json:"prompt_eval_count"`
	EvalCount       int             `json:"eval_count"`
	Error           json.RawMessage `json:"error"`
}

// scan reads a line of the plain kind and reports whether it was one.
func (l *ollamaLine) scan(raw []byte, model string, texts *strings.Builder) bool {
	s := scanner{raw: raw, texts: texts}
	s.object(ollamaNames, func(i int) {
		switch ollamaNames[i] {
		case "model":
			l.Model = s.text(model)
		case "message":
			s.object(ollamaMessageNames, func(i int) {
				switch ollamaMessageNames[i] {
				case "content":
					l.Message.Content = s.text("")
				case "thinking":
					l.Message.Thinking = s.text("")
				}
			})
		case "done":
			l.Done = s.flag()
		case "done_reason":
			l.DoneReason = s.text(FinishStop)
		case "prompt_eval_count":
			l.PromptEvalCount = s.number()
		case "eval_count":
			l.EvalCount = s.number()
		case "error":
			l.Error = s.value()
		}
	})
	return s.end()
}

var (
	ollamaNames        = []string{"model", "message", "done", "done_reason", "prompt_eval_count", "eval_count", "error"}
	ollamaMessageNames = []string{"content", "thinking"}
)

// readOllama reads a chat stream: one JSON object a line, the last with "done".
func readOllama(lines *lineReader, emit func(delta) bool) (ending, error) {
	began, model := false, ""
	var texts strings.Builder
	texts.Grow(someText)
	for {
		raw, _, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return ending{}, errIncomplete
		case err != nil:
			return ending{}, err
		case len(raw) == 0:
			continue
		}
		var line ollamaLine
		if !line.scan(raw, model, &texts) {
			line = ollamaLine{}
			if err := json.Unmarshal(raw, &line); err != nil {
				return ending{}, fmt.Errorf("%w: %w", errGarbled, err)
			}
		}
		model = line.Model
		if err := reported(line.Error, began); err != nil {
			return ending{}, err
		}
		if line.Message.Content != "" || line.Message.Thinking != "" {
			began = true
			if !emit(delta{content: line.Message.Content, reasoning: line.Message.Thinking}) {
				return ending{}, errStopped
			}
		}
		if !line.Done {
			continue
		}
		// Older servers do not give a reason; "done" is the statement that counts.
		reason := line.DoneReason
		if reason == "" {
			reason = FinishStop
		}
		lines.drain()
		return ending{
			model:  line.Model,
			reason: reason,
			usage:  Usage{InputTokens: line.PromptEvalCount, OutputTokens: line.EvalCount},
		}, nil
	}
}

func (o *ollama) embed(ctx context.Context, model string, texts []string) ([][]float32, int, error) {
	longest := 0
	for _, text := range texts {
		longest = max(longest, len(text))
	}
	if err := o.fits(ctx, model, longest); err != nil {
		return nil, 0, err
	}
	no := false
	resp, err := o.api.Embed(ctx, &api.EmbedRequest{
		Model: model, Input: texts, Truncate: &no, Options: map[string]any{"num_ctx": o.context},
	})
	if err != nil {
		return nil, 0, o.measured(ctx, model, err)
	}
	return resp.Embeddings, resp.PromptEvalCount, nil
}

// sees asks what the model can do, as Ollama takes an image for a model without
// eyes, ignores it and answers.
func (o *ollama) sees(ctx context.Context, name string) (bool, error) {
	shown, err := o.api.Show(ctx, &api.ShowRequest{Model: name})
	if err != nil {
		return false, err
	}
	return slices.Contains(shown.Capabilities, model.CapabilityVision), nil
}

func (o *ollama) holds(ctx context.Context, name string) int { return o.length(ctx, name) }

func (o *ollama) models(ctx context.Context) ([]string, error) {
	list, err := o.api.List(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range list.Models {
		names = append(names, m.Name)
		if short, ok := strings.CutSuffix(m.Name, ":latest"); ok {
			names = append(names, short)
		}
	}
	return names, nil
}
