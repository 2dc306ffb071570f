package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"signpost.internal/pkg/fault"
)

func TestKindAndDetail(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.1: refused")
	wrapped := fmt.Errorf("asking: %w", fault.Wrap(fault.Unavailable, cause, "The document reader cannot be reached."))
	for _, tc := range []struct {
		name   string
		err    error
		kind   fault.Kind
		detail string
	}{
		{"classified", fault.New(fault.NotFound, "No such page."), fault.NotFound, "No such page."},
		{"wrapped twice", wrapped, fault.Unavailable, "The document reader cannot be reached."},
		{"caller left", fmt.Errorf("x: %w", context.Canceled), fault.Canceled, "The request was cancelled."},
		{"deadline", context.DeadlineExceeded, fault.Timeout, "The request took longer than it is allowed to."},
		{"unknown stays private", cause, fault.Internal, "Something went wrong on our side. The log has the details under this request ID."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := fault.KindOf(tc.err); got != tc.kind {
				t.Errorf("KindOf = %v, want %v", got, tc.kind)
			}
			if got := fault.DetailOf(tc.err); got != tc.detail {
				t.Errorf("DetailOf = %q, want %q", got, tc.detail)
			}
		})
	}
	if !errors.Is(wrapped, cause) {
		t.Error("the cause is lost")
	}
}

func TestKindNamesAreDistinct(t *testing.T) {
	seen := map[string]fault.Kind{}
	for _, k := range fault.Kinds() {
		if other, dup := seen[k.String()]; dup {
			t.Errorf("%d and %d are both called %q", k, other, k)
		}
		seen[k.String()] = k
	}
}
