package provider

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signpost.internal/pkg/env"
)

// The engines, and what stands in their place in LLM_PROVIDER.
const (
	Ollama = "ollama"
	VLLM   = "vllm"
	Auto   = "auto" // the first that is ready, vLLM first
	None   = "none"
)

// Config is what the operator sets.
type Config struct {
	Provider string `env:"LLM_PROVIDER" envDefault:"ollama" doc:"Engine that runs the language model: ollama, vllm, auto for the first that is ready (vLLM first), or none to work without a model."`
	Fallback string `env:"LLM_FALLBACK" doc:"Engine that answers when that of LLM_PROVIDER cannot: ollama, vllm or none. Unset means the other one, vLLM only when VLLM_URL is set."`

	OllamaURL     string `env:"OLLAMA_URL" envDefault:"http://localhost:11434" doc:"Address of the Ollama server."`
	OllamaModel   string `env:"OLLAMA_MODEL" envDefault:"llama3.2" doc:"Model that Ollama answers with."`
	OllamaContext int    `env:"OLLAMA_CONTEXT" envDefault:"8192" doc:"Context length in tokens that Ollama is told to use (num_ctx). Longer needs more memory."`

	OllamaAutoPull bool `env:"OLLAMA_AUTO_PULL" envDefault:"false" doc:"Whether Ollama is told to fetch a model that it does not have from its registry on the internet. This can be gigabytes; meanwhile calls fail or fall back."`

	VLLMURL    string     `env:"VLLM_URL" doc:"Address of the vLLM server, with or without /v1. Several, separated by commas, are replicas that share the calls. Unset means http://localhost:8000."`
	VLLMModel  string     `env:"VLLM_MODEL" doc:"Model that vLLM answers with. Unset means the one that the server lists first."`
	VLLMAPIKey env.Secret `env:"VLLM_API_KEY" doc:"Key sent to vLLM. Unset sends none."`

	EmbeddingProvider       string `env:"EMBEDDING_PROVIDER" doc:"Engine that makes embeddings: ollama, vllm or none. Unset means that of LLM_PROVIDER, and ollama for auto."`
	EmbeddingModel          string `env:"EMBEDDING_MODEL" envDefault:"nomic-embed-text" doc:"Model that makes embeddings."`
	EmbeddingDocumentPrefix string `env:"EMBEDDING_DOCUMENT_PREFIX" doc:"Words put before each text that is embedded to be found, spaces included; none for none. Unset means those that the model was trained with, where they are known."`
	EmbeddingQueryPrefix    string `env:"EMBEDDING_QUERY_PREFIX" doc:"The same for questions. A change of either prefix needs a new index."`
	VLLMEmbeddingURL        string `env:"VLLM_EMBEDDING_URL" doc:"Address of the vLLM server that makes embeddings, as one vLLM server runs one model; replicas as in VLLM_URL. Unset means VLLM_URL."`

	VisionProvider string `env:"VISION_PROVIDER" doc:"Engine that reads images: ollama, vllm or none. Unset means ollama, and none where LLM_PROVIDER is none."`
	VisionModel    string `env:"VISION_MODEL" envDefault:"llava:7b" doc:"Model that reads images."`

	AllowedModels []string `env:"LLM_ALLOWED_MODELS" doc:"Further models that a request may name."`

	FirstTokenTimeout time.Duration `env:"LLM_FIRST_TOKEN_TIMEOUT" envDefault:"5m" doc:"How long a model may take to its first token, loading included, or to a batch of embeddings."`
	IdleTimeout       time.Duration `env:"LLM_IDLE_TIMEOUT" envDefault:"1m" doc:"How long a model may pause within an answer."`

	Concurrency  int           `env:"LLM_CONCURRENCY" envDefault:"32" doc:"How many calls run on one model server at the same time."`
	Queue        int           `env:"LLM_QUEUE" envDefault:"64" doc:"How many further calls wait for a place on one model server. Beyond, they are refused with 503."`
	QueueTimeout time.Duration `env:"LLM_QUEUE_TIMEOUT" envDefault:"30s" doc:"How long a call waits for a place on a model server."`

	File string `env:"PROVIDER_FILE" doc:"File of lines such as LLM_PROVIDER=vllm that win over the environment. It is watched: a change switches the provider without a restart."`
}

// Validate returns every fault of the configuration, each beginning with the
// variable's name.
func (c Config) Validate() []error {
	var faults []error
	reject := func(variable, value, accepted string) {
		faults = append(faults, fmt.Errorf("%s: %q cannot be used; %s", variable, value, accepted))
	}
	if !slices.Contains([]string{Ollama, VLLM, Auto, None}, strings.ToLower(c.Provider)) {
		reject("LLM_PROVIDER", c.Provider, "accepted are auto, ollama, vllm and none")
	}
	for _, p := range []struct{ variable, value string }{
		{"LLM_FALLBACK", c.Fallback},
		{"EMBEDDING_PROVIDER", c.EmbeddingProvider},
		{"VISION_PROVIDER", c.VisionProvider},
	} {
		if p.value != "" && !slices.Contains([]string{Ollama, VLLM, None}, strings.ToLower(p.value)) {
			reject(p.variable, p.value, "accepted are ollama, vllm and none")
		}
	}
	var embeddingURLs []string // those of VLLM_URL when unset
	if strings.TrimSpace(c.VLLMEmbeddingURL) != "" {
		embeddingURLs = c.vllmEmbeddingURLs()
	}
	for _, u := range []struct {
		variable string
		values   []string
	}{
		{"OLLAMA_URL", []string{c.OllamaURL}},
		{"VLLM_URL", c.vllmURLs()},
		{"VLLM_EMBEDDING_URL", embeddingURLs},
	} {
		for _, value := range u.values {
			if parsed, err := parseURL(value); err != nil {
				shown := value
				switch password := strings.Contains(value, "@"); {
				case password && parsed != nil:
					shown = parsed.Redacted()
				case password:
					shown = "(not shown)"
				}
				reject(u.variable, shown, "accepted is an http:// or https:// address such as http://localhost:8000")
			}
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
	if c.Concurrency < 1 || c.Concurrency > maxPlaces {
		reject("LLM_CONCURRENCY", fmt.Sprint(c.Concurrency), fmt.Sprintf("accepted is a number from 1 to %d", maxPlaces))
	}
	if c.Queue < 0 || c.Queue > maxPlaces {
		reject("LLM_QUEUE", fmt.Sprint(c.Queue), fmt.Sprintf("accepted is a number from 0 to %d", maxPlaces))
	}
	if c.QueueTimeout <= 0 {
		reject("LLM_QUEUE_TIMEOUT", c.QueueTimeout.String(), "accepted is a duration above 0, such as 30s")
	}
	return faults
}

const (
	minContext  = 512 // the shortest context that has room for a prompt and an answer
	maxPlaces   = 100_000
	defaultVLLM = "http://localhost:8000"
)

// textProviders are the engines of the text route, the first choice first.
func (c Config) textProviders() []string {
	first := strings.ToLower(c.Provider)
	second := strings.ToLower(c.Fallback)
	switch {
	case first == None:
		return nil
	case first == Auto:
		return []string{VLLM, Ollama}
	case second == "" && first == VLLM:
		second = Ollama
	case second == "" && c.VLLMURL != "":
		second = VLLM
	}
	if second == "" || second == None || second == first {
		return []string{first}
	}
	return []string{first, second}
}

func (c Config) embeddingProvider() string {
	switch own := strings.ToLower(c.EmbeddingProvider); {
	case own != "":
		return own
	case strings.EqualFold(c.Provider, Auto):
		return Ollama
	}
	return strings.ToLower(c.Provider)
}

func (c Config) visionProvider() string {
	switch own := strings.ToLower(c.VisionProvider); {
	case own != "":
		return own
	case strings.EqualFold(c.Provider, None):
		return None
	}
	return Ollama
}

// modelVariables are the variables that name models other than for text.
func (c Config) modelVariables() map[string]string {
	variables := map[string]string{c.EmbeddingModel: "EMBEDDING_MODEL", c.VisionModel: "VISION_MODEL"}
	delete(variables, c.OllamaModel)
	delete(variables, c.VLLMModel)
	return variables
}

func (c Config) vllmURLs() []string {
	if strings.TrimSpace(c.VLLMURL) == "" {
		return []string{defaultVLLM}
	}
	return strings.Split(c.VLLMURL, ",")
}

func (c Config) vllmEmbeddingURLs() []string {
	if strings.TrimSpace(c.VLLMEmbeddingURL) == "" {
		return c.vllmURLs()
	}
	return strings.Split(c.VLLMEmbeddingURL, ",")
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
	case u.Port() != "" && !isPort(u.Port()):
		return u, fmt.Errorf("port %s", u.Port())
	case u.RawQuery != "" || u.Fragment != "":
		return u, fmt.Errorf("query or fragment")
	}
	return u, nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}
