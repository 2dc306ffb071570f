package httpserver_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/apikey"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
)

// guarded is a service with a guard.
type guarded struct {
	server *httpserver.Server
	log    *bytes.Buffer
	inside atomic.Int64 // how often a handler ran
}

func newGuarded(t testing.TB, cfg httpserver.Config) *guarded {
	t.Helper()
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if faults := cfg.Validate(); len(faults) > 0 {
		t.Fatal(faults)
	}
	g := &guarded{log: new(bytes.Buffer)}
	logger := slog.New(slog.NewTextHandler(g.log, nil))
	guard, err := httpserver.OpenGuard(t.Context(), cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	g.server = httpserver.New(httpserver.Options{
		Addr: "127.0.0.1:0", Logger: logger, Registry: httpserver.NewRegistry(), DrainTimeout: 5 * time.Second,
		Health: func(context.Context) any { return gin.H{"status": "healthy", "model": "llama3.2"} },
		Checks: []httpserver.Check{{Name: "model", Probe: func(context.Context) error {
			return fault.New(fault.Unavailable, "Nothing answers at http://10.0.0.7.")
		}}},
		Guard: guard, Reads: []string{"POST /query"},
	})
	for _, route := range [][2]string{{"GET", "/"}, {"POST", "/query"}, {"POST", "/ingest"}, {"GET", "/admin/provider"}, {"PUT", "/admin/provider"}} {
		g.server.Router().Handle(route[0], route[1], func(c *gin.Context) {
			g.inside.Add(1)
			c.String(http.StatusOK, fmt.Sprint(httpserver.Keyed(c)))
		})
	}
	return g
}

// send sends a request with headers given as name, value, name, value.
func (g *guarded) send(method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, nil)
	r.Host = "localhost:8102"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.server.Router().ServeHTTP(w, r)
	return w
}

func makeKey(t testing.TB, path, name, scopes string) string {
	t.Helper()
	key, err := apikey.Add(path, name, scopes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestScopes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	keys := map[string]string{"": "", "wrong": "signpost_" + strings.Repeat("A", 43)}
	for _, scopes := range []string{"read", "write", "admin", "read,write,admin"} {
		keys[scopes] = makeKey(t, path, strings.ReplaceAll(scopes, ",", "-"), scopes)
	}
	g := newGuarded(t, httpserver.Config{APIKeysFile: path})
	for _, tc := range []struct{ method, path, scope string }{
		{"GET", "/", "read"},
		{"GET", "/metrics", "read"},
		{"POST", "/query", "read"},
		{"POST", "/ingest", "write"},
		{"GET", "/admin/provider", "admin"},
		{"PUT", "/admin/provider", "admin"},
		{"GET", "/nowhere", "any"},
		{"DELETE", "/query", "any"},
		{"GET", "/docs", "read"},
		{"GET", "/health", "none"},
		{"GET", "/ready", "none"},
	} {
		for scopes, key := range keys {
			before := g.inside.Load()
			w := g.send(tc.method, tc.path, "Authorization", "Bearer "+key)
			inside := g.inside.Load() > before
			known := scopes != "" && scopes != "wrong"
			switch {
			case tc.scope == "none":
				if w.Code != 200 || strings.Contains(w.Body.String(), "llama3.2") && !known || strings.Contains(w.Body.String(), "10.0.0.7") && !known {
					t.Errorf("%s %s with %q: %d %s", tc.method, tc.path, scopes, w.Code, w.Body)
				}
			case !known:
				if doc := document(t, w); w.Code != 401 || inside || doc.Type != "urn:signpost:problem:unauthenticated" || w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s with %q: %d %+v", tc.method, tc.path, scopes, w.Code, doc)
				}
			case tc.scope == "any":
				if w.Code != 404 && w.Code != 405 {
					t.Errorf("%s %s with %q: %d", tc.method, tc.path, scopes, w.Code)
				}
			case strings.Contains(scopes, tc.scope):
				if w.Code == 401 || w.Code == 403 || w.Code == 429 {
					t.Errorf("%s %s with %q: %d %s", tc.method, tc.path, scopes, w.Code, w.Body)
				}
			default:
				if doc := document(t, w); w.Code != 403 || inside || !strings.Contains(doc.Detail, tc.scope) {
					t.Errorf("%s %s with %q: %d %+v", tc.method, tc.path, scopes, w.Code, doc)
				}
			}
		}
	}
	for scopes, key := range keys {
		if key != "" && strings.Contains(g.log.String(), key) {
			t.Errorf("the key of %s is in the log", scopes)
		}
	}
	if !strings.Contains(g.log.String(), "key=read-write-admin") {
		t.Error("the log does not name the key that was used")
	}
}

// wrongKeys are requests that must not be let in.
func wrongKeys(right string) [][]string {
	return [][]string{
		nil,
		{"Authorization", "Bearer " + right[:len(right)-1] + "A!"},
		{"Authorization", "Bearer " + right[:len(right)-1]},
		{"Authorization", "Bearer " + strings.ToUpper(right)},
		{"Authorization", "Bearer " + strings.Repeat("A", 60<<10)},
		{"Authorization", "Bearer\x00" + right},
		{"Authorization", "Bearer " + right, "Authorization", "Bearer " + right},
		{"Authorization", "Basic " + right},
		{"Authorization", right},
		{"X-API-Key", "Bearer " + right},
		{"X-API-Key", right + "," + right},
		{"X-API-Key", "\xff\xfe" + right},
		{"Authorization", "Bearer ' OR 1=1 --"},
		{"Cookie", "Authorization=Bearer " + right},
	}
}

// TestTenThousandWrongKeys holds that none of them reaches a handler, and that
// the holder of a key at the same address is let in each time meanwhile.
func TestTenThousandWrongKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	right := makeKey(t, path, "screen", "read")
	g := newGuarded(t, httpserver.Config{APIKeysFile: path, APIRateLimit: 0})
	wrong := wrongKeys(right)
	statuses := map[int]int{}
	good := 0
	for i := range 10_000 {
		w := g.send("POST", "/query", wrong[i%len(wrong)]...)
		statuses[w.Code]++
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
		if i%10 == 0 {
			if w := g.send("POST", "/query", "Authorization", "Bearer "+right); w.Code != 200 {
				t.Fatalf("after %d wrong keys the right one gets %d %s", i, w.Code, w.Body)
			}
			good++
		}
	}
	if statuses[401]+statuses[429] != 10_000 || statuses[429] < 9000 || g.inside.Load() != int64(good) {
		t.Errorf("statuses %v, handlers ran %d times for %d right requests", statuses, g.inside.Load(), good)
	}
}

func TestRateOfAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	one, two := makeKey(t, path, "one", "read"), makeKey(t, path, "two", "read")
	g := newGuarded(t, httpserver.Config{APIKeysFile: path, APIRateLimit: 6})
	if w := g.send("GET", "/", "X-API-Key", one); w.Code != 200 {
		t.Fatal(w.Code)
	}
	w := g.send("GET", "/", "X-API-Key", one)
	if doc := document(t, w); w.Code != 429 || doc.Type != "urn:signpost:problem:too_many" || w.Header().Get("Retry-After") != "10" {
		t.Errorf("%d %+v, Retry-After %q", w.Code, doc, w.Header().Get("Retry-After"))
	}
	if w := g.send("GET", "/", "X-API-Key", two); w.Code != 200 {
		t.Errorf("another key gets %d", w.Code)
	}
	if w := g.send("GET", "/health", "X-API-Key", one); w.Code != 200 {
		t.Errorf("/health gets %d", w.Code)
	}
}

func TestWebPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	key := makeKey(t, path, "screen", "read,write")
	open := newGuarded(t, httpserver.Config{})
	listed := newGuarded(t, httpserver.Config{CORSOrigins: []string{"https://advice.example.org"}})
	keyed := newGuarded(t, httpserver.Config{APIKeysFile: path, CORSOrigins: []string{"https://advice.example.org"}})
	for name, tc := range map[string]struct {
		service *guarded
		method  string
		headers []string
		status  int
		allowed string // Access-Control-Allow-Origin
	}{
		"no page":                     {open, "POST", nil, 200, ""},
		"the service's own":           {open, "POST", []string{"Origin", "http://localhost:8102"}, 200, ""},
		"any other":                   {open, "POST", []string{"Origin", "https://evil.example"}, 403, ""},
		"no origin to speak of":       {open, "POST", []string{"Origin", "null"}, 403, ""},
		"a name led here":             {open, "POST", []string{"Origin", "http://evil.example:8102", "Host", "evil.example:8102"}, 403, ""},
		"a name led here, no origin":  {open, "GET", []string{"Host", "evil.example:8102"}, 403, ""},
		"another container":           {open, "POST", []string{"Host", "rag-service:8102"}, 200, ""},
		"by address":                  {open, "POST", []string{"Host", "[::1]:8102"}, 200, ""},
		"listed":                      {listed, "POST", []string{"Origin", "https://advice.example.org"}, 200, "https://advice.example.org"},
		"listed, asks first":          {listed, "OPTIONS", []string{"Origin", "https://advice.example.org", "Access-Control-Request-Method", "POST"}, 204, "https://advice.example.org"},
		"behind a proxy of that name": {listed, "POST", []string{"Host", "advice.example.org"}, 200, ""},
		"not listed, asks first":      {listed, "OPTIONS", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 403, ""},
		"listed, without key":         {keyed, "POST", []string{"Origin", "https://advice.example.org"}, 401, "https://advice.example.org"},
		"listed, with key":            {keyed, "POST", []string{"Origin", "https://advice.example.org", "X-API-Key", key}, 200, "https://advice.example.org"},
		"with key by any name":        {keyed, "POST", []string{"Host", "signpost.example.org", "X-API-Key", key}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/ingest"
			if tc.method == "GET" {
				path = "/"
			}
			w := tc.service.send(tc.method, path, tc.headers...)
			if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != tc.status || got != tc.allowed {
				t.Errorf("%d, allows %q, want %d, %q: %s", w.Code, got, tc.status, tc.allowed, w.Body)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
				"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestWhoMayListenWhere(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg   httpserver.Config
		fault string
	}{
		"this machine":       {httpserver.Config{Host: "127.0.0.1"}, ""},
		"this machine, v6":   {httpserver.Config{Host: "::1"}, ""},
		"by name":            {httpserver.Config{Host: "localhost"}, ""},
		"all, no key":        {httpserver.Config{Host: "0.0.0.0"}, "LISTEN_HOST"},
		"all v6, no key":     {httpserver.Config{Host: "::"}, "LISTEN_HOST"},
		"a name, no key":     {httpserver.Config{Host: "office-pc"}, "LISTEN_HOST"},
		"all, with keys":     {httpserver.Config{Host: "0.0.0.0", APIKeysFile: "keys"}, ""},
		"all, told so":       {httpserver.Config{Host: "0.0.0.0", AllowUnauthenticated: true}, ""},
		"half a certificate": {httpserver.Config{Host: "::1", TLSKeyFile: "key"}, "TLS_CERT_FILE"},
		"any origin":         {httpserver.Config{Host: "::1", CORSOrigins: []string{"*"}}, "CORS_ORIGINS"},
		"a page":             {httpserver.Config{Host: "::1", CORSOrigins: []string{"https://a.example/"}}, "CORS_ORIGINS"},
		"rate":               {httpserver.Config{Host: "::1", APIRateLimit: -1}, "API_RATE_LIMIT"},
	} {
		faults := tc.cfg.Validate()
		if len(faults) == 0 != (tc.fault == "") || len(faults) > 0 && !strings.HasPrefix(faults[0].Error(), tc.fault+":") {
			t.Errorf("%s: %v, want %q", name, faults, tc.fault)
		}
	}
	g := newGuarded(t, httpserver.Config{Host: "0.0.0.0", AllowUnauthenticated: true})
	if !strings.Contains(g.log.String(), "level=WARN") {
		t.Errorf("no warning:\n%s", g.log)
	}
	missing := httpserver.Config{Host: "127.0.0.1", APIKeysFile: filepath.Join(t.TempDir(), "none")}
	if _, err := httpserver.OpenGuard(t.Context(), missing, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "API_KEYS_FILE") {
		t.Errorf("without the file: %v", err)
	}
}

// writeCertificate makes a certificate for 127.0.0.1 with the serial number.
func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// A running service speaks TLS, takes up a new certificate, and a large upload
// of a stranger is refused without being read.
func TestRunWithTLS(t *testing.T) {
	dir := t.TempDir()
	cert, private, path := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "keys")
	pool := x509.NewCertPool()
	pool.AddCert(writeCertificate(t, cert, private, 1))
	key := makeKey(t, path, "screen", "read,write")
	g := newGuarded(t, httpserver.Config{TLSCertFile: cert, TLSKeyFile: private, APIKeysFile: path})
	ctx, stop := context.WithCancel(t.Context())
	addr, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- g.server.Run(ctx, func(a net.Addr) { addr <- a }) }()
	url := "https://" + (<-addr).String()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}

	request := func(body io.Reader, key string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/ingest", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", key)
		return r
	}
	call := func(key string) (status int, serial int64) {
		response, err := client.Do(request(nil, key))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode, response.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if status, serial := call(key); status != 200 || serial != 1 {
		t.Errorf("status %d, certificate %d", status, serial)
	}
	// A stranger who goes on sending is cut off, and may not see the answer.
	sent := &counter{}
	response, err := client.Do(request(io.LimitReader(sent, 1<<30), "wrong"))
	if err == nil {
		response.Body.Close()
	}
	if err == nil && response.StatusCode != http.StatusUnauthorized || sent.n.Load() > 64<<20 {
		t.Errorf("a stranger's upload: %v after %d bytes (%v)", response, sent.n.Load(), err)
	}
	pool.AddCert(writeCertificate(t, cert, private, 2))
	for {
		if _, serial := call(key); serial == 2 {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("the new certificate is not taken up")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// counter is an endless body that counts what is read of it.
type counter struct{ n atomic.Int64 }

func (c *counter) Read(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// BenchmarkGuard is what a request costs: with a right key while nothing else
// comes, with a right key after each ten wrong ones, and with a wrong one.
func BenchmarkGuard(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys")
	right := makeKey(b, path, "screen", "read")
	wrong := wrongKeys(right)
	for name, between := range map[string]int{"right": 0, "right after ten wrong": 10} {
		b.Run(name, func(b *testing.B) {
			g := newGuarded(b, httpserver.Config{APIKeysFile: path})
			i := 0
			for b.Loop() {
				b.StopTimer()
				for range between {
					g.send("POST", "/query", wrong[i%len(wrong)]...)
					i++
				}
				b.StartTimer()
				g.send("POST", "/query", "X-API-Key", right)
			}
		})
	}
	b.Run("wrong", func(b *testing.B) {
		g := newGuarded(b, httpserver.Config{APIKeysFile: path})
		i := 0
		for b.Loop() {
			g.send("POST", "/query", wrong[i%len(wrong)]...)
			i++
		}
	})
}
