package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"signpost.internal/pkg/env"
)

const (
	startWait = 30 * time.Second
	stopWait  = 10 * time.Second
	poll      = 10 * time.Millisecond
)

// A Server is a real model server that runs for a test.
type Server struct {
	// URL is where it listens, such as http://127.0.0.1:40001. It stays the
	// same over a restart.
	URL string

	binary string
	args   []string
	env    []string
	ready  string // the path that answers 200 once it serves
	stop   syscall.Signal
	log    string // the file it writes to
	client http.Client

	process *process // nil while stopped
}

// A process is one run of a server. It leads a process group of its own, in
// which all it starts stays.
type process struct {
	pid    int
	exited chan struct{}
}

// tool is the path of a tool that scripts/engines builds. It ends the test
// where the tool is missing.
func tool(t testing.TB, name, version string) string {
	t.Helper()
	environ := env.Environ()
	dir := environ["SIGNPOST_TOOLS"]
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatalf("find the tools' folder: %v", err)
		}
		dir = filepath.Join(cache, "signpost", "tools")
	}
	path := filepath.Join(dir, name+"-"+version, name)
	if _, err := os.Stat(path); err != nil {
		missing := fmt.Sprintf("%s %s is not built (%s). Build it: scripts/engines", name, version, path)
		if environ["REQUIRE_ENGINES"] == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return path
}

// freePort is a loopback port on which nothing listens just now.
func freePort(t testing.TB) string {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatalf("free the port: %v", err)
	}
	return port
}

// run starts the server for the rest of the test.
func (s *Server) run(t testing.TB) {
	t.Helper()
	s.log = filepath.Join(t.TempDir(), "log")
	t.Cleanup(func() {
		s.Stop(t)
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", filepath.Base(s.binary), tail(s.Log(t), 4000))
		}
	})
	s.Start(t)
}

// Start starts a stopped server again, where it listened before, and returns
// once it serves.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	output, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("open the server's log: %v", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), s.binary, s.args...)
	cmd.Env = s.env
	cmd.Stdout, cmd.Stderr = output, output
	// A test binary that is killed takes the server with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		// The kernel ties Pdeathsig to the thread that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
		_ = output.Close()
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", s.binary, err)
	}
	s.process = &process{pid: cmd.Process.Pid, exited: exited}

	deadline := time.Now().Add(startWait)
	for !s.serves(t) {
		select {
		case <-exited:
			t.Fatalf("%s ended at its start:\n%s", s.binary, tail(s.Log(t), 4000))
		case <-time.After(poll):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not serve after %v:\n%s", s.binary, startWait, tail(s.Log(t), 4000))
		}
	}
}

func (s *Server) serves(t testing.TB) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+s.ready, nil)
	if err != nil {
		t.Fatalf("ask whether %s serves: %v", s.URL, err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode == http.StatusOK
}

// Stop ends the server as an administrator would and returns once it and all
// it started are gone. A stopped server may be stopped again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.process != nil {
		s.end(t, s.process.pid, s.stop)
	}
}

// Kill ends the server at once, with all it started, as a power cut would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.process != nil {
		s.end(t, -s.process.pid, syscall.SIGKILL)
	}
}

// Restart stops the server and starts it again in the same place.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

// end signals the server's process or, by its negative, the whole group.
func (s *Server) end(t testing.TB, to int, signal syscall.Signal) {
	t.Helper()
	p := s.process
	s.process = nil
	send(t, to, signal)
	select {
	case <-p.exited:
	case <-time.After(stopWait):
		t.Errorf("%s (process %d) is still there %v after %v", s.binary, p.pid, stopWait, signal)
		send(t, -p.pid, syscall.SIGKILL)
		<-p.exited
	}
	if !gone(p.pid) {
		t.Errorf("%s (process %d) left processes behind", s.binary, p.pid)
		send(t, -p.pid, syscall.SIGKILL)
	}
}

func send(t testing.TB, to int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(to, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("send %v to process %d: %v", signal, to, err)
	}
}

// gone reports whether a process group is empty, or becomes so shortly.
func gone(group int) bool {
	for deadline := time.Now().Add(stopWait); time.Now().Before(deadline); {
		if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
			return true
		}
		<-time.After(poll)
	}
	return false
}

// Log is what the server has written so far.
func (s *Server) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Errorf("read the server's log: %v", err)
	}
	return string(text)
}

func tail(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-n:], "")
}
