package provider

import (
	"context"
	"encoding/json"

	"signpost.internal/pkg/fault"
)

// driver speaks one engine's protocol. Its errors are those of this package's
// errors.go and of the network; the Client classifies them. All methods may be
// called at the same time.
type driver interface {
	// chat sends the call and hands on each piece of text as it comes. It
	// returns nil only when the engine said that the answer is complete, and
	// errStopped when emit returned false.
	chat(ctx context.Context, c call, emit func(delta) bool) (ending, error)
	// embed returns one vector for each text, in the order of the texts, and the
	// number of tokens read. Counts and dimensions are the Client's to check.
	embed(ctx context.Context, model string, texts []string) ([][]float32, int, error)
	// models checks that the server is fit to answer and lists its models, each
	// under every name that it may be called by; the server's own first choice
	// stands first.
	models(ctx context.Context) ([]string, error)
	// sees says whether a model reads images. It is true where the server itself
	// refuses an image that a model cannot read.
	sees(ctx context.Context, model string) (bool, error)
	// holds returns how many tokens a model holds, its answer included; 0 where that
	// cannot be found out.
	holds(ctx context.Context, model string) int
	// engine describes the server for messages.
	engine() engine
	// close frees idle connections.
	close()
}

// call is a request for text as the drivers see it: checked, and with the real
// name of the model.
type call struct {
	model       string
	messages    []Message
	image       *image // belongs to the last message; nil for none
	maxTokens   int    // 0 leaves it to the engine
	temperature float64
	schema      json.RawMessage
}

type image struct {
	mediaType string
	data      []byte
}

// delta is a piece of an answer. Both fields may be empty.
type delta struct{ content, reasoning string }

// ending is what an engine says when it is done.
type ending struct {
	model  string // as the engine names it; empty when it does not
	reason string // never empty
	usage  Usage
}

// none is the error where a route has no engine.
func none(variable string) error {
	return fault.New(fault.Unavailable, "No model is configured: set "+variable+" to ollama or vllm.")
}
