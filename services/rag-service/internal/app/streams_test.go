package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/provider/enginetest"
)

// serveVariable makes the test's binary the service.
const serveVariable = "RAG_SERVICE_TEST_SERVE"

func TestMain(m *testing.M) {
	environ := env.Environ()
	if environ[serveVariable] == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := serve(environ); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve runs the service until SIGTERM. It says where it listens, and, asked by
// SIGUSR1 to give back the memory that it does not use, when that is done.
func serve(environ map[string]string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			debug.FreeOSMemory() // what a pool holds is free
			debug.FreeOSMemory() // after the second collection
			fmt.Println("freed")
		}
	}()
	return run(ctx, environ, io.Discard, func(a net.Addr) { fmt.Println("http://" + a.String()) })
}

// process is the service as a process of its own.
type process struct {
	t   *testing.T
	url string
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startProcess(t *testing.T, environ map[string]string) *process {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary)
	environ[serveVariable] = "1"
	for name, value := range environ {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	p.url = p.line()
	return p
}

func (p *process) line() string {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatalf("the service says nothing more (%v)", p.out.Err())
	}
	return p.out.Text()
}

// gauges are what the service says of itself at /metrics.
type gauges struct{ resident, heap, goroutines, files, inFlight float64 }

func (p *process) gauges() gauges {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	var g gauges
	wanted := map[string]*float64{
		"process_resident_memory_bytes": &g.resident, "go_memstats_heap_alloc_bytes": &g.heap,
		"go_goroutines": &g.goroutines, "process_open_fds": &g.files, "signpost_http_requests_in_flight": &g.inFlight,
	}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if into := wanted[name]; into != nil {
			if *into, err = strconv.ParseFloat(value, 64); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	g.inFlight-- // this request
	return g
}

// settled returns the gauges once all that the streams used is given back, or
// those of the end of a long wait.
func (p *process) settled(goroutines float64) gauges {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if p.gauges().goroutines <= goroutines || time.Now().After(deadline) {
			break
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		p.t.Fatal(err)
	}
	p.line()
	return p.gauges()
}

// wave is what becomes of streams that run at the same time.
type wave struct {
	begun, done atomic.Int64
	early       atomic.Int64  // ended before all had begun
	open        chan struct{} // closed when all have begun
	mu          sync.Mutex
	first       []time.Duration // from asking to the first event
	failures    []string
}

// The question holds its own answer, as the simulator says again what it is told.
const (
	simQuestion = `{"question": "How long is it? The standard breathing space lasts for 60 days [1].", "top_k": 1}`
	simSentence = "The standard breathing space lasts for 60 days [1]."
)

// ask follows one stream to its end and returns what is wrong with it.
func (w *wave) ask(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/query", strings.NewReader(simQuestion))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	asked := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var (
		name, screen string
		seen         []string
	)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if event, ok := strings.CutPrefix(lines.Text(), "event:"); ok {
			if name = event; len(seen) == 0 {
				took := time.Since(asked)
				w.mu.Lock()
				w.first = append(w.first, took)
				w.mu.Unlock()
				if w.begun.Add(1) == streams {
					close(w.open)
				}
			}
			seen = append(seen, event)
			continue
		}
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var e struct{ Text, Answer, Mode, Notice string }
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return err
		}
		if name == "sentence" {
			screen += e.Text
		}
		if name != "done" {
			continue
		}
		if e.Mode != "generated" || e.Answer != screen || !strings.Contains(screen, simSentence) {
			return fmt.Errorf("an answer of mode %s, %q, with %q on the screen (%s)", e.Mode, e.Answer, screen, e.Notice)
		}
		if w.begun.Load() < streams {
			w.early.Add(1)
		}
		w.done.Add(1)
		return nil
	}
	return fmt.Errorf("status %d and the events %q, and no end", response.StatusCode, seen)
}

func (w *wave) quantile(q float64) time.Duration {
	slices.Sort(w.first)
	return w.first[int(q*float64(len(w.first)-1))].Round(time.Millisecond)
}

// Many streams at the same time through a service of its own process and a real
// server, again and again: none is dropped, none is another answer, and when
// they are over nothing of them is left in memory.
func TestStreams(t *testing.T) {
	const (
		warmUp     = 2
		heapMargin = 2 << 20 // what the heap may grow by, in bytes
	)
	sim := enginetest.StartSim(t, "--max-num-seqs="+strconv.Itoa(streams+10), "--time-to-first-token=1s", "--inter-token-latency=50ms")
	environ := map[string]string{
		"RAG_SERVICE_PORT": "0", "DATA_DIR": t.TempDir(), "LLM_PROVIDER": "vllm", "LLM_FALLBACK": "none", "EMBEDDING_PROVIDER": "none",
		"VLLM_URL": sim.URL, "LLM_CONCURRENCY": strconv.Itoa(streams), "LLM_QUEUE": "0",
	}
	maps.Copy(environ, map[string]string{"HOME": t.TempDir()})
	p := startProcess(t, environ)
	var ingested struct{ Success bool }
	body := `{"documents": ["Breathing space\n\nThe standard breathing space lasts for 60 days."], "filenames": ["space.txt"]}`
	if call(t, http.MethodPost, p.url+"/ingest", body, &ingested); !ingested.Success {
		t.Fatal("the manual was not ingested")
	}
	for answer := (struct{ Mode string }{}); answer.Mode != "generated"; { // until the model is ready
		call(t, http.MethodPost, p.url+"/query", simQuestion, &answer)
	}
	base := p.settled(math.Inf(1))

	var warm gauges
	var most float64
	for n := range waves {
		w := &wave{open: make(chan struct{})}
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: streams}}
		var group sync.WaitGroup
		for range streams {
			group.Go(func() {
				if err := w.ask(t.Context(), client, p.url); err != nil {
					w.mu.Lock()
					w.failures = append(w.failures, err.Error())
					w.mu.Unlock()
				}
			})
		}
		ended := make(chan struct{})
		go func() { group.Wait(); close(ended) }()
		var peak gauges
		select {
		case <-w.open:
			peak = p.gauges()
		case <-ended:
		}
		<-ended
		full := p.gauges()
		client.CloseIdleConnections()
		after := p.settled(base.goroutines + 5)
		t.Logf("wave %d: %d of %d done, %d before all had begun; first event p50 %v p99 %v; in flight %.0f, files %.0f, goroutines %.0f, memory %.1f MiB, at the end %.1f MiB; then heap %.2f MiB, memory %.1f MiB, goroutines %.0f, files %.0f",
			n+1, w.done.Load(), streams, w.early.Load(), w.quantile(0.5), w.quantile(0.99),
			peak.inFlight, peak.files, peak.goroutines, peak.resident/(1<<20), full.resident/(1<<20),
			after.heap/(1<<20), after.resident/(1<<20), after.goroutines, after.files)
		if len(w.failures) > 0 {
			t.Fatalf("%d streams failed, the first: %s", len(w.failures), w.failures[0])
		}
		if w.early.Load() > 0 {
			t.Errorf("%d streams ended before all had begun: they were not at the same time", w.early.Load())
		}
		if after.goroutines > base.goroutines+5 || after.files > base.files+5 {
			t.Errorf("goroutines %.0f and files %.0f are left, at first there were %.0f and %.0f", after.goroutines, after.files, base.goroutines, base.files)
		}
		highest := max(peak.resident, full.resident)
		switch {
		case n < warmUp:
			warm, most = after, max(most, highest)
		case after.heap > warm.heap+heapMargin:
			t.Errorf("the heap grew from %.0f to %.0f bytes", warm.heap, after.heap)
		case highest > most*memoryMargin:
			t.Errorf("the memory grew from %.0f to %.0f bytes", most, highest)
		}
	}
}
