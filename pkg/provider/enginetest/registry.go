package enginetest

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A Registry is where an Ollama can pull models from. It serves what [Registry.Take]
// took from one.
type Registry struct {
	// Host stands before the names of its models: Host + "/library/llama3.2".
	Host string
	// Setting makes an Ollama trust it (see StartOllama).
	Setting string

	manifests, blobs string // folders
}

// StartRegistry starts an empty registry for the rest of the test.
func StartRegistry(t testing.TB) *Registry {
	t.Helper()
	dir := t.TempDir()
	r := &Registry{manifests: filepath.Join(dir, "manifests"), blobs: filepath.Join(dir, "blobs")}
	for _, folder := range []string{r.manifests, r.blobs} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatalf("make the registry's folder: %v", err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/library/{model}/manifests/{tag}", func(w http.ResponseWriter, q *http.Request) {
		http.ServeFile(w, q, filepath.Join(r.manifests, filepath.Base(q.PathValue("model"))))
	})
	mux.HandleFunc("GET /v2/library/{model}/blobs/{digest}", func(w http.ResponseWriter, q *http.Request) {
		// Ollama reads a blob from where it is told to and not where it asked.
		w.Header().Set("Location", "https://"+r.Host+q.URL.Path)
		http.ServeFile(w, q, filepath.Join(r.blobs, blobName(filepath.Base(q.PathValue("digest")))))
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	authority := filepath.Join(dir, "authority.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatalf("write the registry's certificate: %v", err)
	}
	r.Host = strings.TrimPrefix(server.URL, "https://")
	r.Setting = "SSL_CERT_FILE=" + authority
	return r
}

// blobName is the name of the file that has a digest.
func blobName(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// Take moves a model from an Ollama to the registry.
func (r *Registry) Take(t testing.TB, s *Server, model string) {
	t.Helper()
	var models string
	for _, setting := range s.env {
		if dir, ok := strings.CutPrefix(setting, "OLLAMA_MODELS="); ok {
			models = dir
		}
	}
	text, err := os.ReadFile(filepath.Join(models, "manifests", "registry.ollama.ai", "library", model, "latest"))
	if err != nil {
		t.Fatalf("read the manifest of %s: %v", model, err)
	}
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatalf("read the manifest of %s: %v", model, err)
	}
	digests := []string{manifest.Config.Digest}
	for _, layer := range manifest.Layers {
		digests = append(digests, layer.Digest)
	}
	for _, digest := range digests {
		name := blobName(digest)
		blob, err := os.ReadFile(filepath.Join(models, "blobs", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(r.blobs, name), blob, 0o600)
		}
		if err != nil {
			t.Fatalf("take a layer of %s: %v", model, err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.manifests, model), text, 0o600); err != nil {
		t.Fatalf("take the manifest of %s: %v", model, err)
	}
	remove := exec.CommandContext(t.Context(), s.binary, "rm", model)
	remove.Env = s.env
	if output, err := remove.CombinedOutput(); err != nil {
		t.Fatalf("remove the model %s: %v\n%s", model, err, output)
	}
}

// Spoil changes a byte in the weights of one of the registry's models.
func (r *Registry) Spoil(t testing.TB, model string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.manifests, model))
	if err != nil {
		t.Fatalf("read the manifest of %s: %v", model, err)
	}
	var manifest struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatalf("read the manifest of %s: %v", model, err)
	}
	blob := filepath.Join(r.blobs, blobName(manifest.Layers[0].Digest))
	weights, err := os.ReadFile(blob)
	if err == nil {
		weights[len(weights)-1] ^= 1
		err = os.WriteFile(blob, weights, 0o600)
	}
	if err != nil {
		t.Fatalf("spoil the model %s: %v", model, err)
	}
}
