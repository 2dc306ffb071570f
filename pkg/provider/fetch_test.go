package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"signpost.internal/pkg/fault"
)

// larder is a server that can fetch models.
type larder struct {
	*fake
	fetch func(ctx context.Context, report func(done, total int64)) error
	pulls atomic.Int32
	there atomic.Bool // whether it has the model
}

func (l *larder) holds(context.Context, string) int { return 0 }

func (l *larder) models(context.Context) ([]string, error) {
	if l.there.Load() {
		return []string{"m"}, nil
	}
	return []string{"other"}, nil
}

func (l *larder) pull(ctx context.Context, _ string, report func(done, total int64)) error {
	l.pulls.Add(1)
	return l.fetch(ctx, report)
}

// empty returns a client of one server that has no model yet.
func empty(t *testing.T, fetch func(context.Context, *larder, func(done, total int64)) error) (*Client, *larder) {
	l := &larder{fake: &fake{name: "first"}}
	l.answer = func(ctx context.Context, c call, emit func(delta) bool) error {
		if !l.there.Load() {
			return l.status(404)(ctx, c, emit)
		}
		emit(delta{content: "y"})
		return nil
	}
	l.fetch = func(ctx context.Context, report func(done, total int64)) error { return fetch(ctx, l, report) }
	c := client(t, func(cfg *Config) { cfg.OllamaAutoPull = true }, []*fake{l.fake})
	c.routes.Load().text.tiers[0][0].up.driver = l
	return c, l
}

// TestPullsInTime holds when a model is pulled.
func TestPullsInTime(t *testing.T) {
	t.Run("once at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, l := empty(t, func(_ context.Context, l *larder, report func(int64, int64)) error {
				report(0, 1000)
				for done := range int64(10) {
					time.Sleep(time.Minute)
					report(100*(done+1), 1000)
				}
				report(1000, 4000) // a layer that was not known of
				time.Sleep(time.Minute)
				l.there.Store(true)
				return nil
			})
			for range 3 {
				if _, err := c.Chat(t.Context(), words()); !strings.Contains(fault.DetailOf(err), "first is pulling m: ") {
					t.Errorf("got %v", err)
				}
			}
			time.Sleep(4*time.Minute + time.Second)
			_, err := c.Chat(t.Context(), words())
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Detail != "first is pulling m: 40 % of 1 kB." || f.RetryAfter.Round(10*time.Second) != 6*time.Minute || why(err).reason != "model_pulling" {
				t.Errorf("got %v, %+v", err, f)
			}
			got := c.Status(t.Context())
			if u := got.Upstreams[0]; got.State != Pulling || got.Reachable || u.Progress != 40 || u.Reason != "first at http://first is pulling m: 40 % of 1 kB." {
				t.Errorf("status %+v", got)
			}
			time.Sleep(6 * time.Minute)
			if got := c.Status(t.Context()); got.Upstreams[0].Progress != 99 { // never less than it was
				t.Errorf("status %+v", got)
			}
			time.Sleep(time.Minute)
			if got := c.Status(t.Context()); got.State != Ready {
				t.Errorf("status %+v", got)
			}
			if n := l.pulls.Load(); n != 1 {
				t.Errorf("%d pulls", n)
			}
		})
	})
	t.Run("one that fails is tried again, later each time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, l := empty(t, func(context.Context, *larder, func(int64, int64)) error {
				return &eventError{message: "no space left on device"}
			})
			c.Warm(TextRoute)
			began := time.Now()
			var at []time.Duration
			for len(at) < 9 {
				if int(l.pulls.Load()) > len(at) {
					at = append(at, time.Since(began).Truncate(time.Minute))
				}
				time.Sleep(time.Second)
			}
			// At most a minute late, as the look for it is once a minute.
			if got := fmt.Sprint(at); got != "[0s 0s 2m0s 4m0s 8m0s 16m0s 32m0s 1h2m0s 1h32m0s]" {
				t.Errorf("tried after %s", got)
			}
			_, err := c.Chat(t.Context(), words())
			var f *fault.Error
			if !errors.As(err, &f) || !strings.Contains(f.Detail, "its disk is full") || f.RetryAfter > pullDelayMax || f.RetryAfter < pullDelayMax/2 || why(err).reason != "model_missing" {
				t.Errorf("got %v, %+v", err, f)
			}
		})
	})
	t.Run("one that is silent is given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := empty(t, func(ctx context.Context, _ *larder, report func(int64, int64)) error {
				report(1, 2)
				<-ctx.Done()
				return ctx.Err()
			})
			_, _ = c.Chat(t.Context(), words())
			time.Sleep(pullIdle + time.Second)
			synctest.Wait()
			if got := c.Status(t.Context()); !strings.Contains(got.Reason, "it said nothing for 10m0s") {
				t.Errorf("status %+v", got)
			}
		})
	})
	t.Run("one that is listed under another name", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, l := empty(t, func(context.Context, *larder, func(int64, int64)) error { return nil })
			_, _ = c.Chat(t.Context(), words())
			synctest.Wait()
			if got := c.Status(t.Context()); got.State != ModelMissing || !strings.Contains(got.Reason, "does not list it") || l.pulls.Load() != 1 {
				t.Errorf("status %+v", got)
			}
		})
	})
	t.Run("a closed client pulls nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, l := empty(t, func(context.Context, *larder, func(int64, int64)) error { return nil })
			c.Close()
			_, _ = c.Chat(t.Context(), words())
			if l.pulls.Load() != 0 {
				t.Error("pulled")
			}
		})
	})
}

// TestWarmInTime holds that a server which comes up late is asked all the same.
func TestWarmInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := &fake{name: "late", vector: []float32{1}}
		var up atomic.Bool
		late.answer = func(ctx context.Context, c call, emit func(delta) bool) error {
			if !up.Load() {
				return late.status(503)(ctx, c, emit)
			}
			emit(delta{content: "y"})
			return nil
		}
		c := client(t, nil, []*fake{late})
		c.Warm(TextRoute, EmbeddingRoute)
		time.Sleep(time.Hour)
		up.Store(true)
		time.Sleep(warmMax + probeAge)
		server := c.routes.Load().text.tiers[0][0].up
		if _, warm := server.answered.Load("m"); !warm {
			t.Error("it was not asked")
		}
		asked := late.chats.Load()
		time.Sleep(time.Hour)
		if late.chats.Load() != asked {
			t.Error("it was asked for ever")
		}
	})
}

// FuzzReadPull holds that a pull succeeds only where the server says so.
func FuzzReadPull(f *testing.F) {
	f.Add(`{"status":"pulling manifest"}` + "\n" + `{"status":"pulling a","digest":"sha256:a","total":10,"completed":5}` + "\n" + `{"status":"success"}`)
	f.Add(`{"error":"pull model manifest: file does not exist"}`)
	f.Add(`{"status":"pulling a","digest":"sha256:a","total":9223372036854775807,"completed":-1}`)
	f.Add(`{"status":"a","digest":"b","total":9223372036854775807}` + "\n" + `{"status":"a","digest":"c","total":9223372036854775807}`)
	f.Fuzz(func(t *testing.T, stream string) {
		err := readPull(strings.NewReader(stream), func(done, total int64) {
			if p := percent(done, total); p < 0 || p > 99 {
				t.Errorf("%d of %d is %d %%", done, total, p)
			}
		})
		if err == nil && !strings.Contains(stream, "success") {
			t.Error("success from nowhere")
		}
		if err != nil {
			if text := whyNotPulled(err); text == "" || strings.ContainsRune(text, '\n') {
				t.Errorf("reason %q", text)
			}
		}
		cut := readPull(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(io.ErrUnexpectedEOF)), func(int64, int64) {})
		if err == nil != (cut == nil) {
			t.Errorf("whole %v, cut %v", err, cut)
		}
	})
}
