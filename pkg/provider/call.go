package provider

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"signpost.internal/pkg/fault"
)

const (
	// When every server of a route failed and one may answer in a moment, all
	// are tried once more, repeatDelay later. Repeats are at most repeatRate of
	// the calls under way, so that they do not bring down what is struggling.
	repeatDelay = 100 * time.Millisecond
	repeatRate  = 0.2
)

// newRepeat returns the one owner of retries.
func newRepeat() failsafe.Executor[*ChatResponse] {
	return failsafe.With(retrypolicy.NewBuilder[*ChatResponse]().
		HandleIf(func(_ *ChatResponse, err error) bool { return err != nil && errors.As(err, new(*worthRepeating)) }).
		WithMaxRetries(1).
		WithDelay(repeatDelay).
		WithJitterFactor(0.5).
		WithBudget(budget.NewBuilder().WithMaxRate(repeatRate).Build()).
		ReturnLastFailure().
		Build())
}

// worthRepeating marks the error of a round that is to be repeated.
type worthRepeating struct{ error }

func (e *worthRepeating) Unwrap() error { return e.error }

// conversation is a call for text on its way over the servers.
type conversation struct {
	operation string
	request   ChatRequest
	image     *image
	emit      func(StreamEvent) bool // nil when nobody reads along
	form      *jsonschema.Schema     // nil for free text

	began    time.Time
	failures []failure
	// shown is the server whose text the reader has, when that server failed.
	shown *Seam
}

// converse checks a request and asks the servers of its route in order.
func (c *Client) converse(ctx context.Context, v conversation) (*ChatResponse, error) {
	v.began = time.Now()
	r := c.routes.Load()
	way := &r.text
	if v.image != nil {
		way = &r.vision
	}
	if err := checkRequest(v.request); err != nil {
		return nil, err
	}
	var err error
	if v.form, err = compile(v.request.Schema); err != nil {
		return nil, err
	}
	if v.image == nil {
		if err := r.check(v.request.Model); err != nil {
			return nil, err
		}
		if r.own(v.request.Model) {
			v.request.Model = ""
		}
	}
	if len(way.tiers) == 0 {
		return nil, none(way.variable)
	}
	var last error
	answer, err := c.repeat.WithContext(ctx).Get(func() (*ChatResponse, error) {
		var answer *ChatResponse
		answer, last = c.round(ctx, way, &v)
		return answer, last
	})
	if err == nil {
		return answer, nil
	}
	// The executor's own errors, of its budget and the context, say less.
	var again *worthRepeating
	if !errors.As(last, &again) {
		return nil, last
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fault.Wrap(fault.Canceled, again.error, canceledDetail)
	}
	return nil, again.error
}

// round asks each server of the route once, until one answers.
func (c *Client) round(ctx context.Context, way *route, v *conversation) (*ChatResponse, error) {
	targets := way.order()
	begin := len(v.failures)
	transient := false
	for i, t := range targets {
		answer, err := c.attempt(ctx, t, v, len(targets)-1-i)
		if err == nil {
			answer.Fallback = reasons(v.failures)
			if len(v.failures) > 0 {
				c.logger.WarnContext(ctx, "model fallback", "provider", answer.Provider, "model", answer.Model, "fallback", answer.Fallback)
			}
			c.active.Store(&t.up.provider)
			return answer, nil
		}
		if errors.Is(err, errStopped) {
			return nil, err
		}
		verdict := why(err)
		v.failures = append(v.failures, failure{provider: t.up.provider, err: err, why: verdict})
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // each server had a part in that
			return nil, together(v.failures[begin:])
		}
		if !verdict.next || ctx.Err() != nil {
			return nil, err
		}
		// A reader who has a part of an answer is not given another by the same
		// server: what failed once in the middle may do so for ever.
		transient = transient || verdict.transient && v.shown == nil
	}
	err := together(v.failures[begin:])
	if transient {
		return nil, &worthRepeating{err}
	}
	return nil, err
}

// attempt asks one server. rest is how many others could be asked after it.
func (c *Client) attempt(ctx context.Context, t target, v *conversation, rest int) (answer *ChatResponse, err error) {
	began := time.Now()
	up := t.up
	e := up.engine
	model := t.name(v.request.Model)
	ctx, span := c.trace(ctx, "chat", up, model, v.failures)
	var queued, first time.Duration
	defer func() {
		a := Attempt{
			Operation: v.operation, Provider: up.provider, Model: model, Outcome: "ok", Number: len(v.failures) + 1,
			QueueTime: queued, FirstToken: first, Duration: time.Since(began),
		}
		switch {
		case errors.Is(err, errStopped):
			a.Outcome = "stopped"
		case err != nil:
			a.Outcome = why(err).reason
		default:
			a.Usage = answer.Usage
		}
		span.done(a, err != nil && a.Outcome != "stopped", answer, 0)
		c.observed(a)
	}()

	b := up.breaker(model)
	if b.circuit.IsOpen() && b.circuit.RemainingDelay() > 0 {
		return nil, b.refusal()
	}
	up.outstanding.Add(1)
	defer up.outstanding.Add(-1)
	if err := up.enter(ctx); err != nil {
		return nil, e.classify(ctx, model, err)
	}
	defer up.leave()
	queued = time.Since(began)
	if !b.circuit.TryAcquirePermit() {
		return nil, b.refusal()
	}
	defer func() {
		if errors.Is(err, errStopped) {
			b.record(nil)
			return
		}
		b.record(err)
		c.note(up, model, err)
		err = c.fetching(up, model, err)
	}()

	ctx, watch := c.dog.watch(ctx, c.patience(ctx, rest))
	defer watch.stop()
	if model == "" {
		if model, err = t.discover(ctx); err != nil {
			return nil, e.classify(ctx, model, err)
		}
	}
	if v.image != nil {
		if err := up.checkSight(ctx, model); err != nil {
			return nil, err
		}
	}
	u := &utterance{conversation: v, up: up, model: model, watch: watch, idle: c.cfg.IdleTimeout}
	answer, err = u.say(ctx, v.request.Messages)
	first = u.first(began)
	if answer != nil && errors.Is(err, errUnfit) && v.emit == nil && answer.FinishReason != FinishLength {
		// A model that is told what was wrong mostly gets it right.
		watch.restart(c.patience(ctx, rest))
		answer, err = u.say(ctx, append(slices.Clone(v.request.Messages),
			Message{Role: Assistant, Content: answer.Content}, Message{Role: User, Content: repairRequest}))
	}
	if err != nil {
		return nil, v.broke(err)
	}
	answer.Provider, answer.QueueTime, answer.FirstToken = up.provider, queued, began.Sub(v.began)+first
	return answer, nil
}

const repairRequest = "Your answer is not JSON that follows the schema. Answer again, with nothing but the JSON that follows it."

// utterance is what one server says in a conversation.
type utterance struct {
	*conversation
	up    *upstream
	model string
	watch *watch
	idle  time.Duration
	told  bool      // the reader has text of this server
	heard time.Time // when the first token came
}

// first returns the time from began to the first token, 0 for none.
func (u *utterance) first(began time.Time) time.Duration {
	if u.heard.IsZero() {
		return 0
	}
	return u.heard.Sub(began)
}

// show passes a piece of an answer on to the reader, after a seam where one is
// due. It returns false when the reader wants no more.
func (u *utterance) show(d delta) bool {
	if d == (delta{}) || u.emit == nil {
		return true
	}
	if !u.told {
		if u.shown != nil {
			seam := *u.shown
			seam.ToProvider, seam.ToModel = u.up.provider, u.model
			if !u.emit(StreamEvent{Seam: &seam}) {
				return false
			}
		}
		u.told, u.shown = true, &Seam{FromProvider: u.up.provider, FromModel: u.model}
	}
	return u.emit(StreamEvent{Content: d.content, Reasoning: d.reasoning})
}

// someText is room for a short answer, in bytes, so that it is not grown for.
const someText = 512

// say returns the server's answer. An answer beside an errUnfit is whole and
// does not follow the schema.
func (u *utterance) say(ctx context.Context, messages []Message) (*ChatResponse, error) {
	r := u.request
	e := u.up.engine
	var (
		split              splitter
		content, reasoning strings.Builder
	)
	content.Grow(someText)
	pass := func(answer, thought string) bool {
		content.WriteString(answer)
		reasoning.WriteString(thought)
		return u.show(delta{content: answer, reasoning: thought})
	}
	end, err := u.up.driver.chat(ctx, call{
		model: u.model, messages: messages, image: u.image,
		maxTokens: r.MaxTokens, temperature: r.Temperature, schema: r.Schema,
	}, func(d delta) bool {
		u.watch.progress(u.idle)
		if u.heard.IsZero() {
			u.heard = time.Now()
		}
		answer, thought := split.add(d.content)
		return pass(answer, d.reasoning+thought)
	})
	if err == nil && !pass(split.end()) {
		err = errStopped
	}
	switch {
	case errors.Is(err, errStopped):
		return nil, errStopped
	case u.image != nil && refusesImage(err):
		return nil, blind(u.model)
	case err != nil:
		return nil, e.classify(ctx, u.model, err)
	}
	answer := &ChatResponse{
		Content:      content.String(),
		Reasoning:    reasoning.String(),
		Model:        cmp.Or(end.model, u.model),
		Usage:        end.usage,
		FinishReason: end.reason,
	}
	return answer, checkAnswer(ctx, e, answer, u.form)
}

// broke notes, for a reader who has text of the server that failed, why it did.
func (v *conversation) broke(err error) error {
	if v.shown != nil && !errors.Is(err, errStopped) {
		v.shown.Reason = why(err).reason
	}
	return err
}

// patience is how long a server may take to its first token. Where the call has
// a deadline and other servers are left, they are left half of the time.
func (c *Client) patience(ctx context.Context, rest int) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok || rest == 0 {
		return c.cfg.FirstTokenTimeout
	}
	return min(c.cfg.FirstTokenTimeout, time.Until(deadline)/2)
}

func (c *Client) observed(a Attempt) {
	if c.observe != nil {
		c.observe(a)
	}
}

// note keeps what a call found out about the server.
func (c *Client) note(u *upstream, model string, err error) {
	if err == nil {
		u.setDown(false)
		if _, known := u.answered.Load(model); !known {
			u.answered.Store(model, nil)
		}
		return
	}
	verdict := why(err)
	if verdict.reason == "model_missing" {
		u.discovered.Store(nil) // the server may have another model by now
	}
	if verdict.next {
		u.answered.Delete(model)
		u.contexts.Delete(model) // another server may be in its place
		c.probe.expire()         // that it is ready no longer stands
	}
	if verdict.blames {
		u.setDown(true)
	}
}

// checkSight returns an error for a model that does not read images. A model is
// asked for until it does.
func (u *upstream) checkSight(ctx context.Context, model string) error {
	if _, known := u.seeing.Load(model); known {
		return nil
	}
	switch sees, err := u.driver.sees(ctx, model); {
	case err != nil:
		return u.engine.classify(ctx, model, err)
	case !sees:
		return blind(model)
	}
	u.seeing.Store(model, nil)
	return nil
}
