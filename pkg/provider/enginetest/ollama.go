package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/tinymodels"
)

// OllamaVersion is the version that scripts/engines builds.
const OllamaVersion = "v0.17.4"

// StartOllama starts a real Ollama for the rest of the test, with the models
// of [tinymodels.Defaults] under their names. Settings such as
// "OLLAMA_KEEP_ALIVE=1s" are added to its environment, which holds nothing of
// the test's own but PATH.
func StartOllama(t testing.TB, settings ...string) *Server {
	t.Helper()
	binary := tool(t, "ollama", OllamaVersion)
	host := "127.0.0.1:" + freePort(t)
	home := t.TempDir()
	s := &Server{
		URL:    "http://" + host,
		binary: binary,
		args:   []string{"serve"},
		env: append([]string{
			"PATH=" + env.Environ()["PATH"],
			"HOME=" + home,
			"OLLAMA_HOST=" + host,
			"OLLAMA_MODELS=" + filepath.Join(home, "models"),
			"OLLAMA_NO_CLOUD=1",
		}, settings...),
		ready: "/api/version",
		stop:  syscall.SIGTERM,
	}
	s.run(t)
	s.Create(t, tinymodels.Defaults()...)
	return s
}

// Create adds models to an Ollama, or replaces those of the same name.
func (s *Server) Create(t testing.TB, models ...tinymodels.Model) {
	t.Helper()
	files, err := tinymodels.Write(t.TempDir(), models)
	if err != nil {
		t.Fatalf("write the tiny models: %v", err)
	}
	for _, f := range files {
		create := exec.CommandContext(t.Context(), s.binary, "create", f.Name, "-f", f.Modelfile)
		create.Env = s.env
		if output, err := create.CombinedOutput(); err != nil {
			t.Fatalf("create the model %s: %v\n%s", f.Name, err, output)
		}
	}
}

// KillRunners kills the processes in which Ollama runs its loaded models, as
// the kernel does when memory is short, and returns how many there were. The
// server itself goes on.
func (s *Server) KillRunners(t testing.TB) int {
	t.Helper()
	runners := s.Runners(t)
	for _, pid := range runners {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("kill runner %d: %v", pid, err)
		}
	}
	return len(runners)
}

// Runners are the process IDs of the server's child processes: in Ollama's
// case one for each loaded model.
func (s *Server) Runners(t testing.TB) []int {
	t.Helper()
	if s.process == nil {
		return nil
	}
	// Each thread lists the children that it started.
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.process.pid))
	if err != nil {
		t.Fatalf("list the server's threads: %v", err)
	}
	var children []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatalf("read the server's children: %v", err)
			}
			children = append(children, pid)
		}
	}
	return children
}
