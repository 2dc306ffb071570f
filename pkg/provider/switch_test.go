package provider_test

import (
	"fmt"
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

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/enginetest"
	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/pkg/tinymodels"
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

// TestSwitchUnderLoad switches between the stubs as fast as answers come.
func TestSwitchUnderLoad(t *testing.T) {
	answers := map[string]string{
		"ollama": strings.Repeat("This is what Ollama says. ", 3),
		"vllm":   strings.Repeat("And these are the words of vLLM. ", 3),
	}
	ollama, vllm := providertest.NewOllama(t, answers["ollama"]), providertest.NewVLLM(t, answers["vllm"])
	switchUnderLoad(t, both(ollama, vllm), ask("How long?"), answers, 0)
}

// TestRealSwitching switches between real servers: for five seconds, or for as
// long as SWITCH_FOR says (`make test-switching`: two minutes).
func TestRealSwitching(t *testing.T) {
	ollama := enginetest.StartOllama(t)
	sim := enginetest.StartSim(t, "--inter-token-latency=10ms", "--max-num-seqs=64")
	length := 5 * time.Second
	if said := env.Environ()["SWITCH_FOR"]; said != "" {
		var err error
		if length, err = time.ParseDuration(said); err != nil {
			t.Fatal(err)
		}
	}
	question := strings.TrimSpace(strings.Repeat("How long does a breathing space last? ", 8))
	switchUnderLoad(t, map[string]string{"OLLAMA_URL": ollama.URL, "VLLM_URL": sim.URL}, ask(question),
		map[string]string{"ollama": tinymodels.Reply, "vllm": question}, length)
}

// switchUnderLoad switches 200 times while 50 streams run, spread over length:
// no call fails, no answer is put together from two or comes by a fallback, and
// no goroutine or connection is left over.
func switchUnderLoad(t *testing.T, environ map[string]string, question provider.ChatRequest, answers map[string]string, length time.Duration) {
	const switches, streams = 200, 50
	environ["LLM_CONCURRENCY"] = fmt.Sprint(streams)
	routines, sockets := runtime.NumGoroutine(), openSockets(t)
	c := open(t, environ)
	var (
		readers        sync.WaitGroup
		stop           = make(chan struct{})
		by             = map[string]*atomic.Int64{"ollama": {}, "vllm": {}}
		failed, broken atomic.Int64
		across         atomic.Int64 // streams during which there was a switch
		done           atomic.Int64
	)
	for range streams {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := done.Load()
				got := listenTo(t.Context(), c, question)
				switch {
				case got.err != nil:
					failed.Add(1)
					t.Errorf("a call failed: %v", got.err)
					return
				case got.seam != nil, got.final.Fallback != "", got.text != answers[got.final.Provider], got.final.Content != got.text:
					broken.Add(1)
					t.Errorf("a spliced answer by %s: %q", got.final.Provider, got.text)
					return
				}
				by[got.final.Provider].Add(1)
				if done.Load() > before {
					across.Add(1)
				}
			}
		})
	}
	began := time.Now()
	peak := 0
	for i := range switches {
		engine := []string{"vllm", "ollama"}[i%2]
		was := by[engine].Load()
		if err := c.Switch(t.Context(), provider.Selection{Provider: engine}); err != nil {
			t.Fatal(err)
		}
		done.Add(1)
		for by[engine].Load() < was+1 && !t.Failed() {
			<-time.After(time.Millisecond)
		}
		peak = max(peak, openSockets(t))
		<-time.After(time.Until(began.Add(length * time.Duration(i+1) / switches)))
	}
	took := time.Since(began)
	close(stop)
	readers.Wait()
	c.Close()
	until(t, func() bool { return runtime.NumGoroutine() <= routines && openSockets(t) <= sockets })
	if by["ollama"].Load() == 0 || by["vllm"].Load() == 0 || across.Load() == 0 {
		t.Error("one of them was never used, or nothing ran across a switch")
	}
	show(t, [][]string{
		{"SWITCHES", "IN", "STREAMS AT A TIME", "ANSWERS", "BY OLLAMA", "BY VLLM", "ACROSS A SWITCH", "FAILED", "SPLICED", "GOROUTINES BEFORE, AFTER", "SOCKETS BEFORE, MOST, AFTER"},
		{
			fmt.Sprint(switches), took.Round(100 * time.Millisecond).String(), fmt.Sprint(streams), fmt.Sprint(by["ollama"].Load() + by["vllm"].Load()),
			fmt.Sprint(by["ollama"].Load()), fmt.Sprint(by["vllm"].Load()), fmt.Sprint(across.Load()), fmt.Sprint(failed.Load()), fmt.Sprint(broken.Load()),
			fmt.Sprintf("%d, %d", routines, runtime.NumGoroutine()), fmt.Sprintf("%d, %d, %d", sockets, peak, openSockets(t)),
		},
	})
}

// openSockets counts the sockets that this process has open.
func openSockets(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
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
