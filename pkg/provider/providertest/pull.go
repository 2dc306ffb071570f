package providertest

import (
	"encoding/json"
	"net/http"
	"slices"
)

// SetRegistry changes the models that an Ollama stub can pull, as its list will
// name them. Nothing else can be pulled.
func (u *Upstream) SetRegistry(names ...string) { u.set(func() { u.registry = names }) }

// LayerSize is the number of bytes of the larger of the two layers of each model
// that can be pulled.
const LayerSize = 2_000_000_000

// ollamaPull reports the progress of a pull, as a real server does: within a
// 200, the failures too.
func (u *Upstream) ollamaPull(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Model string `json:"model"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		u.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	PullLine(w, map[string]any{"status": "pulling manifest"})
	u.mu.Lock()
	name := req.Model
	if !slices.Contains(u.registry, name) {
		name += ":latest"
	}
	there := slices.Contains(u.registry, name)
	u.mu.Unlock()
	if !there {
		PullLine(w, map[string]any{"error": "pull model manifest: file does not exist"})
		return
	}
	for _, layer := range []struct {
		digest string
		total  int
	}{{"sha256:dde5aa3fc5ff", LayerSize}, {"sha256:966de95ca8a6", 1429}} {
		for done := range 5 {
			PullLine(w, map[string]any{
				"status": "pulling " + layer.digest[7:], "digest": layer.digest, "total": layer.total, "completed": layer.total * done / 4,
			})
		}
	}
	for _, status := range []string{"verifying sha256 digest", "writing manifest"} {
		PullLine(w, map[string]any{"status": status})
	}
	u.set(func() { u.models = append(u.models, name) })
	PullLine(w, map[string]any{"status": "success"})
}

// PullLine writes a line of a pull's progress.
func PullLine(w http.ResponseWriter, line map[string]any) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	_ = json.NewEncoder(w).Encode(line) // only a client that left makes it fail
	flush(w)
}
