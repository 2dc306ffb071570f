package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.opentelemetry.io/otel/attribute"

	"signpost.internal/pkg/fault"
)

// upstream is one model server. It outlives a switch that still names it.
type upstream struct {
	provider string
	driver   driver
	engine   engine // the driver's
	place    []attribute.KeyValue

	places      bulkhead.Bulkhead[any] // for calls that run or wait
	slots       bulkhead.Bulkhead[any] // for calls that run
	patience    time.Duration
	outstanding atomic.Int64 // calls that run or wait

	breakers   sync.Map               // model → *breaker
	discovered atomic.Pointer[string] // the model found on the server
	seeing     sync.Map               // names of the models known to read images
	contexts   sync.Map               // model → how many tokens it holds, where known
	alike      atomic.Bool            // its embeddings are those of the identity
	answered   sync.Map               // models that answered since they last failed
	failed     atomic.Int64           // when it last failed, in ns since 1970; 0 when it answered since
}

// down reports whether the server failed just now.
func (u *upstream) down() bool {
	at := u.failed.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < breakerDelay
}

func (u *upstream) setDown(down bool) {
	at := int64(0)
	if down {
		at = time.Now().UnixNano()
	}
	u.failed.Store(at)
}

func newUpstream(cfg Config, provider string, d driver) *upstream {
	return &upstream{
		provider: provider,
		driver:   d,
		engine:   d.engine(),
		place:    place(d.engine().address),
		places:   bulkhead.New[any](uint(cfg.Concurrency + cfg.Queue)),
		slots:    bulkhead.New[any](uint(cfg.Concurrency)),
		patience: cfg.QueueTimeout,
	}
}

// enter waits for a place. The caller leaves again when the error is nil.
func (u *upstream) enter(ctx context.Context) error {
	if !u.places.TryAcquirePermit() {
		return u.full(errFull)
	}
	if err := u.slots.AcquirePermitWithMaxWait(ctx, u.patience); err != nil {
		u.places.ReleasePermit()
		if errors.Is(err, bulkhead.ErrFull) {
			return u.full(errWaited)
		}
		return err
	}
	return nil
}

func (u *upstream) leave() {
	u.slots.ReleasePermit()
	u.places.ReleasePermit()
}

// fullWait is what a refused caller is told to wait.
const fullWait = 2 * time.Second

func (u *upstream) full(cause error) error {
	busy := fault.Wrap(fault.Busy, cause, u.engine.name+" has as many calls as it may have: try again shortly.")
	busy.RetryAfter = fullWait
	return busy
}

const (
	// A breaker opens at breakerFailures among the latest breakerCalls.
	breakerFailures = 5
	breakerCalls    = 10
	// breakerDelay is how long an open one keeps calls away; then one may try.
	breakerDelay = 5 * time.Second
)

// breaker keeps calls away from a model on a server that failed repeatedly.
type breaker struct {
	circuit circuitbreaker.CircuitBreaker[any]
	latest  atomic.Pointer[fault.Error]
}

func (u *upstream) breaker(model string) *breaker {
	if known, ok := u.breakers.Load(model); ok {
		return known.(*breaker)
	}
	b := &breaker{circuit: circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(breakerFailures, breakerCalls).
		WithSuccessThreshold(1).
		WithDelay(breakerDelay).
		Build()}
	known, _ := u.breakers.LoadOrStore(model, b)
	return known.(*breaker)
}

// refusal is the error of an open breaker: in the words of what opened it.
func (b *breaker) refusal() error {
	refused := fault.New(fault.Unavailable, "The model server failed just now.")
	if latest := b.latest.Load(); latest != nil {
		refused.Kind, refused.Detail = latest.Kind, latest.Detail
	}
	refused.Cause = errOpen
	refused.RetryAfter = max(time.Second, b.circuit.RemainingDelay().Round(time.Second))
	return refused
}

// record takes note of how a call ended that the breaker had let through.
func (b *breaker) record(err error) {
	switch {
	case err == nil:
		b.circuit.RecordSuccess()
	case why(err).blames:
		var f *fault.Error
		if errors.As(err, &f) {
			b.latest.Store(f)
		}
		b.circuit.RecordFailure()
	case fault.KindOf(err) == fault.Canceled || fault.KindOf(err) == fault.Timeout:
		// Nothing is known of the server. A trial must end all the same.
		if b.circuit.IsHalfOpen() {
			b.circuit.RecordFailure()
		}
	default:
		b.circuit.RecordSuccess() // it answered, though not as wished
	}
}

// verdict is what a failed attempt means for the call and for the server.
type verdict struct {
	reason    string // one word for logs, metrics and headers
	next      bool   // another server may answer
	blames    bool   // the server failed, not the request or the settings
	transient bool   // the same server may answer in a moment
}

// why judges the error of an attempt, a fault.
func why(err error) verdict {
	var (
		status  *statusError
		event   *eventError
		tooLong *ContextError
	)
	started := errors.Is(err, errSlowStart)
	switch kind := fault.KindOf(err); {
	case errors.As(err, &tooLong), kind == fault.Canceled, kind == fault.Invalid, errors.Is(err, errUnfit):
		return verdict{reason: kind.String()}
	case started:
		return verdict{reason: "first_token_timeout", next: true, blames: true}
	case errors.Is(err, errStalled):
		return verdict{reason: "stalled", next: true, blames: true}
	case kind == fault.Timeout:
		return verdict{reason: "timeout"}
	case errors.Is(err, errOpen):
		return verdict{reason: "breaker_open", next: true}
	case errors.Is(err, errFull), errors.Is(err, errWaited):
		return verdict{reason: "queue_full", next: true}
	case errors.Is(err, errNoModel):
		return verdict{reason: "model_missing", next: true}
	case errors.Is(err, errPulling):
		return verdict{reason: "model_pulling", next: true}
	case errors.Is(err, errBlind):
		return verdict{reason: "model_blind", next: true}
	case errors.Is(err, errOther):
		return verdict{reason: "other_embeddings", next: true}
	case errors.Is(err, errThoughts):
		return verdict{reason: "empty", next: true}
	case errors.As(err, &status):
		return whyStatus(status)
	case errors.As(err, &event):
		return verdict{reason: "stream_error", next: true, blames: true}
	case errors.Is(err, errEmpty):
		return verdict{reason: "empty", next: true, blames: true}
	case errors.Is(err, errGarbled), errors.Is(err, errMismatch):
		return verdict{reason: "garbled", next: true, blames: true}
	case errors.Is(err, errIncomplete):
		return verdict{reason: "cut", next: true, blames: true, transient: true}
	case kind == fault.Unavailable:
		return verdict{reason: "unreachable", next: true, blames: true}
	case kind == fault.Upstream:
		return verdict{reason: "broken", next: true, blames: true, transient: true}
	}
	return verdict{reason: fault.KindOf(err).String()}
}

func whyStatus(s *statusError) verdict {
	switch {
	case s.code == 401 || s.code == 403:
		return verdict{reason: "refused", next: true}
	case s.code == 404:
		return verdict{reason: "model_missing", next: true}
	case s.code >= 300 && s.code < 400:
		return verdict{reason: "redirected", next: true}
	case s.code == 408 || s.code == 429 || s.code == 503:
		return verdict{reason: "busy", next: true, blames: true, transient: true}
	case s.code >= 500:
		return verdict{reason: "server_error", next: true, blames: true, transient: true}
	}
	return verdict{reason: "bad_request"}
}

// failure is an attempt that did not succeed.
type failure struct {
	provider string
	err      error
	why      verdict
}

// reasons is what a response says of the attempts before it: "vllm unreachable".
func reasons(failures []failure) string {
	var parts []string
	for _, f := range failures {
		if part := f.provider + " " + f.why.reason; len(parts) == 0 || parts[len(parts)-1] != part {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// together makes one error of the failures of all servers. Its kind is that of
// the first, but Busy where one of them is only busy, and to be tried again when
// the first of them may answer.
func together(failures []failure) error {
	if len(failures) == 1 {
		return failures[0].err
	}
	var (
		details []string
		causes  []error
		out     = &fault.Error{Kind: fault.KindOf(failures[0].err)}
	)
	for _, f := range failures {
		if detail := fault.DetailOf(f.err); len(details) == 0 || details[len(details)-1] != detail {
			details = append(details, detail)
		}
		causes = append(causes, fmt.Errorf("%s: %w", f.provider, f.err))
		var e *fault.Error
		if !errors.As(f.err, &e) {
			continue
		}
		if e.Kind == fault.Busy {
			out.Kind = fault.Busy
		}
		if e.RetryAfter > 0 && (out.RetryAfter == 0 || e.RetryAfter < out.RetryAfter) {
			out.RetryAfter = e.RetryAfter
		}
	}
	out.Detail, out.Cause = strings.Join(details, " "), errors.Join(causes...)
	return out
}
