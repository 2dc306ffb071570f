package webhook_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/webhook"
)

func sender(t *testing.T, pauses []time.Duration, hosts ...string) *webhook.Sender {
	t.Helper()
	s, err := webhook.New(webhook.Options{Hosts: hosts, Secret: "s£cret", Dialer: egress.New(egress.Config{}, nil), Pauses: pauses})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSend(t *testing.T) {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"id":"J1","state":"done"}` {
			t.Errorf("%s, %v", body, err)
		}
		if want := "sha256=" + webhook.Sign("s£cret", r.Header.Get(webhook.TimestampHeader), body); r.Header.Get(webhook.SignatureHeader) != want {
			t.Errorf("signature %q", r.Header.Get(webhook.SignatureHeader))
		}
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	if err := sender(t, []time.Duration{1, 1, 1}, host).Send(t.Context(), server.URL+"/done?x=1", "J1", "done"); err != nil || calls.Load() != 3 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
	calls.Store(-10)
	if err := sender(t, []time.Duration{1}, host).Send(t.Context(), server.URL, "J1", "done"); err == nil || calls.Load() != -8 {
		t.Errorf("%d calls, %v", calls.Load()+10, err)
	}
}

func TestSendFollowsNoRedirect(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://192.0.2.1/", http.StatusTemporaryRedirect))
	defer server.Close()
	if err := sender(t, nil, strings.TrimPrefix(server.URL, "http://")).Send(t.Context(), server.URL, "J1", "done"); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("%v", err)
	}
}

func TestCheck(t *testing.T) {
	s := sender(t, nil, "hooks.example:443", "127.0.0.1:9000")
	for address, ok := range map[string]bool{
		"https://hooks.example/done": true, "https://HOOKS.example:443/": true, "http://127.0.0.1:9000/x": true,
		"http://hooks.example/": false, "https://hooks.example:444/": false, "https://hooks.example.evil/": false, "https://a:b@hooks.example/": false,
		"ftp://hooks.example:443/": false, "//hooks.example": false, "https://evil.example@hooks.example/": false, "http://[::1]:9000/": false, "": false, "%": false,
	} {
		if err := s.Check(address); (err == nil) != ok || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := webhook.New(webhook.Options{Hosts: []string{"hooks.example"}, Dialer: egress.New(egress.Config{}, nil)}); err == nil {
		t.Error("a host without a port is taken")
	}
}

// What is logged of a failure does not hold the address, in which there may be a token.
func TestErrorsDoNotHoldTheAddress(t *testing.T) {
	if err := sender(t, nil, "127.0.0.1:1").Send(t.Context(), "http://127.0.0.1:1/?token=s3cret", "J1", "done"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// The wait between attempts ends with the program.
func TestSendEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sender(t, []time.Duration{time.Hour}, "127.0.0.1:1")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("stopping"))
		defer cancel()
		if err := s.Send(ctx, "http://127.0.0.1:1/", "J1", "done"); err == nil || err.Error() != "stopping" {
			t.Errorf("%v", err)
		}
	})
}
