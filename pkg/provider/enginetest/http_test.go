package enginetest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"signpost.internal/pkg/provider/enginetest"
)

// object is a JSON object, to send or received.
type object = map[string]any

// ask sends a POST with a JSON body, or a GET where the body is nil.
func ask(ctx context.Context, t testing.TB, s *enginetest.Server, path string, body object, headers ...string) *http.Response {
	t.Helper()
	method, sent := http.MethodGet, io.Reader(nil)
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		method, sent = http.MethodPost, bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// answer is the whole answer: its status and its body.
func answer(t testing.TB, s *enginetest.Server, path string, body object, headers ...string) (int, string) {
	t.Helper()
	response := ask(t.Context(), t, s, path, body, headers...)
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read the answer of %s: %v", path, err)
	}
	return response.StatusCode, strings.TrimSpace(string(b))
}

// ok is the body of an answer that must be 200 and JSON.
func ok(t testing.TB, s *enginetest.Server, path string, body object, headers ...string) object {
	t.Helper()
	status, text := answer(t, s, path, body, headers...)
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, status, text)
	}
	return parse(t, text)
}

func parse(t testing.TB, text string) object {
	t.Helper()
	var got object
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("not JSON: %v: %s", err, text)
	}
	return got
}

// at walks into a JSON value: at(v, "choices", 0, "delta"). What is not there
// is nil.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := value.(object)
			value = o[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// A refusal is a request that a server must refuse, and how.
type refusal struct {
	name, path string
	body       object
	headers    []string
	status     int
	says       string // the whole body
}

func refuses(t *testing.T, s *enginetest.Server, tests []refusal) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, says := answer(t, s, test.path, test.body, test.headers...)
			if status != test.status || says != test.says {
				t.Errorf("%d %s\nwant %d %s", status, says, test.status, test.says)
			}
		})
	}
}

// lines yields a stream's lines that are not empty, and fails the test where
// the stream breaks.
func lines(t testing.TB, r io.Reader) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		scanner := bufio.NewScanner(r)
		for scanner.Scan() {
			if scanner.Text() != "" && !yield(scanner.Text()) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			t.Errorf("the stream broke: %v", err)
		}
	}
}

func user(content string) []object { return []object{{"role": "user", "content": content}} }

func long(words int) string { return strings.Repeat("a ", words) }

func text(v any) string { return fmt.Sprint(v) }
