package app

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/chattest"
	"signpost.internal/pkg/provider/enginetest"
)

// serving runs the service until the test ends, and returns its address and what
// it logs.
func serving(t *testing.T, environ map[string]string) (address string, log *lockedBuffer) {
	t.Helper()
	settings := map[string]string{"RAG_SERVICE_PORT": "0", "DATA_DIR": t.TempDir(), "HOME": t.TempDir()}
	maps.Copy(settings, environ)
	ctx, stop := context.WithCancel(t.Context())
	listening, ended := make(chan net.Addr, 1), make(chan error, 1)
	log = &lockedBuffer{}
	go func() { ended <- run(ctx, settings, log, func(a net.Addr) { listening <- a }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-listening:
		return "http://" + a.String(), log
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return "", nil
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const spaceManual = `{"documents": ["Breathing space\n\nThe standard breathing space lasts for 60 days."], "filenames": ["space.txt"]}`

// An ordinary chat client asks the manuals through the service, and a real server
// answers.
func TestSimChat(t *testing.T) {
	sim := enginetest.StartSim(t)
	url, _ := serving(t, map[string]string{"LLM_PROVIDER": "vllm", "LLM_FALLBACK": "none", "VLLM_URL": sim.URL})
	var ingested struct{ Success bool }
	if call(t, http.MethodPost, url+"/ingest", spaceManual, &ingested); !ingested.Success {
		t.Fatal("the manual was not ingested")
	}
	for answer := (struct{ Mode string }{}); answer.Mode != "generated"; { // until the model is ready
		call(t, http.MethodPost, url+"/query", simQuestion, &answer)
	}
	client := chattest.New(url+"/v1", "")
	question := provider.Message{Role: provider.User, Content: "How long is it? " + simSentence}
	whole, err := client.Chat(t.Context(), "signpost/manuals", question)
	if err != nil || !strings.Contains(whole.Content, simSentence) || !strings.Contains(whole.Content, "\n\n[1] space.txt") || whole.Usage.OutputTokens == 0 {
		t.Errorf("%+v, %v", whole, err)
	}
	streamed, err := client.Stream(t.Context(), "signpost/manuals", question)
	if streamed.Pieces = 0; err != nil || streamed != whole {
		t.Errorf("the stream differs: %+v, %v; whole %+v", streamed, err, whole)
	}
}

// Nothing that is asked or answered is in the log, whichever way it is asked.
func TestNothingAskedIsLogged(t *testing.T) {
	url, log := serving(t, map[string]string{"LLM_PROVIDER": "vllm", "VLLM_URL": "http://127.0.0.1:1", "LLM_FALLBACK": "none"})
	var body map[string]any
	call(t, http.MethodPost, url+"/ingest", spaceManual, &body)
	const asked = `How long does breathing space last for Zebedee Quux, and what of his Xylophone?`
	for path, send := range map[string]string{
		"/query":               `{"question": "` + asked + `", "history": [{"role": "user", "content": "And Wolfgang?"}]}`,
		"/agentic-query":       `{"question": "` + asked + `"}`,
		"/search":              `{"question": "` + asked + `"}`,
		"/v1/chat/completions": `{"model": "signpost/manuals", "messages": [{"role": "user", "content": "` + asked + `"}]}`,
		"/v1/nowhere":          `{"question": "` + asked + `"}`,
	} {
		call(t, http.MethodPost, url+path, send, &body)
		call(t, http.MethodPost, url+path, strings.Replace(send, `"}`, `", "top_k": "Xylophone"}`, 1), &body)
	}
	for _, word := range []string{"Zebedee", "Quux", "Xylophone", "Wolfgang", "60 days"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("%q is in the log:\n%s", word, log.String())
		}
	}
	if !strings.Contains(log.String(), "/agentic-query") {
		t.Errorf("no access lines:\n%s", log.String())
	}
}
