package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signpost.internal/pkg/provider/enginetest"
)

// How many ask at the same time, how often each, and how fast the simulated GPU
// is: about an 8B model on one large card.
const (
	users      = 50
	perUser    = 2
	firstToken = "200ms"
	nextToken  = "15ms"
)

// stopwatch is a proxy before a model server that measures how long each question
// takes there.
type stopwatch struct {
	*httptest.Server
	mu    sync.Mutex
	times map[string]time.Duration
}

var questionNumber = regexp.MustCompile(`case [a-z]+-[a-z]+\b`)

func newStopwatch(t *testing.T, address string) *stopwatch {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w := &stopwatch{times: map[string]time.Duration{}}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	transport := &http.Transport{MaxIdleConnsPerHost: users}
	proxy.Transport = transport
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		began := time.Now()
		proxy.ServeHTTP(rw, r)
		if found := questionNumber.FindAllString(string(body), -1); len(found) > 0 {
			w.mu.Lock()
			w.times[found[len(found)-1]] = time.Since(began)
			w.mu.Unlock()
		}
	}))
	t.Cleanup(func() { w.Close(); transport.CloseIdleConnections() })
	return w
}

// letters writes a number in letters, as figures would have to be proved.
func letters(n int) string { return string([]byte{'a' + byte(n/26), 'a' + byte(n%26)}) }

// asked is what became of a question.
type asked struct {
	name         string
	first, total time.Duration
}

// askAs follows the stream of one question.
func askAs(t *testing.T, client *http.Client, address, name string) (asked, error) {
	question := "How long does the standard breathing space last? The standard breathing space lasts for 60 days [1]. This is case " + name + "."
	body, err := json.Marshal(map[string]any{"question": question, "top_k": 1})
	if err != nil {
		return asked{}, err
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/query", strings.NewReader(string(body)))
	if err != nil {
		return asked{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return asked{}, err
	}
	defer response.Body.Close()
	a := asked{name: "case " + name}
	last := ""
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if event, ok := strings.CutPrefix(lines.Text(), "event:"); ok {
			if last = event; a.first == 0 {
				a.first = time.Since(began)
			}
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && last == "done" {
			a.total = time.Since(began)
			var done struct{ Mode, Answer string }
			if err := json.Unmarshal([]byte(data), &done); err != nil {
				return a, err
			}
			if done.Mode != "generated" || !strings.Contains(done.Answer, "60 days [1]") {
				return a, fmt.Errorf("an answer of mode %s: %q", done.Mode, done.Answer)
			}
			return a, nil
		}
	}
	return a, fmt.Errorf("status %d, the last event %q", response.StatusCode, last)
}

func quantile(of []time.Duration, q float64) time.Duration {
	of = slices.Sorted(slices.Values(of))
	return of[int(q*float64(len(of)-1))].Round(time.Millisecond)
}

// Fifty people ask at the same time: what the service adds to the model's own time.
func TestFiftyUsers(t *testing.T) {
	sim := enginetest.StartSim(t, "--max-num-seqs=64", "--time-to-first-token="+firstToken, "--inter-token-latency="+nextToken)
	watch := newStopwatch(t, sim.URL)
	p := startProcess(t, map[string]string{
		"RAG_SERVICE_PORT": "0", "DATA_DIR": t.TempDir(), "HOME": t.TempDir(), "LLM_PROVIDER": "vllm", "LLM_FALLBACK": "none",
		"VLLM_URL": watch.URL, "LLM_CONCURRENCY": "64",
		"EMBEDDING_PROVIDER": "none", // the simulator makes vectors that mean nothing
	})
	paths, err := filepath.Glob("../../../../docs/manuals/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	var request struct {
		Documents []string `json:"documents"`
		Filenames []string `json:"filenames"`
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		request.Documents, request.Filenames = append(request.Documents, string(text)), append(request.Filenames, filepath.Base(path))
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var ingested struct{ Success bool }
	if call(t, http.MethodPost, p.url+"/ingest", string(body), &ingested); !ingested.Success {
		t.Fatal("the manuals were not ingested")
	}
	for answer := (struct{ Mode string }{}); answer.Mode != "generated"; { // until the model is ready
		call(t, http.MethodPost, p.url+"/query", simQuestion, &answer)
	}

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: users}}
	defer client.CloseIdleConnections()
	var (
		group    sync.WaitGroup
		mu       sync.Mutex
		all      []asked
		failures []error
	)
	for user := range users {
		group.Go(func() {
			for n := range perUser {
				a, err := askAs(t, client, p.url, letters(user)+"-"+letters(n))
				mu.Lock()
				if all = append(all, a); err != nil {
					failures = append(failures, err)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(failures) > 0 {
		t.Fatalf("%d of %d questions failed, the first: %v", len(failures), len(all), failures[0])
	}
	var first, own, total, added []time.Duration
	for _, a := range all {
		model := watch.times[a.name]
		if model == 0 {
			t.Fatalf("%s never reached the model", a.name)
		}
		first, own, total, added = append(first, a.first), append(own, model), append(total, a.total), append(added, a.total-model)
	}
	t.Logf("%d users, %d questions each, simulator with %s to the first token and %s to each further one", users, perUser, firstToken, nextToken)
	t.Logf("%-34s %8s %8s", "", "p50", "p99")
	for _, row := range []struct {
		name string
		of   []time.Duration
	}{{"citations on the screen", first}, {"the model's own time", own}, {"the whole answer", total}, {"added by the service", added}} {
		t.Logf("%-34s %8v %8v", row.name, quantile(row.of, 0.5), quantile(row.of, 0.99))
	}
	t.Logf("%d asked, none failed", len(all))
}
