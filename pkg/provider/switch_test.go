package provider_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// both returns variables for a client of both stubs, Ollama first.
func both(ollama, vllm *providertest.Upstream, pairs ...string) map[string]string {
	environ := map[string]string{"OLLAMA_URL": ollama.URL, "VLLM_URL": vllm.URL, "VLLM_MODEL": providertest.VLLMModel}
	for i := 0; i < len(pairs); i += 2 {
		environ[pairs[i]] = pairs[i+1]
	}
	return environ
}

func TestSwitch(t *testing.T) {
	ollama, vllm := providertest.NewOllama(t, reply), providertest.NewVLLM(t, reply)
	c := open(t, both(ollama, vllm))
	served := func(want string) {
		t.Helper()
		got, err := c.Chat(t.Context(), ask("x"))
		if err != nil || got.Provider != want || got.Fallback != "" || c.Provider() != want {
			t.Errorf("answered by %+v, %v, want %s", got, err, want)
		}
		if status := c.Status(t.Context()); status.Provider != want {
			t.Errorf("status %+v, want %s", status, want)
		}
	}
	served("ollama")
	for _, s := range []provider.Selection{{Provider: "vllm"}, {Provider: "VLLM", Fallback: "ollama"}} {
		if err := c.Switch(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		served("vllm")
	}
	for _, s := range []provider.Selection{{}, {Provider: "openai"}, {Provider: "ollama", Fallback: "x"}} {
		err := c.Switch(t.Context(), s)
		wantFault(t, err, fault.Invalid, "ollama, vllm and none", "Nothing was changed")
		if got := c.Selection(); got != (provider.Selection{Provider: "vllm", Fallback: "ollama"}) {
			t.Errorf("in force: %+v", got)
		}
		served("vllm")
	}
	if got, err := c.Embed(t.Context(), provider.Document, []string{"rent"}); err != nil || got.Provider != "ollama" {
		t.Errorf("embedded by %+v, %v: a switch must not change that", got, err)
	}
	if err := c.Switch(t.Context(), provider.Selection{Provider: "none"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Chat(t.Context(), ask("x"))
	wantFault(t, err, fault.Unavailable, "No model is configured")
	if err := c.Switch(t.Context(), provider.Selection{Provider: "ollama"}); err != nil {
		t.Fatal(err)
	}
	served("ollama")
}

// TestSwitchUnderLoad switches while streams run: no call fails, and no answer
// is put together from two.
func TestSwitchUnderLoad(t *testing.T) {
	const switches, streams = 200, 50
	answers := map[string]string{
		"ollama": strings.Repeat("This is what Ollama says. ", 3),
		"vllm":   strings.Repeat("And these are the words of vLLM. ", 3),
	}
	ollama, vllm := providertest.NewOllama(t, answers["ollama"]), providertest.NewVLLM(t, answers["vllm"])
	c := open(t, both(ollama, vllm, "LLM_CONCURRENCY", "50"))
	before := runtime.NumGoroutine()
	var (
		readers sync.WaitGroup
		stop    = make(chan struct{})
		by      [2]atomic.Int64
	)
	for range streams {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := listen(t.Context(), c, true)
				switch {
				case got.err != nil:
					t.Errorf("a call failed: %v", got.err)
					return
				case got.seam != nil, got.final.Fallback != "", got.text != answers[got.final.Provider], got.final.Content != got.text:
					t.Errorf("a spliced answer by %s: %q", got.final.Provider, got.text)
					return
				case got.final.Provider == "ollama":
					by[0].Add(1)
				default:
					by[1].Add(1)
				}
			}
		})
	}
	for i := range switches {
		was := by[0].Load() + by[1].Load()
		if err := c.Switch(t.Context(), provider.Selection{Provider: []string{"vllm", "ollama"}[i%2]}); err != nil {
			t.Fatal(err)
		}
		for by[0].Load()+by[1].Load() < was+2 && !t.Failed() {
			runtime.Gosched()
		}
	}
	close(stop)
	readers.Wait()
	c.Close()
	t.Logf("%d answers by Ollama, %d by vLLM", by[0].Load(), by[1].Load())
	if by[0].Load() == 0 || by[1].Load() == 0 {
		t.Error("one of them was never used")
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+5; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestProviderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "provider.env")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(log *strings.Builder) (*provider.Client, error) {
		return provider.Open(config(t, map[string]string{"PROVIDER_FILE": path}), provider.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	}
	t.Run("it wins over the environment, and each edit counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			write("# the engine\nexport LLM_PROVIDER=\"vllm\"\nDATA_DIR=/srv\n")
			var log strings.Builder
			c, err := start(&log)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			in := func(want string) {
				t.Helper()
				time.Sleep(3 * time.Second)
				synctest.Wait()
				if got := c.Provider(); got != want {
					t.Errorf("in force: %s, want %s", got, want)
				}
			}
			in("vllm")
			write("LLM_PROVIDER=none\n")
			in("none")
			if err := c.Switch(t.Context(), provider.Selection{Provider: "auto"}); err != nil {
				t.Fatal(err)
			}
			in("auto")
			for _, refused := range []string{"LLM_PROVIDER=openai\n", "LLM_PROVIDR=vllm\n", "vllm\n", strings.Repeat("#", 70<<10)} {
				log.Reset()
				write(refused)
				in("auto")
				if strings.Count(log.String(), "provider file refused") != 1 {
					t.Errorf("%.20q: log %s", refused, log.String())
				}
			}
			write("LLM_PROVIDER=ollama\nOLLAMA_MODEL=mistral\n")
			in("ollama")
			if c.Model() != "mistral" {
				t.Errorf("model %s", c.Model())
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			in("ollama")
			write("")
			in("ollama") // the environment's
			if c.Model() != "llama3.2" {
				t.Errorf("model %s", c.Model())
			}
		})
	})
	t.Run("a wrong one stops the start", func(t *testing.T) {
		for _, text := range []string{"LLM_PROVIDER=x", "LLM_PROVIDR=vllm", "VLLM_URL=ftp://x"} {
			write(text)
			var log strings.Builder
			if _, err := start(&log); err == nil || !strings.Contains(err.Error(), "PROVIDER_FILE: "+path) {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}
