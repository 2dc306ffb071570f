package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestSearch(t *testing.T) {
	s := newService(t, none())
	status, body := s.json("/search", `{"question": "Anything?"}`)
	golden(t, "search_empty", status, http.StatusServiceUnavailable, body)
	s.ingest()
	status, body = s.json("/search", `{"question": "How much may the debts be for debt relief?", "top_k": 1}`)
	golden(t, "search", status, http.StatusOK, body)
	status, body = s.json("/search", `{"question": "Which vaccinations does a poodle need?"}`)
	golden(t, "search_nothing", status, http.StatusOK, body)

	for name, tt := range map[string]struct {
		body string
		want int
		says string
	}{
		"no question":  {`{}`, 422, `"field":"question"`},
		"blank":        {`{"question": " "}`, 422, "is blank"},
		"top_k":        {`{"question": "What?", "top_k": 1000000}`, 422, "from 0 to 20"},
		"too long":     {`{"question": "` + strings.Repeat("a", 5000) + `"}`, 422, "4000 characters"},
		"wrong type":   {`{"question": ["What?"]}`, 422, `"field":"question"`},
		"not an order": {`"What?"`, 422, "an object is accepted"},
	} {
		if status, body := s.json("/search", tt.body); status != tt.want || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s: %d %s, want %d with %q", name, status, body, tt.want, tt.says)
		}
	}
}
