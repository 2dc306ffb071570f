package provider

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"signpost.internal/pkg/fault"
)

// TestContextNumbers holds that the error names both numbers, and that they
// agree with the refusal.
func TestContextNumbers(t *testing.T) {
	for message, want := range map[string]ContextError{
		"'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 8192 tokens and your request has 5000 input tokens (9000 > 8192 - 5000).": {Limit: 8192, Needed: 14000},
		"max_tokens is too large: 99999999999999999999. This model's maximum context length is 8192 tokens and your request has 5000 input tokens.":                                   {Limit: 8192, Needed: 8193},
		"This model's maximum context length is 4096 tokens. However, your request has 4000 input tokens.":                                                                            {Limit: 4096, Needed: 4097},

		"This model's maximum context length is 4096 tokens.": {Limit: 4096, Needed: 4097},
		"the input length exceeds the context length":         {},
	} {
		err := contextError(message).fault()
		var got *ContextError
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%s: %+v, want %+v", message, got, want)
		}
		if want.Limit > 0 && !strings.Contains(fault.DetailOf(err), fmt.Sprintf("holds %d tokens and at least %d are needed", want.Limit, want.Needed)) {
			t.Errorf("%s: detail %q", message, fault.DetailOf(err))
		}
	}
}

func FuzzContextError(f *testing.F) {
	f.Add("max_tokens is too large: 9000. this model's maximum context length is 8192 tokens and your request has 5000 input tokens")
	f.Add("request (9005 tokens) exceeds the available context size (8192 tokens), try increasing it")
	f.Add("maximum context length is 9223372036854775807")
	f.Fuzz(func(t *testing.T, message string) {
		e := contextError(message)
		if e == nil {
			return
		}
		if err := e.fault(); e.Limit < 0 || e.Needed < 0 || e.Limit > 0 && e.Needed <= e.Limit || fault.KindOf(err) != fault.TooLarge {
			t.Errorf("%q: %+v, %v", message, e, err)
		}
	})
}
