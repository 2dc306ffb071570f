package enginetest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/provider/enginetest"
)

func TestSim(t *testing.T) {
	sim := enginetest.StartSim(t)
	const chat = "/v1/chat/completions"
	hello := object{"model": enginetest.SimModel, "messages": user("hello there world")}

	t.Run("models", func(t *testing.T) {
		got := ok(t, sim, "/v1/models", nil)
		if at(got, "data", 0, "id") != enginetest.SimModel || at(got, "data", 0, "max_model_len") != 8192.0 {
			t.Errorf("models: %v", got)
		}
	})
	t.Run("chat", func(t *testing.T) {
		got := ok(t, sim, chat, hello)
		if at(got, "choices", 0, "message", "content") != "hello there world" || at(got, "choices", 0, "finish_reason") != "stop" {
			t.Errorf("answer: %v", got)
		}
	})
	t.Run("stream with usage", func(t *testing.T) {
		stream := ask(t.Context(), t, sim, chat, object{
			"model": enginetest.SimModel, "messages": user("hello there world"),
			"stream": true, "stream_options": object{"include_usage": true},
		})
		var content, finish, last string
		var completion any
		for line := range lines(t, stream.Body) {
			data, isData := strings.CutPrefix(line, "data: ")
			if last = data; !isData || data == "[DONE]" {
				continue
			}
			event := parse(t, data)
			if delta := at(event, "choices", 0, "delta", "content"); delta != nil {
				content += text(delta)
			}
			if reason := at(event, "choices", 0, "finish_reason"); reason != nil {
				finish += text(reason)
			}
			if choices, _ := event["choices"].([]any); len(choices) == 0 {
				completion = at(event, "usage", "completion_tokens")
			}
		}
		if content != "hello there world" || finish != "stop" || completion != 3.0 || last != "[DONE]" {
			t.Errorf("content %q, finish %q, tokens %v, last %q", content, finish, completion, last)
		}
	})
	t.Run("embeddings", func(t *testing.T) {
		got := ok(t, sim, "/v1/embeddings", object{"model": "any", "input": []string{"rent", "tax", "rent"}, "dimensions": 4})
		if len(vector(at(got, "data", 1, "embedding"))) != 4 {
			t.Fatalf("answer: %v", got)
		}
		if diff := cmp.Diff(at(got, "data", 0, "embedding"), at(got, "data", 2, "embedding")); diff != "" {
			t.Errorf("the same text has two vectors: %s", diff)
		}
	})
	fail := func(status string) []string { return []string{"X-Return-Error", status} }
	tooLong := object{"model": enginetest.SimModel, "messages": user(long(9000))}
	refuses(t, sim, []refusal{
		{
			"unknown model", chat,
			object{"model": "no-such", "messages": user("x")},
			nil, http.StatusNotFound,
			`{"error":{"message":"The model ` + "`no-such`" + ` does not exist.","type":"NotFoundError","param":null,"code":404}}`,
		},
		{
			"over-long", chat, tooLong, nil, http.StatusBadRequest,
			`{"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 9005 tokens (9005 in the messages, 0 in the completion). Please reduce the length of the messages or completion","type":"BadRequestError","param":null,"code":400}}`,
		},
		{
			"nothing to embed", "/v1/embeddings",
			object{"model": "any", "input": []string{}},
			nil, http.StatusBadRequest,
			`{"error":{"message":"input is required and must be a non-empty string or array","type":"BadRequestError","param":null,"code":400}}`,
		},
		{
			"401", chat, hello, fail("401"), http.StatusUnauthorized,
			`{"error":{"message":"Simulated error triggered by X-Return-Error header (code 401)","type":"AuthenticationError","param":null,"code":401}}`,
		},
		{
			"429", chat, hello, fail("429"), http.StatusTooManyRequests,
			`{"error":{"message":"Simulated error triggered by X-Return-Error header (code 429)","type":"RateLimitError","param":null,"code":429}}`,
		},
		{
			"500", chat, hello, fail("500"), http.StatusInternalServerError,
			`{"error":{"message":"Simulated error triggered by X-Return-Error header (code 500)","type":"InternalServerError","param":null,"code":500}}`,
		},
		{
			"503 of a stream", chat,
			object{"model": enginetest.SimModel, "messages": user("x"), "stream": true},
			fail("503"), http.StatusServiceUnavailable,
			`{"error":{"message":"Simulated error triggered by X-Return-Error header (code 503)","type":"InternalServerError","param":null,"code":503}}`,
		},
	})
	t.Run("restart", func(t *testing.T) {
		sim.Restart(t)
		ok(t, sim, chat, hello)
	})
}

// A simulator whose every place is taken and whose queue is full refuses, a
// stream in the stream itself, and serves again when a place is free. That is
// not when the caller leaves: it goes on writing for nobody.
func TestSimBusy(t *testing.T) {
	sim := enginetest.StartSim(t, "--max-num-seqs=1", "--max-waiting-queue-length=1", "--time-to-first-token=50ms", "--inter-token-latency=50ms")
	const chat = "/v1/chat/completions"
	asked := func(words int) object {
		return object{"model": enginetest.SimModel, "messages": user(strings.Repeat("word ", words)), "stream": true}
	}
	// Two streams, of which the second waits for the first.
	ctx, leave := cancellable(t)
	read(t, ask(ctx, t, sim, chat, asked(40)).Body)
	ended := make(chan string)
	go func() {
		ended <- streamed(t.Context(), sim.URL+chat, `{"model":"`+enginetest.SimModel+`","messages":[{"role":"user","content":"x"}],"stream":true}`)
	}()
	until(t, func() bool {
		_, metrics := answer(t, sim, "/metrics", nil)
		return strings.Contains(metrics, `vllm:num_requests_waiting{model_name="`+enginetest.SimModel+`"} 1`)
	})

	const full = `{"error":{"message":"Failed to enqueue request, waiting requests queue is full","type":"RateLimitError","param":null,"code":429}}`
	refuses(t, sim, []refusal{
		{"full", chat, object{"model": enginetest.SimModel, "messages": user("x")}, nil, http.StatusTooManyRequests, full},
		{"full, of a stream", chat, asked(1), nil, http.StatusOK, "data: " + full + "\n\ndata: [DONE]"},
	})
	leave()
	if end := <-ended; !strings.HasSuffix(end, "data: [DONE]\n\n") {
		t.Errorf("the stream that waited: %s", end)
	}
}

// streamed is a stream's whole text, or what kept it from coming.
func streamed(ctx context.Context, url, body string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
