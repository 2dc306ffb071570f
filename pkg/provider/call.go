package provider

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

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
		HandleIf(func(_ *ChatResponse, err error) bool { return errors.As(err, new(*worthRepeating)) }).
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
	answer, err := c.repeat.WithContext(ctx).GetWithExecution(func(failsafe.Execution[*ChatResponse]) (*ChatResponse, error) {
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
	e := up.driver.engine()
	model := t.name(v.request.Model)
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
		up.note(model, err)
	}()

	ctx, watch := startWatch(ctx, c.patience(ctx, rest))
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
	r := v.request
	var (
		split              splitter
		content, reasoning strings.Builder
		told               bool // the reader has text of this server
	)
	pass := func(answer, thought string) bool {
		content.WriteString(answer)
		reasoning.WriteString(thought)
		if answer == "" && thought == "" || v.emit == nil {
			return true
		}
		if !told && v.shown != nil {
			seam := *v.shown
			seam.ToProvider, seam.ToModel = up.provider, model
			if !v.emit(StreamEvent{Seam: &seam}) {
				return false
			}
		}
		if !told {
			told, v.shown = true, &Seam{FromProvider: up.provider, FromModel: model}
		}
		return v.emit(StreamEvent{Content: answer, Reasoning: thought})
	}
	end, err := up.driver.chat(ctx, call{
		model: model, messages: r.Messages, image: v.image,
		maxTokens: r.MaxTokens, temperature: r.Temperature, schema: r.Schema,
	}, func(d delta) bool {
		watch.progress(c.cfg.IdleTimeout)
		if first == 0 {
			first = time.Since(began)
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
	case v.image != nil && refusesImage(err):
		return nil, v.broke(blind(model))
	case err != nil:
		return nil, v.broke(e.classify(ctx, model, err))
	}
	answer = &ChatResponse{
		Content:      content.String(),
		Reasoning:    reasoning.String(),
		Provider:     up.provider,
		Model:        end.model,
		Usage:        end.usage,
		QueueTime:    queued,
		FirstToken:   began.Sub(v.began) + first,
		FinishReason: end.reason,
	}
	if answer.Model == "" {
		answer.Model = model
	}
	if err := checkAnswer(ctx, e, answer, r.Schema); err != nil {
		return nil, v.broke(err)
	}
	return answer, nil
}

// broke notes, for a reader who has text of the server that failed, why it did.
func (v *conversation) broke(err error) error {
	if v.shown != nil {
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
func (u *upstream) note(model string, err error) {
	if err == nil {
		u.setDown(false)
		u.answered.Store(model, nil)
		return
	}
	verdict := why(err)
	if verdict.reason == "model_missing" {
		u.discovered.Store(nil) // the server may have another model by now
	}
	if verdict.next {
		u.answered.Delete(model)
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
		return u.driver.engine().classify(ctx, model, err)
	case !sees:
		return blind(model)
	}
	u.seeing.Store(model, nil)
	return nil
}

// watch ends a call that makes no progress.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	late   atomic.Pointer[error] // why the call would be ended now
}

// startWatch returns a context that ends with the cause errSlowStart after
// timeout, unless there is progress before.
func startWatch(ctx context.Context, timeout time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel}
	w.late.Store(&errSlowStart)
	w.timer = time.AfterFunc(timeout, func() { cancel(*w.late.Load()) })
	return ctx, w
}

// progress allows the call idle more until the next progress.
func (w *watch) progress(idle time.Duration) {
	w.late.Store(&errStalled)
	w.timer.Reset(idle)
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
