package provider_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// TestSentences prints what an operator reads when a setting is wrong, and
// holds that it is one sentence that names what to change.
func TestSentences(t *testing.T) {
	type environ = map[string]string
	type asked func(context.Context, *provider.Client) error
	chat := func(ctx context.Context, c *provider.Client) error {
		_, err := c.Chat(ctx, ask("x"))
		return err
	}
	embed := func(ctx context.Context, c *provider.Client) error {
		_, err := c.Embed(ctx, provider.Document, []string{"rent"})
		return err
	}
	describe := func(ctx context.Context, c *provider.Client) error {
		_, err := c.Describe(ctx, look())
		return err
	}
	type problem struct {
		name     string
		settings func(*testing.T) environ
		ask      asked // nil where the start itself fails
		names    []string
	}
	fixed := func(pairs environ) func(*testing.T) environ { return func(*testing.T) environ { return pairs } }
	problems := []problem{
		{"unknown provider", fixed(environ{"LLM_PROVIDER": "openai"}), nil, []string{"LLM_PROVIDER", "openai", "auto, ollama, vllm and none"}},
		{"unknown fallback", fixed(environ{"LLM_FALLBACK": "gpt"}), nil, []string{"LLM_FALLBACK", "gpt", "ollama, vllm and none"}},
		{"provider file that is a folder", func(t *testing.T) environ { return environ{"PROVIDER_FILE": t.TempDir()} }, nil, []string{"PROVIDER_FILE"}},
		{"provider file that cannot be understood", func(t *testing.T) environ {
			path := filepath.Join(t.TempDir(), "provider.env")
			if err := os.WriteFile(path, []byte("use vllm please\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return environ{"PROVIDER_FILE": path}
		}, nil, []string{"PROVIDER_FILE"}},
		{"provider file with an unknown provider", func(t *testing.T) environ {
			path := filepath.Join(t.TempDir(), "provider.env")
			if err := os.WriteFile(path, []byte("LLM_PROVIDER=openai\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return environ{"PROVIDER_FILE": path}
		}, nil, []string{"PROVIDER_FILE", "LLM_PROVIDER", "openai"}},
	}
	for _, engine := range slices.Sorted(maps.Keys(stubs)) {
		s := stubs[engine]
		on := func(url string, more ...string) environ {
			e := environ{"LLM_PROVIDER": engine, "LLM_FALLBACK": "none", "VISION_PROVIDER": engine, s.urlVar: url}
			for i := 0; i < len(more); i += 2 {
				e[more[i]] = more[i+1]
			}
			return e
		}
		up := func(more ...string) func(t *testing.T) environ {
			return func(t *testing.T) environ { return on(s.start(t, reply).URL, more...) }
		}
		refusing := func(status int, body string) func(t *testing.T) environ {
			return func(t *testing.T) environ {
				server := s.start(t, reply)
				server.Handle(func(w http.ResponseWriter, _ *http.Request) bool {
					w.WriteHeader(status)
					_, _ = w.Write([]byte(body))
					return true
				})
				return on(server.URL)
			}
		}
		encrypted := func(certificate func(*testing.T) tls.Certificate) func(t *testing.T) environ {
			return func(t *testing.T) environ {
				server := httptest.NewUnstartedServer(http.NotFoundHandler())
				server.Config.ErrorLog = quiet()
				server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}
				server.StartTLS()
				t.Cleanup(server.Close)
				return on(server.URL)
			}
		}
		says := func(words string) func(t *testing.T) environ {
			return func(t *testing.T) environ { return on("http://" + sayAndClose(t, words)) }
		}
		year := 365 * 24 * time.Hour
		model := map[string]string{"ollama": "OLLAMA_MODEL", "vllm": "VLLM_MODEL"}[engine]
		problems = append(problems,
			problem{engine + ", scheme", fixed(on("ftp://gpu:8000")), nil, []string{s.urlVar, "ftp://gpu:8000", "http://"}},
			problem{engine + ", no scheme", fixed(on("gpu:8000")), nil, []string{s.urlVar, "gpu:8000", "http://"}},
			problem{engine + ", no host", fixed(on("http://")), nil, []string{s.urlVar, "http://"}},
			problem{engine + ", port beyond 65535", fixed(on("http://gpu:80000")), nil, []string{s.urlVar, "80000"}},
			problem{engine + ", a password in a bad URL", fixed(on("ftp://me:secret@gpu")), nil, []string{s.urlVar}},
			problem{engine + ", port closed", func(t *testing.T) environ {
				server := s.start(t, reply)
				server.Close()
				return on(server.URL)
			}, chat, []string{"cannot be reached", s.urlVar}},
			problem{engine + ", name unknown", fixed(on("http://engine.invalid:8000")), chat, []string{"cannot be reached", s.urlVar}},
			problem{engine + ", no connection", func(t *testing.T) environ { return on(blackHole(t)) }, chat, []string{"cannot be reached", s.urlVar}},
			problem{engine + ", another server", refusing(404, "404 page not found"), chat, []string{s.urlVar}},
			problem{engine + ", 401", refusing(401, `{"error":"Unauthorized"}`), chat, []string{s.other}},
			problem{engine + ", 403", refusing(403, "<html>Forbidden</html>"), chat, []string{s.other}},
			problem{engine + ", model", up(model, "no-such"), chat, []string{"no-such", model}},
			problem{engine + ", embedding model", up("EMBEDDING_MODEL", "no-such"), embed, []string{"no-such", "EMBEDDING_MODEL"}},
			problem{engine + ", vision model", up("VISION_MODEL", "no-such"), describe, []string{"no-such", "VISION_MODEL"}},
			problem{engine + ", vision model without eyes", up("VISION_MODEL", map[string]string{"ollama": "llama3.2", "vllm": providertest.VLLMModel}[engine]), describe, []string{"VISION_MODEL"}},
			problem{engine + ", certificate of its own making", encrypted(certificate("127.0.0.1", year)), chat, []string{"certificate", s.urlVar}},
			problem{engine + ", certificate that has expired", encrypted(certificate("127.0.0.1", -year)), chat, []string{"certificate", "expired", s.urlVar}},
			problem{engine + ", certificate of another host", encrypted(certificate("192.0.2.1", year)), chat, []string{"certificate", "another", s.urlVar}},
			problem{engine + ", https to a port of http", func(t *testing.T) environ {
				return on(strings.Replace(s.start(t, reply).URL, "http:", "https:", 1))
			}, chat, []string{"http://", s.urlVar}},
			problem{engine + ", http to a port of https", func(t *testing.T) environ {
				e := encrypted(certificate("127.0.0.1", year))(t)
				e[s.urlVar] = strings.Replace(e[s.urlVar], "https:", "http:", 1)
				return e
			}, chat, []string{"https://", s.urlVar}},
			problem{engine + ", http to a port of nginx's https", refusing(400, "<html>The plain HTTP request was sent to HTTPS port</html>"), chat, []string{"https://", s.urlVar}},
			problem{engine + ", http answered by a TLS alert", says("\x15\x03\x01\x00\x02\x02\x46"), chat, []string{"https://", s.urlVar}},
			problem{engine + ", closed without an answer", says(""), chat, []string{"https://", s.urlVar}},
			problem{engine + ", not HTTP", says("SSH-2.0-OpenSSH_9.2\r\n"), chat, []string{s.urlVar}},
		)
	}
	for name, p := range map[string]struct {
		status int
		body   string
		ask    asked
		names  []string
	}{
		"embeddings of a server that chats": {404, `{"detail":"Not Found"}`, embed, []string{"VLLM_EMBEDDING_URL"}},
		"an answer longer than the context": {400, `{"error":{"message":"max_tokens=9000 cannot be greater than max_model_len=8192. Please request fewer output tokens. (parameter=max_tokens, value=9000)","type":"BadRequestError","param":"max_tokens","code":400}}`, chat, []string{"8192", "9000"}},
		"a prompt longer than the context":  {400, `{"error":{"message":"This model's maximum context length is 8192 tokens. However, your prompt contains at least 8193 input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=8193)","type":"BadRequestError","param":"input_tokens","code":400}}`, chat, []string{"8192", "8193"}},
	} {
		problems = append(problems, problem{"vllm, " + name, func(t *testing.T) environ {
			server := providertest.NewVLLM(t, reply)
			server.Handle(func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(p.status)
				_, _ = w.Write([]byte(p.body))
				return true
			})
			return environ{"LLM_PROVIDER": "vllm", "LLM_FALLBACK": "none", "VLLM_URL": server.URL, "VLLM_MODEL": "m"}
		}, p.ask, p.names})
	}
	var (
		mu   sync.Mutex
		rows [][]string
	)
	try := func(p problem) func(*testing.T) {
		return func(t *testing.T) {
			t.Parallel()
			var (
				cfg   provider.Config
				where = "start"
				text  string
			)
			settings := p.settings(t)
			err := env.Load(&cfg, settings)
			if err == nil {
				var c *provider.Client
				if c, err = provider.Open(cfg, provider.Options{}); err == nil {
					t.Cleanup(c.Close)
					where = "request"
					if p.ask == nil {
						t.Fatal("it started")
					}
					err = p.ask(t.Context(), c)
				}
			}
			if err == nil {
				t.Fatal("no error")
			}
			if where == "start" {
				text = err.Error()
				if p.ask != nil {
					t.Errorf("it does not start")
				}
			} else {
				text = fault.DetailOf(err)
			}
			mu.Lock()
			rows = append(rows, []string{p.name, where, text})
			mu.Unlock()
			colons := 1
			if where == "start" {
				colons = 3 // the variables and the file stand before colons
				wantSentence(t, text+".")
			} else {
				wantSentence(t, text)
			}
			for _, name := range p.names {
				if !strings.Contains(text, name) {
					t.Errorf("%q does not name %q", text, name)
				}
			}
			for _, jargon := range []string{"dial ", "lookup", "x509", "tls:", "EOF", "read tcp", "malformed", "secret", "syscall", "open /", "127.0.0.1"} {
				if strings.Contains(text, jargon) {
					t.Errorf("%q speaks of %q", text, jargon)
				}
			}
			if n := strings.Count(text, ": "); n > colons {
				t.Errorf("%q is a stack of %d colons", text, n)
			}
			if n := strings.Count(text, ". "); n > 0 {
				t.Errorf("%q is more than a sentence", text)
			}
		}
	}
	t.Run("settings", func(t *testing.T) {
		for _, p := range problems {
			t.Run(p.name, try(p))
		}
	})
	slices.SortFunc(rows, slices.Compare)
	show(t, append([][]string{{"WHAT IS WRONG", "WHERE", "WHAT THE OPERATOR READS"}}, rows...))
}

// certificate makes a certificate that nobody has signed for an address, which
// ends after so long.
func certificate(address string, valid time.Duration) func(*testing.T) tls.Certificate {
	return func(t *testing.T) tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "engine"},
			NotBefore: time.Now().Add(-2 * max(valid, -valid)), NotAfter: time.Now().Add(valid),
			IPAddresses: []net.IP{net.ParseIP(address)},
		}
		raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
	}
}

// sayAndClose is an address at which every connection is told the words, once
// something has come, and closed.
func sayAndClose(t *testing.T, words string) string {
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 64<<10)
			_, _ = conn.Read(buffer)
			_, _ = conn.Write([]byte(words))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}
