package migration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/problem"
)

// The services' programs.
const (
	rag   = "rag-service"
	notes = "notes-service"
	docs  = "doc-processor"
)

var portVariables = map[string]string{rag: "RAG_SERVICE_PORT", notes: "NOTES_SERVICE_PORT", docs: "DOC_PROCESSOR_PORT"}

const (
	root     = "../.." // of the repository
	patience = 30 * time.Second
	poll     = 10 * time.Millisecond
)

// build builds the services as scripts/build does and returns their folder.
// They are built without the race detector, whose address space is more than
// doc-processor's workers may have.
func build(ctx context.Context) (dir string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	dir, err = os.MkdirTemp("", "migration-test-")
	if err != nil {
		return "", err
	}
	for service := range portVariables {
		cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", dir+string(filepath.Separator), "./cmd/"+service)
		cmd.Dir = filepath.Join(root, "services", service)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.Join(fmt.Errorf("build %s: %w\n%s", service, err, out), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// program is a service that runs as a process of its own.
type program struct {
	name string
	url  string
	log  *log
	pid  int
	gone chan error // how it ended
}

// start starts a service on a free port, with a data folder of its own, and
// nothing of the environment but what it is given. It is stopped as an operator
// stops it when the test ends, and must end well.
func start(t *testing.T, name string, environ map[string]string) *program {
	t.Helper()
	p := &program{name: name, log: newLog(), gone: make(chan error, 1)}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, name))
	cmd.Env = []string{
		portVariables[name] + "=0", "DATA_DIR=" + t.TempDir(), "HOME=" + t.TempDir(), "PATH=" + env.Environ()["PATH"],
		// The PDF reader's compiled form, which takes long to make.
		"CACHE_DIR=" + filepath.Join(cache, "signpost"), "WORKERS=2",
	}
	for name, value := range environ {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	// A test that is killed takes the service with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		// The kernel ties Pdeathsig to the thread that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.gone <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	t.Cleanup(func() { p.stop(t) })
	p.url = "http://" + p.log.find(t, `msg=listening .*address=(\S+)`)
	return p
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil {
		t.Errorf("stop %s: %v", p.name, err)
	}
	select {
	case err := <-p.gone:
		if err != nil {
			t.Errorf("%s ended with %v", p.name, err)
		}
	case <-time.After(patience):
		t.Errorf("%s does not end", p.name)
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // it may have ended just now
		<-p.gone
	}
	if t.Failed() {
		t.Logf("log of %s:\n%s", p.name, p.log.text())
	}
}

// log is what a program wrote so far.
type log struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func newLog() *log { return &log{} }

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.Write(p)
}

func (l *log) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String()
}

// find waits for a line with the pattern and returns its last group.
func (l *log) find(t *testing.T, pattern string) string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	found := ""
	eventually(t, "a line like "+pattern+" in the log", func() bool {
		groups := wanted.FindStringSubmatch(l.text())
		if groups == nil {
			return false
		}
		found = groups[len(groups)-1]
		return true
	})
	return found
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("there is still not %s after %v", what, patience)
		}
		<-time.After(poll)
	}
}

// answer is what a service sent.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into reads the body, which must have come with the status, as JSON.
func (a answer) into(t *testing.T, status int, value any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal(a.body, value); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// problem reads the body, which must be a problem document with the status.
func (a answer) problem(t *testing.T, status int) problem.Document {
	t.Helper()
	var p problem.Document
	a.into(t, status, &p)
	if p.Status != status || p.Detail == "" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("no problem document: %s", a.body)
	}
	return p
}

// by is who answered, as the headers say.
func (a answer) by() (provider, model, fallback string) {
	return a.header.Get("X-LLM-Provider"), a.header.Get("X-LLM-Model"), a.header.Get("X-LLM-Fallback")
}

// send sends a request, with headers as names and values in turn.
func (p *program) send(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * patience}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, got}
}

func (p *program) get(t *testing.T, path string) answer {
	t.Helper()
	return p.send(t, http.MethodGet, path, http.NoBody)
}

const contentType, asJSON = "Content-Type", "application/json"

// json posts a value as JSON.
func (p *program) json(t *testing.T, path string, value any) answer {
	t.Helper()
	return p.send(t, http.MethodPost, path, encoded(t, value), contentType, asJSON)
}

// stream posts a value as JSON and asks for an event stream, of which it
// returns the whole.
func (p *program) stream(t *testing.T, path string, value any) answer {
	t.Helper()
	return p.send(t, http.MethodPost, path, encoded(t, value), contentType, asJSON, "Accept", "text/event-stream")
}

func encoded(t *testing.T, value any) io.Reader {
	t.Helper()
	body, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(body)
}

// upload posts a file in a form.
func (p *program) upload(t *testing.T, path, name string, content []byte) answer {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.send(t, http.MethodPost, path, &body, contentType, w.FormDataContentType())
}

// metric returns the value of a series, named as in the exposition, 0 where
// there is none.
func (p *program) metric(t *testing.T, series string) string {
	t.Helper()
	for line := range strings.Lines(string(p.get(t, "/metrics").body)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "0"
}
