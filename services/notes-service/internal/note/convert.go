package note

import (
	"context"
	"log/slog"
	"time"

	"signpost.internal/pkg/provider"
)

// DefaultClient is how a client is called whose name is not given.
const DefaultClient = "the client"

// Method says who worded the letter.
type Method string

// The methods. Model means that at least one sentence of the model's was
// accepted; everything else in the letter is by rule even then.
const (
	Model Method = "model"
	Rules Method = "rules"
)

// Chatter is the language model, if there is one.
type Chatter interface {
	// Chat answers one request. It must be safe for concurrent use.
	Chat(ctx context.Context, r provider.ChatRequest) (*provider.ChatResponse, error)
	// Provider and Model name what is configured.
	Provider() string
	Model() string
}

// Letter is the outcome of a conversion.
type Letter struct {
	Matters, Ours, Yours string
	FullText             string
	Facts                []Fact
	Warnings             []string
	Method               Method
	// Provider and Model name the model that was used or asked.
	Provider, Model string
	// Notice says why rules were used, or which sentences of the model's were
	// not accepted; empty when all were.
	Notice string
}

// Converter writes letters from notes. It is safe for concurrent use.
type Converter struct {
	chat    Chatter
	timeout time.Duration
	logger  *slog.Logger
}

// New returns a Converter that asks chat for a draft and waits for it at most
// timeout.
func New(chat Chatter, timeout time.Duration, logger *slog.Logger) *Converter {
	return &Converter{chat: chat, timeout: timeout, logger: logger}
}

// Convert writes the letter. The only errors are the context's: a model that
// is missing or fails leads to a letter by rule, which says so.
func (c *Converter) Convert(ctx context.Context, notes, clientName string) (*Letter, error) {
	r := Read(notes, clientName)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sections := r.Sections()
	letter := &Letter{Facts: r.Facts(), Method: Rules, Provider: c.chat.Provider(), Model: c.chat.Model()}
	mark := rulesMark
	letter.Warnings = r.Warnings
	letter.Matters = text(sections.Matters, noMatters)
	letter.Ours = text(sections.Ours, noOurs)
	letter.Yours = text(sections.Yours, noYours)
	letter.FullText = full(mark, clientName, letter.Matters, letter.Ours, letter.Yours)
	return letter, nil
}
