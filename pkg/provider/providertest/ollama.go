package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const ollamaTime = "2026-01-02T03:04:05Z"

func (u *Upstream) ollama(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /", "HEAD /":
		_, _ = w.Write([]byte("Ollama is running"))
	case "GET /api/version":
		send(w, http.StatusOK, map[string]any{"version": "0.33.0"})
	case "GET /api/tags":
		u.ollamaTags(w)
	case "POST /api/show":
		u.ollamaShow(w, r)
	case "POST /api/chat":
		u.ollamaChat(w, r)
	case "POST /api/pull":
		u.ollamaPull(w, r)
	case "POST /api/embed":
		u.ollamaEmbed(w, r)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

func (u *Upstream) ollamaTags(w http.ResponseWriter) {
	u.mu.Lock()
	models := []any{}
	for _, name := range u.models {
		models = append(models, map[string]any{
			"name": name, "model": name, "modified_at": ollamaTime, "size": 2019393189,
			"digest":  "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
			"details": map[string]any{"format": "gguf", "family": "llama", "families": []string{"llama"}, "parameter_size": "3.2B", "quantization_level": "Q4_K_M"},
		})
	}
	u.mu.Unlock()
	send(w, http.StatusOK, map[string]any{"models": models})
}

func (u *Upstream) ollamaShow(w http.ResponseWriter, r *http.Request) {
	var req chatRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		u.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if !u.has(req.Model) {
		u.fail(w, http.StatusNotFound, fmt.Sprintf("model '%s' not found", req.Model))
		return
	}
	capabilities := []string{"completion"}
	if strings.HasPrefix(req.Model, "llava") {
		capabilities = append(capabilities, "vision")
	}
	send(w, http.StatusOK, map[string]any{
		"details":      map[string]any{"family": "llama"},
		"model_info":   map[string]any{"general.architecture": "llama", "llama.context_length": u.limit()},
		"capabilities": capabilities,
	})
}

func (u *Upstream) ollamaChat(w http.ResponseWriter, r *http.Request) {
	var req chatRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		u.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	limit := u.limit()
	if req.Options.NumCtx > 0 {
		limit = min(limit, req.Options.NumCtx)
	}
	// An image for a model without eyes is not refused and not looked at.
	switch {
	case !u.has(req.Model):
		u.fail(w, http.StatusNotFound, fmt.Sprintf("model '%s' not found", req.Model))
		return
	case req.words() > limit && req.Truncate != nil && !*req.Truncate:
		u.fail(w, http.StatusBadRequest, "the input length exceeds the context length")
		return
	}
	parts, finish := u.answer(req.Options.NumPredict)
	end := map[string]any{
		"model": req.Model, "created_at": ollamaTime, "done": true, "done_reason": finish,
		"message":        map[string]any{"role": "assistant", "content": ""},
		"total_duration": 5_000_000, "load_duration": 1_000_000,
		"prompt_eval_count": min(req.words(), limit), "prompt_eval_duration": 1_000_000,
		"eval_count": len(parts), "eval_duration": 3_000_000,
	}
	if req.Stream != nil && !*req.Stream {
		end["message"] = map[string]any{"role": "assistant", "content": strings.Join(parts, "")}
		send(w, http.StatusOK, end)
		return
	}
	for _, part := range parts {
		u.ollamaLine(w, req.Model, part)
	}
	_ = json.NewEncoder(w).Encode(end) // only a client that left makes it fail
}

func (u *Upstream) ollamaLine(w http.ResponseWriter, model, piece string) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"model": model, "created_at": ollamaTime, "done": false,
		"message": map[string]any{"role": "assistant", "content": piece},
	})
	flush(w)
}

func (u *Upstream) ollamaEmbed(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Model    string   `json:"model"`
		Input    []string `json:"input"`
		Truncate *bool    `json:"truncate"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		u.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if !u.has(req.Model) {
		u.fail(w, http.StatusNotFound, fmt.Sprintf("model %q not found, try pulling it first", req.Model))
		return
	}
	vectors, words := [][]float32{}, 0
	for _, text := range req.Input {
		n := len(strings.Fields(text))
		if n > u.limit() && req.Truncate != nil && !*req.Truncate {
			u.fail(w, http.StatusBadRequest, "the input length exceeds the context length")
			return
		}
		words += n
		vectors = append(vectors, Vector(text))
	}
	send(w, http.StatusOK, map[string]any{
		"model": req.Model, "embeddings": vectors,
		"total_duration": 2_000_000, "load_duration": 1_000_000, "prompt_eval_count": words,
	})
}
