package app

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/services/rag-service/internal/config"
	"signpost.internal/services/rag-service/internal/rag"
)

// Without its Qdrant the service starts all the same, and says what to do.
func TestIndexAway(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil { // nothing listens there now
		t.Fatal(err)
	}
	url, _ := start(t, map[string]string{
		"RAG_SERVICE_PORT": "0", "DATA_DIR": t.TempDir(), "LLM_PROVIDER": "none", "QDRANT_URL": "http://" + address,
	})
	var ready struct {
		Checks []struct {
			Name, Status, Reason string
			Detail               any
		}
	}
	if status := call(t, http.MethodGet, url+"/ready", "", &ready); status != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", status)
	}
	if c := ready.Checks[0]; c.Name != "index" || c.Status != "failed" || !strings.Contains(c.Reason, "QDRANT_URL") || !cmp.Equal(c.Detail, any(map[string]any{"kind": "qdrant"})) {
		t.Errorf("ready says %+v", c)
	}
	var problem struct{ Detail string }
	if status := call(t, http.MethodPost, url+"/query", `{"question": "How long does a breathing space last?"}`, &problem); status != http.StatusServiceUnavailable || !strings.Contains(problem.Detail, "QDRANT_URL") {
		t.Errorf("a question: %d, %q", status, problem.Detail)
	}
}

// The replica's name is the same after a restart, and another's is another.
func TestReplicaIsNamed(t *testing.T) {
	dir := t.TempDir()
	first, err := ownerIn(dir)
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := ownerIn(dir); again != first || err != nil {
		t.Errorf("%q after %q, %v", again, first, err)
	}
	if other, err := ownerIn(t.TempDir()); other == first || err != nil {
		t.Errorf("two replicas are both %q, %v", other, err)
	}
}

// From a document to a cited answer on a real Qdrant, and again after a restart.
func TestQdrantEndToEnd(t *testing.T) {
	here := env.Environ()
	address := here["QDRANT_TEST_URL"]
	if address == "" {
		if here["REQUIRE_QDRANT"] == "1" {
			t.Fatal("QDRANT_TEST_URL is not set")
		}
		t.Skip("QDRANT_TEST_URL is not set: make test-qdrant says how")
	}
	environ := map[string]string{
		"RAG_SERVICE_PORT": "0", "DATA_DIR": t.TempDir(), "LLM_PROVIDER": "none",
		"QDRANT_URL": address, "QDRANT_API_KEY": here["QDRANT_TEST_API_KEY"], "QDRANT_PREFIX": "test-end-to-end",
	}
	url, stop := start(t, environ)
	const text = "# Breathing space\\n\\nThe standard breathing space lasts for 60 days from the day after its entry in the register."
	var sent struct{ Success bool }
	if status := call(t, http.MethodPost, url+"/ingest", `{"documents": ["`+text+`"], "filenames": ["space.md"]}`, &sent); status != http.StatusOK {
		t.Fatalf("ingest: %d %+v", status, sent)
	}
	for range 2 {
		var answer struct {
			Refused   bool
			Citations []struct{ Document, Quote string }
		}
		if status := call(t, http.MethodPost, url+"/query", `{"question": "How long does a standard breathing space last?"}`, &answer); status != http.StatusOK ||
			answer.Refused || len(answer.Citations) == 0 || answer.Citations[0].Document != "space.md" || !strings.Contains(answer.Citations[0].Quote, "60 days") {
			t.Errorf("%d %+v", status, answer)
		}
		var held struct {
			Index          string
			TotalDocuments int `json:"total_documents"`
		}
		if call(t, http.MethodGet, url+"/stats", "", &held); held.Index != "qdrant" || held.TotalDocuments != 1 {
			t.Errorf("stats say %+v", held)
		}
		stop()
		url, stop = start(t, environ)
	}
	stop()
	// Nothing of it stays in the Qdrant that was lent.
	var cfg config.Config
	if err := env.Load(&cfg, environ); err != nil {
		t.Fatal(err)
	}
	index, _, err := openIndex(t.Context(), cfg, environ["DATA_DIR"], egress.New(cfg.Egress, nil), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := index.Drop(t.Context(), rag.DefaultCollection); err != nil {
		t.Error(err)
	}
	if err := index.Close(); err != nil {
		t.Error(err)
	}
}
