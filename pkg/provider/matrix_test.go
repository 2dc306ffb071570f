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
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// TestFaultMatrix prints, for each way in which the first choice fails, who
// answers in its place and how long that takes longer: `go test -v -run
// TestFaultMatrix`.
func TestFaultMatrix(t *testing.T) {
	var (
		mu    sync.Mutex
		lines []string
	)
	t.Run("faults", func(t *testing.T) {
		for _, primary := range slices.Sorted(maps.Keys(stubs)) {
			secondary := map[string]string{"ollama": "vllm", "vllm": "ollama"}[primary]
			s := stubs[primary]
			for number, test := range []struct {
				name    string
				arrange func(*testing.T, *providertest.Upstream, map[string]string)
				reason  string // of the fallback
				kind    fault.Kind
				seam    bool // when streamed
			}{
				{"refused", func(_ *testing.T, up *providertest.Upstream, _ map[string]string) { up.Close() }, "unreachable", 0, false},
				{"no such host", func(_ *testing.T, _ *providertest.Upstream, e map[string]string) {
					e[s.urlVar] = "http://engine.invalid:1"
				}, "unreachable", 0, false},
				{"connect timeout", func(t *testing.T, _ *providertest.Upstream, e map[string]string) { e[s.urlVar] = blackHole(t) }, "unreachable", 0, false},
				{"slow first token", func(_ *testing.T, up *providertest.Upstream, e map[string]string) {
					up.Hang()
					e["LLM_FIRST_TOKEN_TIMEOUT"] = "200ms"
				}, "first_token_timeout", 0, false},
				{"429", fails(429), "busy", 0, false},
				{"500", fails(500), "server_error", 0, false},
				{"503 busy", fails(503), "busy", 0, false},
				{"404 model", func(_ *testing.T, up *providertest.Upstream, _ map[string]string) { up.SetModels("another") }, "model_missing", 0, false},
				{"400 context", func(_ *testing.T, up *providertest.Upstream, _ map[string]string) { up.SetContext(2) }, "", fault.TooLarge, false},
				{"empty 200", answers(""), "cut", 0, false},
				{"cut mid-stream", func(_ *testing.T, up *providertest.Upstream, _ map[string]string) { up.Cut() }, "cut", 0, true},
				{"garbage stream", answers(s.first + "data: {\"mess\n\n{\"mess\n"), "garbled", 0, true},
			} {
				for _, streamed := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s as primary/%s/streamed %v", primary, test.name, streamed), func(t *testing.T) {
						t.Parallel()
						first, second := s.start(t, "The first says this."), stubs[secondary].start(t, reply)
						environ := first.Environ()
						maps.Copy(environ, map[string]string{
							stubs[secondary].urlVar: second.URL, "LLM_FALLBACK": secondary, "VLLM_MODEL": providertest.VLLMModel,
						})
						test.arrange(t, first, environ)
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
						defer cancel()
						began := time.Now()
						got := listen(ctx, open(t, environ), streamed)
						took := time.Since(began)

						outcome, served := "answered", ""
						switch {
						case test.kind != 0:
							wantFault(t, got.err, test.kind)
							outcome = "refused: " + fault.KindOf(got.err).String()
							if len(second.Requests()) != 0 {
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
								outcome = "begun anew after a seam"
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
						lines = append(lines, fmt.Sprintf("%02d  %-16s %-7s %-6s  %-24s %-20s %-24s %5d ms", number, test.name, primary, map[bool]string{true: "stream", false: "whole"}[streamed], outcome, served, test.reason, took.Milliseconds()))
					})
				}
			}
		}
	})
	slices.Sort(lines)
	t.Logf("    fault            primary how     outcome                  served by            reason                   time\n%s", strings.Join(lines, "\n"))
}

func modelOf(name string) string {
	return map[string]string{"ollama": "llama3.2", "vllm": providertest.VLLMModel}[name]
}

func fails(status int) func(*testing.T, *providertest.Upstream, map[string]string) {
	return func(_ *testing.T, up *providertest.Upstream, _ map[string]string) { up.Fail(status) }
}

func answers(body string) func(*testing.T, *providertest.Upstream, map[string]string) {
	return func(_ *testing.T, up *providertest.Upstream, _ map[string]string) { raw(200, body)(up) }
}

// heard is what a reader of an answer has.
type heard struct {
	text  string // since the latest seam
	seam  *provider.Seam
	final *provider.ChatResponse
	err   error
}

// listen asks and reads the answer, whole or as it comes.
func listen(ctx context.Context, c *provider.Client, streamed bool) (h heard) {
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
