package provider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	openai "github.com/sashabaranov/go-openai"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
)

// vllm speaks the OpenAI protocol as vLLM does.
type vllm struct {
	root        *url.URL // without /v1
	urlVariable string
	// variables are those that name models, where it is not VLLM_MODEL.
	variables map[string]string
	http      *http.Client
	api       *openai.Client
	chatURL   string
	header    http.Header // of chat requests
	readers   lineReaders
}

func newVLLM(dialer *egress.Dialer, base *url.URL, urlVariable string, key env.Secret) *vllm {
	root := *base
	root.Path = strings.TrimSuffix(strings.TrimSuffix(root.Path, "/"), "/v1")
	root.RawPath = ""
	client := newHTTPClient(dialer)
	config := openai.DefaultConfig(key.Reveal())
	config.BaseURL = root.JoinPath("v1").String()
	config.HTTPClient = client
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, idempotencyKey: {}}
	if key.Reveal() != "" {
		header["Authorization"] = []string{"Bearer " + key.Reveal()}
	}
	return &vllm{
		root: &root, urlVariable: urlVariable, http: client, api: openai.NewClientWithConfig(config),
		chatURL: config.BaseURL + "/chat/completions", header: header,
	}
}

func (v *vllm) engine() engine {
	return engine{
		name:        "vLLM",
		address:     v.root.Redacted(),
		urlVariable: v.urlVariable,
		keyVariable: "VLLM_API_KEY",
		start:       "start it with `vllm serve`",
		missing: func(model string) string {
			return "start it with `vllm serve " + model + "`, or set " + cmp.Or(v.variables[model], "VLLM_MODEL") + " to the model that it serves"
		},
	}
}

func (v *vllm) close() { v.http.CloseIdleConnections() }

func (v *vllm) chat(ctx context.Context, c call, emit func(delta) bool) (ending, error) {
	request := &vllmRequest{Messages: vllmMessages(c), MaxTokens: c.maxTokens, Temperature: c.temperature}
	request.Model = c.model
	request.Stream, request.StreamOptions = true, &openai.StreamOptions{IncludeUsage: true}
	if c.schema != nil {
		request.ResponseFormat = &openai.ChatCompletionResponseFormat{
			Type:       openai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{Name: "answer", Schema: c.schema, Strict: true},
		}
	}
	resp, err := post(ctx, v.http, v.chatURL, v.header, request)
	if err != nil {
		return ending{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := v.readers.get(resp.Body)
	defer v.readers.put(lines)
	events := eventReader{lines: lines}
	end, err := readVLLM(events.next, emit)
	if err == nil {
		lines.drain()
	}
	return end, err
}

// vllmRequest is go-openai's, but for a temperature of 0, which go-openai leaves
// out and so lets the model's own default stand, and for the messages, which
// go-openai encodes twice.
type vllmRequest struct {
	openai.ChatCompletionRequest

	Messages    []vllmMessage `json:"messages"`
	MaxTokens   int           `json:"max_tokens,omitempty"`
	Temperature float64       `json:"temperature"`
}

type vllmMessage struct {
	Role    Role `json:"role"`
	Content any  `json:"content"` // a string or a list of parts
}

func vllmMessages(c call) []vllmMessage {
	messages := make([]vllmMessage, len(c.messages))
	for i, m := range c.messages {
		messages[i] = vllmMessage{Role: m.Role, Content: m.Content}
	}
	if c.image != nil {
		last := len(messages) - 1
		messages[last].Content = []openai.ChatMessagePart{
			{Type: openai.ChatMessagePartTypeText, Text: c.messages[last].Content},
			{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{
				URL: "data:" + c.image.mediaType + ";base64," + base64.StdEncoding.EncodeToString(c.image.data),
			}},
		}
	}
	return messages
}

// eventReader reads the events of a stream, each on one line.
type eventReader struct {
	lines *lineReader
	stray []byte // what is no event, as the error of a server that speaks no events
	done  bool
}

// next returns the data of an event, which holds until the next call, or io.EOF.
func (e *eventReader) next() ([]byte, error) {
	for !e.done {
		line, whole, err := e.lines.next()
		data, isData := bytes.CutPrefix(line, dataPrefix)
		data = bytes.TrimSpace(data)
		switch {
		case errors.Is(err, io.EOF):
			e.done = true
		case err != nil:
			return nil, err
		case isData && string(data) == "[DONE]":
			e.done = true
			return nil, io.EOF
		case isData && whole:
			return data, nil
		case !isData && len(line) > 0 && line[0] != ':' && len(e.stray)+len(line) <= maxErrorBody:
			e.stray = append(e.stray, line...)
		}
	}
	stray := e.stray
	e.stray = nil
	var event vllmChunk
	if json.Unmarshal(stray, &event) == nil && messageOf(event.Error) != "" {
		return stray, nil
	}
	return nil, io.EOF
}

var dataPrefix = []byte("data:")

// vllmChunk is an event of a chat stream. go-openai's type lacks "reasoning",
// which replaced "reasoning_content", and the error that can take its place.
type vllmChunk struct {
	Model   string          `json:"model"`
	Choices []vllmChoice    `json:"choices"`
	Usage   *vllmUsage      `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

type vllmChoice struct {
	Delta struct {
		Content          string `json:"content"`
		Reasoning        string `json:"reasoning"`
		ReasoningContent string `json:"reasoning_content"`
	} `json:"delta"`
	FinishReason string `json:"finish_reason"`
}

type vllmUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

// scan reads an event of the plain kind and reports whether it was one. It
// keeps the choices in those that c has already.
func (c *vllmChunk) scan(raw []byte, model string, texts *strings.Builder) bool {
	s := scanner{raw: raw, texts: texts}
	s.object(vllmNames, func(i int) {
		switch vllmNames[i] {
		case "model":
			c.Model = s.text(model)
		case "choices":
			s.array(func() {
				c.Choices = append(c.Choices, vllmChoice{})
				c.Choices[len(c.Choices)-1].scan(&s)
			})
		case "usage":
			if s.literal("null") {
				return
			}
			c.Usage = &vllmUsage{}
			s.object(vllmUsageNames, func(i int) {
				switch vllmUsageNames[i] {
				case "prompt_tokens":
					c.Usage.PromptTokens = s.number()
				case "completion_tokens":
					c.Usage.CompletionTokens = s.number()
				}
			})
		case "error":
			c.Error = s.value()
		}
	})
	return s.end()
}

func (c *vllmChoice) scan(s *scanner) {
	s.object(vllmChoiceNames, func(i int) {
		switch vllmChoiceNames[i] {
		case "delta":
			s.object(vllmDeltaNames, func(i int) {
				switch vllmDeltaNames[i] {
				case "content":
					c.Delta.Content = s.text("")
				case "reasoning":
					c.Delta.Reasoning = s.text("")
				case "reasoning_content":
					c.Delta.ReasoningContent = s.text("")
				}
			})
		case "finish_reason":
			c.FinishReason = s.text(FinishStop)
		}
	})
}

var (
	vllmNames       = []string{"model", "choices", "usage", "error"}
	vllmChoiceNames = []string{"delta", "finish_reason"}
	vllmDeltaNames  = []string{"content", "reasoning", "reasoning_content"}
	vllmUsageNames  = []string{"prompt_tokens", "completion_tokens"}
)

// readVLLM reads a chat stream, whose events next returns until io.EOF. The
// usage comes in an event of its own, without choices, after the finish reason.
func readVLLM(next func() ([]byte, error), emit func(delta) bool) (ending, error) {
	var (
		end   ending
		chunk vllmChunk
		began bool
		texts strings.Builder
	)
	texts.Grow(someText)
	for {
		raw, err := next()
		switch {
		case errors.Is(err, io.EOF) && end.reason != "":
			return end, nil
		case errors.Is(err, io.EOF):
			return ending{}, errIncomplete
		case err != nil:
			return ending{}, err
		}
		chunk = vllmChunk{Choices: chunk.Choices[:0]}
		if !chunk.scan(raw, end.model, &texts) {
			chunk = vllmChunk{}
			if err := json.Unmarshal(raw, &chunk); err != nil {
				return ending{}, fmt.Errorf("%w: %w", errGarbled, err)
			}
		}
		if err := reported(chunk.Error, began); err != nil {
			return ending{}, err
		}
		if chunk.Model != "" {
			end.model = chunk.Model
		}
		if chunk.Usage != nil {
			end.usage = Usage{InputTokens: chunk.Usage.PromptTokens, OutputTokens: chunk.Usage.CompletionTokens}
		}
		if len(chunk.Choices) == 0 {
			continue
		}
		choice := chunk.Choices[0]
		if choice.FinishReason != "" {
			end.reason = choice.FinishReason
		}
		piece := delta{content: choice.Delta.Content, reasoning: choice.Delta.Reasoning + choice.Delta.ReasoningContent}
		if piece == (delta{}) {
			continue
		}
		began = true
		if !emit(piece) {
			return ending{}, errStopped
		}
	}
}

func (v *vllm) embed(ctx context.Context, model string, texts []string) ([][]float32, int, error) {
	resp, err := v.api.CreateEmbeddings(ctx, openai.EmbeddingRequestStrings{
		Input:          texts,
		Model:          openai.EmbeddingModel(model),
		EncodingFormat: openai.EmbeddingEncodingFormatBase64, // a third of the size
	})
	if err != nil {
		return nil, 0, err
	}
	vectors := make([][]float32, len(texts))
	for _, d := range resp.Data {
		if d.Index < 0 || d.Index >= len(vectors) || vectors[d.Index] != nil {
			return nil, 0, fmt.Errorf("%w: index %d of %d", errMismatch, d.Index, len(vectors))
		}
		vectors[d.Index] = d.Embedding
	}
	return vectors, resp.Usage.PromptTokens, nil
}

// sees is true, as vLLM refuses an image that the model cannot read.
func (v *vllm) sees(context.Context, string) (bool, error) { return true, nil }

// models asks /health first, because the list stays whole when the engine
// behind the server has died.
func (v *vllm) models(ctx context.Context) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.root.JoinPath("health").String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := v.http.Do(req)
	if status := (*statusError)(nil); err != nil && (!errors.As(err, &status) || status.code >= 500) {
		return nil, err // a 4xx comes from servers of this protocol that have no /health
	}
	if err == nil {
		_, _ = io.CopyN(io.Discard, resp.Body, maxRest)
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
	}
	list, err := v.api.ListModels(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range list.Models {
		names = append(names, m.ID)
	}
	return names, nil
}

// holds asks the list of models, of whose lengths go-openai knows nothing.
func (v *vllm) holds(ctx context.Context, model string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.root.JoinPath("v1/models").String(), nil)
	if err != nil {
		return 0
	}
	if key := v.header.Get("Authorization"); key != "" {
		req.Header.Set("Authorization", key)
	}
	resp, err := v.http.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Data []struct {
			ID     string `json:"id"`
			Length int    `json:"max_model_len"`
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxLine)).Decode(&list); err != nil {
		return 0
	}
	for _, m := range list.Data {
		if m.ID == model && m.Length > 0 && m.Length < most {
			return m.Length
		}
	}
	return 0
}
