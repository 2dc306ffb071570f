package httpserver_test

import (
	"slices"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
)

func TestNegotiate(t *testing.T) {
	const json, stream, lines, none = "application/json", "text/event-stream", "application/x-ndjson", ""
	for accept, want := range map[string]string{
		"":                                    json,
		"*/*":                                 json,
		"application/*":                       json,
		"application/x-ndjson":                lines,
		"text/*":                              stream,
		"text/event-stream; charset=utf-8":    stream,
		"text/event-stream, application/json": json,
		"text/event-stream, */*;q=0.1":        stream,
		"application/json;q=0.5,text/event-stream;q=.6": stream,
		"application/json;q=0, */*":                     stream,
		"application/*;q=0, */*":                        stream,
		"text/html":                                     none,
		"text/event-stream;q=0":                         none,
		"nonsense":                                      none,
	} {
		got, err := httpserver.Negotiate([]string{accept}, json, stream, lines)
		if got != want || (err != nil) != (want == none) || err != nil && fault.KindOf(err) != fault.NotAcceptable {
			t.Errorf("%q: %q and %v, want %q", accept, got, err, want)
		}
	}
	if got, err := httpserver.Negotiate([]string{"text/html", stream}, json, stream); got != stream || err != nil {
		t.Errorf("two headers: %q, %v", got, err)
	}
	if got, err := httpserver.Negotiate(nil, json, stream); got != json || err != nil {
		t.Errorf("no header: %q, %v", got, err)
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("text/event-stream;q=0.5, */*")
	f.Add(";;,=/;q=")
	f.Fuzz(func(t *testing.T, accept string) {
		offers := []string{"application/json", "text/event-stream"}
		got, err := httpserver.Negotiate([]string{accept}, offers...)
		if (err == nil) != slices.Contains(offers, got) {
			t.Errorf("%q: both %q and %v", accept, got, err)
		}
	})
}
