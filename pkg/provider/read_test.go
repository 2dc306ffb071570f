package provider

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
)

func TestNoProxy(t *testing.T) {
	client := newHTTPClient(egress.New(egress.Config{}, nil))
	if client.Transport.(*transport).base.Proxy != nil {
		t.Error("requests to an engine would go through a proxy")
	}
	if client.Timeout != 0 {
		t.Error("a long stream would be cut")
	}
}

// TestWatch holds the two timeouts to their moments.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, w := newWatchdog().watch(t.Context(), 5*time.Minute)
		<-ctx.Done()
		w.stop()
		if after := time.Since(began); after != 5*time.Minute {
			t.Errorf("ended after %v", after)
		}
		err := engine{name: "Ollama"}.classify(ctx, "m", ctx.Err())
		if fault.KindOf(err) != fault.Timeout || !errors.Is(err, errSlowStart) {
			t.Errorf("got %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, w := newWatchdog().watch(t.Context(), 5*time.Minute)
		began := time.Now()
		for range 100 { // far beyond the first timeout
			time.Sleep(59 * time.Second)
			w.progress(time.Minute)
		}
		<-ctx.Done()
		w.stop()
		if after := time.Since(began); after != 100*59*time.Second+time.Minute {
			t.Errorf("ended after %v", after)
		}
		if err := (engine{name: "vLLM"}).classify(ctx, "m", ctx.Err()); !errors.Is(err, errStalled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestContextError(t *testing.T) {
	for message, want := range map[string]*ContextError{
		"the input length exceeds the context length":                                                                                                                                            {},
		"request (9005 tokens) exceeds the available context size (8192 tokens), try increasing it":                                                                                              {Limit: 8192, Needed: 9005},
		"This model's maximum context length is 8192 tokens. However, you requested 9005 tokens (9005 in the messages, 0 in the completion).":                                                    {Limit: 8192, Needed: 9005},
		"This model's maximum context length is 4096 tokens. However, you requested 100 output tokens and your prompt contains at least 4000 input tokens, for a total of at least 4100 tokens.": {Limit: 4096, Needed: 4100},
		"This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens. Please reduce the length of the input messages.":                                       {Limit: 4096, Needed: 5000},
		"The decoder prompt (length 20000) is longer than the maximum model length of 8192. Make sure that `max_model_len` is no smaller":                                                        {Limit: 8192, Needed: 20000},
		"The prompt (total length 9000) is too long to fit into the model (context length 8192).":                                                                                                {Limit: 8192, Needed: 9000},
		"1 validation error: input_value='what is a context length?'":                                                                                                                            nil,
		"model runner has unexpectedly stopped": nil,
		"":                                      nil,
	} {
		got := contextError(message)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%q: got %+v, want %+v", message, got, want)
		}
	}
}

func FuzzReadOllama(f *testing.F) {
	f.Add(`{"message":{"content":"a"}}` + "\n" + `{"done":true,"done_reason":"stop"}`)
	f.Add(`{"error":"no"}`)
	f.Add(`{"error":{"message":"no","code":503}}`)
	f.Add("{}\n\n[]\nnull\n")
	f.Fuzz(func(t *testing.T, stream string) {
		text := ""
		end, err := readOllama(newLineReader(strings.NewReader(stream)), func(d delta) bool {
			text += d.content
			return true
		})
		if err == nil && (end.reason == "" || !strings.Contains(stream, "done")) {
			t.Errorf("success without an end: %q", stream)
		}
		if len(text) > 3*len(stream) { // an invalid byte becomes three
			t.Errorf("more text than there was: %q", stream)
		}
	})
}

func FuzzReadVLLM(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`)
	f.Add(`{"choices":[],"usage":{"prompt_tokens":1}}` + "\n" + `{"error":{"message":"x","code":429}}`)
	f.Add(`{"choices":null,"usage":null,"error":null}`)
	f.Fuzz(func(t *testing.T, stream string) {
		events := strings.Split(stream, "\n")
		end, err := readVLLM(func() ([]byte, error) {
			if len(events) == 0 {
				return nil, io.EOF
			}
			event := events[0]
			events = events[1:]
			return []byte(event), nil
		}, func(delta) bool { return true })
		if err == nil && (end.reason == "" || !strings.Contains(stream, `_`)) {
			t.Errorf("success without an end: %q", stream)
		}
	})
}

func FuzzSplitter(f *testing.F) {
	f.Add("<think>Hm.</think>\n\nSixty.", 3)
	f.Add("  <thi", 1)
	f.Add("<thinker>", 2)
	f.Add("no </think> tag", 5)
	f.Fuzz(func(t *testing.T, text string, size int) {
		whole := split(text, len(text)+1)
		pieces := split(text, 1+size&15)
		if whole != pieces {
			t.Errorf("%q: whole %q, in pieces %q", text, whole, pieces)
		}
		if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), thinkOpen) && whole != [2]string{text, ""} {
			t.Errorf("%q without thoughts became %q", text, whole)
		}
	})
}

// split runs a text through a splitter in pieces.
func split(text string, size int) (out [2]string) {
	var s splitter
	for text != "" {
		n := min(size, len(text))
		answer, thought := s.add(text[:n])
		out[0], out[1], text = out[0]+answer, out[1]+thought, text[n:]
	}
	answer, thought := s.end()
	return [2]string{out[0] + answer, out[1] + thought}
}

func FuzzErrorMessage(f *testing.F) {
	for _, body := range []string{
		`{"error":"Unauthorized"}`, `{"error":{"message":"The model does not exist.","code":404}}`, `{"detail":"Not Found"}`,
		`{"object":"error","message":"old"}`, `{"detail":[{"msg":"x"}]}`, "<html>\n502</html>", "", "null", `{"error":null}`, "\xff\xfe",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := errorMessage(body)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n") || utf8.RuneCountInString(got) > maxErrorShown+1 {
			t.Errorf("%q is not fit for a line of the log", got)
		}
	})
}

func TestErrorMessage(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"Unauthorized"}`:                      "Unauthorized",
		`{"error":{"message":"no such","code":404}}`:    "no such",
		`{"object":"error","message":"old","code":400}`: "old",
		`{"detail":"Not Found"}`:                        "Not Found",
		`{"detail":[{"msg":"x"}]}`:                      `[{"msg":"x"}]`,
		`{}`:                                            "",
		"<html>\n <b>502</b></html>":                    "<html> <b>502</b></html>",
		`{"error":"` + strings.Repeat("é", 400) + `"}`:  strings.Repeat("é", 300) + "…",
	} {
		if got := errorMessage([]byte(body)); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 0 ": 0, "-1": 0, "100000": 0, "Wed, 21 Oct 2026 07:28:00 GMT": 0,
	} {
		if got := retryAfter(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}
