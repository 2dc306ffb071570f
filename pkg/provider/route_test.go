package provider

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signpost.internal/pkg/fault"
)

// fake is a driver in memory, for what needs the clock of a synctest bubble.
type fake struct {
	name string
	list []string
	// answer is called for each chat; nil says the engine's name.
	answer func(ctx context.Context, c call, emit func(delta) bool) error
	vector []float32
	chats  atomic.Int32
}

func (f *fake) chat(ctx context.Context, c call, emit func(delta) bool) (ending, error) {
	f.chats.Add(1)
	if f.answer != nil {
		if err := f.answer(ctx, c, emit); err != nil {
			return ending{}, err
		}
	} else if !emit(delta{content: f.name}) {
		return ending{}, errStopped
	}
	return ending{reason: FinishStop}, nil
}

func (f *fake) embed(_ context.Context, _ string, texts []string) ([][]float32, int, error) {
	f.chats.Add(1)
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = f.vector
	}
	return vectors, 1, nil
}

func (f *fake) models(context.Context) ([]string, error)   { return f.list, nil }
func (f *fake) sees(context.Context, string) (bool, error) { return true, nil }

func (f *fake) holds(context.Context, string) int { return 0 }
func (f *fake) engine() engine {
	return engine{name: f.name, address: "http://" + f.name, missing: func(m string) string { return "get " + m }}
}
func (f *fake) close() {}
func (f *fake) status(code int) func(context.Context, call, func(delta) bool) error {
	return func(context.Context, call, func(delta) bool) error { return &statusError{code: code} }
}

// client returns a client of the fakes: each tier's servers are replicas.
func client(t *testing.T, change func(*Config), tiers ...[]*fake) *Client {
	t.Helper()
	cfg := Config{
		Provider: VLLM, OllamaURL: "http://o", OllamaModel: "m", EmbeddingModel: "e", VisionModel: "v", OllamaContext: 4096,
		FirstTokenTimeout: 5 * time.Minute, IdleTimeout: time.Minute, Concurrency: 4, Queue: 2, QueueTimeout: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	c, err := Open(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := c.routes.Load()
	r.text.tiers, r.embedding.tiers, r.vision.tiers = nil, nil, nil
	for _, fakes := range tiers {
		var tier []target
		for _, f := range fakes {
			if f.list == nil {
				f.list = []string{"m"}
			}
			tier = append(tier, target{up: newUpstream(cfg, f.name, f), model: "m"})
		}
		r.text.tiers = append(r.text.tiers, tier)
	}
	r.embedding.tiers = r.text.tiers[:1]
	t.Cleanup(c.Close)
	return c
}

func words() ChatRequest { return ChatRequest{Messages: []Message{{Role: User, Content: "x"}}} }

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &fake{name: "first"}, &fake{name: "second"}
		c := client(t, nil, []*fake{first}, []*fake{second})
		first.answer = first.status(500)
		ask := func(fallback string) {
			t.Helper()
			got, err := c.Chat(t.Context(), words())
			if err != nil || got.Fallback != fallback {
				t.Fatalf("answer %+v, %v, want the fallback %q", got, err, fallback)
			}
		}
		for range breakerFailures {
			ask("first server_error")
		}
		ask("first breaker_open")
		asked := first.chats.Load()
		ask("first breaker_open")
		if first.chats.Load() != asked {
			t.Error("a server with an open breaker was asked")
		}
		time.Sleep(breakerDelay)
		ask("first server_error") // the trial fails
		ask("first breaker_open")
		time.Sleep(breakerDelay)
		first.answer = nil
		ask("") // the trial succeeds
		ask("")
	})
}

// What is the request's or the settings' fault opens no breaker.
func TestBreakerBlamesTheServerOnly(t *testing.T) {
	for _, status := range []int{400, 401, 404, 422} {
		synctest.Test(t, func(t *testing.T) {
			only := &fake{name: "only"}
			only.answer = only.status(status)
			c := client(t, nil, []*fake{only})
			for range 3 * breakerFailures {
				_, err := c.Chat(t.Context(), words())
				if why(err).reason == "breaker_open" {
					t.Fatalf("status %d opened the breaker", status)
				}
			}
			if n := only.chats.Load(); n != 3*breakerFailures {
				t.Errorf("status %d: asked %d times", status, n)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		only := &fake{name: "only"}
		only.answer = func(ctx context.Context, _ call, _ func(delta) bool) error {
			<-ctx.Done()
			return ctx.Err()
		}
		c := client(t, nil, []*fake{only})
		for range 3 * breakerFailures {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := c.Chat(ctx, words())
			cancel()
			if fault.KindOf(err) != fault.Timeout {
				t.Fatalf("got %v", err)
			}
		}
	})
}

func TestAnOpenBreakerSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		only := &fake{name: "only"}
		only.answer = only.status(503)
		c := client(t, nil, []*fake{only})
		for range breakerFailures {
			if _, err := c.Chat(t.Context(), words()); err == nil {
				t.Error("no error")
			}
		}
		_, err := c.Chat(t.Context(), words())
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Busy || f.RetryAfter <= 0 || !strings.Contains(f.Detail, "only is busy") {
			t.Errorf("got %v", err)
		}
	})
}

// A server that failed in passing is asked once more, if nobody else answers.
func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		only := &fake{name: "only"}
		only.answer = func(_ context.Context, _ call, emit func(delta) bool) error {
			if only.chats.Load() == 1 {
				return &statusError{code: 500}
			}
			emit(delta{content: "now"})
			return nil
		}
		c := client(t, nil, []*fake{only})
		began := time.Now()
		got, err := c.Chat(t.Context(), words())
		if err != nil || got.Content != "now" || got.Fallback != "only server_error" {
			t.Errorf("answer %+v, %v", got, err)
		}
		if took := time.Since(began); took < repeatDelay/2 || took > 2*repeatDelay {
			t.Errorf("after %v", took)
		}
		only.answer = only.status(401) // which will not be different in a moment
		before := only.chats.Load()
		if _, err := c.Chat(t.Context(), words()); err == nil || only.chats.Load() != before+1 {
			t.Errorf("asked %d times: %v", only.chats.Load()-before, err)
		}
	})
}

// Repeats do not multiply the calls on a server that cannot cope.
func TestRepeatBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 100
		only := &fake{name: "only"}
		// Two of five fail in passing, which opens no breaker.
		only.answer = func(_ context.Context, _ call, emit func(delta) bool) error {
			n := only.chats.Load()
			time.Sleep(time.Second + time.Duration(n))
			if n <= calls && n%5 < 2 {
				return &statusError{code: 503}
			}
			emit(delta{content: "done"})
			return nil
		}
		c := client(t, func(cfg *Config) { cfg.Concurrency = calls }, []*fake{only})
		var callers sync.WaitGroup
		for range calls {
			callers.Go(func() {
				if _, err := c.Chat(t.Context(), words()); err != nil && fault.KindOf(err) != fault.Busy {
					t.Errorf("got %v", err)
				}
			})
			synctest.Wait()
		}
		callers.Wait()
		if n := only.chats.Load(); n < calls+5 || n > calls+20 {
			t.Errorf("%d calls became %d requests, want a few more", calls, n)
		}
	})
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		only := &fake{name: "only"}
		release := make(chan struct{})
		only.answer = func(ctx context.Context, _ call, emit func(delta) bool) error {
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
			emit(delta{content: "done"})
			return nil
		}
		c := client(t, nil, []*fake{only}) // 4 places, and 2 to wait
		results := make(chan error, 7)
		var waited atomic.Int64
		for range 6 {
			go func() {
				got, err := c.Chat(t.Context(), words())
				if err == nil {
					waited.Add(int64(got.QueueTime))
				}
				results <- err
			}()
		}
		synctest.Wait()
		if n := only.chats.Load(); n != 4 {
			t.Errorf("%d calls run, want 4", n)
		}
		_, err := c.Chat(t.Context(), words())
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Busy || f.RetryAfter != fullWait || !errors.Is(err, errFull) {
			t.Errorf("the seventh: %v", err)
		}
		time.Sleep(5 * time.Second)
		close(release)
		for range 6 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if time.Duration(waited.Load()) != 10*time.Second {
			t.Errorf("waited %v, want 5 s twice", time.Duration(waited.Load()))
		}
		only.answer = func(ctx context.Context, _ call, _ func(delta) bool) error {
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 4 {
			go func() {
				_, err := c.Chat(ctx, words())
				results <- err
			}()
		}
		synctest.Wait()
		began := time.Now()
		if _, err := c.Chat(t.Context(), words()); !errors.Is(err, errWaited) || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		cancel()
		for range 4 {
			<-results
		}
	})
}

func TestReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replicas := []*fake{{name: "a"}, {name: "b"}, {name: "c"}}
		release := make(chan struct{})
		for _, f := range replicas {
			f.answer = func(_ context.Context, _ call, emit func(delta) bool) error {
				<-release
				emit(delta{content: f.name})
				return nil
			}
		}
		c := client(t, nil, replicas)
		var callers sync.WaitGroup
		for range 9 {
			callers.Go(func() {
				if _, err := c.Chat(t.Context(), words()); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for _, f := range replicas {
			if n := f.chats.Load(); n != 3 {
				t.Errorf("%s has %d calls, want 3", f.name, n)
			}
		}
		close(release)
		callers.Wait()
		busy := make(chan struct{})
		hung := 0
		replicas[0].answer = func(_ context.Context, _ call, emit func(delta) bool) error {
			hung++
			<-busy
			emit(delta{content: "a"})
			return nil
		}
		for range 3 { // one of them is taken by the first, and is not given another
			callers.Go(func() {
				if _, err := c.Chat(t.Context(), words()); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for range 9 {
			if got, err := c.Chat(t.Context(), words()); err != nil || got.Provider == "a" {
				t.Errorf("answer %+v, %v: one with a call under way was preferred", got, err)
			}
		}
		close(busy)
		callers.Wait()
		if hung != 1 {
			t.Errorf("%d calls on the busy one", hung)
		}
		already := replicas[0].chats.Load()
		replicas[0].answer = replicas[0].status(500)
		for range 12 {
			if got, err := c.Chat(t.Context(), words()); err != nil || got.Provider == "a" {
				t.Errorf("answer %+v, %v", got, err)
			}
		}
		if n := replicas[0].chats.Load() - already; n != 1 {
			t.Errorf("one that failed was asked first %d times", n)
		}
	})
}

// Where a call has a deadline, the first server does not use it up.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ call, _ func(delta) bool) error {
			<-ctx.Done()
			return ctx.Err()
		}
		first, second := &fake{name: "first", answer: hang}, &fake{name: "second"}
		c := client(t, nil, []*fake{first}, []*fake{second})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		got, err := c.Chat(ctx, words())
		if err != nil || got.Provider != "second" || got.Fallback != "first first_token_timeout" || got.FirstToken != 5*time.Second {
			t.Errorf("after %v: %+v, %v", time.Since(began), got, err)
		}
		second.answer = hang
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began = time.Now()
		_, err = c.Chat(ctx, words())
		if fault.KindOf(err) != fault.Timeout || time.Since(began) != 10*time.Second || !strings.Contains(err.Error(), "first:") {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A seam comes when the next server has something to say, and not before.
func TestSeam(t *testing.T) {
	breaks := func(text string) func(context.Context, call, func(delta) bool) error {
		return func(_ context.Context, _ call, emit func(delta) bool) error {
			if text != "" && !emit(delta{content: text}) {
				return errStopped
			}
			return errIncomplete
		}
	}
	fakes := []*fake{{name: "a", answer: breaks("A")}, {name: "b", answer: breaks("")}, {name: "c", answer: breaks("C")}, {name: "d"}}
	c := client(t, nil, fakes[:1], fakes[1:2], fakes[2:3], fakes[3:])
	var seen []string
	for ev, err := range c.ChatStream(t.Context(), words()) {
		switch {
		case err != nil:
			t.Fatal(err)
		case ev.Seam != nil:
			seen = append(seen, fmt.Sprintf("[%s to %s: %s]", ev.Seam.FromProvider, ev.Seam.ToProvider, ev.Seam.Reason))
		case ev.Final != nil:
			seen = append(seen, "final "+ev.Final.Content+" after "+ev.Final.Fallback)
		default:
			seen = append(seen, ev.Content)
		}
	}
	if got, want := strings.Join(seen, " "), "A [a to c: cut] C [c to d: cut] d final d after a cut, b cut, c cut"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Nobody is left to go on: the reader is told, once.
	only := &fake{name: "only", answer: breaks("half")}
	c = client(t, nil, []*fake{only})
	var last error
	for _, err := range c.ChatStream(t.Context(), words()) {
		last = err
	}
	if fault.KindOf(last) != fault.Upstream || only.chats.Load() != 1 {
		t.Errorf("asked %d times: %v", only.chats.Load(), last)
	}
}

// A cold model is loading, not down, and ready when it has answered.
func TestLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cold := &fake{name: "cold"}
		cold.answer = func(_ context.Context, c call, emit func(delta) bool) error {
			if c.maxTokens != 1 {
				t.Error("more than a token was asked for")
			}
			time.Sleep(20 * time.Second)
			emit(delta{content: "y"})
			return nil
		}
		c := client(t, nil, []*fake{cold})
		c.routes.Load().embedding.tiers = nil
		for _, want := range []State{Loading, Loading, Ready} {
			got := c.Status(t.Context())
			if got.State != want || got.Reachable != (want == Ready) || (got.Reason == "") != (want == Ready) {
				t.Errorf("status %+v, want %s", got, want)
			}
			time.Sleep(10 * time.Second)
		}
		if n := cold.chats.Load(); n != 1 {
			t.Errorf("asked for a token %d times, want once", n)
		}
		cold.answer = cold.status(500) // what answered once is asked anew when a call failed
		if _, err := c.Chat(t.Context(), words()); err == nil {
			t.Error("no error")
		}
		time.Sleep(probeAge)
		before := cold.chats.Load()
		for range 4 { // within loadAge
			if got := c.Status(t.Context()); got.State != Unreachable {
				t.Errorf("status %+v", got)
			}
			time.Sleep(probeAge)
		}
		if n := cold.chats.Load() - before; n != 1 {
			t.Errorf("a model that does not load was asked %d times", n)
		}
		cold.answer = nil
		time.Sleep(probeAge)
		if got := c.Status(t.Context()); got.State != Ready {
			t.Errorf("status %+v", got)
		}
	})
}

func TestIdentity(t *testing.T) {
	a, b, c := []float32{1, 0}, []float32{1, 0.05}, []float32{0, 1}
	of := func(v []float32) EmbeddingIdentity {
		return EmbeddingIdentity{Model: "m", Dimension: len(v), Canary: [][]float32{v, v, v}}
	}
	if err := of(a).Check(of(b)); err != nil {
		t.Errorf("nearly the same: %v", err)
	}
	for _, other := range []EmbeddingIdentity{of(c), of([]float32{1, 0, 0}), {}} {
		err := of(a).Check(other)
		var e *IdentityError
		if fault.KindOf(err) != fault.Conflict || !errors.As(err, &e) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	t.Run("a replica of another model is not used", func(t *testing.T) {
		one, same, other := &fake{name: "one", vector: a}, &fake{name: "same", vector: b}, &fake{name: "other", vector: c}
		client := client(t, nil, []*fake{one, same, other})
		if got, err := client.EmbeddingIdentity(t.Context()); err != nil || got.Dimension != 2 || len(got.Canary) != len(canaries) {
			t.Fatalf("identity %+v, %v", got, err)
		}
		for range 9 {
			got, err := client.Embed(t.Context(), Document, []string{"rent"})
			if err != nil || math.Abs(float64(got.Vectors[0][0])-1) > 1e-6 {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	})
}

func TestWhy(t *testing.T) {
	e := engine{name: "E", missing: func(string) string { return "get it" }}
	for code, want := range map[int]verdict{
		http.StatusBadRequest:          {reason: "bad_request"},
		http.StatusUnauthorized:        {reason: "refused", next: true},
		http.StatusNotFound:            {reason: "model_missing", next: true},
		http.StatusTooManyRequests:     {reason: "busy", next: true, blames: true, transient: true},
		http.StatusInternalServerError: {reason: "server_error", next: true, blames: true, transient: true},
		http.StatusServiceUnavailable:  {reason: "busy", next: true, blames: true, transient: true},
		http.StatusMovedPermanently:    {reason: "redirected", next: true},
	} {
		if got := why(e.classify(t.Context(), "m", &statusError{code: code})); got != want {
			t.Errorf("%d: %+v, want %+v", code, got, want)
		}
	}
	for _, err := range []error{
		contextError("maximum context length is 5 tokens").fault(), fault.New(fault.Invalid, "x"),
		fault.Wrap(fault.Canceled, context.Canceled, "x"), fault.Wrap(fault.Timeout, context.DeadlineExceeded, "x"), none("X"),
	} {
		if got := why(err); got.next && fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%v: %+v, no other server is to be asked", err, got)
		}
	}
}
