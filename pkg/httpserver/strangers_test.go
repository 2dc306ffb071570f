package httpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"signpost.internal/pkg/httpserver"
)

// serve runs the service until the test ends and returns its address.
func (g *guarded) serve(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	addr, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- g.server.Run(ctx, func(a net.Addr) { addr <- a }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return (<-addr).String()
}

// TestWaysAround tries to get past the guard with requests as no ordinary client
// writes them. None may reach a handler, and each is refused by the guard itself
// or, where it is no HTTP, by the server.
func TestWaysAround(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	read := makeKey(t, path, "reader", "read")
	g := newGuarded(t, httpserver.Config{APIKeysFile: path})
	address := g.serve(t)
	const stranger, reader = "401|429", "403|404|405"
	key := "X-API-Key: " + read + "\r\n"
	for name, tc := range map[string]struct {
		request string
		want    string // statuses, or parts of the status line
	}{
		"slash at the end":           {"GET /admin/provider/ HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"slash at the end, prefix":   {"GET /query/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Prefix: /evil\r\n", stranger},
		"slash at the start":         {"PUT //admin/provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"dots":                       {"GET /health/../admin/provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"encoded dots":               {"GET /health/%2e%2e/admin/provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"encoded slash":              {"GET /health%2f..%2fadmin%2fprovider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"encoded letters":            {"GET /%61dmin/provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"semicolon":                  {"GET /health;/admin/provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"capitals":                   {"GET /Admin/Provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"absolute":                   {"GET http://localhost/admin/provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"everything":                 {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"asks first":                 {"OPTIONS /ingest HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"head":                       {"HEAD /admin/provider HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"trace":                      {"TRACE / HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"connect":                    {"CONNECT localhost:8102 HTTP/1.1\r\nHost: localhost:8102\r\n", stranger},
		"method of its own":          {"QUERY /query HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"other method by header":     {"GET /health HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: PUT\r\nX-Original-URL: /admin/provider\r\nX-Rewrite-URL: /admin/provider\r\n", "200"},
		"key in the address":         {"GET /?api_key=" + read + "&key=" + read + " HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"key as user":                {"GET http://" + read + "@localhost/ HTTP/1.1\r\nHost: localhost\r\n", stranger},
		"from this machine":          {"GET /admin/provider HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n", stranger},
		"key after the body":         {"POST /query HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-API-Key\r\n\r\n0\r\n" + key, stranger},
		"no host":                    {"GET / HTTP/1.0\r\n", stranger},
		"two keys":                   {"GET / HTTP/1.1\r\nHost: localhost\r\nX-API-Key: a\r\n" + key, stranger},
		"two hosts":                  {"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n" + key, "400"},
		"no HTTP":                    {"\x16\x03\x01 hello\r\n", "400"},
		"two lengths":                {"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n", "400"},
		"a header of 1 MB":           {"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + strings.Repeat("A", 1<<20) + "\r\n", "431"},
		"reader: admin":              {"GET /admin/provider HTTP/1.1\r\nHost: localhost\r\n" + key, reader},
		"reader: admin, slash":       {"PUT /admin/provider/ HTTP/1.1\r\nHost: localhost\r\n" + key, reader},
		"reader: admin, slashes":     {"PUT //admin//provider HTTP/1.1\r\nHost: localhost\r\n" + key, reader},
		"reader: admin, encoded":     {"PUT /%61dmin%2fprovider HTTP/1.1\r\nHost: localhost\r\n" + key, reader},
		"reader: ingest":             {"POST /ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n" + key, reader},
		"reader: ingest as GET":      {"GET /ingest HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: POST\r\n" + key, reader},
		"reader: ingest under query": {"POST /query/../ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n" + key, reader},
	} {
		t.Run(name, func(t *testing.T) {
			before := g.inside.Load()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.WriteString(conn, tc.request+"\r\n") }() // the server may not want it all
			method, _, _ := strings.Cut(tc.request, " ")
			response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if !strings.Contains(tc.want, fmt.Sprint(response.StatusCode)) || g.inside.Load() != before {
				t.Errorf("%s, handlers ran %d times", response.Status, g.inside.Load()-before)
			}
			if tc.want == stranger && response.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("answered past the guard: %v", response.Header)
			}
		})
	}
}

// A caller cannot fill the memory with metrics by methods of its own making.
func TestMadeUpMethods(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	key := makeKey(t, path, "reader", "read")
	g := newGuarded(t, httpserver.Config{APIKeysFile: path})
	for i := range 100 {
		g.send(fmt.Sprintf("METHOD%d", i), "/")
	}
	body := g.send("GET", "/metrics", "X-API-Key", key).Body.String()
	if strings.Contains(body, "METHOD") || !strings.Contains(body, `signpost_http_requests_total{method="other",route="unmatched",status="401"}`) {
		t.Errorf("the metrics:\n%s", body)
	}
	if log := g.log.String(); strings.Contains(log, "METHOD") {
		t.Error("the log has the methods")
	}
}

// deadlined notes the deadlines that the connection is given.
type deadlined struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlined) SetReadDeadline(at time.Time) error  { d.read = at; return nil }
func (d *deadlined) SetWriteDeadline(at time.Time) error { d.write = at; return nil }

// An answer never meets a deadline that the request before it on the connection
// was given: every way of answering sets its own.
func TestDeadlinesOfEveryAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	makeKey(t, path, "reader", "read")
	g := newGuarded(t, httpserver.Config{APIKeysFile: path, CORSOrigins: []string{"https://Advice.example.org"}})
	for name, headers := range map[string]map[string]string{
		"GET /health":     nil,
		"GET /query":      nil,
		"GET /nowhere":    nil,
		"OPTIONS /query":  {"Origin": "https://advice.example.org", "Access-Control-Request-Method": "POST"},
		"OPTIONS /ingest": {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
	} {
		method, at, _ := strings.Cut(name, " ")
		r := httptest.NewRequestWithContext(t.Context(), method, at, nil)
		r.Host = "localhost"
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		g.server.Router().ServeHTTP(w, r)
		if now := time.Now(); !w.read.After(now) || !w.write.After(now) {
			t.Errorf("%s (%d): deadlines %v and %v", name, w.Code, w.read, w.write)
		}
	}
}

// However often strangers ask whether a service is ready, its probes, which ask
// other services with its own key, run once a second; holders of keys are always
// told what is so now.
func TestStrangersDoNotProbe(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	path := filepath.Join(t.TempDir(), "keys")
	key := makeKey(t, path, "reader", "read")
	cfg := httpserver.Config{Host: "127.0.0.1", APIKeysFile: path}
	guard, err := httpserver.OpenGuard(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var probes atomic.Int64
	asked, answer := make(chan struct{}, 200), make(chan struct{})
	server := httpserver.New(httpserver.Options{
		Logger: slog.New(slog.DiscardHandler), Registry: httpserver.NewRegistry(), Guard: guard,
		Health: func(context.Context) any { return gin.H{} },
		Checks: []httpserver.Check{{Name: "index", Probe: func(ctx context.Context) error {
			probes.Add(1)
			asked <- struct{}{}
			<-answer
			return ctx.Err()
		}}},
	})
	ask := func(ctx context.Context, key string) string {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/ready", nil)
		r.Host = "localhost"
		r.Header.Set("X-API-Key", key)
		w := httptest.NewRecorder()
		server.Router().ServeHTTP(w, r)
		return w.Body.String()
	}
	left, leave := context.WithCancel(t.Context())
	var strangers sync.WaitGroup
	strangers.Go(func() { ask(left, "") })
	<-asked
	leave() // the first to ask does not wait for the answer
	for range 100 {
		strangers.Go(func() {
			if body := ask(t.Context(), ""); !strings.Contains(body, `"status":"ready"`) {
				t.Error(body)
			}
		})
	}
	close(answer)
	strangers.Wait()
	// All are told within a second of the probe, or on a slow machine a few.
	if n := probes.Load(); n > 5 {
		t.Errorf("101 strangers made %d probes", n)
	}
	before := probes.Load()
	for range 2 {
		ask(t.Context(), key)
	}
	if n := probes.Load() - before; n != 2 {
		t.Errorf("two of a key made %d probes", n)
	}
}
