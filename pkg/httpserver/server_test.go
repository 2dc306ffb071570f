package httpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer returns a server that logs to the returned buffer.
func newServer(t *testing.T, checks ...httpserver.Check) (*httpserver.Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return httpserver.New(httpserver.Options{
		Addr: "127.0.0.1:0", Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		Registry: httpserver.NewRegistry(), DrainTimeout: 5 * time.Second,
		Health: func(context.Context) any { return gin.H{"status": "healthy"} },
		Checks: checks,
	}), &log
}

func do(t *testing.T, s *httpserver.Server, method, target, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.Router().ServeHTTP(w, r)
	return w
}

func document(t *testing.T, w *httptest.ResponseRecorder) problem.Document {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d, Content-Type %q, body %s", w.Code, got, w.Body)
	}
	var doc problem.Document
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestEveryFailureIsAProblem(t *testing.T) {
	s, log := newServer(t)
	s.Router().GET("/panics", func(*gin.Context) { panic("the client's name") })
	s.Router().GET("/fails", problem.Handler(func(*gin.Context) error {
		return fault.Wrap(fault.Upstream, errors.New("model said no"), "The model failed.")
	}))
	s.Router().GET("/slow", httpserver.Limit(10, time.Millisecond), problem.Handler(func(c *gin.Context) error {
		<-c.Request.Context().Done()
		return c.Request.Context().Err()
	}))
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/panics", 500},
		{"GET", "/nowhere", 404},
		{"POST", "/fails", 405},
		{"GET", "/fails", 502},
		{"GET", "/slow", 504},
	} {
		w := do(t, s, tc.method, tc.path, "", "")
		doc := document(t, w)
		if w.Code != tc.status || doc.Status != tc.status || doc.Detail == "" {
			t.Errorf("%s %s: %d %+v, want %d", tc.method, tc.path, w.Code, doc, tc.status)
		}
		if want := "urn:request:" + w.Header().Get("X-Request-ID"); doc.Instance != want {
			t.Errorf("instance %q, want %q", doc.Instance, want)
		}
		if strings.Contains(w.Body.String(), "client's name") {
			t.Errorf("the panic's text reached the client: %s", w.Body)
		}
	}
	if got := strings.Count(log.String(), `"msg":"request"`); got != 5 {
		t.Errorf("%d access lines for 5 requests:\n%s", got, log)
	}
	if !strings.Contains(log.String(), "model said no") {
		t.Errorf("the cause is not in the log:\n%s", log)
	}
}

func TestAccessLineHasTheRouteAndNotTheQuery(t *testing.T) {
	s, log := newServer(t)
	s.Router().GET("/clients/:id", func(c *gin.Context) { c.String(http.StatusOK, "ok") })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/clients/jones?name=Mary", nil)
	r.Header.Set("X-Request-ID", "from-the-caller.1")
	w := httptest.NewRecorder()
	s.Router().ServeHTTP(w, r)
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	delete(line, "duration_ms")
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "route": "/clients/:id",
		"status": 200.0, "bytes": 2.0, "request_id": "from-the-caller.1",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Error(diff)
	}
	w = do(t, s, "GET", "/health", "", "")
	if id := w.Header().Get("X-Request-ID"); len(id) != 36 {
		t.Errorf("made-up request ID %q", id)
	}
}

func TestForgedRequestIDIsReplaced(t *testing.T) {
	s, _ := newServer(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil)
	r.Header.Set("X-Request-ID", "x\" level=ERROR")
	w := httptest.NewRecorder()
	s.Router().ServeHTTP(w, r)
	if got := w.Header().Get("X-Request-ID"); strings.Contains(got, "level") {
		t.Errorf("kept %q", got)
	}
}

func TestReady(t *testing.T) {
	ok := func(context.Context) error { return nil }
	bad := func(context.Context) error { return fault.New(fault.Unavailable, "No model answers at the address.") }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, tc := range []struct {
		name   string
		checks []httpserver.Check
		status int
		body   string
	}{
		{"all well", []httpserver.Check{{Name: "index", Required: true, Probe: ok}}, 200, `{"status":"ready","checks":[{"name":"index","status":"ok"}]}`},
		{
			"model missing",
			[]httpserver.Check{{Name: "index", Required: true, Probe: ok}, {Name: "model", Probe: bad}},
			200, `{"status":"degraded","checks":[{"name":"index","status":"ok"},{"name":"model","status":"failed","reason":"No model answers at the address."}]}`,
		},
		{
			"index hangs",
			[]httpserver.Check{{Name: "model", Probe: bad}, {Name: "index", Required: true, Probe: hangs}},
			503, `{"status":"unavailable","checks":[{"name":"model","status":"failed","reason":"No model answers at the address."},{"name":"index","status":"failed","reason":"The request took longer than it is allowed to."}]}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := newServer(t, tc.checks...)
			w := do(t, s, "GET", "/ready", "", "")
			if w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, tc.status, tc.body)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	s, _ := newServer(t)
	do(t, s, "GET", "/health", "", "")
	body := do(t, s, "GET", "/metrics", "", "").Body.String()
	for _, want := range []string{
		`signpost_http_requests_total{method="GET",route="/health",status="200"} 1`,
		`signpost_http_request_duration_seconds_count{method="GET",route="/health"} 1`, "go_goroutines",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
}

type query struct {
	Question string   `json:"question" binding:"required,max=20"`
	TopK     *int     `json:"top_k" binding:"omitempty,min=1,max=20"`
	Names    []string `json:"names"`
}

func bindServer(t *testing.T) *httpserver.Server {
	s, _ := newServer(t)
	s.Router().POST("/query", httpserver.Limit(100, time.Minute), problem.Handler(func(c *gin.Context) error {
		var q query
		if err := httpserver.BindJSON(c, &q); err != nil {
			return err
		}
		c.String(http.StatusOK, q.Question)
		return nil
	}))
	return s
}

func TestBindJSON(t *testing.T) {
	s := bindServer(t)
	for _, tc := range []struct {
		name, contentType, body string
		status                  int
		field                   string
	}{
		{"good", "application/json; charset=utf-8", `{"question":"Can I?","top_k":null,"unknown":1}`, 200, ""},
		{"not declared as JSON", "application/x-www-form-urlencoded", `{"question":"Can I?"}`, 415, ""},
		{"broken", "application/json", `{"question":`, 400, ""},
		{"empty", "application/json", ``, 400, ""},
		{"two values", "application/json", `{"question":"a"} {}`, 400, ""},
		{"invalid UTF-8", "application/json", "{\"question\":\"\xff\"}", 400, ""},
		{"array", "application/json", `[]`, 422, ""},
		{"null", "application/json", `null`, 422, "question"},
		{"missing", "application/json", `{}`, 422, "question"},
		{"wrong type", "application/json", `{"question":7}`, 422, "question"},
		{"wrong type inside", "application/json", `{"question":"a","names":[1]}`, 422, "names"},
		{"rule broken", "application/json", `{"question":"a","top_k":99}`, 422, "top_k"},
		{"too long", "application/json", `{"question":"` + strings.Repeat("a", 21) + `"}`, 422, "question"},
		{"too large", "application/json", `{"question":"` + strings.Repeat("a", 100) + `"}`, 413, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := do(t, s, "POST", "/query", tc.contentType, tc.body)
			if w.Code != tc.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, tc.status)
			}
			if tc.status == http.StatusOK {
				return
			}
			doc := document(t, w)
			if tc.field != "" && (len(doc.Errors) != 1 || !strings.HasPrefix(doc.Errors[0].Name, tc.field)) {
				t.Errorf("fields %+v, want %q", doc.Errors, tc.field)
			}
		})
	}
}

func FuzzBindJSON(f *testing.F) {
	for _, seed := range []string{`{"question":"x"}`, `{"question":{}}`, `[[[[`, `{"names":[null]}`, "\x00", `{"top_k":1e999}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if code := do(t, bindServer(t), "POST", "/query", "application/json", body).Code; code >= 500 {
			t.Errorf("status %d", code)
		}
	})
}

// form returns a multipart body with one part per (field, file name, content).
func form(t *testing.T, parts ...[3]string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		part, err := w.CreatePart(map[string][]string{
			"Content-Disposition": {`form-data; name="` + p[0] + `"; filename="` + p[1] + `"`},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, p[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestReadUpload(t *testing.T) {
	s, _ := newServer(t)
	upload := func(dst func(*strings.Builder) io.Writer) gin.HandlerFunc {
		return problem.Handler(func(c *gin.Context) error {
			var got strings.Builder
			name, err := httpserver.ReadUpload(c, "file", dst(&got))
			if err != nil {
				return err
			}
			c.String(http.StatusOK, name+"="+got.String())
			return nil
		})
	}
	limit := httpserver.Limit(1<<10, time.Minute)
	s.Router().POST("/upload", limit, upload(func(b *strings.Builder) io.Writer { return b }))
	s.Router().POST("/full", limit, upload(func(*strings.Builder) io.Writer { return fullDisk{} }))

	for _, tc := range []struct {
		name, path string
		parts      [][3]string
		status     int
		detail     string
	}{
		{"one file", "/upload", [][3]string{{"other", "x", "y"}, {"file", "letter é.pdf", "words"}}, 200, ""},
		{"path", "/upload", [][3]string{{"file", "../../etc/passwd", "words"}}, 400, "plain name"},
		{"windows path", "/upload", [][3]string{{"file", `..\\boot.ini`, "words"}}, 400, "plain name"},
		{"dots", "/upload", [][3]string{{"file", "..", "words"}}, 400, "plain name"},
		{"no name", "/upload", [][3]string{{"file", "", "words"}}, 400, "no file name"},
		{"invalid UTF-8", "/upload", [][3]string{{"file", "\xff\xfe.pdf", "words"}}, 400, "UTF-8"},
		{"long name", "/upload", [][3]string{{"file", strings.Repeat("a", 256), "words"}}, 400, "255"},
		{"no file", "/upload", [][3]string{{"other", "x", "y"}}, 422, `"file"`},
		{"two files", "/upload", [][3]string{{"file", "a", "1"}, {"file", "b", "2"}}, 422, "more than one"},
		{"too large", "/upload", [][3]string{{"file", "a", strings.Repeat("x", 2<<10)}}, 413, "1 KiB"},
		{"disk full", "/full", [][3]string{{"file", "a", "words"}}, 500, "our side"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			contentType, body := form(t, tc.parts...)
			w := do(t, s, "POST", tc.path, contentType, body)
			if w.Code != tc.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, tc.status)
			}
			if tc.status == http.StatusOK {
				if w.Body.String() != "letter é.pdf=words" {
					t.Errorf("got %q", w.Body)
				}
				return
			}
			if doc := document(t, w); !strings.Contains(doc.Detail, tc.detail) {
				t.Errorf("detail %q, want %q in it", doc.Detail, tc.detail)
			}
		})
	}
	if w := do(t, s, "POST", "/upload", "application/json", "{}"); w.Code != 400 {
		t.Errorf("not multipart: %d %s", w.Code, w.Body)
	}
	contentType, body := form(t, [3]string{"file", "a", "words"})
	if w := do(t, s, "POST", "/upload", contentType, body[:len(body)-20]); w.Code != 400 {
		t.Errorf("cut off: %d %s", w.Code, w.Body)
	}
}

// Most clients send everything before they look at the answer.
func TestTooLargeIsAnsweredToAClientThatSendsItAll(t *testing.T) {
	s, _ := newServer(t)
	s.Router().POST("/small", httpserver.Limit(1<<10, time.Minute), problem.Handler(func(c *gin.Context) error {
		return httpserver.BindJSON(c, &struct{}{})
	}))
	ctx, stop := context.WithCancel(t.Context())
	addr, ran := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ran <- s.Run(ctx, func(a net.Addr) { addr <- a }) }()

	conn, err := new(net.Dialer).DialContext(ctx, "tcp", (<-addr).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 32 << 20 // more than the socket's buffers hold
	fmt.Fprintf(conn, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
	if _, err := conn.Write(bytes.Repeat([]byte("a"), size)); err != nil {
		t.Errorf("while sending: %v", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

func TestRunDrainsRequestsInFlight(t *testing.T) {
	s, _ := newServer(t)
	entered, release := make(chan struct{}), make(chan struct{})
	s.Router().GET("/work", func(c *gin.Context) {
		close(entered)
		<-release
		c.String(http.StatusOK, "%v", c.Request.Context().Err())
	})
	ctx, stop := context.WithCancel(t.Context())
	addr, ran := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ran <- s.Run(ctx, func(a net.Addr) { addr <- a }) }()

	answer := make(chan string, 1)
	url := "http://" + (<-addr).String() + "/work"
	go func() {
		r, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, url, nil)
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-entered
	stop()
	close(release)
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if got := <-answer; got != "<nil>" {
		t.Errorf("the request in flight got %q", got)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestRunSaysThatThePortIsTaken(t *testing.T) {
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := httpserver.New(httpserver.Options{Addr: l.Addr().String(), Logger: slog.New(slog.DiscardHandler), Registry: httpserver.NewRegistry()})
	err = s.Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "already taken") {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	if errs := (httpserver.Config{Host: "127.0.0.1", DrainTimeout: -1}).Validate(); len(errs) != 1 {
		t.Errorf("negative drain: %v", errs)
	}
	if errs := httpserver.ValidatePort("PORT", 70000); len(errs) != 1 {
		t.Errorf("port 70000: %v", errs)
	}
}
