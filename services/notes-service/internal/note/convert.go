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

	// Record is the case record of the notes.
	Record *Analysis
	// Checks are what the proof made of each statement of the draft, and
	// Provenance the lines that each sentence of the letter rests on.
	Checks     []Check
	Provenance []Provenance
	// Unproved says why the letter is not ready, without words of the notes; empty
	// when nothing is known to be wrong with it.
	Unproved string
	// ReadingAge is that of the three sections, see [ReadingAge].
	ReadingAge float64
	// Repaired reports whether the model was asked a second time.
	Repaired bool
}

// Missing returns the items of the checklist that the notes do not cover.
func (l *Letter) Missing() []Item {
	missing := []Item{}
	for _, it := range l.Record.Checklist {
		if it.Presence == Absent {
			missing = append(missing, it)
		}
	}
	return missing
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
	letter := &Letter{Facts: r.Facts(), Warnings: r.Warnings, Record: r.Analyse(), Method: Rules, Provider: c.opts.Chat.Provider(), Model: c.opts.Chat.Model()}
	Tell(ctx, StageRead)
	sections, mark := r.Sections(), rulesMark
	answer, o, err := c.draft(ctx, r, notes, clientName)
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
		letter.Provider, letter.Model, letter.Fallback, letter.Answered = answer.Provider, answer.Model, answer.Fallback, true
		c.opts.Logger.InfoContext(ctx, "draft proved", "provider", answer.Provider, "model", answer.Model, "accepted", o.accepted, "rejected", o.failed, "omitted", o.omitted, "repaired", o.repaired)
		letter.Notice, letter.Repaired, letter.Checks = notice(o.reasons(), o.accepted), o.repaired, o.checks
		if o.accepted > 0 {
			sections, mark, letter.Method = o.sections, modelMark, Model
		}
	}
	if letter.Checks == nil {
		letter.Checks = r.Prove(sections, clientName)
	}
	letter.Provenance = sections.provenance()
	letter.Unproved = unproved(letter.Checks, letter.Record.Doubts, len(letter.Provenance))
	letter.Matters = text(sections.Matters, NoMatters)
	letter.Ours = text(sections.Ours, NoOurs)
	letter.Yours = text(sections.Yours, NoYours)
	letter.ReadingAge = ReadingAge(text(sections.Matters, "") + "\n" + text(sections.Ours, "") + "\n" + text(sections.Yours, ""))
	letter.Mark = mark
	letter.FullText = full(mark, clientName, letter.Matters, letter.Ours, letter.Yours)
	return letter, nil
}

// unproved says why a letter is not ready.
func unproved(checks []Check, doubts, sentences int) string {
	failed, added := 0, 0
	for _, c := range checks {
		switch c.Outcome {
		case Failed:
			failed++
		case Added:
			added++
		case Proved:
		}
	}
	var why []string
	if sentences == 0 {
		why = append(why, "the notes hold nothing that a letter may say")
	}
	if failed > 0 {
		why = append(why, count(failed, "statement of the draft was", "statements of the draft were")+" not proved (see the checks)")
	}
	if added > 0 {
		why = append(why, count(added, "point that the draft left out is", "points that the draft left out are")+" in the notes' own words")
	}
	if doubts > 0 {
		why = append(why, count(doubts, "point of the notes is", "points of the notes are")+" to be settled (see the warnings)")
	}
	return strings.Join(why, "; ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
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

// draft asks the model, unless there is nothing it may see; once more, with the
// reasons, where the proof finds faults. Of two drafts the one with fewer faults
// is taken.
func (c *Converter) draft(ctx context.Context, r *Record, notes, clientName string) (*provider.ChatResponse, *outcome, error) {
	if len(r.items()) == 0 {
		return nil, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	request := provider.ChatRequest{Messages: r.messages(), Schema: draftSchema, MaxTokens: maxTokens(notes)}
	Tell(ctx, StageDraft)
	answer, err := c.opts.Chat.Chat(ctx, request)
	if err != nil {
		return nil, nil, err
	}
	d, err := parseDraft(answer.Content)
	if err != nil {
		return nil, nil, err
	}
	Tell(ctx, StageProof)
	o := r.prove(d, clientName)
	if o.faults() == 0 {
		return answer, o, nil
	}
	Tell(ctx, StageRepair)
	request.Messages = append(request.Messages, provider.Message{Role: provider.Assistant, Content: answer.Content},
		provider.Message{Role: provider.User, Content: o.repairRequest()})
	o.repaired = true
	second, err := c.opts.Chat.Chat(ctx, request)
	if err != nil {
		return answer, o, nil // the first draft stands, with its faults flagged
	}
	d, err = parseDraft(second.Content)
	if err != nil {
		return answer, o, nil
	}
	Tell(ctx, StageProof)
	if better := r.prove(d, clientName); better.faults() < o.faults() {
		better.repaired = true
		return second, better, nil
	}
	return answer, o, nil
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
