package app

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

var kills = flag.Int("kills", 10, "how many times TestKill kills the service; make test-kill has more")

// killDocuments is how many documents are ingested under fire.
const killDocuments = 60

// TestKill kills the service again and again at random moments of an ingest, and
// lets it finish in the end: the index must be that of an ingest which nobody
// disturbed.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	binary := filepath.Join(t.TempDir(), "rag-service")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "signpost.internal/services/rag-service/cmd/rag-service")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the service: %v: %s", err, said)
	}
	processor := httptest.NewServer(http.HandlerFunc(slowProcessor))
	defer processor.Close()
	folder := t.TempDir()
	for i := range killDocuments {
		name, text := fmt.Sprintf("team-%d/manual-%d.pdf", i%3, i), manualText(i)
		if i%4 == 0 {
			name = fmt.Sprintf("note-%d.txt", i)
		}
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := func(dir string) []string {
		return []string{
			"DATA_DIR=" + dir, "MANUALS_PATH=" + folder, "LLM_PROVIDER=none", "DOC_PROCESSOR_URL=" + processor.URL, "MANUALS_WATCH=0s",
			"HOME=" + dir, "PATH=" + os.Getenv("PATH"), //nolint:forbidigo // of the test, for the process that it starts
		}
	}
	undisturbed := t.TempDir()
	whole(t, binary, environ(undisturbed))
	want := contents(t, undisturbed)
	if len(want) != killDocuments {
		t.Fatalf("the undisturbed run stored %d documents", len(want))
	}
	killed := 0
	for round := 1; killed < *kills; round++ {
		dir := t.TempDir()
		for finished := false; killed < *kills && !finished; {
			finished = killSoon(t, binary, environ(dir))
			if !finished {
				killed++
			}
		}
		whole(t, binary, environ(dir))
		if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
			t.Fatalf("round %d, after %d kills in all, the index differs (-undisturbed +killed):\n%s", round, killed, diff)
		}
		kept, err := os.ReadDir(filepath.Join(dir, "originals", "files"))
		if err != nil || len(kept) != killDocuments {
			t.Errorf("round %d: %d originals, want %d, %v", round, len(kept), killDocuments, err)
		}
		t.Logf("round %d: %d kills so far", round, killed)
	}
}

// manualText is a document of a few pages.
func manualText(n int) string {
	var b strings.Builder
	for p := range 4 {
		fmt.Fprintf(&b, "Part %d of manual %d\n\nThe limit of scheme %d-%d is £%d,000, and it lasts for %d days from the day after its entry in the register.\f", p, n, n, p, n+p, 10*n+p)
	}
	return b.String()
}

func slowProcessor(w http.ResponseWriter, r *http.Request) {
	file, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return // killed meanwhile
	}
	time.Sleep(time.Duration(20+rand.IntN(60)) * time.Millisecond) //nolint:gosec // not for secrets
	type page struct {
		Page int    `json:"page"`
		Text string `json:"text"`
	}
	var pages []page
	for i, p := range strings.Split(string(text), "\f") {
		pages = append(pages, page{i + 1, p})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "page_results": pages})
}

// launch starts the service on a port of its own.
func launch(t *testing.T, binary string, environ []string) (command *exec.Cmd, url string, said *bytes.Buffer) {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	said = &bytes.Buffer{}
	command = exec.CommandContext(context.WithoutCancel(t.Context()), binary)
	command.Env = append(environ, "RAG_SERVICE_PORT="+strconv.Itoa(port))
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command, fmt.Sprintf("http://127.0.0.1:%d", port), said
}

// killSoon kills the service at a random moment. It reports whether the ingest was
// over before; then the service is stopped in order.
func killSoon(t *testing.T, binary string, environ []string) (finished bool) {
	t.Helper()
	command, url, _ := launch(t, binary, environ)
	time.Sleep(time.Duration(50+rand.IntN(1500)) * time.Millisecond) //nolint:gosec // not for secrets
	finished = complete(t, url)
	if finished {
		_ = command.Process.Signal(syscall.SIGTERM)
	} else {
		_ = command.Process.Kill()
	}
	_ = command.Wait()
	return finished
}

// complete reports whether all documents are stored and nothing is left to do.
func complete(t *testing.T, url string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/stats", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Do(req)
	if err != nil {
		return false // it does not listen yet
	}
	defer response.Body.Close()
	var s stats
	return json.NewDecoder(response.Body).Decode(&s) == nil && s.Ingest.State == "idle" && s.TotalDocuments == killDocuments
}

// whole runs the service until the ingest is complete, and stops it.
func whole(t *testing.T, binary string, environ []string) {
	t.Helper()
	command, url, said := launch(t, binary, environ)
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for deadline := time.Now().Add(2 * time.Minute); !complete(t, url); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("the service ended: %v: %s", err, said)
		default:
		}
		if time.Now().After(deadline) {
			_ = command.Process.Kill()
			<-ended
			t.Fatalf("the ingest is not complete: %s", said)
		}
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Fatalf("the service ended with %v: %s", err, said)
	}
}

// contents returns the chunks of each document of an index.
func contents(t *testing.T, dir string) map[string][]rag.Hit {
	t.Helper()
	index, err := sqliteindex.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	hits, _, err := index.Chunks(t.Context(), rag.DefaultCollection, "", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := index.Close(); err != nil {
		t.Fatal(err)
	}
	out := map[string][]rag.Hit{}
	for _, h := range hits {
		out[h.Source] = append(out[h.Source], h)
	}
	return out
}
