package qdrantindex_test

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/qdrantindex"
	"signpost.internal/services/rag-service/internal/rag"
)

// server speaks as much of Qdrant as the faults need; what a Qdrant does is tested
// on a real one.
type server struct {
	qdrant.UnimplementedQdrantServer
	qdrant.UnimplementedPointsServer
	qdrant.UnimplementedCollectionsServer

	version string
	key     string
	text    int // length of a point's text
	status  qdrant.UpdateStatus
	delay   time.Duration
	fail    codes.Code
	calls   atomic.Int64
}

func (s *server) answer(ctx context.Context) error {
	s.calls.Add(1)
	if s.key != "" {
		if m, _ := metadata.FromIncomingContext(ctx); len(m.Get("api-key")) != 1 || m.Get("api-key")[0] != s.key {
			return status.Error(codes.Unauthenticated, "Invalid API key or JWT")
		}
	}
	select {
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-time.After(s.delay):
	}
	if s.fail != codes.OK {
		return status.Error(s.fail, "as the test wants it")
	}
	return nil
}

func (s *server) HealthCheck(ctx context.Context, _ *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Version: s.version}, s.answer(ctx)
}

type points struct {
	qdrant.UnimplementedPointsServer
	*server
}

func (s points) Get(ctx context.Context, r *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	return &qdrant.GetResponse{Result: []*qdrant.RetrievedPoint{{
		Id: r.GetIds()[0], Payload: map[string]*qdrant.Value{"text": qdrant.NewValueString(strings.Repeat("x", s.text))},
	}}}, s.answer(ctx)
}

func (s points) Upsert(ctx context.Context, _ *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: s.status}}, s.answer(ctx)
}

func (s *server) listen(t *testing.T, address string, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(options...)
	qdrant.RegisterQdrantServer(g, s)
	qdrant.RegisterPointsServer(g, points{server: s})
	go func() { _ = g.Serve(listener) }()
	t.Cleanup(g.Stop)
	return listener.Addr().String()
}

func options(address string) qdrantindex.Options {
	return qdrantindex.Options{
		URL: "http://" + address, Dialer: egress.New(egress.Config{}, nil), Owner: "test", Prefix: "test", Shards: 1, Replicas: 1,
		Timeout: 2 * time.Second, WriteTimeout: 2 * time.Second,
	}
}

func openWith(t *testing.T, o qdrantindex.Options) *qdrantindex.Index {
	t.Helper()
	x, err := qdrantindex.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func unused(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func says(t *testing.T, err error, kind fault.Kind, words string) {
	t.Helper()
	if fault.KindOf(err) != kind || !strings.Contains(fault.DetailOf(err), words) {
		t.Errorf("%v %q, want %v with %q\ncause: %v", fault.KindOf(err), fault.DetailOf(err), kind, words, err)
	}
}

func TestDown(t *testing.T) {
	x := openWith(t, options(unused(t)))
	for name, do := range map[string]func() error{
		"ping":   func() error { return x.Ping(t.Context()) },
		"put":    func() error { return x.Put(t.Context(), rag.Document{}) },
		"search": func() error { _, err := x.Search(t.Context(), rag.Query{}); return err },
		"size":   func() error { _, err := x.Size(t.Context(), rag.DefaultCollection); return err },
	} {
		began := time.Now()
		says(t, do(), fault.Unavailable, "QDRANT_URL")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: it took %v to say that nothing answers", name, took)
		}
	}
}

func TestRefused(t *testing.T) {
	certificate := selfSigned(t)
	for name, tt := range map[string]struct {
		server  *server
		options []grpc.ServerOption
		change  func(*qdrantindex.Options)
		words   string
	}{
		"too old":       {server: &server{version: "1.15.2"}, words: `version "1.15.2", and 1.19 or newer is needed`},
		"no version":    {server: &server{version: "dev"}, words: "1.19 or newer"},
		"no key":        {server: &server{version: "1.19.0", key: "secret"}, words: "QDRANT_API_KEY"},
		"another key":   {server: &server{version: "1.19.0", key: "secret"}, change: func(o *qdrantindex.Options) { o.Key = env.Secret("other") }, words: "QDRANT_API_KEY"},
		"read only":     {server: &server{version: "1.19.0", fail: codes.PermissionDenied}, words: "QDRANT_API_KEY"},
		"https without": {server: &server{version: "1.19.0"}, change: func(o *qdrantindex.Options) { o.URL = strings.Replace(o.URL, "http", "https", 1) }, words: "QDRANT_URL says https"},
		"http with TLS": {server: &server{version: "1.19.0"}, options: []grpc.ServerOption{grpc.Creds(credentials.NewTLS(certificate))}, words: "does not speak gRPC without TLS"},
		"not trusted":   {server: &server{version: "1.19.0"}, options: []grpc.ServerOption{grpc.Creds(credentials.NewTLS(certificate))}, change: func(o *qdrantindex.Options) { o.URL = strings.Replace(o.URL, "http", "https", 1) }, words: "SSL_CERT_FILE"},
		"egress": {server: &server{version: "1.19.0"}, change: func(o *qdrantindex.Options) {
			o.Dialer = egress.New(egress.Config{Allow: []string{"elsewhere:1"}}, nil)
		}, words: "EGRESS_ALLOW"},
		"not Qdrant":       {server: &server{version: "1.19.0", fail: codes.Unimplemented}, words: "no Qdrant"},
		"no room":          {server: &server{version: "1.19.0", fail: codes.ResourceExhausted}, words: "no room"},
		"without the rest": {server: &server{version: "1.19.0"}, words: "no Qdrant"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(tt.server.listen(t, "127.0.0.1:0", tt.options...))
			if tt.change != nil {
				tt.change(&o)
			}
			says(t, openWith(t, o).Ping(t.Context()), fault.Unavailable, tt.words)
		})
	}
}

func TestSlow(t *testing.T) {
	s := &server{version: "1.19.0", delay: time.Minute}
	o := options(s.listen(t, "127.0.0.1:0"))
	o.Timeout = 100 * time.Millisecond
	x := openWith(t, o)
	began := time.Now()
	says(t, x.Ping(t.Context()), fault.Timeout, "QDRANT_TIMEOUT")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller went away: %v", err)
	}
}

// A host that takes connections and never says anything.
func TestSilent(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	o := options(listener.Addr().String())
	o.Timeout = 200 * time.Millisecond
	began := time.Now()
	if err := openWith(t, o).Ping(t.Context()); fault.KindOf(err) != fault.Timeout && fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestLargeAnswer(t *testing.T) {
	s := &server{version: "1.19.0", text: 20 << 20}
	x := openWith(t, options(s.listen(t, "127.0.0.1:0")))
	if n, err := x.Fetch(t.Context()); n != s.text || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestNotApplied(t *testing.T) {
	for _, state := range []qdrant.UpdateStatus{qdrant.UpdateStatus_Acknowledged, qdrant.UpdateStatus_WaitTimeout, qdrant.UpdateStatus_ClockRejected} {
		s := &server{version: "1.19.0", status: state}
		x := openWith(t, options(s.listen(t, "127.0.0.1:0")))
		says(t, x.Store(t.Context()), fault.Unavailable, "did not apply it in time")
	}
	s := &server{version: "1.19.0", status: qdrant.UpdateStatus_Completed}
	if err := openWith(t, options(s.listen(t, "127.0.0.1:0"))).Store(t.Context()); err != nil {
		t.Error(err)
	}
}

// Repeats are one policy's: twice, only when Qdrant is not to be reached, and never
// multiplied by a client's own.
func TestAttempts(t *testing.T) {
	for code, want := range map[codes.Code]int64{
		codes.Unavailable: 3, codes.ResourceExhausted: 1, codes.Internal: 1, codes.DeadlineExceeded: 1, codes.InvalidArgument: 1, codes.OK: 1,
	} {
		s := &server{version: "1.15.0", fail: code, status: qdrant.UpdateStatus_Completed}
		x := openWith(t, options(s.listen(t, "127.0.0.1:0")))
		if err := x.Ping(t.Context()); err == nil { // by then the sweeper has had its try too
			t.Error("version 1.15.0 will do")
		}
		time.Sleep(500 * time.Millisecond)
		before := s.calls.Load()
		err := x.Store(t.Context())
		if got := s.calls.Load() - before; got != want || (err == nil) != (code == codes.OK) {
			t.Errorf("%v: %d attempts, want %d (%v)", code, got, want, err)
		}
	}
}

// What was down is used from the moment it is up, without a restart.
func TestComesUp(t *testing.T) {
	address := unused(t)
	x := openWith(t, options(address))
	says(t, x.Ping(t.Context()), fault.Unavailable, "QDRANT_URL")
	s := &server{version: "1.15.2"}
	s.listen(t, address)
	for range 100 {
		if err := x.Ping(t.Context()); strings.Contains(fault.DetailOf(err), "1.15.2") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("it was not noticed within 10 s")
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://localhost:6334": "http://localhost:6334", "https://qdrant.example/": "https://qdrant.example:6334/", "http://[::1]": "http://[::1]:6334",
		"localhost:6334": "", "grpc://localhost": "", "http://": "", "http://a/b": "", "http://a?b=c": "", "http://key@a": "", "": "",
	} {
		u, err := qdrantindex.ParseURL(text)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%q: %v, %v", text, u, err)
		}
	}
}

func TestTerms(t *testing.T) {
	for _, want := range []map[uint32]int{{}, {0: 1}, {7: 2, 1 << 31: 300, 1<<32 - 1: 1}} {
		got := map[uint32]int{}
		if err := qdrantindex.DecodeTerms(qdrantindex.EncodeTerms(want), func(id uint32, n int) { got[id] = n }); err != nil || !maps.Equal(got, want) {
			t.Errorf("%v became %v, %v", want, got, err)
		}
	}
}

func FuzzTerms(f *testing.F) {
	f.Add(qdrantindex.EncodeTerms(map[uint32]int{1: 1, 1 << 31: 300}))
	f.Add("AAA")
	f.Add("//////////////8")
	f.Fuzz(func(t *testing.T, text string) {
		got, ascending, last := map[uint32]int{}, true, -1
		err := qdrantindex.DecodeTerms(text, func(id uint32, n int) {
			ascending = ascending && int(id) >= last && n > 0
			got[id], last = n, int(id)
		})
		if err == nil && !ascending {
			t.Errorf("%q is taken", text)
		}
	})
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{certificateFor(t, "127.0.0.1")}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
}
