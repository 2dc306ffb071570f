package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	openai "github.com/sashabaranov/go-openai"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/provider"
)

// caller makes one call and returns the answer's text; empty when the client
// does not look into the answer.
type caller func(context.Context) (string, error)

// contestant is a way to make a call.
type contestant struct {
	name, section, shown string
	base                 string // the contestant that times are compared to
	open                 func(url string) (caller, error)
}

const (
	streamed = "vLLM's protocol, the answer read as a stream (stream: true)"
	whole    = "vLLM's protocol, a whole answer (stream: false; pkg/provider's Chat always streams and is compared to a stream)"
	native   = "Ollama's own protocol, a stream"
)

var contestants = []contestant{
	{"http-stream", streamed, "net/http", "http-stream", overHTTP("/v1/chat/completions", vllmBody(true))},
	{"provider-stream", streamed, "pkg/provider ChatStream", "http-stream", throughProvider(provider.VLLM, true)},
	{"openai-stream", streamed, "go-openai", "http-stream", throughOpenAI(true)},
	{"bifrost-stream", streamed, "Bifrost core", "http-stream", func(url string) (caller, error) { return throughBifrost(url, true) }},
	{"http-whole", whole, "net/http", "http-whole", overHTTP("/v1/chat/completions", vllmBody(false))},
	{"provider-whole", whole, "pkg/provider Chat", "http-stream", throughProvider(provider.VLLM, false)},
	{"openai-whole", whole, "go-openai", "http-whole", throughOpenAI(false)},
	{"bifrost-whole", whole, "Bifrost core", "http-whole", func(url string) (caller, error) { return throughBifrost(url, false) }},
	{"http-ollama", native, "net/http", "http-ollama", overHTTP("/api/chat", ollamaBody())},
	{"provider-ollama", native, "pkg/provider Chat", "http-ollama", throughProvider(provider.Ollama, false)},
	{"provider-ollama-stream", native, "pkg/provider ChatStream", "http-ollama", throughProvider(provider.Ollama, true)},
}

func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256}
}

func vllmBody(stream bool) []byte {
	body := map[string]any{
		"model": model, "temperature": 0, "stream": stream,
		"messages": []any{map[string]any{"role": "system", "content": system}, map[string]any{"role": "user", "content": prompt()}},
	}
	if stream {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	return encode(body)
}

func ollamaBody() []byte {
	return encode(map[string]any{
		"model": model, "stream": true, "options": map[string]any{"temperature": 0, "num_ctx": 8192},
		"messages": []any{map[string]any{"role": "system", "content": system}, map[string]any{"role": "user", "content": prompt()}},
	})
}

// overHTTP sends bytes that are ready and reads the answer's without a look.
func overHTTP(path string, body []byte) func(string) (caller, error) {
	return func(url string) (caller, error) {
		client := &http.Client{Transport: newTransport()}
		return func(ctx context.Context) (string, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, bytes.NewReader(body))
			if err != nil {
				return "", err
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := client.Do(request)
			if err != nil {
				return "", err
			}
			defer response.Body.Close()
			_, err = io.Copy(io.Discard, response.Body)
			return "", err
		}, nil
	}
}

func throughProvider(name string, stream bool) func(string) (caller, error) {
	return func(url string) (caller, error) {
		var cfg provider.Config
		if err := env.Load(&cfg, map[string]string{
			"LLM_PROVIDER": name, "LLM_FALLBACK": "none", "LLM_CONCURRENCY": "256",
			"OLLAMA_URL": url, "VLLM_URL": url, "VLLM_MODEL": model,
		}); err != nil {
			return nil, err
		}
		client, err := provider.Open(cfg, provider.Options{})
		if err != nil {
			return nil, err
		}
		request := provider.ChatRequest{Messages: []provider.Message{{Role: provider.System, Content: system}, {Role: provider.User, Content: prompt()}}}
		if !stream {
			return func(ctx context.Context) (string, error) {
				answer, err := client.Chat(ctx, request)
				if err != nil {
					return "", err
				}
				return answer.Content, nil
			}, nil
		}
		return func(ctx context.Context) (string, error) {
			text := strings.Builder{}
			for event, err := range client.ChatStream(ctx, request) {
				if err != nil {
					return "", err
				}
				text.WriteString(event.Content)
			}
			return text.String(), nil
		}, nil
	}
}

func throughOpenAI(stream bool) func(string) (caller, error) {
	return func(url string) (caller, error) {
		config := openai.DefaultConfig("")
		config.BaseURL = url + "/v1"
		config.HTTPClient = &http.Client{Transport: newTransport()}
		client := openai.NewClientWithConfig(config)
		request := openai.ChatCompletionRequest{Model: model, Messages: []openai.ChatCompletionMessage{{Role: "system", Content: system}, {Role: "user", Content: prompt()}}}
		if !stream {
			return func(ctx context.Context) (string, error) {
				response, err := client.CreateChatCompletion(ctx, request)
				if err != nil {
					return "", err
				}
				return response.Choices[0].Message.Content, nil
			}, nil
		}
		request.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
		return func(ctx context.Context) (string, error) {
			events, err := client.CreateChatCompletionStream(ctx, request)
			if err != nil {
				return "", err
			}
			defer events.Close()
			text := strings.Builder{}
			for {
				event, err := events.Recv()
				if errors.Is(err, io.EOF) {
					return text.String(), nil
				}
				if err != nil {
					return "", err
				}
				if len(event.Choices) > 0 {
					text.WriteString(event.Choices[0].Delta.Content)
				}
			}
		}, nil
	}
}
