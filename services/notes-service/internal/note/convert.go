package note

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"signpost.internal/pkg/fault"
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
	Mark                 string // the draft's mark, which FullText begins with
	Facts                []Fact
	Warnings             []string
	Method               Method
	// Provider and Model name the model that was used or asked; Answered says
	// whether it answered, and Fallback why it was not the first choice.
	Provider, Model, Fallback string
	Answered                  bool
	// Notice says why rules were used, or which sentences of the model's were
	// not accepted; empty when all were.
	Notice string
}

// Converter writes letters from notes. It is safe for concurrent use.
type Converter struct{ opts Options }

// Options are what a Converter needs.
type Options struct {
	Chat    Chatter
	Timeout time.Duration // how long the model may take
	// RequireModel makes it an error when no model can be used.
	RequireModel bool
	Logger       *slog.Logger
}

// New returns a Converter.
func New(o Options) *Converter { return &Converter{o} }

// Convert writes the letter. A model that is missing or fails leads to a letter
// by rule, whose notice says why; where a model is required it is a
// fault.Unavailable or fault.Busy. Other errors are the context's.
func (c *Converter) Convert(ctx context.Context, notes, clientName string) (*Letter, error) {
	r := Read(notes, clientName)
	letter := &Letter{Facts: r.Facts(), Warnings: r.Warnings, Method: Rules, Provider: c.opts.Chat.Provider(), Model: c.opts.Chat.Model()}
	sections, mark := r.Sections(), rulesMark
	answer, d, err := c.draft(ctx, r, notes)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(r.items()) == 0:
		letter.Notice = "The letter was made by rule: the notes hold nothing that a letter may say."
	case err != nil && c.opts.RequireModel:
		return nil, required(err)
	case err != nil:
		letter.Notice = "The letter was made by rule, because no language model could be used: " + fault.DetailOf(err)
		if letter.Provider != provider.None {
			c.opts.Logger.WarnContext(ctx, "no draft from the model", "provider", letter.Provider, "fault", fault.KindOf(err).String())
		}
	default:
		proved, rejected, accepted := r.prove(d, clientName)
		letter.Provider, letter.Model, letter.Fallback, letter.Answered = answer.Provider, answer.Model, answer.Fallback, true
		c.opts.Logger.InfoContext(ctx, "draft proved", "provider", answer.Provider, "model", answer.Model, "accepted", accepted, "rejected", len(rejected))
		letter.Notice = notice(rejected, accepted)
		if accepted > 0 {
			sections, mark, letter.Method = proved, modelMark, Model
		}
	}
	letter.Matters = text(sections.Matters, NoMatters)
	letter.Ours = text(sections.Ours, NoOurs)
	letter.Yours = text(sections.Yours, NoYours)
	letter.Mark = mark
	letter.FullText = full(mark, clientName, letter.Matters, letter.Ours, letter.Yours)
	return letter, nil
}

// required is the error in a letter's place.
func required(cause error) error {
	err := fault.Wrap(fault.Unavailable, cause,
		"No letter was written: NOTES_REQUIRE_MODEL is set, and no language model could be used: "+fault.DetailOf(cause))
	var known *fault.Error
	if errors.As(cause, &known) {
		err.RetryAfter = known.RetryAfter
	}
	if fault.KindOf(cause) == fault.Busy {
		err.Kind = fault.Busy
	}
	return err
}

// draft asks the model once, unless there is nothing it may see.
func (c *Converter) draft(ctx context.Context, r *Record, notes string) (*provider.ChatResponse, draft, error) {
	if len(r.items()) == 0 {
		return nil, draft{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	answer, err := c.opts.Chat.Chat(ctx, provider.ChatRequest{
		Messages: r.messages(), Schema: draftSchema, MaxTokens: maxTokens(notes),
	})
	if err != nil {
		return nil, draft{}, err
	}
	d, err := parseDraft(answer.Content)
	return answer, d, err
}

// maxReasons bounds how many of the model's faults a notice lists.
const maxReasons = 10

func notice(rejected []string, accepted int) string {
	if len(rejected) == 0 {
		return ""
	}
	listed := strings.Join(rejected[:min(len(rejected), maxReasons)], "; ")
	if more := len(rejected) - maxReasons; more > 0 {
		listed += fmt.Sprintf("; and %d more", more)
	}
	if accepted == 0 {
		return "The letter was made by rule: no sentence of the language model's could be accepted: " + listed + "."
	}
	return fmt.Sprintf("Not accepted of the language model's sentences, and replaced by the notes' own words: %s.", listed)
}
