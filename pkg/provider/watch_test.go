package provider

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatches holds that calls that share a timer end at their own moments.
func TestWatches(t *testing.T) {
	for name, tc := range map[string]struct {
		drive func(*watch)
		after time.Duration
		cause error
	}{
		"no token":                {func(*watch) {}, 5 * time.Minute, errSlowStart},
		"a token, then none":      {func(w *watch) { time.Sleep(time.Minute); w.progress(time.Minute) }, 2 * time.Minute, errStalled},
		"tokens, then none":       {func(w *watch) { w.progress(time.Minute); time.Sleep(59 * time.Second); w.progress(time.Minute) }, 119 * time.Second, errStalled},
		"a second answer, silent": {func(w *watch) { w.progress(time.Minute); w.restart(10 * time.Minute) }, 10 * time.Minute, errSlowStart},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dog := newWatchdog()
				for _, other := range []time.Duration{time.Second, 5 * time.Minute, time.Hour} { // in the way
					ctx, w := dog.watch(t.Context(), other)
					defer w.stop()
					began := time.Now()
					context.AfterFunc(ctx, func() {
						if after := time.Since(began); after != other && t.Context().Err() == nil && errors.Is(context.Cause(ctx), errSlowStart) {
							t.Errorf("another call ended after %v, not %v", after, other)
						}
					})
				}
				began := time.Now()
				ctx, w := dog.watch(t.Context(), 5*time.Minute)
				defer w.stop()
				tc.drive(w)
				<-ctx.Done()
				if after := time.Since(began); after != tc.after || !errors.Is(context.Cause(ctx), tc.cause) {
					t.Errorf("ended after %v: %v; want %v: %v", after, context.Cause(ctx), tc.after, tc.cause)
				}
			})
		})
	}
	t.Run("stopped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			dog := newWatchdog()
			ctx, w := dog.watch(t.Context(), time.Minute)
			w.stop()
			time.Sleep(time.Hour)
			if len(dog.watches) != 0 || !errors.Is(context.Cause(ctx), context.Canceled) {
				t.Errorf("%d left, %v", len(dog.watches), context.Cause(ctx))
			}
			ctx, w = dog.watch(t.Context(), time.Minute) // after the timer has rested
			defer w.stop()
			began := time.Now()
			<-ctx.Done()
			if after := time.Since(began); after != time.Minute {
				t.Errorf("ended after %v", after)
			}
		})
	})
}
