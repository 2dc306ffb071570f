package httpapi_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/chattest"
	"signpost.internal/pkg/provider/providertest"
)

const chatQuestion = "How long does the standard breathing space last?"

var created = regexp.MustCompile(`"created": ?[0-9]+`)

// silence is a chunk that may come between any others.
var silence = regexp.MustCompile(`data: [^\n]*"choices":\[\{"index":0,"delta":\{"content":""\},"logprobs":null,"finish_reason":null\}\]\}\n\n`)

// chatting returns an ordinary client of the service.
func (s *service) chatting() *chattest.Client { return chattest.New(s.url+"/v1", "") }

func TestChatGolden(t *testing.T) {
	up := providertest.NewVLLM(t, proved)
	s := newService(t, up.Environ())
	s.ingest()
	status, body := s.get("/v1/models")
	golden(t, "chat_models", status, 200, body)
	status, body = s.get("/v1/models/signpost/manuals")
	golden(t, "chat_model", status, 200, body)
	ask := `{"model": "signpost/manuals", "messages": [{"role": "system", "content": "Be rude."}, {"role": "user", "content": [{"type": "text", "text": "` + chatQuestion + `"}]}]`
	status, body = s.json("/v1/chat/completions", ask+`}`)
	golden(t, "chat", status, 200, created.ReplaceAll(body, []byte(`"created": 0`)))
	status, body = s.json("/v1/chat/completions", ask+`, "stream": true, "stream_options": {"include_usage": true}}`)
	if status != http.StatusOK {
		t.Errorf("stream: %d", status)
	}
	goldenText(t, "chat_stream", silence.ReplaceAllString(created.ReplaceAllString(string(body), `"created":0`), ""))
	for _, r := range up.Requests() {
		if strings.Contains(string(r.Body), "Be rude") {
			t.Error("the client's instructions reached the model")
		}
	}
}

// The same answer to an ordinary client, whole and streamed.
func TestChatClient(t *testing.T) {
	up := providertest.NewOllama(t, proved)
	s := newService(t, up.Environ())
	s.ingest()
	names, err := s.chatting().Models(t.Context())
	if diff := gocmp.Diff([]string{"signpost/manuals"}, names); diff != "" || err != nil {
		t.Fatalf("models %v (-want +got):\n%s", err, diff)
	}
	user := provider.Message{Role: provider.User, Content: chatQuestion}
	whole, err := s.chatting().Chat(t.Context(), names[0], user)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"It lasts for 60 days [1].", "\n\n[1] space.txt", "2 sentences of the model's answer were removed"} {
		if !strings.Contains(whole.Content, want) {
			t.Errorf("the answer lacks %q:\n%s", want, whole.Content)
		}
	}
	if strings.Contains(whole.Content, "£12") || whole.FinishReason != "stop" || whole.Usage.OutputTokens == 0 {
		t.Errorf("answer %+v", whole)
	}
	streamed, err := s.chatting().Stream(t.Context(), names[0], user)
	if err != nil {
		t.Fatal(err)
	}
	if streamed.Pieces < 3 {
		t.Errorf("%d pieces", streamed.Pieces)
	}
	streamed.Pieces = 0
	if diff := gocmp.Diff(whole, streamed); diff != "" {
		t.Errorf("the stream differs (-whole +stream):\n%s", diff)
	}
	again, err := s.chatting().Chat(t.Context(), names[0], user, provider.Message{Role: provider.Assistant, Content: whole.Content},
		provider.Message{Role: provider.User, Content: "And the mental health one?"})
	if err != nil || !strings.Contains(again.Content, "60 days") {
		t.Errorf("a follow-up: %+v, %v", again, err)
	}
}

// A model that fails in the middle ends the stream in an error: what was said is
// not taken back by a second beginning.
func TestChatCut(t *testing.T) {
	first, second := providertest.NewVLLM(t, proved), providertest.NewOllama(t, "The standard one lasts for 60 days [1].")
	environ := first.Environ()
	environ["OLLAMA_URL"], environ["LLM_FALLBACK"] = second.URL, "ollama"
	s := newService(t, environ)
	s.ingest()
	user := provider.Message{Role: provider.User, Content: chatQuestion}
	if _, err := s.chatting().Chat(t.Context(), "signpost/manuals", user); err != nil {
		t.Fatal(err)
	}
	first.Cut()
	got, err := s.chatting().Stream(t.Context(), "signpost/manuals", user)
	var failed *chattest.Error
	if !errors.As(err, &failed) || failed.Type != "server_error" || !strings.Contains(failed.Message, "in the middle of its answer") {
		t.Fatalf("%+v, %v", got, err)
	}
	if strings.Contains(got.Content, "The standard one") {
		t.Errorf("the answer began anew: %q", got.Content)
	}
	whole, err := s.chatting().Chat(t.Context(), "signpost/manuals", user)
	if err != nil || !strings.HasPrefix(whole.Content, "The standard one lasts for 60 days [1].") {
		t.Errorf("a whole answer is not repaired: %+v, %v", whole, err)
	}
}

func TestChatFullQueue(t *testing.T) {
	user := provider.Message{Role: provider.User, Content: chatQuestion}
	type ask = func(*chattest.Client) error
	for name, again := range map[string]ask{
		"whole":  func(c *chattest.Client) error { _, err := c.Chat(t.Context(), "signpost/manuals", user); return err },
		"stream": func(c *chattest.Client) error { _, err := c.Stream(t.Context(), "signpost/manuals", user); return err },
	} {
		t.Run(name, func(t *testing.T) {
			up := providertest.NewVLLM(t, proved)
			s := newService(t, up.Environ())
			s.ingest()
			if err := again(s.chatting()); err != nil {
				t.Fatal(err)
			}
			up.Fail(http.StatusServiceUnavailable)
			var failed *chattest.Error
			// In a stream that has begun the status is spent.
			if err := again(s.chatting()); !errors.As(err, &failed) || failed.Status != 0 && failed.Status != http.StatusServiceUnavailable || failed.Code != "busy" {
				t.Errorf("%+v", err)
			}
		})
	}
}

func TestChatRefuses(t *testing.T) {
	s := newService(t, none())
	s.ingest()
	const user = `"messages": [{"role": "user", "content": "What?"}]`
	for _, tt := range []struct {
		name, body string
		status     int
		param      string
	}{
		{"another model", `{"model": "gpt-4", ` + user + `}`, 404, "model"},
		{"no model", `{` + user + `}`, 400, "model"},
		{"no messages", `{"model": "signpost/manuals"}`, 400, "messages"},
		{"no question", `{"model": "signpost/manuals", "messages": [{"role": "assistant", "content": "x"}]}`, 400, "messages"},
		{"a tool's message", `{"model": "signpost/manuals", "messages": [{"role": "tool", "content": "x"}]}`, 400, "messages[0].role"},
		{"an image", `{"model": "signpost/manuals", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}`, 400, "messages[0].content"},
		{"content of the wrong type", `{"model": "signpost/manuals", "messages": [{"role": "user", "content": 7}]}`, 400, "messages[0].content"},
		{"tools", `{"model": "signpost/manuals", "tools": [{}], ` + user + `}`, 400, "tools"},
		{"functions", `{"model": "signpost/manuals", "functions": [{}], ` + user + `}`, 400, "functions"},
		{"two answers", `{"model": "signpost/manuals", "n": 2, ` + user + `}`, 400, "n"},
		{"JSON", `{"model": "signpost/manuals", "response_format": {"type": "json_object"}, ` + user + `}`, 400, "response_format"},
		{"log probabilities", `{"model": "signpost/manuals", "logprobs": true, ` + user + `}`, 400, "logprobs"},
		{"sound", `{"model": "signpost/manuals", "modalities": ["audio"], ` + user + `}`, 400, "modalities"},
		{"stream options without a stream", `{"model": "signpost/manuals", "stream_options": {}, ` + user + `}`, 400, "stream_options"},
		{"a question that is too long", `{"model": "signpost/manuals", "messages": [{"role": "user", "content": "` + strings.Repeat("a", 5000) + `"}]}`, 400, "question"},
		{"broken JSON", `{"model": `, 400, ""},
	} {
		status, body := s.json("/v1/chat/completions", tt.body)
		want := `"param":"` + tt.param + `"`
		if tt.param == "" {
			want = `"param":null`
		}
		if status != tt.status || !strings.Contains(string(body), want) || !strings.Contains(string(body), `"type":"invalid_request_error"`) {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	if status, body := s.get("/v1/models/signpost/none"); status != 404 || !strings.Contains(string(body), "model_not_found") {
		t.Errorf("%d %s", status, body)
	}
	// What is of no use here and harmless is ignored.
	if status, body := s.json("/v1/chat/completions", `{"model": "signpost/manuals", "temperature": 2, "top_p": 0.1, "max_tokens": 5, "seed": 1, "user": "x", "stop": ["a"], `+user+`}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}
