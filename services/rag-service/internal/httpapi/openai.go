package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/problem"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// The manuals as a model of OpenAI's chat API, so that any chat client can ask
// them. Each collection is a model.

// maxChat is the largest body of a chat request in bytes: clients send the whole
// conversation each time.
const maxChat = 1 << 20

// chatPrefix stands before a collection's name in a model's.
const chatPrefix = "signpost/"

type chatModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type chatModels struct {
	Object string      `json:"object"`
	Data   []chatModel `json:"data"`
}

func (a *API) chatModels(ctx context.Context) ([]chatModel, error) {
	collections, err := a.o.Index.Collections(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]chatModel, len(collections))
	for i, c := range collections {
		out[i] = chatModel{ID: chatPrefix + c.Name, Object: "model", OwnedBy: "signpost"}
	}
	return out, nil
}

func (a *API) models(c *gin.Context) error {
	all, err := a.chatModels(c.Request.Context())
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, chatModels{"list", all})
	return nil
}

func (a *API) model(c *gin.Context) error {
	wanted := strings.TrimPrefix(c.Param("id"), "/")
	all, err := a.chatModels(c.Request.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(m chatModel) bool { return m.ID == wanted })
	if i < 0 {
		return noModel(wanted, all)
	}
	c.JSON(http.StatusOK, all[i])
	return nil
}

func noModel(wanted string, all []chatModel) error {
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = m.ID
	}
	detail := fmt.Sprintf("There is no model %q. There are: %s.", shortened(wanted), strings.Join(names, ", "))
	return &fault.Error{Kind: fault.NotFound, Detail: detail, Fields: []fault.Field{{Name: "model", Detail: detail}}}
}

// shortened keeps what a caller sent from filling an answer.
func shortened(s string) string {
	if runes := []rune(s); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return s
}

type chatRequest struct {
	Model         string        `json:"model" binding:"required"`
	Messages      []chatMessage `json:"messages" binding:"required"`
	Stream        bool          `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N              *int              `json:"n"`
	Tools          []json.RawMessage `json:"tools"`
	Functions      []json.RawMessage `json:"functions"`
	Logprobs       bool              `json:"logprobs"`
	Modalities     []string          `json:"modalities"`
	ResponseFormat *struct {
		Type string `json:"type"`
	} `json:"response_format"`
}

type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// text returns the message's words: a string, or the text parts of a list.
func (m chatMessage) text(field string) (string, error) {
	content := bytes.TrimSpace(m.Content)
	if len(content) == 0 || string(content) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text, nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(content, &parts) != nil {
		return "", unacceptable(field, "must be a string, or a list of parts of the type text")
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		if p.Type != "text" {
			return "", unacceptable(field, "has a part of the type "+shortened(p.Type)+"; only text is read")
		}
		texts[i] = p.Text
	}
	return strings.Join(texts, "\n"), nil
}

// refused returns an error for what would be silently left undone.
func (r chatRequest) refused() error {
	switch {
	case r.N != nil && *r.N != 1:
		return unacceptable("n", "must be 1: the manuals have one answer")
	case len(r.Tools) > 0:
		return unacceptable("tools", "are not used here; leave them out")
	case len(r.Functions) > 0:
		return unacceptable("functions", "are not used here; leave them out")
	case r.Logprobs:
		return unacceptable("logprobs", "are not given; leave it out")
	case slices.ContainsFunc(r.Modalities, func(m string) bool { return m != "text" }):
		return unacceptable("modalities", "must be text")
	case r.ResponseFormat != nil && r.ResponseFormat.Type != "text":
		return unacceptable("response_format", "must be text: answers are prose with footnotes")
	case r.StreamOptions != nil && !r.Stream:
		return unacceptable("stream_options", "is for stream: true only")
	}
	return nil
}

// question makes the last message the question and what was said before it the
// history, as much of the latest as is accepted. Instructions of the client are
// left out: how to answer is not theirs to say.
func (r chatRequest) question() (rag.Question, error) {
	if err := r.refused(); err != nil {
		return rag.Question{}, err
	}
	name, _ := strings.CutPrefix(r.Model, chatPrefix)
	q := rag.Question{Collection: name, TopK: 4}
	var turns []rag.Turn
	for i, m := range r.Messages {
		field := "messages[" + strconv.Itoa(i) + "]"
		text, err := m.text(field + ".content")
		if err != nil {
			return rag.Question{}, err
		}
		switch m.Role {
		case "system", "developer":
		case "user", "assistant":
			if strings.TrimSpace(text) != "" {
				turns = append(turns, rag.Turn{Role: provider.Role(m.Role), Content: text})
			}
		default:
			return rag.Question{}, unacceptable(field+".role", "must be user, assistant or system")
		}
	}
	last := len(turns) - 1
	if last < 0 || turns[last].Role != provider.User {
		return rag.Question{}, unacceptable("messages", "must end with a question of the user")
	}
	q.Text, q.History = turns[last].Content, latest(turns[:last])
	return q, nil
}

// latest returns the latest turns that are accepted.
func latest(turns []rag.Turn) []rag.Turn {
	length, from := 0, len(turns)
	for from > 0 && len(turns)-from < rag.MaxTurns {
		if length += utf8.RuneCountInString(turns[from-1].Content); length > rag.MaxHistory {
			break
		}
		from--
	}
	return turns[from:]
}

type chatUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

type chatResponse struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	// Usage is of the model that wrote the answer; zeros when none did.
	Usage *chatUsage `json:"usage,omitempty"`
	// Signpost is what POST /query answers; in a stream it is in the last chunk that
	// has a choice.
	Signpost *queryResponse `json:"signpost,omitempty"`
}

type chatChoice struct {
	Index        int       `json:"index"`
	Message      *chatText `json:"message,omitempty"`
	Delta        *chatText `json:"delta,omitempty"`
	Logprobs     *struct{} `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

type chatText struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

func (a *API) chat(c *gin.Context) error {
	var req chatRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	q, err := req.question()
	if err != nil {
		return err
	}
	all, err := a.chatModels(c.Request.Context())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(m chatModel) bool { return m.ID == chatPrefix+q.Collection }) {
		return noModel(req.Model, all)
	}
	response := chatResponse{
		ID: "chatcmpl-" + c.Writer.Header().Get(problem.RequestIDHeader), Object: "chat.completion",
		Created: time.Now().Unix(), Model: chatPrefix + q.Collection,
	}
	if req.Stream {
		return a.chatStream(c, q, response, req.StreamOptions != nil && req.StreamOptions.IncludeUsage)
	}
	answer, err := a.o.Service.Ask(c.Request.Context(), q, nil)
	if err != nil {
		return err
	}
	modelapi.Answered(c, answer.Provider, answer.Model, answer.Fallback)
	full, stop := responseOf(q, answer), "stop"
	response.Usage, response.Signpost = usageOf(answer), &full
	response.Choices = []chatChoice{{Message: &chatText{"assistant", answer.Text + footnotes(answer)}, FinishReason: &stop}}
	c.JSON(http.StatusOK, response)
	return nil
}

func usageOf(a rag.Answer) *chatUsage {
	return &chatUsage{a.Usage.InputTokens, a.Usage.OutputTokens, a.Usage.InputTokens + a.Usage.OutputTokens}
}

// footnotes are what a reader of the plain text must know besides: where the
// passages stand that a model's answer cites, and the notice. Quoted passages name
// their places themselves.
func footnotes(a rag.Answer) string {
	var b strings.Builder
	if a.Mode == rag.Generated {
		var cited []int
		for _, s := range a.Sentences {
			cited = append(cited, s.Citations...)
		}
		slices.Sort(cited)
		for _, n := range slices.Compact(cited) {
			fmt.Fprintf(&b, "\n\n[%d] %s", n, a.Passages[n-1].Whence())
		}
	}
	if a.Notice != "" {
		b.WriteString("\n\n" + a.Notice)
	}
	return b.String()
}

// errSevered ends an answer whose model failed in its middle: what the client has
// of it cannot be taken back.
var errSevered = fault.New(fault.Upstream, "The model failed in the middle of its answer: what came before this is void. Ask again.")

// chatStream answers as OpenAI's stream. What fails before its first word has a
// status of its own; afterwards an error event ends it, without [DONE].
func (a *API) chatStream(c *gin.Context, q rag.Question, chunk chatResponse, usage bool) error {
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	chunk.Object = "chat.completion.chunk"
	s := &chatEvents{events: events{c: c, pause: cmp.Or(a.o.Heartbeat, 15*time.Second)}, chunk: chunk}
	defer s.close()
	c.Header("Content-Type", asStream)
	chunk.Choices = []chatChoice{{Delta: &chatText{}}}
	s.silence = "data: " + encoded(chunk) + "\n\n" // some clients stumble over comments
	s.open()
	severed := false
	answer, err := a.o.Service.Ask(ctx, q, func(e rag.Event) {
		switch {
		case severed:
		case e.Seam != nil && s.said:
			severed = true
			cancel()
		case e.Text != "":
			s.say(e.Text)
		}
	})
	if severed {
		err = errSevered
	}
	if err != nil {
		return s.fail(err)
	}
	modelapi.Answered(c, answer.Provider, answer.Model, answer.Fallback)
	if more := footnotes(answer); more != "" {
		s.say(more)
	}
	full, stop := responseOf(q, answer), "stop"
	s.chunk.Signpost = &full
	s.delta(chatChoice{Delta: &chatText{}, FinishReason: &stop})
	s.chunk.Signpost = nil
	if usage {
		s.chunk.Choices, s.chunk.Usage = []chatChoice{}, usageOf(answer)
		s.data(s.chunk)
	}
	s.write(func() { _, _ = c.Writer.WriteString("data: [DONE]\n\n") })
	return nil
}

// chatEvents writes chunks.
type chatEvents struct {
	events
	chunk chatResponse
	said  bool
}

func (s *chatEvents) say(text string) {
	d := &chatText{Content: text}
	if !s.said {
		s.said, d.Role = true, "assistant"
	}
	s.delta(chatChoice{Delta: d})
}

func (s *chatEvents) delta(choice chatChoice) {
	s.chunk.Choices = []chatChoice{choice}
	s.data(s.chunk)
}

func (s *chatEvents) data(v any) {
	line := encoded(v)
	s.write(func() { _, _ = fmt.Fprintf(s.c.Writer, "data: %s\n\n", line) })
}

func encoded(v any) string {
	line, err := json.Marshal(v)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return string(line)
}

// fail ends the stream with an error, or returns it where nothing was sent yet.
func (s *chatEvents) fail(err error) error {
	s.mu.Lock()
	begun := s.c.Writer.Written()
	s.closed = true
	s.mu.Unlock()
	if !begun {
		s.c.Writer.Header().Del("Content-Type")
		s.c.Writer.Header().Del("Trailer")
		return err
	}
	_, body := chatErrorOf(err)
	s.data(body)
	return err
}

type chatError struct {
	Error chatFault `json:"error"`
}

type chatFault struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// chatErrorOf writes an error as OpenAI does.
func chatErrorOf(err error) (status int, body chatError) {
	doc := problem.Of(err)
	kind := fault.KindOf(err)
	out := chatFault{Message: doc.Detail, Type: "server_error", Code: kind.String()}
	status = doc.Status
	switch {
	case kind == fault.Invalid:
		status, out.Type = http.StatusBadRequest, "invalid_request_error" // OpenAI knows no 422
	case kind == fault.TooMany:
		out.Type = "rate_limit_error"
	case status < http.StatusInternalServerError:
		out.Type = "invalid_request_error"
	}
	if len(doc.Errors) > 0 {
		out.Param = &doc.Errors[0].Name
		if doc.Errors[0].Detail != out.Message {
			out.Message += " " + doc.Errors[0].Name + ": " + doc.Errors[0].Detail + "."
		}
		if kind == fault.NotFound && doc.Errors[0].Name == "model" {
			out.Code = "model_not_found"
		}
	}
	return status, chatError{out}
}

// openAI is [problem.Handler] with errors in OpenAI's form.
func openAI(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := h(c)
		if err == nil {
			return
		}
		_ = c.Error(err) // returns its argument, wrapped
		c.Abort()
		if c.Writer.Written() {
			return
		}
		status, body := chatErrorOf(err)
		var known *fault.Error
		if errors.As(err, &known) && known.RetryAfter > 0 {
			c.Header("Retry-After", strconv.Itoa(int(math.Ceil(known.RetryAfter.Seconds()))))
		}
		if status == problem.StatusClientClosed {
			c.Status(status)
			return
		}
		c.JSON(status, body)
	}
}
