package provider_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// TestFaultMatrix prints, for each way in which the first choice fails, who
// answers in its place and how much longer that takes than a call to a healthy
// server: `make test-faults`.
func TestFaultMatrix(t *testing.T) {
	var (
		mu   sync.Mutex
		rows [][]string
	)
	t.Run("faults", func(t *testing.T) {
		for number, test := range []struct {
			name    string
			arrange func(*testing.T, string, *providertest.Upstream, map[string]string)
			reason  string // of the fallback
			kind    fault.Kind
			seam    bool // when streamed
			because string
			waits   bool // for a time limit of the client's
		}{
			{"refused", refuses, "unreachable", 0, false, "nobody listens there: the next is asked", false},
			{"no such host", unknown, "unreachable", 0, false, "the name does not resolve: the next is asked", false},
			{"connect timeout", swallows, "unreachable", 0, false, "no connection within 3 s: the next is asked", true},
			{"slow first token", hangs, "first_token_timeout", 0, false, "no token within LLM_FIRST_TOKEN_TIMEOUT, here 200 ms: the next is asked", true},
			{"429", fails(429), "busy", 0, false, "it has no room just now: the next may", false},
			{"500", fails(500), "server_error", 0, false, "it is broken, not the request: the next is asked", false},
			{"503 busy", fails(503), "busy", 0, false, "it has no room just now: the next may", false},
			{"404 model", lacks, "model_missing", 0, false, "it lacks the model: the next has its own", false},
			{"400 context", small, "", fault.TooLarge, false, "the text is too long, which is the caller's to mend: no other is asked, nothing is cut", false},
			{"empty 200", answers(""), "cut", 0, false, "an answer without text and end is none: the next is asked", false},
			{"cut mid-stream", cuts, "cut", 0, true, "half an answer is none: the next begins anew, and a reader is told by a seam", false},
			{"garbage stream", garbles, "garbled", 0, true, "what follows cannot be read: the next begins anew, and a reader is told by a seam", false},
		} {
			for _, primary := range slices.Sorted(maps.Keys(stubs)) {
				secondary := other(primary)
				for _, streamed := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s as primary/%s/streamed %v", primary, test.name, streamed), func(t *testing.T) {
						calls := 9
						if test.waits {
							t.Parallel()
							calls = 1
						}
						first, second := stubs[primary].start(t, "The first says this."), stubs[secondary].start(t, reply)
						environ := inOrder(primary, first, second)
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
						defer cancel()
						healthy := listen(ctx, open(t, environ), streamed)
						if healthy.err != nil || healthy.final.Provider != primary || healthy.final.Fallback != "" {
							t.Fatalf("before the fault: %+v", healthy)
						}
						normal := median(calls, func() time.Duration { return listen(ctx, open(t, environ), streamed).took })
						asked := len(second.Requests())
						test.arrange(t, primary, first, environ)
						var got heard
						took := median(calls, func() time.Duration {
							got = listen(ctx, open(t, environ), streamed)
							return got.took
						})

						outcome, served := "answered", ""
						switch {
						case test.kind != 0:
							wantFault(t, got.err, test.kind)
							outcome, served = "error "+fault.KindOf(got.err).String(), "none"
							if len(second.Requests()) != asked {
								t.Error("the second was asked")
							}
						case got.err != nil:
							t.Fatalf("not answered: %v", got.err)
						default:
							served = got.final.Provider + " " + got.final.Model
							if got.final.Content != reply || got.final.Provider != secondary || got.final.Fallback != primary+" "+test.reason {
								t.Errorf("answer %+v", got.final)
							}
							wantSeam := test.seam && streamed
							if wantSeam != (got.seam != nil) {
								t.Fatalf("seam %+v, want one: %v", got.seam, wantSeam)
							}
							if wantSeam {
								outcome = "begun anew"
								if *got.seam != (provider.Seam{FromProvider: primary, FromModel: modelOf(primary), ToProvider: secondary, ToModel: modelOf(secondary), Reason: test.reason}) {
									t.Errorf("seam %+v", got.seam)
								}
							}
							if got.text != reply {
								t.Errorf("the reader has %q", got.text)
							}
						}
						mu.Lock()
						defer mu.Unlock()
						rows = append(rows, []string{
							fmt.Sprintf("%2d %s", number+1, test.name), primary, how(streamed), outcome, served, test.reason,
							milliseconds(took - normal), test.because,
						})
					})
				}
			}
		}
	})
	slices.SortFunc(rows, slices.Compare)
	show(t, append([][]string{{"FAULT", "PRIMARY", "HOW", "OUTCOME", "SERVED BY", "FALLBACK", "TIME ADDED", "BECAUSE"}}, rows...))
}

// TestBothDown holds that a call ends with a typed error, within its deadline,
// when no engine can answer, and prints the errors.
func TestBothDown(t *testing.T) {
	var rows [][]string
	for _, test := range []struct {
		name    string
		arrange func(*testing.T, string, *providertest.Upstream, map[string]string)
		kind    fault.Kind
		waits   bool
	}{
		{"both refused", refuses, fault.Unavailable, false},
		{"both without a host", unknown, fault.Unavailable, false},
		{"both take no connection", swallows, fault.Timeout, true},
		{"both slow", hangs, fault.Timeout, true},
		{"both 429", fails(429), fault.Busy, false},
		{"both 500", fails(500), fault.Upstream, false},
		{"both 503", fails(503), fault.Busy, false},
		{"both without model", lacks, fault.Unavailable, false},
		{"both empty", answers(""), fault.Upstream, false},
		{"both cut", cuts, fault.Upstream, false},
		{"both garbled", garbles, fault.Upstream, false},
	} {
		for _, primary := range slices.Sorted(maps.Keys(stubs)) {
			secondary := other(primary)
			for _, streamed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s first/streamed %v", test.name, primary, streamed), func(t *testing.T) {
					first, second := stubs[primary].start(t, "The first says this."), stubs[secondary].start(t, reply)
					environ := inOrder(primary, first, second)
					test.arrange(t, primary, first, environ)
					test.arrange(t, secondary, second, environ)
					limit := 20 * time.Second
					if test.waits {
						limit = 200 * time.Millisecond
						delete(environ, "LLM_FIRST_TOKEN_TIMEOUT")
					}
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					got := listen(ctx, open(t, environ), streamed)
					wantFault(t, got.err, test.kind)
					if late := ctx.Err() != nil; late != test.waits {
						t.Errorf("it ended with the deadline: %v, want %v", late, test.waits)
					}
					rows = append(rows, []string{
						test.name, primary, how(streamed), "error " + fault.KindOf(got.err).String(),
						milliseconds(got.took), limit.String(), fault.DetailOf(got.err),
					})
				})
			}
		}
	}
	show(t, append([][]string{{"FAULT", "PRIMARY", "HOW", "OUTCOME", "TOOK", "DEADLINE", "WHAT THE CALLER READS"}}, rows...))
}

// show prints rows as a table, which scripts/tables knows by its bars.
func show(t *testing.T, rows [][]string) {
	fmt.Fprintln(t.Output(), "|")
	w := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	defer func() { _ = w.Flush() }()
	for _, row := range rows {
		fmt.Fprintln(w, "| "+strings.Join(row, "\t  "))
	}
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%6.1f ms", float64(d.Microseconds())/1000)
}

// median returns the median of n measurements.
func median(n int, measure func() time.Duration) time.Duration {
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = measure()
	}
	slices.Sort(times)
	return times[n/2]
}

// The faults. Each is arranged on a server, or by the variables that name it.

func refuses(_ *testing.T, _ string, up *providertest.Upstream, _ map[string]string) { up.Close() }

// unknown is a name that no resolver knows, whatever network there is.
func unknown(_ *testing.T, engine string, _ *providertest.Upstream, environ map[string]string) {
	environ[stubs[engine].urlVar] = "http://engine.invalid:1"
}

func swallows(t *testing.T, engine string, _ *providertest.Upstream, environ map[string]string) {
	environ[stubs[engine].urlVar] = blackHole(t)
}

func hangs(_ *testing.T, _ string, up *providertest.Upstream, environ map[string]string) {
	up.Hang()
	environ["LLM_FIRST_TOKEN_TIMEOUT"] = "200ms"
}

func lacks(_ *testing.T, _ string, up *providertest.Upstream, _ map[string]string) {
	up.SetModels("another")
}

func small(_ *testing.T, _ string, up *providertest.Upstream, _ map[string]string) { up.SetContext(2) }

func cuts(_ *testing.T, _ string, up *providertest.Upstream, _ map[string]string) { up.Cut() }

func garbles(_ *testing.T, engine string, up *providertest.Upstream, _ map[string]string) {
	raw(200, stubs[engine].first+"data: {\"mess\n\n{\"mess\n")(up)
}

func other(engine string) string {
	return map[string]string{"ollama": "vllm", "vllm": "ollama"}[engine]
}

func how(streamed bool) string {
	return map[bool]string{true: "stream", false: "whole"}[streamed]
}

// inOrder returns variables for a client of two stubs.
func inOrder(primary string, first, second *providertest.Upstream) map[string]string {
	secondary := other(primary)
	return map[string]string{
		"LLM_PROVIDER": primary, stubs[primary].urlVar: first.URL,
		"LLM_FALLBACK": secondary, stubs[secondary].urlVar: second.URL, "VLLM_MODEL": providertest.VLLMModel,
	}
}

func modelOf(name string) string {
	return map[string]string{"ollama": "llama3.2", "vllm": providertest.VLLMModel}[name]
}

func fails(status int) func(*testing.T, string, *providertest.Upstream, map[string]string) {
	return func(_ *testing.T, _ string, up *providertest.Upstream, _ map[string]string) { up.Fail(status) }
}

func answers(body string) func(*testing.T, string, *providertest.Upstream, map[string]string) {
	return func(_ *testing.T, _ string, up *providertest.Upstream, _ map[string]string) { raw(200, body)(up) }
}

// heard is what a reader of an answer has.
type heard struct {
	text  string // since the latest seam
	seam  *provider.Seam
	final *provider.ChatResponse
	err   error
	took  time.Duration
}

// listen asks and reads the answer, whole or as it comes.
func listen(ctx context.Context, c *provider.Client, streamed bool) (h heard) {
	began := time.Now()
	defer func() { h.took = time.Since(began) }()
	if !streamed {
		h.final, h.err = c.Chat(ctx, ask("How long?"))
		if h.err == nil {
			h.text = h.final.Content
		}
		return h
	}
	return listenTo(ctx, c, ask("How long?"))
}

// listenTo reads a streamed answer.
func listenTo(ctx context.Context, c *provider.Client, r provider.ChatRequest) (h heard) {
	for ev, err := range c.ChatStream(ctx, r) {
		if ev.Seam != nil {
			h.seam, h.text = ev.Seam, ""
		}
		h.text += ev.Content
		h.final, h.err = ev.Final, err
	}
	return h
}

// blackHole is an address at which connecting takes for ever: its queue is full
// and nobody takes from it.
func blackHole(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port)
	dialer := net.Dialer{Timeout: 100 * time.Millisecond}
	for range 4 {
		if conn, err := dialer.DialContext(t.Context(), "tcp", address); err == nil {
			t.Cleanup(func() { conn.Close() })
		}
	}
	return "http://" + address
}

// TestAllDown holds that one error says what is wrong with each.
func TestAllDown(t *testing.T) {
	ollama, vllm := providertest.NewOllama(t, reply), providertest.NewVLLM(t, reply)
	environ := vllm.Environ()
	maps.Copy(environ, map[string]string{"OLLAMA_URL": ollama.URL, "LLM_FALLBACK": "", "VLLM_MODEL": "m"})
	ollama.Close()
	vllm.Close()
	for _, call := range calls {
		_, err := call.run(t.Context(), open(t, environ), ask("x"))
		wantFault(t, err, fault.Unavailable, "vLLM cannot be reached", "VLLM_URL", "Ollama cannot be reached", "OLLAMA_URL")
	}
	c := open(t, environ)
	got := c.Status(t.Context())
	if got.Reachable || got.State != provider.Unreachable || got.Provider != "vllm" || !strings.Contains(got.Reason, ollama.URL) || !strings.Contains(got.Reason, vllm.URL) {
		t.Errorf("status %+v", got)
	}
}

// TestStatusOfARoute holds that the first that is ready counts, and that the
// operator hears of the one before it.
func TestStatusOfARoute(t *testing.T) {
	ollama, vllm := providertest.NewOllama(t, reply), providertest.NewVLLM(t, reply)
	for _, setting := range []string{"vllm", "auto"} {
		environ := vllm.Environ()
		maps.Copy(environ, map[string]string{"LLM_PROVIDER": setting, "OLLAMA_URL": ollama.URL, "LLM_FALLBACK": ""})
		c := open(t, environ)
		if got := c.Status(t.Context()); got.Provider != "vllm" || got.Model != providertest.VLLMModel || !got.Reachable || got.Reason != "" {
			t.Errorf("%s, both up: %+v", setting, got)
		}
		vllm.Fail(http.StatusServiceUnavailable)
		c = open(t, environ)
		got := c.Status(t.Context())
		if got.Provider != "ollama" || got.Model != "llama3.2" || !got.Reachable || !strings.Contains(got.Reason, "vLLM at "+vllm.URL) {
			t.Errorf("%s, vLLM down: %+v", setting, got)
		}
		wantSentence(t, got.Reason)
		if setting == "auto" {
			if c.Provider() != "ollama" {
				t.Errorf("provider %q", c.Provider())
			}
			before := len(vllm.Requests())
			if answer, err := c.Chat(t.Context(), ask("x")); err != nil || answer.Provider != "ollama" || answer.Fallback != "" {
				t.Errorf("answer %+v, %v", answer, err)
			}
			if len(vllm.Requests()) != before {
				t.Error("one known to be down was asked first")
			}
		}
		vllm.Fail(0)
	}
}
