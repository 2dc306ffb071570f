package httpapi

import (
	"testing"

	"signpost.internal/pkg/fault"
)

func TestWantsStream(t *testing.T) {
	const neither = "neither"
	for accept, want := range map[string]string{
		"":                                    "json",
		"*/*":                                 "json",
		"application/json":                    "json",
		"application/*":                       "json",
		"text/event-stream":                   "stream",
		"text/*":                              "stream",
		"text/event-stream; charset=utf-8":    "stream",
		"application/json, text/event-stream": "json",
		"text/event-stream, application/json": "json",
		"text/event-stream, */*;q=0.1":        "stream",
		"application/json;q=0.5, text/event-stream":     "stream",
		"application/json;q=0.5,text/event-stream;q=.6": "stream",
		"text/event-stream;q=0.5, application/json":     "json",
		"text/html, */*;q=0.8":                          "json",
		"application/json;q=0, */*":                     "stream",
		"text/event-stream;q=0, */*":                    "json",
		"text/html":                                     neither,
		"text/event-stream;q=0":                         neither,
		"nonsense":                                      neither,
	} {
		stream, err := wantsStream([]string{accept})
		got := "json"
		switch {
		case fault.KindOf(err) == fault.NotAcceptable && err != nil:
			got = neither
		case err != nil:
			t.Errorf("%q: %v", accept, err)
		case stream:
			got = "stream"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
	if stream, err := wantsStream([]string{"text/html", "text/event-stream"}); !stream || err != nil {
		t.Errorf("two headers: %v, %v", stream, err)
	}
	if stream, err := wantsStream(nil); stream || err != nil {
		t.Errorf("no header: %v, %v", stream, err)
	}
}

func FuzzWantsStream(f *testing.F) {
	f.Add("text/event-stream;q=0.5, */*")
	f.Add(";;,=/;q=")
	f.Fuzz(func(t *testing.T, accept string) {
		stream, err := wantsStream([]string{accept})
		if stream && err != nil {
			t.Errorf("%q: both a stream and %v", accept, err)
		}
	})
}
