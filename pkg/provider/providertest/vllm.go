package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const vllmTime = 1767323045

func (u *Upstream) vllm(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	key := u.key
	u.mu.Unlock()
	if key != "" && strings.HasPrefix(r.URL.Path, "/v1/") && r.Header.Get("Authorization") != "Bearer "+key {
		send(w, http.StatusUnauthorized, map[string]any{"error": "Unauthorized"})
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /health":
	case "GET /version":
		send(w, http.StatusOK, map[string]any{"version": "0.29.0"})
	case "GET /v1/models":
		u.vllmModels(w)
	case "POST /v1/chat/completions":
		u.vllmChat(w, r)
	case "POST /v1/embeddings":
		u.vllmEmbeddings(w, r)
	default:
		send(w, http.StatusNotFound, map[string]any{"detail": "Not Found"})
	}
}

func (u *Upstream) vllmModels(w http.ResponseWriter) {
	u.mu.Lock()
	cards := []any{}
	for _, name := range u.models {
		cards = append(cards, map[string]any{
			"id": name, "object": "model", "created": vllmTime, "owned_by": "vllm",
			"root": name, "parent": nil, "max_model_len": u.context, "permission": []any{},
		})
	}
	u.mu.Unlock()
	send(w, http.StatusOK, map[string]any{"object": "list", "data": cards})
}

func (u *Upstream) vllmChat(w http.ResponseWriter, r *http.Request) {
	var req chatRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		u.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	streaming := req.Stream != nil && *req.Stream
	images := false
	for _, m := range req.Messages {
		if len(m.Content) == 0 {
			u.fail(w, http.StatusBadRequest, "1 validation error for ValidatorIterator: content: Field required")
			return
		}
		images = images || strings.Contains(string(m.Content), `"image_url"`)
	}
	limit := u.limit()
	switch {
	case !u.has(req.Model):
		u.fail(w, http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist.", req.Model))
		return
	case images && !strings.HasPrefix(req.Model, "llava"):
		u.fail(w, http.StatusBadRequest, req.Model+" is not a multimodal model")
		return
	case !streaming && len(req.StreamOptions) > 0 && string(req.StreamOptions) != "null":
		u.fail(w, http.StatusBadRequest, "Stream options can only be defined when `stream=True`.")
		return
	case req.words()+req.MaxTokens > limit:
		u.fail(w, http.StatusBadRequest, fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d output tokens and your prompt contains at least %d input tokens, for a total of at least %d tokens. Please reduce the length of the input prompt or the number of requested output tokens.", limit, req.MaxTokens, req.words(), req.words()+req.MaxTokens))
		return
	}
	parts, finish := u.answer(req.MaxTokens)
	usage := map[string]any{
		"prompt_tokens": req.words(), "completion_tokens": len(parts),
		"total_tokens": req.words() + len(parts), "prompt_tokens_details": nil,
	}
	if !streaming {
		send(w, http.StatusOK, map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion", "created": vllmTime, "model": req.Model,
			"choices": []any{map[string]any{
				"index": 0, "logprobs": nil, "finish_reason": finish, "stop_reason": nil,
				"message": map[string]any{"role": "assistant", "content": strings.Join(parts, ""), "reasoning": nil, "tool_calls": []any{}},
			}},
			"usage": usage, "prompt_logprobs": nil,
		})
		return
	}
	event(w, chunk(req.Model, []any{map[string]any{
		"index": 0, "delta": map[string]any{"role": "assistant", "content": ""}, "logprobs": nil, "finish_reason": nil,
	}}))
	for _, part := range parts {
		u.delta(w, req.Model, part)
	}
	event(w, chunk(req.Model, []any{map[string]any{
		"index": 0, "delta": map[string]any{"content": ""}, "logprobs": nil, "finish_reason": finish, "stop_reason": nil,
	}}))
	if strings.Contains(string(req.StreamOptions), `"include_usage":true`) {
		last := chunk(req.Model, []any{})
		last["usage"] = usage
		event(w, last)
	}
	_, _ = w.Write([]byte("data: [DONE]\n\n")) // only a client that left makes it fail
}

func chunk(model string, choices []any) map[string]any {
	return map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": vllmTime,
		"model": model, "choices": choices,
	}
}

// event writes a server-sent event.
func event(w http.ResponseWriter, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // a map of plain values
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	_, _ = w.Write(append(append([]byte("data: "), raw...), "\n\n"...))
	flush(w)
}

func (u *Upstream) vllmEmbeddings(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Model          string   `json:"model"`
		Input          []string `json:"input"`
		EncodingFormat string   `json:"encoding_format"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		u.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if !u.has(req.Model) {
		u.fail(w, http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist.", req.Model))
		return
	}
	data, words, limit := []any{}, 0, u.limit()
	for i, text := range req.Input {
		n := len(strings.Fields(text))
		if n > limit {
			u.fail(w, http.StatusBadRequest, fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens in the input for embedding generation. Please reduce the length of the input.", limit, n))
			return
		}
		words += n
		var vector any = Vector(text)
		if req.EncodingFormat == "base64" {
			vector = base64Vector(Vector(text))
		}
		data = append(data, map[string]any{"index": i, "object": "embedding", "embedding": vector})
	}
	send(w, http.StatusOK, map[string]any{
		"id": "embd-1", "object": "list", "created": vllmTime, "model": req.Model, "data": data,
		"usage": map[string]any{"prompt_tokens": words, "total_tokens": words, "completion_tokens": 0, "prompt_tokens_details": nil},
	})
}
