package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/enginetest"
	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/pkg/tinymodels"
)

func wantContext(t *testing.T, err error, want provider.ContextError) {
	t.Helper()
	wantFault(t, err, fault.TooLarge, "too long", fmt.Sprint(want.Limit), fmt.Sprint(want.Needed))
	var got *provider.ContextError
	if !errors.As(err, &got) || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestLongBeforehand holds that what cannot fit is not sent.
func TestLongBeforehand(t *testing.T) {
	up := providertest.NewOllama(t, reply)
	c := open(t, up.Environ())
	r := ask("x")
	r.Messages[0].Content = "a"
	r.Messages[1].Content = strings.Repeat("a", 8192*256) // a token more than 8192, at the very least
	_, err := c.Chat(t.Context(), r)
	wantContext(t, err, provider.ContextError{Limit: 8192, Needed: 8193})
	_, err = c.Embed(t.Context(), provider.Document, []string{"x", strings.Repeat("a", 9000*256)})
	wantContext(t, err, provider.ContextError{Limit: 8192, Needed: 9001})
	for _, sent := range up.Requests() {
		if sent.Path != "/api/show" {
			t.Errorf("%s was asked", sent.Path)
		}
	}
	// What may fit is the engine's to count: here one token.
	r.Messages[1].Content = r.Messages[1].Content[1:]
	if _, err := c.Chat(t.Context(), r); err != nil {
		t.Error(err)
	}
	t.Run("a model that is not there", func(t *testing.T) {
		up.SetModels()
		_, err := c.Embed(t.Context(), provider.Document, []string{strings.Repeat("a", 9000*256)})
		wantFault(t, err, fault.Unavailable, "`ollama pull nomic-embed-text`")
	})
}

// TestRealContext holds what a real Ollama does at the end of its context: it
// neither cuts a prompt nor lets it slide.
func TestRealContext(t *testing.T) {
	server := enginetest.StartOllama(t)
	const window = 600
	start := func(t *testing.T, model string) *provider.Client {
		return open(t, map[string]string{
			"LLM_PROVIDER": "ollama", "OLLAMA_URL": server.URL, "OLLAMA_MODEL": model, "OLLAMA_CONTEXT": fmt.Sprint(window),
		})
	}
	// A prompt of so many tokens: one for each byte and message, and one more.
	prompt := func(tokens int) provider.ChatRequest {
		return provider.ChatRequest{Messages: []provider.Message{{Role: provider.User, Content: strings.Repeat("a", tokens-2)}}}
	}
	t.Run("an answer that has no room", func(t *testing.T) {
		c := start(t, tinymodels.BabbleModel)
		for _, room := range []int{1, 100, window - 10} {
			r := prompt(window - room)
			r.MaxTokens = 5000
			got, err := c.Chat(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			used := got.Usage.InputTokens + got.Usage.OutputTokens
			if got.FinishReason != provider.FinishLength || got.Usage.InputTokens != window-room || used < window || used > window+1 {
				t.Errorf("room for %d: %+v, finish %s", room, got.Usage, got.FinishReason)
			}
		}
	})
	t.Run("a prompt that fits to the token", func(t *testing.T) {
		got, err := start(t, tinymodels.BabbleModel).Chat(t.Context(), prompt(window))
		if err != nil || got.FinishReason != provider.FinishLength || got.Usage != (provider.Usage{InputTokens: window, OutputTokens: 1}) {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = start(t, tinymodels.BabbleModel).Chat(t.Context(), prompt(window+1))
		wantContext(t, err, provider.ContextError{Limit: window, Needed: window + 1})
	})
	t.Run("embeddings", func(t *testing.T) {
		// The context set is the shorter one here; the model holds 1024.
		c := start(t, tinymodels.ChatModel)
		_, err := c.Embed(t.Context(), provider.Document, []string{strings.Repeat("rent ", 700)})
		wantContext(t, err, provider.ContextError{Limit: window, Needed: window + 1})
		if _, err := c.Embed(t.Context(), provider.Document, []string{strings.Repeat("rent ", 500)}); err != nil {
			t.Error(err)
		}
	})
	t.Run("images have room in a short context", func(t *testing.T) {
		r := look()
		r.Prompt = strings.Repeat("a", 1000)
		if got, err := start(t, tinymodels.ChatModel).Describe(t.Context(), r); err != nil || got.Content != tinymodels.VisionReply {
			t.Errorf("got %+v, %v", got, err)
		}
		r.Prompt = strings.Repeat("a", 3000)
		_, err := start(t, tinymodels.ChatModel).Describe(t.Context(), r)
		wantContext(t, err, provider.ContextError{Limit: 2048, Needed: 2049})
	})
}
