package llamaparse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/llamaparse"
)

// stub answers as the API's documentation says: the upload with the job, the job
// itself within an object, with its pages once it is completed.
type stub struct {
	t         *testing.T
	looks     atomic.Int64 // at the job
	cancelled atomic.Bool
	states    []string // one a look; the last stays
	result    string   // of a completed job
	refuse    func(w http.ResponseWriter, r *http.Request) bool
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer key" {
		s.t.Errorf("authorization %q", r.Header.Get("Authorization"))
	}
	if s.refuse != nil && s.refuse(w, r) {
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /api/v2/parse/upload":
		file, header, err := r.FormFile("file")
		if err != nil {
			s.t.Error(err)
			return
		}
		data, err := io.ReadAll(file)
		if err != nil || string(data) != "the file" || header.Filename != "document.pdf" {
			s.t.Errorf("%q named %q, %v", data, header.Filename, err)
		}
		var configuration struct{ Tier, Version string }
		if err := json.Unmarshal([]byte(r.FormValue("configuration")), &configuration); err != nil || configuration.Tier != "fast" || configuration.Version == "" {
			s.t.Errorf("%+v, %v", configuration, err)
		}
		fmt.Fprint(w, `{"id": "job 1", "project_id": "p", "status": "PENDING"}`)
	case "GET /api/v2/parse/job 1":
		if r.URL.Query().Get("expand") != "markdown" {
			s.t.Errorf("asked for %q", r.URL.RawQuery)
		}
		n := int(s.looks.Add(1)) - 1
		fmt.Fprintf(w, `{"job": {"id": "job 1", "status": %q, "error_message": "client's words"}, "markdown": %s}`, s.states[min(n, len(s.states)-1)], s.result)
	case "POST /api/v2/parse/job 1/cancel":
		s.cancelled.Store(true)
		fmt.Fprint(w, `{"id": "job 1", "status": "CANCELLED"}`)
	default:
		s.t.Errorf("%s %s", r.Method, r.URL.Path)
	}
}

const twoPages = `{"pages": [{"page_number": 1, "markdown": "# One", "success": true}, {"page_number": 2, "markdown": "", "success": false}]}`

// client is a client of the stub, a file, and what is logged.
func client(t *testing.T, s *stub) (*llamaparse.Client, document.Source, *bytes.Buffer) {
	t.Helper()
	s.t = t
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	c, err := llamaparse.New(llamaparse.Options{URL: server.URL + "/", Key: "key", Tier: "fast", Dialer: egress.New(egress.Config{}, logger), Logger: logger, PollEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c, document.Source{Path: path, Kind: document.PDF}, &log
}

func TestParse(t *testing.T) {
	s := &stub{states: []string{"PENDING", "RUNNING", "RUNNING", "COMPLETED"}, result: twoPages}
	c, src, log := client(t, s)
	pages, err := c.Parse(t.Context(), src)
	if err != nil || len(pages) != 2 || pages[0] != (document.CloudPage{Text: "# One"}) || !pages[1].Failed || s.looks.Load() != 4 {
		t.Errorf("%+v after %d looks, %v", pages, s.looks.Load(), err)
	}
	const digest = "994659de87f727ddcde75df44314f31d7f367b3bff347e852f390530f29720c7"
	if n := strings.Count(log.String(), "sha256="+digest); n != 2 || strings.Contains(log.String(), "the file") {
		t.Errorf("%d lines with the hash in\n%s", n, log)
	}
}

func TestFaults(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
			fmt.Fprint(w, "client's words")
			return true
		}
	}
	for name, tc := range map[string]struct {
		stub *stub
		want fault.Kind
	}{
		"wrong key":         {&stub{refuse: status(401)}, fault.Upstream},
		"no credits":        {&stub{refuse: status(402)}, fault.Upstream},
		"refused":           {&stub{refuse: status(422)}, fault.Invalid},
		"too large":         {&stub{refuse: status(413)}, fault.TooLarge},
		"busy":              {&stub{refuse: status(429)}, fault.Busy},
		"down":              {&stub{refuse: status(503)}, fault.Unavailable},
		"redirect":          {&stub{refuse: status(302)}, fault.Invalid},
		"failed":            {&stub{states: []string{"FAILED"}, result: "null"}, fault.Upstream},
		"cancelled there":   {&stub{states: []string{"CANCELLED"}, result: "null"}, fault.Upstream},
		"unknown status":    {&stub{states: []string{"LOST"}, result: "null"}, fault.Upstream},
		"no pages":          {&stub{states: []string{"COMPLETED"}, result: "null"}, fault.Upstream},
		"pages out of turn": {&stub{states: []string{"COMPLETED"}, result: `{"pages": [{"page_number": 2}]}`}, fault.Upstream},
		"no JSON":           {&stub{refuse: func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "<html>"); return true }}, fault.Upstream},
		"no job":            {&stub{refuse: func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "{}"); return true }}, fault.Upstream},
	} {
		t.Run(name, func(t *testing.T) {
			c, src, log := client(t, tc.stub)
			_, err := c.Parse(t.Context(), src)
			if fault.KindOf(err) != tc.want || strings.Contains(fmt.Sprint(err), "words") || strings.Contains(log.String(), "words") {
				t.Errorf("%v; logged %s", err, log)
			}
		})
	}
}

// One look that fails does not lose a job that was paid for.
func TestAFailedLookIsTriedAgain(t *testing.T) {
	var looks atomic.Int64
	s := &stub{states: []string{"COMPLETED"}, result: twoPages, refuse: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || looks.Add(1) > 2 {
			return false
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	}}
	c, src, _ := client(t, s)
	if pages, err := c.Parse(t.Context(), src); err != nil || len(pages) != 2 {
		t.Errorf("%+v, %v", pages, err)
	}
}

func TestCallerGoneCancelsTheJob(t *testing.T) {
	s := &stub{states: []string{"RUNNING"}, result: "null"}
	c, src, _ := client(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	go func() {
		for s.looks.Load() < 3 {
			time.Sleep(time.Millisecond)
		}
		cancel(gone)
	}()
	if _, err := c.Parse(ctx, src); !errors.Is(err, gone) || !s.cancelled.Load() {
		t.Errorf("%v, cancelled %t", err, s.cancelled.Load())
	}
}

func TestEgressIsBlockedByItsList(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	dialer := egress.New(egress.Config{Allow: []string{"localhost:1"}}, logger)
	c, err := llamaparse.New(llamaparse.Options{URL: "https://api.cloud.llamaindex.ai", Key: "key", Dialer: dialer, Logger: logger, PollEvery: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = c.Parse(t.Context(), document.Source{Path: path, Kind: document.PDF})
	var blocked *egress.BlockedError
	if !errors.As(err, &blocked) {
		t.Errorf("%v", err)
	}
}
