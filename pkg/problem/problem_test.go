package problem_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/problem"
)

// answer runs a handler that fails with err and returns what a client sees.
func answer(t *testing.T, err error) *httptest.ResponseRecorder {
	t.Helper()
	router := gin.New()
	router.GET("/", problem.Handler(func(*gin.Context) error { return err }))
	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	return w
}

func TestEveryKindHasAStatusATitleAndADocumentedType(t *testing.T) {
	docs, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[fault.Kind]int{
		fault.Internal: 500, fault.Malformed: 400, fault.Invalid: 422, fault.NotFound: 404, fault.NotAllowed: 405,
		fault.Forbidden: 403, fault.Conflict: 409, fault.TooLarge: 413, fault.Unsupported: 415, fault.Busy: 503, fault.Unavailable: 503,
		fault.Upstream: 502, fault.Timeout: 504, fault.Canceled: 499,
		fault.NotImplemented: 501, fault.Gone: 410, fault.NotAcceptable: 406,
		fault.Unauthenticated: 401, fault.TooMany: 429, fault.Locked: 401,
	}
	for _, kind := range fault.Kinds() {
		doc := problem.Of(fault.New(kind, "Because."))
		if doc.Status != want[kind] || doc.Title == "" {
			t.Errorf("%v: %+v, want status %d and a title", kind, doc, want[kind])
		}
		if !strings.Contains(string(docs), "`"+doc.Type+"`") {
			t.Errorf("docs/problems.md does not describe %s", doc.Type)
		}
	}
}

func TestBody(t *testing.T) {
	w := answer(t, &fault.Error{
		Kind: fault.Busy, Detail: "The queue is full.", RetryAfter: 1500 * time.Millisecond,
		Fields: []fault.Field{{Name: "file", Detail: "came too early"}}, Cause: errors.New("secret address"),
	})
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2", got)
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "urn:signpost:problem:busy", "title": "Busy", "status": 503.0, "detail": "The queue is full.",
		"errors": []any{map[string]any{"field": "file", "detail": "came too early"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAbsentCallerGetsNoBody(t *testing.T) {
	w := answer(t, context.Canceled)
	if w.Code != problem.StatusClientClosed || w.Body.Len() != 0 {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}
