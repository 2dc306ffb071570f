package migration_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// bin is the folder of the built services. It is set once, by TestMain.
var bin string

func TestMain(m *testing.M) {
	dir, err := build(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// TestMigration runs the cases and ends with a line for each and their count.
func TestMigration(t *testing.T) {
	var lines []string
	var passed, failed, skipped int
	for i, c := range []struct {
		name string // RMA-Demo's
		run  func(*testing.T, *showing)
	}{
		{"Provider imports", providerImports},
		{"Provider initialisation", providerInitialisation},
		{"Embeddings initialisation", embeddingsInitialisation},
		{"LLM initialisation", llmInitialisation},
		{"Embeddings generation", embeddingsGeneration},
		{"LLM chat completion", llmChatCompletion},
		{"RAG service imports", ragService},
		{"Notes service imports", notesService},
		{"Doc-processor imports", docProcessor},
		{"Requirements updated", requirements},
		{"Provider environment variable", providerVariable},
		{"Provider fallback logic", fallbackLogic},
		{"Vision enhancement integration", visionEnhancement},
	} {
		number := i + 1
		t.Run(fmt.Sprintf("%02d %s", number, c.name), func(t *testing.T) {
			began := time.Now()
			s := &showing{t: t}
			defer func() {
				result := "PASS"
				if t.Failed() || t.Skipped() { // only a live variant may be skipped
					result, failed = "FAIL", failed+1
					s.shown = append(s.shown, "not shown: the rest")
				} else {
					passed++
				}
				lines = append(lines, fmt.Sprintf("%2d  %-31s %s  %s (%.1f s)", number, c.name, result, strings.Join(s.shown, "; "), time.Since(began).Seconds()))
				for _, l := range s.live {
					lines = append(lines, fmt.Sprintf("      %-29s %s  %s", "on "+l.server, l.result, l.words))
					if l.result == "SKIP" {
						skipped++
					}
				}
			}()
			c.run(t, s)
			if len(s.shown) == 0 {
				t.Error("nothing was shown")
			}
		})
	}
	first, second := engines()
	fmt.Printf("\nThe 13 cases of RMA-Demo's migration test, %s first, then %s\n\n%s\n\nRESULTS: %d passed, %d failed, %d skipped\n",
		first, second, strings.Join(lines, "\n"), passed, failed, skipped)
}

// showing collects in words what a case has shown.
type showing struct {
	t     *testing.T
	shown []string
	live  []live
}

type live struct{ server, result, words string }

// shows notes what the assertions before it have shown, if none has failed.
func (s *showing) shows(format string, args ...any) {
	if !s.t.Failed() {
		s.shown = append(s.shown, fmt.Sprintf(format, args...))
	}
}

// on runs a case against a real server. run skips the test where there is none,
// and returns what it has shown.
func (s *showing) on(t *testing.T, server string, run func(t *testing.T) string) {
	t.Helper()
	l := live{server: server, result: "FAIL"}
	t.Run("on "+server, func(t *testing.T) {
		defer func() {
			switch {
			case t.Skipped():
				l.result, l.words = "SKIP", "it is not built here: scripts/engines builds it"
			case !t.Failed():
				l.result = "PASS"
			}
		}()
		l.words = run(t)
	})
	s.live = append(s.live, l)
}

// engines names the first choice, by LLM_PROVIDER, and the second.
func engines() (first, second string) {
	if env.Environ()["LLM_PROVIDER"] == provider.VLLM {
		return provider.VLLM, provider.Ollama
	}
	return provider.Ollama, provider.VLLM
}

// stub starts a stub of the engine.
func stub(t *testing.T, engine, reply string) *providertest.Upstream {
	t.Helper()
	if engine == provider.VLLM {
		return providertest.NewVLLM(t, reply)
	}
	return providertest.NewOllama(t, reply)
}

// modelOf is the model that a stub of the engine answers with by default.
func modelOf(engine string) string {
	if engine == provider.VLLM {
		return providertest.VLLMModel
	}
	return "llama3.2"
}

// inOrder are the variables that make first the first choice and second the
// second, and read images with the first.
func inOrder(first *providertest.Upstream, second *providertest.Upstream) map[string]string {
	environ := first.Environ()
	for name, value := range second.Environ() {
		switch name {
		case "LLM_PROVIDER":
			environ["LLM_FALLBACK"] = value
		case "OLLAMA_URL", "VLLM_URL":
			environ[name] = value
		}
	}
	return environ
}

// open returns a client that the test closes.
func open(t *testing.T, environ map[string]string) *provider.Client {
	t.Helper()
	client, err := load(environ)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// load opens a client as a service does.
func load(environ map[string]string) (*provider.Client, error) {
	var cfg provider.Config
	if err := env.Load(&cfg, environ); err != nil {
		return nil, err
	}
	return provider.Open(cfg, provider.Options{})
}

// chats are the bodies of the questions that a stub received, of those that hold
// the words. A model is also asked whether it is ready.
func chats(up *providertest.Upstream, words string) []string {
	var bodies []string
	for _, r := range up.Requests() {
		if (strings.HasSuffix(r.Path, "/chat") || strings.HasSuffix(r.Path, "/chat/completions")) && strings.Contains(string(r.Body), words) {
			bodies = append(bodies, string(r.Body))
		}
	}
	return bodies
}
