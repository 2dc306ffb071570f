package provider

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	openai "github.com/sashabaranov/go-openai"

	"signpost.internal/pkg/env"
)

// vllm speaks the OpenAI protocol as vLLM does.
type vllm struct {
	root        *url.URL // without /v1
	urlVariable string
	http        *http.Client
	api         *openai.Client
}

func newVLLM(base *url.URL, urlVariable string, key env.Secret) *vllm {
	root := *base
	root.Path = strings.TrimSuffix(strings.TrimSuffix(root.Path, "/"), "/v1")
	root.RawPath = ""
	client := newHTTPClient()
	config := openai.DefaultConfig(key.Reveal())
	config.BaseURL = root.JoinPath("v1").String()
	config.HTTPClient = rewriter{client}
	config.EmptyMessagesLimit = math.MaxInt32 // keep-alive comments are no fault; silence is watched by the Client
	return &vllm{root: &root, urlVariable: urlVariable, http: client, api: openai.NewClientWithConfig(config)}
}

func (v *vllm) engine() engine {
	return engine{
		name:        "vLLM",
		address:     v.root.Redacted(),
		urlVariable: v.urlVariable,
		keyVariable: "VLLM_API_KEY",
		start:       "start it with `vllm serve`",
		missing: func(model string) string {
			return "start it with `vllm serve " + model + "`, or name the model that it serves"
		},
	}
}

func (v *vllm) close() { v.http.CloseIdleConnections() }

func (v *vllm) chat(ctx context.Context, c call, emit func(delta) bool) (ending, error) {
	request := openai.ChatCompletionRequest{
		Model:         c.model,
		Messages:      vllmMessages(c),
		StreamOptions: &openai.StreamOptions{IncludeUsage: true},
	}
	if c.schema != nil {
		request.ResponseFormat = &openai.ChatCompletionResponseFormat{
			Type:       openai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{Name: "answer", Schema: c.schema, Strict: true},
		}
	}
	w := &wire{sampling: sampling{MaxTokens: c.maxTokens, Temperature: c.temperature}}
	stream, err := v.api.CreateChatCompletionStream(context.WithValue(ctx, wireKey{}, w), request)
	if err != nil {
		return ending{}, err
	}
	defer func() { _ = stream.Close() }()
	end, err := readVLLM(stream.RecvRaw, emit)
	if err == nil {
		drain(w.body)
	}
	return end, err
}

func vllmMessages(c call) []openai.ChatCompletionMessage {
	messages := make([]openai.ChatCompletionMessage, len(c.messages))
	for i, m := range c.messages {
		messages[i] = openai.ChatCompletionMessage{Role: string(m.Role), Content: m.Content}
	}
	if c.image != nil {
		last := &messages[len(messages)-1]
		last.MultiContent = []openai.ChatMessagePart{
			{Type: openai.ChatMessagePartTypeText, Text: last.Content},
			{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{
				URL: "data:" + c.image.mediaType + ";base64," + base64.StdEncoding.EncodeToString(c.image.data),
			}},
		}
		last.Content = "" // go-openai takes one or the other
	}
	return messages
}

// vllmChunk is an event of a chat stream. go-openai's type lacks "reasoning",
// which replaced "reasoning_content", and the error that can take its place.
type vllmChunk struct {
	Model   string `json:"model"`
	Choices []struct {
		Delta struct {
			Content          string `json:"content"`
			Reasoning        string `json:"reasoning"`
			ReasoningContent string `json:"reasoning_content"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// readVLLM reads a chat stream, whose events next returns until io.EOF. The
// usage comes in an event of its own, without choices, after the finish reason.
func readVLLM(next func() ([]byte, error), emit func(delta) bool) (ending, error) {
	var (
		end   ending
		began bool
	)
	for {
		raw, err := next()
		switch {
		case errors.Is(err, io.EOF) && end.reason != "":
			return end, nil
		case errors.Is(err, io.EOF):
			return ending{}, errIncomplete
		case err != nil:
			// go-openai's own reading of an event that holds an error.
			if e := (*openai.APIError)(nil); errors.As(err, &e) {
				code, _ := e.Code.(int)
				return ending{}, newEventError(shorten(e.Message), code, began)
			}
			return ending{}, fmt.Errorf("%w: %w", errIncomplete, err)
		}
		var chunk vllmChunk
		if err := json.Unmarshal(raw, &chunk); err != nil {
			return ending{}, fmt.Errorf("%w: %w", errGarbled, err)
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
		drain(resp.Body)
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

// rewriter adds what go-openai cannot send to the bodies of chat requests.
type rewriter struct{ client *http.Client }

// wire accompanies one chat request through go-openai.
type wire struct {
	sampling sampling
	body     io.Reader // of the response, to be drained
}

type wireKey struct{}

// sampling is written by us, as go-openai leaves out a temperature of 0, which
// lets the model's own default stand, and refuses max_tokens for some names.
type sampling struct {
	MaxTokens   int     `json:"max_tokens,omitempty"`
	Temperature float64 `json:"temperature"`
}

// Do sends the request.
func (r rewriter) Do(req *http.Request) (*http.Response, error) {
	w, ok := req.Context().Value(wireKey{}).(*wire)
	if !ok {
		return r.client.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	extra, err := json.Marshal(w.sampling)
	if err != nil {
		return nil, err
	}
	if len(body) < 2 || body[0] != '{' {
		return nil, errors.New("provider: the request's body is not an object")
	}
	joined := slices.Concat(extra[:len(extra)-1], []byte{','}, body[1:]) // {"temperature":0, and "model":…}
	req.Body = io.NopCloser(bytes.NewReader(joined))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(joined)), nil }
	req.ContentLength = int64(len(joined))
	resp, err := r.client.Do(req)
	if err == nil {
		w.body = resp.Body
	}
	return resp, err
}
