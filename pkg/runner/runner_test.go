package runner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/env/envtest"
	"signpost.internal/pkg/runner"
)

// The test binary plays the services: the variable says which part.
const partVariable = "RUNNER_TEST_PART"

func TestMain(m *testing.M) {
	if part := env.Environ()[partVariable]; part != "" {
		play(part, env.Environ())
		return
	}
	// lumberjack keeps its goroutine for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

func play(part string, environ map[string]string) {
	fmt.Println("pid", os.Getpid())
	switch part {
	case "faulty":
		fmt.Fprintln(os.Stderr, "PORT: \"x\" is not a whole number")
		os.Exit(1)
	case "stubborn": // ignores SIGTERM and has a child that would outlive it
		signal.Ignore(syscall.SIGTERM)
		child := exec.CommandContext(context.Background(), "/bin/sleep", "600")
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println("child", child.Process.Pid)
		select {}
	case "service":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		go serve(environ)
		<-stop
	}
}

// serve answers like a service whose ingest is running for its first three looks.
func serve(environ map[string]string) {
	looks := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		looks++
		state := "running"
		if looks > 3 {
			state = "idle"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"total_documents": 8, "total_chunks": 200,
			"ingest": map[string]any{"state": state, "total": 8, "done": min(looks, 3), "current": "a.pdf"},
		})
	})
	// Which of the three services this is, its path tells.
	port := map[string]string{
		"doc-processor": environ["DOC_PROCESSOR_PORT"], "notes-service": environ["NOTES_SERVICE_PORT"], "rag-service": environ["RAG_SERVICE_PORT"],
	}[filepath.Base(os.Args[0])]
	_ = http.ListenAndServe("127.0.0.1:"+port, mux)
}

// buffer is a bytes.Buffer that a test may read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// eventually waits until the text holds want.
func (b *buffer) eventually(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if strings.Contains(b.String(), want) {
			return
		}
	}
	t.Fatalf("%q never came:\n%s", want, b)
}

func (b *buffer) pid(t *testing.T, label string) int {
	t.Helper()
	b.eventually(t, label+" ")
	_, rest, _ := strings.Cut(b.String(), label+" ")
	line, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// supervise runs one part under a supervisor until the test ends it.
func supervise(t *testing.T, part string) (log, said *buffer, stop func() error) {
	t.Helper()
	log, said = &buffer{}, &buffer{}
	s := &runner.Supervisor{
		Services: []runner.Service{{Name: part, Path: os.Args[0], Env: []string{partVariable + "=" + part}, Log: log, Errors: said}},
		Grace:    200 * time.Millisecond, Restart: time.Millisecond, Settled: time.Hour,
		Say: func(format string, args ...any) { fmt.Fprintf(said, format+"\n", args...) },
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	return log, said, func() error { cancel(); return <-ran }
}

func TestAServiceThatCannotStartStopsEverything(t *testing.T) {
	log, said := &buffer{}, &buffer{}
	s := &runner.Supervisor{
		Services: []runner.Service{
			{Name: "good", Path: os.Args[0], Env: []string{partVariable + "=service"}, Log: log, Errors: said},
			{Name: "bad", Path: os.Args[0], Env: []string{partVariable + "=faulty"}, Log: io.Discard, Errors: said},
		},
		Grace: time.Second, Restart: time.Millisecond, Settled: 10 * time.Second, Say: t.Logf,
	}
	err := s.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "bad could not start (exit status 1)") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(said.String(), "not a whole number") {
		t.Errorf("its reason is lost: %s", said)
	}
	if text := log.String(); text != "" && alive(log.pid(t, "pid")) {
		t.Error("the good service still runs")
	}
}

func TestAKilledServiceIsStartedAgain(t *testing.T) {
	log, said, stop := supervise(t, "service")
	first := log.pid(t, "pid")
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	said.eventually(t, "service stopped (signal: killed); starting it again")
	for deadline := time.Now().Add(20 * time.Second); strings.Count(log.String(), "pid ") < 2; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not started again")
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestNothingOutlivesTheStop(t *testing.T) {
	log, _, stop := supervise(t, "stubborn")
	parent, child := log.pid(t, "pid"), log.pid(t, "child")
	if err := stop(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(20 * time.Second); alive(parent) || alive(child); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still there: parent %v, child %v", alive(parent), alive(child))
		}
	}
}

// freePorts returns n ports that nothing listens on.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		var listen net.ListenConfig
		l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

func TestRunFromStartToStop(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"doc-processor", "notes-service", "rag-service"} {
		if err := os.Symlink(os.Args[0], filepath.Join(home, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	ports := freePorts(t, 3)
	environ := map[string]string{
		partVariable: "service", "SIGNPOST_HOME": home,
		"DOC_PROCESSOR_PORT": strconv.Itoa(ports[0]), "NOTES_SERVICE_PORT": strconv.Itoa(ports[1]), "RAG_SERVICE_PORT": strconv.Itoa(ports[2]),
	}
	var cfg runner.Config
	if err := env.Load(&cfg, environ); err != nil {
		t.Fatal(err)
	}
	var out buffer
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- runner.Run(ctx, cfg, environ, runner.NewTerminal(&out, false)) }()
	out.eventually(t, "Signpost is running")
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"Reading the manuals: 3 of 8  a.pdf", "8 manuals are ready (200 passages).",
		fmt.Sprintf("http://127.0.0.1:%d/query", ports[2]), "All services have stopped.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	if log, err := os.ReadFile(filepath.Join(home, "log", "rag-service.log")); err != nil || !strings.Contains(string(log), "pid ") {
		t.Errorf("log %q, %v", log, err)
	}
}

func TestTakenPortsAreNamedWithARemedy(t *testing.T) {
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	var cfg runner.Config
	if err := env.Load(&cfg, map[string]string{"RAG_SERVICE_PORT": taken, "SIGNPOST_HOME": t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2)
	cfg.NotesPort, cfg.DocumentsPort = ports[0], ports[1]
	err = runner.Run(t.Context(), cfg, nil, runner.NewTerminal(io.Discard, false))
	if err == nil || !strings.Contains(err.Error(), "port "+taken+" for rag-service") || !strings.Contains(err.Error(), "RAG_SERVICE_PORT=") {
		t.Errorf("got %v", err)
	}
}

var update = flag.Bool("update", false, "rewrite the reference page")

func TestReference(t *testing.T) {
	envtest.CheckReference(t, "../../docs/configuration/runner.md", "the runner (make run)", &runner.Config{}, *update)
}

func TestConfigFaults(t *testing.T) {
	var cfg runner.Config
	err := env.Load(&cfg, map[string]string{"MANUALS_PATH": "/no/such/folder", "RAG_SERVICE_PORT": "0"})
	if err == nil || !strings.Contains(err.Error(), "MANUALS_PATH: /no/such/folder") || !strings.Contains(err.Error(), "RAG_SERVICE_PORT: 0") {
		t.Errorf("got %v", err)
	}
}

func TestTerminalRewritesTheProgressLine(t *testing.T) {
	var out bytes.Buffer
	terminal := runner.NewTerminal(&out, true)
	terminal.Progress("1 of 2")
	terminal.Line("note")
	terminal.Progress("2 of 2")
	terminal.EndProgress()
	if _, err := terminal.Prefixed("svc").Write([]byte("half ")); err != nil {
		t.Fatal(err)
	}
	w := terminal.Prefixed("svc")
	for _, part := range []string{"one ", "line\nand ", "another\n"} {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	want := "\r\x1b[K1 of 2\r\x1b[Knote\n1 of 2\r\x1b[K2 of 2\r\x1b[Ksvc: one line\nsvc: and another\n"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", &out, want)
	}
}
