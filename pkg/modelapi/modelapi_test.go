package modelapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type service struct {
	t      *testing.T
	router http.Handler
	client *provider.Client
	log    *record
}

// record is a log that is written and read at the same time.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// newService is a service with nothing but its model client.
func newService(t *testing.T, environ map[string]string) *service {
	t.Helper()
	var cfg provider.Config
	if err := env.Load(&cfg, environ); err != nil {
		t.Fatal(err)
	}
	log := new(record)
	logger := slog.New(slog.NewTextHandler(log, nil))
	registry := httpserver.NewRegistry()
	client, err := modelapi.Open(cfg, egress.New(egress.Config{}, logger), logger, registry, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	server := httpserver.New(httpserver.Options{
		Logger: logger, Registry: registry, DrainTimeout: time.Second,
		Health: func(context.Context) any { return gin.H{} },
		Checks: []httpserver.Check{modelapi.Check(client, provider.TextRoute)},
	})
	modelapi.Register(server.Router(), client)
	server.Router().POST("/chat", func(c *gin.Context) {
		answer, err := client.Chat(c.Request.Context(), provider.ChatRequest{Messages: []provider.Message{{Role: provider.User, Content: "Hello."}}})
		if err != nil {
			modelapi.Answered(c, "", "", "")
			c.Status(http.StatusServiceUnavailable)
			return
		}
		modelapi.Answered(c, answer.Provider, answer.Model, answer.Fallback)
	})
	return &service{t, server.Router(), client, log}
}

// send sends a request as from the given address and host.
func (s *service) send(method, path, body, from, host string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr, r.Host = from, host
	w := httptest.NewRecorder()
	s.router.ServeHTTP(w, r)
	return w
}

func (s *service) local(method, path, body string) (int, string) {
	s.t.Helper()
	w := s.send(method, path, body, "127.0.0.1:40000", "localhost:8100")
	return w.Code, w.Body.String()
}

// pair is an Ollama and a vLLM that say who they are.
func pair(t *testing.T) (ollama, vllm *providertest.Upstream, environ map[string]string) {
	t.Helper()
	ollama, vllm = providertest.NewOllama(t, "of ollama"), providertest.NewVLLM(t, "of vllm")
	environ = ollama.Environ()
	environ["VLLM_URL"] = vllm.URL
	delete(environ, "LLM_FALLBACK")
	return ollama, vllm, environ
}

func TestSwitch(t *testing.T) {
	_, _, environ := pair(t)
	s := newService(t, environ)
	for _, step := range []struct{ body, provider string }{
		{"", "ollama"},
		{`{"provider": "vllm"}`, "vllm"},
		{`{"provider": "ollama", "fallback": "none"}`, "ollama"},
		{`{"provider": "auto"}`, "vllm"},
		{`{"provider": "none"}`, "none"},
	} {
		if step.body != "" {
			if status, body := s.local("PUT", "/admin/provider", step.body); status != 200 || !strings.Contains(body, "not kept") {
				t.Errorf("%s: %d %s", step.body, status, body)
			}
		}
		w := s.send("POST", "/chat", "", "127.0.0.1:1", "localhost")
		if got := w.Header().Get(modelapi.ProviderHeader); got != step.provider {
			t.Errorf("after %s: answered by %q", step.body, got)
		}
		if model := w.Header().Get(modelapi.ModelHeader); (model == "") != (step.provider == "none") {
			t.Errorf("after %s: model %q", step.body, model)
		}
	}
	log := s.log.String()
	for _, want := range []string{"provider=vllm", "provider=ollama", "provider=auto", "provider=none"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	_, metrics := s.local("GET", "/metrics", "")
	if want := `llm_provider_switches_total{provider="vllm"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("the metrics lack %s", want)
	}
}

func TestRefusedSwitchChangesNothing(t *testing.T) {
	_, _, environ := pair(t)
	s := newService(t, environ)
	before := s.client.Selection()
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"provider": "gpt"}`:                       {422, "accepted are auto, ollama, vllm and none"},
		`{"provider": "vllm", "fallback": "cloud"}`: {422, "LLM_FALLBACK"},
		`{}`:                  {422, `"field":"provider"`},
		`{"provider": 7}`:     {422, "a string"},
		`{"provider": "vllm"`: {400, "not valid JSON"},
		`vllm`:                {400, "not valid JSON"},
	} {
		if status, answer := s.local("PUT", "/admin/provider", body); status != want.status || !strings.Contains(answer, want.says) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if after := s.client.Selection(); after != before {
		t.Errorf("%+v, before %+v", after, before)
	}
}

func TestOnlyFromThisMachine(t *testing.T) {
	_, _, environ := pair(t)
	s := newService(t, environ)
	for _, caller := range []struct {
		from, host string
		status     int
	}{
		{"127.0.0.1:40000", "127.0.0.1:8102", 200},
		{"127.0.0.1:40000", "LOCALHOST:8102", 200},
		{"[::1]:40000", "[::1]:8102", 200},
		{"[::ffff:127.0.0.1]:40000", "localhost", 200},
		{"192.168.1.9:40000", "192.168.1.2:8102", 403},
		{"192.168.1.9:40000", "localhost", 403},
		{"127.0.0.1:40000", "attacker.example:8102", 403},
		{"", "localhost", 403},
	} {
		for method, body := range map[string]string{"GET": "", "PUT": `{"provider": "vllm"}`} {
			if w := s.send(method, "/admin/provider", body, caller.from, caller.host); w.Code != caller.status {
				t.Errorf("%s from %q at %q: %d, want %d", method, caller.from, caller.host, w.Code, caller.status)
			}
		}
	}
	s.client.Switch(t.Context(), provider.Selection{Provider: "ollama"})
	// A header cannot make another machine this one, and what a proxy on this
	// machine sends on does not come from it.
	for _, from := range []string{"192.168.1.9:1", "127.0.0.1:1"} {
		for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"} {
			r := httptest.NewRequestWithContext(t.Context(), "PUT", "/admin/provider", strings.NewReader(`{"provider": "vllm"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set(header, "127.0.0.1")
			r.RemoteAddr, r.Host = from, "localhost"
			w := httptest.NewRecorder()
			s.router.ServeHTTP(w, r)
			if w.Code != 403 || s.client.Selection().Provider != "ollama" {
				t.Errorf("%s from %s: %d, %+v", header, from, w.Code, s.client.Selection())
			}
		}
	}
}

func TestReadyShowsEveryServer(t *testing.T) {
	_, vllm, environ := pair(t)
	environ["LLM_PROVIDER"] = "vllm"
	vllm.Fail(http.StatusInternalServerError)
	s := newService(t, environ)
	var ready struct {
		Status string
		Checks []struct {
			Name, Status, Reason string
			Detail               []struct{ Route, Provider, Address, Model, State, Reason string }
		}
	}
	_, body := s.local("GET", "/ready", "")
	if err := json.Unmarshal([]byte(body), &ready); err != nil {
		t.Fatal(err)
	}
	servers := map[string]string{}
	for _, u := range ready.Checks[0].Detail {
		servers[u.Route+" "+u.Provider] = u.State
		if u.State != "ready" && u.Reason == "" || u.Address == "" {
			t.Errorf("%+v", u)
		}
	}
	if servers["text vllm"] != "unreachable" || servers["text ollama"] == "" || servers["vision ollama"] == "" {
		t.Errorf("%v\n%s", servers, body)
	}
}

func TestFallbackIsSaid(t *testing.T) {
	_, vllm, environ := pair(t)
	environ["LLM_PROVIDER"] = "vllm"
	vllm.Fail(http.StatusInternalServerError)
	s := newService(t, environ)
	w := s.send("POST", "/chat", "", "127.0.0.1:1", "localhost")
	if w.Header().Get(modelapi.ProviderHeader) != "ollama" || !strings.Contains(w.Header().Get(modelapi.FallbackHeader), "vllm") {
		t.Errorf("%v", w.Header())
	}
	if log := s.log.String(); !strings.Contains(log, "provider=ollama") || !strings.Contains(log, "fallback=") {
		t.Errorf("the log does not say so:\n%s", log)
	}
	_, metrics := s.local("GET", "/metrics", "")
	if want := `llm_fallbacks_total{operation="chat",provider="ollama"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("the metrics lack %s", want)
	}
}
