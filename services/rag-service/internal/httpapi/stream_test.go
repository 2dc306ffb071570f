package httpapi_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	gocmp "github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/provider/providertest"
)

const (
	howLong = `{"question": "How long does the standard breathing space last?", "top_k": 1}`
	// proved has two sentences that the passage proves, and two that it does not.
	proved = "It lasts for 60 days [1]. It costs £12 [1]. It is free.\nIt runs from the day after its entry. [1]"
	// heartbeat is what may stand between any two events.
	heartbeat = ": still at work\n\n"
)

// open asks a question. The caller closes the body; ending ctx leaves.
func (s *service) open(ctx context.Context, accept, body string) *http.Response {
	s.t.Helper()
	return s.openAt(ctx, "/query", accept, body)
}

func (s *service) openAt(ctx context.Context, path, accept, body string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	req.Header.Set("X-Request-ID", "test")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return response
}

// stream returns a whole stream without its heartbeats.
func (s *service) stream(body string) (*http.Response, string) {
	s.t.Helper()
	response := s.open(s.t.Context(), "text/event-stream", body)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("status %d: %s", response.StatusCode, text)
	}
	return response, strings.ReplaceAll(string(text), heartbeat, "")
}

type event struct{ name, data string }

// events reads a stream as a client does.
func events(t *testing.T, text string) []event {
	t.Helper()
	var out []event
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(strings.TrimPrefix(block, "event:"), "\ndata:")
		if !ok || strings.Contains(data, "\n") {
			t.Fatalf("not an event: %q", block)
		}
		out = append(out, event{name, data})
	}
	return out
}

// shown is what a client has on the screen at the end, and the last event.
func shown(t *testing.T, text string) (string, event) {
	t.Helper()
	screen := ""
	all := events(t, text)
	for i, e := range all {
		switch {
		case i == 0 && e.name == "citations", i == len(all)-1:
		case e.name == "sentence":
			var s struct{ Text string }
			if err := json.Unmarshal([]byte(e.data), &s); err != nil {
				t.Fatal(err)
			}
			screen += s.Text
		case e.name == "unsupported": // is not shown as an answer
		case e.name == "seam":
			screen = ""
		default:
			t.Fatalf("event %d is %q", i, e.name)
		}
	}
	return screen, all[len(all)-1]
}

// Streams, event by event; what is on the screen at the end is the answer of
// the last event, which is what JSON would have been.
func TestStream(t *testing.T) {
	type upstream = providertest.Upstream
	vllm := func(reply string) *upstream { return providertest.NewVLLM(t, reply) }
	gone := vllm(proved)
	gone.Close()
	tests := []struct {
		name, question string
		model          *upstream // the first choice; nil for none
		second         *upstream
		faults         func(model, second *upstream) // once the models are known to answer
	}{
		{name: "generated", model: vllm(proved)},
		{name: "unproved", model: vllm("It lasts for 90 days [1].")},
		{name: "passages"},
		{name: "refused", question: `{"question": "Which vaccinations does a standard poodle need?"}`},
		{name: "unreachable", model: gone},
		{name: "refusing", model: vllm(proved), faults: func(model, _ *upstream) { model.Close() }},
		{name: "fallback", model: gone, second: providertest.NewOllama(t, proved)},
		{
			name: "seam", model: vllm(proved), second: providertest.NewOllama(t, "The standard one lasts for 60 days [1]."),
			faults: func(model, _ *upstream) { model.Cut() },
		},
		{name: "cut", model: vllm(proved), faults: func(model, _ *upstream) { model.Cut() }},
		{
			name: "both_cut", model: vllm(proved), second: providertest.NewOllama(t, proved),
			faults: func(model, second *upstream) { model.Cut(); second.Cut() },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			environ := none()
			if tt.model != nil {
				environ = tt.model.Environ()
			}
			if tt.second != nil {
				environ["OLLAMA_URL"], environ["LLM_FALLBACK"] = tt.second.URL, "ollama"
			}
			s := newService(t, environ)
			s.ingest()
			if tt.faults != nil {
				s.stream(howLong)
				tt.faults(tt.model, tt.second)
			}
			question := cmp.Or(tt.question, howLong)
			response, text := s.stream(question)
			goldenText(t, "stream_"+tt.name, text)

			screen, last := shown(t, text)
			var done struct{ Answer, Provider, Model, Fallback string }
			if err := json.Unmarshal([]byte(last.data), &done); err != nil || last.name != "done" {
				t.Fatalf("the last event is %+v (%v)", last, err)
			}
			if screen != done.Answer {
				t.Errorf("on the screen is %q, the answer is %q", screen, done.Answer)
			}
			trailer := [3]string{done.Provider, done.Model, done.Fallback}
			for i, name := range []string{"X-LLM-Provider", "X-LLM-Model", "X-LLM-Fallback"} {
				if got := response.Trailer.Get(name); got != trailer[i] {
					t.Errorf("%s is %q, want %q", name, got, trailer[i])
				}
			}
			if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
				t.Errorf("Content-Type %q", got)
			}
			if tt.faults != nil && done.Provider == "none" {
				return // after a failure the service looks at the models first, and says what it saw
			}
			_, body := s.json("/query", question)
			if diff := gocmp.Diff(took.ReplaceAllString(string(body), ""), took.ReplaceAllString(last.data, "")); diff != "" {
				t.Errorf("JSON and the last event differ (-JSON +event):\n%s", diff)
			}
		})
	}
}

// What is wrong before the first event has the status of its own.
func TestStreamThatDoesNotBegin(t *testing.T) {
	s := newService(t, none())
	for body, want := range map[string]int{`{"question": " "}`: 422, `{`: 400, howLong: 503} {
		response := s.open(t.Context(), "text/event-stream", body)
		defer response.Body.Close()
		if got := response.Header.Get("Content-Type"); response.StatusCode != want || got != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d", body, response.StatusCode, got, want)
		}
	}
}

// hold makes the model silent. A value on arrived is a question that came, one on
// left is its asker who went away.
func hold(up *providertest.Upstream) (arrived, left chan struct{}) {
	arrived, left = make(chan struct{}, 10), make(chan struct{}, 10)
	up.Handle(func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/chat/completions") {
			return false
		}
		arrived <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
		return true
	})
	return arrived, left
}

// A full queue is an error, not the passages in the place of an answer.
func TestFullQueue(t *testing.T) {
	up := providertest.NewVLLM(t, proved)
	environ := up.Environ()
	environ["LLM_CONCURRENCY"], environ["LLM_QUEUE"] = "1", "0"
	s := newService(t, environ)
	s.ingest()
	s.stream(howLong) // the model is known to answer
	arrived, left := hold(up)
	ctx, leave := context.WithCancel(t.Context())
	first := s.open(ctx, "text/event-stream", howLong)
	defer first.Body.Close()
	<-arrived

	second := s.open(t.Context(), "application/json", howLong)
	defer second.Body.Close()
	if got := second.Header.Get("Retry-After"); second.StatusCode != http.StatusServiceUnavailable || got != "2" {
		t.Errorf("status %d, Retry-After %q", second.StatusCode, got)
	}
	_, text := s.stream(howLong)
	goldenText(t, "stream_busy", text)

	leave()
	<-left
}

// While the model is silent there are heartbeats. A client who leaves takes the
// model's work along; that no goroutine is left is checked at the end of all.
func TestClientLeaves(t *testing.T) {
	up := providertest.NewVLLM(t, proved)
	s := newService(t, up.Environ())
	s.ingest()
	s.stream(howLong)
	for _, silent := range []bool{true, false} {
		_, left := hold(up)
		var upstreamLeft <-chan struct{} = left
		if !silent { // in the middle of its answer
			up.Stall()
			upstreamLeft = up.Left()
		}
		ctx, leave := context.WithCancel(t.Context())
		response := s.open(ctx, "text/event-stream", howLong)
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() && lines.Text() != strings.TrimSpace(heartbeat) {
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		leave()
		<-upstreamLeft
		response.Body.Close()
	}
}

// A client who does not read yet holds no place at the model, and loses nothing.
func TestSlowClient(t *testing.T) {
	up := providertest.NewVLLM(t, strings.Repeat("It lasts for 60 days [1]. ", 100))
	environ := up.Environ()
	environ["LLM_CONCURRENCY"], environ["LLM_QUEUE"] = "1", "1"
	s := newService(t, environ)
	s.ingest()
	_, want := s.stream(howLong)

	var dial net.Dialer
	slow, err := dial.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if err := slow.(*net.TCPConn).SetReadBuffer(1); err != nil { // the least there is
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/query", strings.NewReader(howLong))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("X-Request-ID", "test")
	request.Close = true
	if err := request.Write(slow); err != nil {
		t.Fatal(err)
	}
	if _, got := s.stream(howLong); took.ReplaceAllString(got, "") != took.ReplaceAllString(want, "") {
		t.Errorf("beside a slow client:\n%s", got)
	}
	response, err := http.ReadResponse(bufio.NewReader(slow), request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(iotest.OneByteReader(response.Body))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(took.ReplaceAllString(want, ""), took.ReplaceAllString(strings.ReplaceAll(string(got), heartbeat, ""), "")); diff != "" {
		t.Errorf("to a slow client (-want +got):\n%s", diff)
	}
}
