package httpapi_test

import (
	"io"
	"strings"
	"testing"
)

func TestAgenticGolden(t *testing.T) {
	const both = `{"question": "How long does the standard breathing space last, and how much may the debts be for a debt relief order?"`
	s := newService(t, none())
	s.ingest()
	status, body := s.json("/agentic-query", both+`}`)
	golden(t, "agentic", status, 200, body)
	status, body = s.json("/agentic-query", both+`, "show_reasoning": false, "max_iterations": 1, "top_k": 1, "model": "llama3.2"}`)
	golden(t, "agentic_brief", status, 200, body)
	response := s.openAt(t.Context(), "/agentic-query", "text/event-stream", both+`}`)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	goldenText(t, "agentic_stream", strings.ReplaceAll(string(text), heartbeat, ""))
	for body, says := range map[string]string{
		`{"question": "What?", "max_iterations": 0}`:   `"field":"max_iterations"`,
		`{"question": "What?", "max_iterations": "x"}`: "a whole number",
		`{"question": "What?", "top_k": 1000000}`:      "from 0 to 20",
		`{}`: `"field":"question"`,
	} {
		if status, got := s.json("/agentic-query", body); status != 422 || !strings.Contains(string(got), says) {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
}
