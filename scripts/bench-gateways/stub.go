package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

const (
	model  = "llama3.2"
	answer = "You may apply for a breathing space of sixty days, in which no creditor may press you."
	system = "Answer from the manual.\nSay where it is written."
)

// prompt is as long as a question with two passages of a manual.
func prompt() string {
	return strings.Repeat("A breathing space lasts for sixty days; the adviser looks at it again after \"half\" of them.\n", 20) + "How long?"
}

func pieces() []string { return strings.SplitAfter(answer, " ") }

// serve answers on a free port, whose address it prints.
func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "http://%s\n", listener.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", respond("text/event-stream; charset=utf-8", vllmEvents(), vllmWhole()))
	mux.HandleFunc("POST /api/chat", respond("application/x-ndjson", ollamaEvents(), ollamaWhole()))
	return http.Serve(listener, mux)
}

func respond(contentType string, events [][]byte, whole []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !bytes.Contains(body, []byte(`"stream":true`)) && !bytes.Contains(body, []byte(`"stream": true`)) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(whole)
			return
		}
		w.Header().Set("Content-Type", contentType)
		for _, event := range events {
			_, _ = w.Write(event)
			w.(http.Flusher).Flush()
		}
	}
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of plain values
	}
	return raw
}

func vllmEvents() [][]byte {
	event := func(choices []any, usage any) []byte {
		chunk := map[string]any{"id": "chatcmpl-1f0c3b2a", "object": "chat.completion.chunk", "created": 1767323045, "model": model, "choices": choices}
		if usage != nil {
			chunk["usage"] = usage
		}
		return fmt.Appendf(nil, "data: %s\n\n", encode(chunk))
	}
	choice := func(delta map[string]any, reason any) []any {
		return []any{map[string]any{"index": 0, "delta": delta, "logprobs": nil, "finish_reason": reason}}
	}
	events := [][]byte{event(choice(map[string]any{"role": "assistant", "content": ""}, nil), nil)}
	for _, piece := range pieces() {
		events = append(events, event(choice(map[string]any{"content": piece}, nil), nil))
	}
	return append(events,
		event(choice(map[string]any{"content": ""}, "stop"), nil),
		event([]any{}, map[string]any{"prompt_tokens": 400, "completion_tokens": len(pieces()), "total_tokens": 400 + len(pieces())}),
		[]byte("data: [DONE]\n\n"))
}

func vllmWhole() []byte {
	return encode(map[string]any{
		"id": "chatcmpl-1f0c3b2a", "object": "chat.completion", "created": 1767323045, "model": model,
		"choices": []any{map[string]any{"index": 0, "message": map[string]any{"role": "assistant", "content": answer}, "logprobs": nil, "finish_reason": "stop"}},
		"usage":   map[string]any{"prompt_tokens": 400, "completion_tokens": len(pieces()), "total_tokens": 400 + len(pieces())},
	})
}

func ollamaLine(content string) map[string]any {
	return map[string]any{"model": model, "created_at": "2026-01-02T03:04:05.123456789Z", "message": map[string]any{"role": "assistant", "content": content}, "done": false}
}

func ollamaLast(content string) []byte {
	line := ollamaLine(content)
	line["done"], line["done_reason"] = true, "stop"
	line["total_duration"], line["load_duration"], line["prompt_eval_duration"], line["eval_duration"] = 5000000, 1000000, 1000000, 3000000
	line["prompt_eval_count"], line["eval_count"] = 400, len(pieces())
	return append(encode(line), '\n')
}

func ollamaEvents() [][]byte {
	var lines [][]byte
	for _, piece := range pieces() {
		lines = append(lines, append(encode(ollamaLine(piece)), '\n'))
	}
	return append(lines, ollamaLast(""))
}

func ollamaWhole() []byte { return ollamaLast(answer) }
