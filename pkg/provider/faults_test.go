package provider_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// stubs are the stub servers, with what differs between them.
var stubs = map[string]struct {
	start                   func(testing.TB, string) *providertest.Upstream
	chatPath, urlVar, other string
	first                   string // an event with a piece of text
	last                    string // an event that ends a stream without text
}{
	"ollama": {
		providertest.NewOllama, "/api/chat", "OLLAMA_URL", "OLLAMA_URL",
		`{"message":{"role":"assistant","content":"You"},"done":false}` + "\n",
		`{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}` + "\n",
	},
	"vllm": {
		providertest.NewVLLM, "/v1/chat/completions", "VLLM_URL", "VLLM_API_KEY",
		`data: {"choices":[{"index":0,"delta":{"content":"You"}}]}` + "\n\n",
		`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n",
	},
}

// raw answers chats with this status and body, header after header between them.
func raw(status int, body string, headers ...string) func(*providertest.Upstream) {
	return func(up *providertest.Upstream) {
		up.Handle(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/chat") {
				return false
			}
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		})
	}
}

// TestFaults holds how each way to fail comes out, whole and streamed.
func TestFaults(t *testing.T) {
	for name, s := range stubs {
		t.Run(name, func(t *testing.T) {
			inStream := func(event string) func(*providertest.Upstream) {
				return raw(200, s.first+map[string]string{"ollama": event + "\n", "vllm": "data: " + event + "\n\n"}[name])
			}
			for _, test := range []struct {
				name    string
				arrange func(*providertest.Upstream)
				kind    fault.Kind
				words   string
			}{
				{"401 whose error is a string", raw(401, `{"error":"Unauthorized"}`), fault.Unavailable, s.other},
				{"403 of a proxy", raw(403, `<html>Forbidden</html>`), fault.Unavailable, s.other},
				{"404 that is no engine's", raw(404, `{"detail":"Not Found"}`), fault.Unavailable, s.urlVar},
				{"429", raw(429, `{"error":{"message":"slow down","code":429}}`), fault.Busy, "busy"},
				{"empty 503", raw(503, ""), fault.Busy, "busy"},
				{"503 of a full queue", raw(503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`), fault.Busy, "busy"},
				{"500", raw(500, `{"error":"invalid JSON schema in format"}`), fault.Upstream, "status 500"},
				{"empty 500", raw(500, ""), fault.Upstream, "status 500"},
				{"502 in HTML", raw(502, "<html><h1>Bad Gateway</h1></html>"), fault.Upstream, "status 502"},
				{"400 that speaks of an image", raw(400, `{"error":{"message":"vision: image input is not supported"}}`), fault.Upstream, "status 400"},
				{"400 that quotes a context", raw(400, `{"error":"cannot parse: what is the context length of my tenancy?"}`), fault.Upstream, "status 400"},
				{"redirect", raw(302, "", "Location", "http://127.0.0.1:1/elsewhere"), fault.Unavailable, "redirects"},
				{"200 {}", raw(200, "{}"), fault.Upstream, "broke off"},
				{"200 without a body", raw(200, ""), fault.Upstream, "broke off"},
				{"200 in HTML", raw(200, "<html>Welcome</html>\n"), fault.Upstream, ""},
				{"200 with an error", raw(200, `{"error":{"message":"no"}}`), fault.Upstream, ""},
				{"200 with a string for an error", raw(200, map[string]string{"ollama": `{"error":"no"}`, "vllm": `data: {"error":"no"}` + "\n\n"}[name]), fault.Upstream, ""},
				{"garbage in the stream", inStream(`{"mess`), fault.Upstream, ""},
				{"a line without end", raw(200, strings.Repeat("x", 5<<20)), fault.Upstream, ""},
				{"error in the stream", inStream(`{"error":{"message":"CUDA error: out of memory","code":500}}`), fault.Upstream, "in the middle"},
				{"error in the stream, spaced", inStream(`{ "error": {"message":"EngineDeadError"}}`), fault.Upstream, "in the middle"},
				{"error in the stream, a string", inStream(`{ "error": "an error was encountered while running the model"}`), fault.Upstream, "in the middle"},
				{"cut in the stream", (*providertest.Upstream).Cut, fault.Upstream, "broke off"},
				{"end without a finish", raw(200, s.first), fault.Upstream, "broke off"},
				{"an empty answer", raw(200, s.last), fault.Upstream, "empty answer"},
				{"a blank answer", func(up *providertest.Upstream) { up.SetReply(" \n") }, fault.Upstream, "empty answer"},
				{"thoughts without an answer", func(up *providertest.Upstream) { up.SetReply("<think>Well, a breathing space…") }, fault.Upstream, "thought aloud"},
				{"refused", (*providertest.Upstream).Close, fault.Unavailable, s.urlVar},
			} {
				t.Run(test.name, func(t *testing.T) {
					for _, call := range calls {
						up := s.start(t, reply)
						c := open(t, with(up))
						if name == "vllm" { // the model's name is known from before
							c.Status(t.Context())
						}
						test.arrange(up)
						_, err := call.run(t.Context(), c, ask("How long?"))
						wantFault(t, err, test.kind, test.words)
						if detail := fault.DetailOf(err); strings.Contains(detail, "127.0.0.1") || strings.Contains(detail, "CUDA") {
							t.Errorf("the detail holds what is the log's: %s", detail)
						}
					}
				})
			}
			t.Run("the wait that the server asks for", func(t *testing.T) {
				up := s.start(t, reply)
				raw(503, "", "Retry-After", "7")(up)
				_, err := open(t, with(up, "VLLM_MODEL", "m")).Chat(t.Context(), ask("x"))
				var f *fault.Error
				if !errors.As(err, &f) || f.RetryAfter != 7*time.Second {
					t.Errorf("got %v", err)
				}
			})
			t.Run("a redirect is not followed", func(t *testing.T) {
				elsewhere, up := s.start(t, reply), s.start(t, reply)
				raw(307, "", "Location", elsewhere.URL+s.chatPath)(up)
				_, err := open(t, with(up, "VLLM_MODEL", "m")).Chat(t.Context(), ask("x"))
				wantFault(t, err, fault.Unavailable, s.urlVar)
				if n := len(elsewhere.Requests()); n != 0 {
					t.Errorf("%d requests went elsewhere", n)
				}
			})
			t.Run("no such host", func(t *testing.T) {
				_, err := open(t, map[string]string{"LLM_PROVIDER": name, "LLM_FALLBACK": "none", s.urlVar: "http://engine.invalid:1", "VLLM_MODEL": "m"}).Chat(t.Context(), ask("x"))
				wantFault(t, err, fault.Unavailable, "cannot be reached", s.urlVar)
			})
			t.Run("a certificate nobody trusts", func(t *testing.T) {
				server := httptest.NewUnstartedServer(http.NotFoundHandler())
				server.Config.ErrorLog = quiet()
				server.StartTLS()
				defer server.Close()
				_, err := open(t, map[string]string{"LLM_PROVIDER": name, "LLM_FALLBACK": "none", s.urlVar: server.URL, "VLLM_MODEL": "m"}).Chat(t.Context(), ask("x"))
				wantFault(t, err, fault.Unavailable, "certificate", s.urlVar)
			})
			t.Run("https to a server that speaks http", func(t *testing.T) {
				up := s.start(t, reply)
				_, err := open(t, map[string]string{"LLM_PROVIDER": name, "LLM_FALLBACK": "none", s.urlVar: strings.Replace(up.URL, "http:", "https:", 1), "VLLM_MODEL": "m"}).Chat(t.Context(), ask("x"))
				wantFault(t, err, fault.Unavailable, "https", s.urlVar)
			})
		})
	}
}

// TestTime holds how calls end that take too long or are given up.
func TestTime(t *testing.T) {
	for name, s := range stubs {
		t.Run(name, func(t *testing.T) {
			for _, test := range []struct {
				name    string
				arrange func(*providertest.Upstream)
				setting string
				end     func(context.Context) (context.Context, context.CancelFunc)
				kind    fault.Kind
				words   string
			}{
				{"no first token", (*providertest.Upstream).Hang, "LLM_FIRST_TOKEN_TIMEOUT", nil, fault.Timeout, "LLM_FIRST_TOKEN_TIMEOUT"},
				{"no further token", (*providertest.Upstream).Stall, "LLM_IDLE_TIMEOUT", nil, fault.Timeout, "LLM_IDLE_TIMEOUT"},
				{"the caller's deadline", (*providertest.Upstream).Hang, "", func(ctx context.Context) (context.Context, context.CancelFunc) {
					return context.WithTimeout(ctx, 30*time.Millisecond)
				}, fault.Timeout, "time that the request has"},
				{"the caller leaves before the first token", (*providertest.Upstream).Hang, "", leaveSoon, fault.Canceled, "cancelled"},
				{"the caller leaves in the middle", (*providertest.Upstream).Stall, "", leaveSoon, fault.Canceled, "cancelled"},
			} {
				t.Run(test.name, func(t *testing.T) {
					for _, call := range calls {
						up := s.start(t, reply)
						test.arrange(up)
						environ := with(up, "VLLM_MODEL", providertest.VLLMModel)
						if test.setting != "" {
							environ[test.setting] = "30ms"
						}
						ctx := t.Context()
						if test.end != nil {
							var cancel context.CancelFunc
							ctx, cancel = test.end(ctx)
							defer cancel()
						}
						_, err := call.run(ctx, open(t, environ), ask("How long?"))
						wantFault(t, err, test.kind, test.words)
						<-up.Left() // the server was told
					}
				})
			}
			t.Run("leaving a stream stops it", func(t *testing.T) {
				up := s.start(t, reply)
				up.Stall()
				for _, err := range open(t, with(up)).ChatStream(t.Context(), ask("How long?")) {
					if err != nil {
						t.Fatal(err)
					}
					break
				}
				<-up.Left()
			})
			t.Run("a batch of embeddings that does not come", func(t *testing.T) {
				up := s.start(t, reply)
				up.Handle(func(_ http.ResponseWriter, r *http.Request) bool {
					<-r.Context().Done()
					return true
				})
				_, err := open(t, with(up, "LLM_FIRST_TOKEN_TIMEOUT", "30ms")).Embed(t.Context(), provider.Document, []string{"rent"})
				wantFault(t, err, fault.Timeout, "LLM_FIRST_TOKEN_TIMEOUT")
			})
		})
	}
	t.Run("a port that nobody answers on", func(t *testing.T) {
		var listen net.ListenConfig
		l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0") // never accepts
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := open(t, map[string]string{"OLLAMA_URL": "http://" + l.Addr().String(), "LLM_FIRST_TOKEN_TIMEOUT": "30ms"})
		_, err = c.Chat(t.Context(), ask("x"))
		wantFault(t, err, fault.Timeout, "LLM_FIRST_TOKEN_TIMEOUT")
	})
}

func leaveSoon(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	return ctx, cancel
}

// TestVectorFaults holds that vectors that do not fit the texts are refused.
func TestVectorFaults(t *testing.T) {
	for name, bodies := range map[string][]string{
		"ollama": {
			`{}`, `{"embeddings":[]}`, `{"embeddings":[[1,0]]}`, `{"embeddings":[[1,0],[1]]}`, `{"embeddings":[[1,0],[0,0]]}`,
			`{"embeddings":[[1,0],[]]}`, `{"embeddings":[[1,0],[1e99,0]]}`, `nonsense`, ``,
		},
		"vllm": {
			`{}`, `{"data":[]}`, `{"data":[{"index":0,"embedding":"AACAPw=="}]}`,
			`{"data":[{"index":0,"embedding":"AACAPw=="},{"index":0,"embedding":"AACAPw=="}]}`,
			`{"data":[{"index":0,"embedding":"AACAPw=="},{"index":2,"embedding":"AACAPw=="}]}`,
			`{"data":[{"index":0,"embedding":"AACAPw=="},{"index":1,"embedding":"AADAfw=="}]}`, `nonsense`, ``,
		},
	} {
		for _, body := range bodies {
			t.Run(name+" "+body, func(t *testing.T) {
				up := stubs[name].start(t, reply)
				up.Handle(func(w http.ResponseWriter, _ *http.Request) bool {
					fmt.Fprint(w, body)
					return true
				})
				_, err := open(t, with(up)).Embed(t.Context(), provider.Document, []string{"rent", "tax"})
				wantFault(t, err, fault.Upstream)
			})
		}
	}
}

// TestEmbeddingsDoNotFallBack holds that another engine's vectors are never
// given in the place of those of the chosen one.
func TestEmbeddingsDoNotFallBack(t *testing.T) {
	for name, s := range stubs {
		first, second := s.start(t, reply), stubs[other(name)].start(t, reply)
		environ := inOrder(name, first, second)
		environ["EMBEDDING_PROVIDER"] = name
		c := open(t, environ)
		first.Close()
		_, err := c.Embed(t.Context(), provider.Document, []string{"rent"})
		wantFault(t, err, fault.Unavailable, s.urlVar)
		if n := len(second.Requests()); n != 0 {
			t.Errorf("%s: the other was asked %d times", name, n)
		}
		if got, err := c.Chat(t.Context(), ask("x")); err != nil || got.Provider != other(name) {
			t.Errorf("%s: text by %+v, %v", name, got, err)
		}
	}
}

// TestNone holds that no model is said, not tried.
func TestNone(t *testing.T) {
	c := open(t, map[string]string{"LLM_PROVIDER": "none"})
	for _, call := range calls {
		_, err := call.run(t.Context(), c, ask("x"))
		wantFault(t, err, fault.Unavailable, "No model is configured", "LLM_PROVIDER")
	}
	_, err := c.Describe(t.Context(), look())
	wantFault(t, err, fault.Unavailable, "LLM_PROVIDER")
	_, err = c.Embed(t.Context(), provider.Document, []string{"x"})
	wantFault(t, err, fault.Unavailable, "LLM_PROVIDER")
	got := c.Status(t.Context())
	if got.State != provider.Off || got.Reachable || c.Model() != "" || c.Provider() != "none" {
		t.Errorf("status %+v, model %q, provider %q", got, c.Model(), c.Provider())
	}
	wantSentence(t, got.Reason)

	up := providertest.NewOllama(t, reply)
	c = open(t, with(up, "EMBEDDING_PROVIDER", "none"))
	_, err = c.Embed(t.Context(), provider.Document, []string{"x"})
	wantFault(t, err, fault.Unavailable, "EMBEDDING_PROVIDER")
	if _, err := c.Chat(t.Context(), ask("x")); err != nil {
		t.Error(err)
	}
}

// TestStaleConnection holds that a server which closed a kept connection, as it
// does at a restart, is asked anew.
func TestStaleConnection(t *testing.T) {
	for name, s := range stubs {
		t.Run(name, func(t *testing.T) {
			up := s.start(t, reply)
			c := open(t, with(up, "VLLM_MODEL", providertest.VLLMModel))
			for range 3 {
				if _, err := c.Chat(t.Context(), ask("x")); err != nil {
					t.Fatal(err)
				}
				var dropped atomic.Bool
				up.Handle(func(http.ResponseWriter, *http.Request) bool {
					if dropped.Swap(true) {
						return false
					}
					panic(http.ErrAbortHandler)
				})
			}
			for _, r := range up.Requests() {
				if _, sent := r.Header["Idempotency-Key"]; sent {
					t.Error("the mark for net/http was sent")
				}
			}
		})
	}
}
