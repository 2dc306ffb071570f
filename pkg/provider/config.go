package provider

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"signpost.internal/pkg/env"
)

// The accepted values of LLM_PROVIDER and EMBEDDING_PROVIDER.
const (
	Ollama = "ollama"
	VLLM   = "vllm"
	None   = "none"
)

// Config is what the operator sets.
type Config struct {
	Provider string `env:"LLM_PROVIDER" envDefault:"ollama" doc:"Engine that runs the language model: ollama, vllm, or none to work without a model."`

	OllamaURL     string `env:"OLLAMA_URL" envDefault:"http://localhost:11434" doc:"Address of the Ollama server."`
	OllamaModel   string `env:"OLLAMA_MODEL" envDefault:"llama3.2" doc:"Model that Ollama answers with."`
	OllamaContext int    `env:"OLLAMA_CONTEXT" envDefault:"8192" doc:"Context length in tokens that Ollama is told to use (num_ctx). Longer needs more memory."`

	VLLMURL    string     `env:"VLLM_URL" envDefault:"http://localhost:8000" doc:"Address of the vLLM server, with or without /v1."`
	VLLMModel  string     `env:"VLLM_MODEL" doc:"Model that vLLM answers with. Unset means the one that the server lists first."`
	VLLMAPIKey env.Secret `env:"VLLM_API_KEY" doc:"Key sent to vLLM. Unset sends none."`

	EmbeddingProvider string `env:"EMBEDDING_PROVIDER" doc:"Engine that makes embeddings: ollama, vllm or none. Unset means the value of LLM_PROVIDER."`
	EmbeddingModel    string `env:"EMBEDDING_MODEL" envDefault:"nomic-embed-text" doc:"Model that makes embeddings."`
	VLLMEmbeddingURL  string `env:"VLLM_EMBEDDING_URL" doc:"Address of the vLLM server that makes embeddings, as one vLLM server runs one model. Unset means VLLM_URL."`

	VisionModel string `env:"VISION_MODEL" envDefault:"llava:7b" doc:"Model of LLM_PROVIDER that reads images."`

	AllowedModels []string `env:"LLM_ALLOWED_MODELS" doc:"Further models that a request may name."`

	FirstTokenTimeout time.Duration `env:"LLM_FIRST_TOKEN_TIMEOUT" envDefault:"5m" doc:"How long a model may take to its first token, loading included, or to a batch of embeddings."`
	IdleTimeout       time.Duration `env:"LLM_IDLE_TIMEOUT" envDefault:"1m" doc:"How long a model may pause within an answer."`
}

// Validate returns every fault of the configuration, each beginning with the
// variable's name.
func (c Config) Validate() []error {
	var faults []error
	reject := func(variable, value, accepted string) {
		faults = append(faults, fmt.Errorf("%s: %q: %s", variable, value, accepted))
	}
	oneOf := func(variable, value string) {
		if !slices.Contains([]string{Ollama, VLLM, None}, strings.ToLower(value)) {
			reject(variable, value, "accepted are ollama, vllm and none")
		}
	}
	oneOf("LLM_PROVIDER", c.Provider)
	if c.EmbeddingProvider != "" {
		oneOf("EMBEDDING_PROVIDER", c.EmbeddingProvider)
	}
	for _, u := range []struct{ variable, value string }{
		{"OLLAMA_URL", c.OllamaURL},
		{"VLLM_URL", c.VLLMURL},
		{"VLLM_EMBEDDING_URL", c.vllmEmbeddingURL()},
	} {
		if parsed, err := parseURL(u.value); err != nil {
			shown := u.value
			if parsed != nil {
				shown = parsed.Redacted()
			} else if strings.Contains(shown, "@") {
				shown = "(not shown)" // it may hold a password
			}
			reject(u.variable, shown, "accepted is an http:// or https:// address such as http://localhost:8000")
		}
	}
	for _, m := range []struct{ variable, value string }{
		{"OLLAMA_MODEL", c.OllamaModel},
		{"EMBEDDING_MODEL", c.EmbeddingModel},
		{"VISION_MODEL", c.VisionModel},
	} {
		if strings.TrimSpace(m.value) == "" {
			reject(m.variable, m.value, "accepted is the name of a model")
		}
	}
	if c.OllamaContext < minContext {
		reject("OLLAMA_CONTEXT", fmt.Sprint(c.OllamaContext), fmt.Sprintf("accepted is a number of tokens from %d", minContext))
	}
	if c.FirstTokenTimeout <= 0 {
		reject("LLM_FIRST_TOKEN_TIMEOUT", c.FirstTokenTimeout.String(), "accepted is a duration above 0, such as 5m")
	}
	if c.IdleTimeout <= 0 {
		reject("LLM_IDLE_TIMEOUT", c.IdleTimeout.String(), "accepted is a duration above 0, such as 1m")
	}
	return faults
}

// minContext is the shortest context that has room for a prompt and an answer.
const minContext = 512

func (c Config) embeddingProvider() string {
	if c.EmbeddingProvider == "" {
		return strings.ToLower(c.Provider)
	}
	return strings.ToLower(c.EmbeddingProvider)
}

func (c Config) vllmEmbeddingURL() string {
	if c.VLLMEmbeddingURL == "" {
		return c.VLLMURL
	}
	return c.VLLMEmbeddingURL
}

// parseURL accepts the base address of an engine. The URL is returned beside
// the error too, when there is one, so that it can be shown without password.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, err
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return u, fmt.Errorf("scheme %q", u.Scheme)
	case u.Hostname() == "":
		return u, fmt.Errorf("no host")
	case u.RawQuery != "" || u.Fragment != "":
		return u, fmt.Errorf("query or fragment")
	}
	return u, nil
}
