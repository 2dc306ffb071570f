package httpapi

import (
	"cmp"
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/rag-service/internal/rag"
)

// The forms of an answer.
const (
	asJSON   = "application/json"
	asStream = "text/event-stream"
)

// The events of a stream. The README says what they mean to a client.
const (
	stepEvent      = "step"
	citationsEvent = "citations"
	sentenceEvent  = "sentence"
	markedEvent    = "unsupported"
	seamEvent      = "seam"
	doneEvent      = "done"
	errorEvent     = "error"
)

type foundEvent struct {
	Citations []citation `json:"citations"`
	Sources   []string   `json:"sources"`
	Refused   bool       `json:"refused"`
	Searched  string     `json:"search_question"`
}

type textEvent struct {
	Text string `json:"text"`
}

type brokenEvent struct {
	From   modelName `json:"from,omitzero"` // absent when it is not known
	To     modelName `json:"to"`
	Reason string    `json:"reason"`
}

type modelName struct {
	Provider string `json:"provider,omitempty"`
	Model    string `json:"model,omitempty"`
}

type failedEvent struct {
	problem.Document
	RetryAfter int `json:"retry_after,omitempty"` // seconds
}

// stream answers a question as an event stream. What fails before its first
// event has the status of its own.
func (a *API) stream(c *gin.Context, q rag.Question) error {
	s := &events{c: c, pause: cmp.Or(a.o.Heartbeat, 15*time.Second)}
	defer s.close()
	answer, err := a.o.Service.Ask(c.Request.Context(), q, func(e rag.Event) { s.tell(q, e) })
	return s.finish(err, answer, func() any { return responseOf(q, answer) })
}

// tell sends a step on the way to an answer.
func (s *events) tell(q rag.Question, e rag.Event) {
	switch {
	case e.Found != nil:
		sources, citations := cite(q, e.Found.Passages)
		s.send(citationsEvent, foundEvent{citations, sources, e.Found.Refused, e.Found.Searched})
	case e.Seam != nil:
		s.send(seamEvent, brokenEvent{
			From:   modelName{e.Seam.FromProvider, e.Seam.FromModel},
			To:     modelName{e.Seam.ToProvider, e.Seam.ToModel},
			Reason: e.Seam.Reason,
		})
	case e.Unsupported != nil:
		s.send(markedEvent, unsupported(*e.Unsupported))
	default:
		s.send(sentenceEvent, textEvent{e.Text})
	}
}

// finish ends the stream with the answer's body or with the error, which it
// returns.
func (s *events) finish(err error, answer rag.Answer, body func() any) error {
	switch {
	case err == nil:
		modelapi.Answered(s.c, answer.Provider, answer.Model, answer.Fallback)
		s.send(doneEvent, body())
	case s.beat != nil:
		s.send(errorEvent, failed(s.c, err))
	}
	return err
}

func failed(c *gin.Context, err error) failedEvent {
	e := failedEvent{Document: problem.Of(err)}
	e.Instance = "urn:request:" + c.Writer.Header().Get(problem.RequestIDHeader)
	var known *fault.Error
	if errors.As(err, &known) {
		e.RetryAfter = int(math.Ceil(known.RetryAfter.Seconds()))
	}
	return e
}

// events writes an event stream. A write that fails ends the request's context,
// so nothing else is done about it.
type events struct {
	c     *gin.Context
	pause time.Duration
	beat  *time.Timer // nil before the first event
	// silence is sent where nothing was for so long; empty for a comment.
	silence string

	mu     sync.Mutex // of the response
	closed bool
}

func (s *events) send(name string, data any) {
	s.write(func() { s.c.SSEvent(name, data) })
}

// open prepares the stream. Nothing is sent yet but what keepOpen sends.
func (s *events) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beat != nil {
		return
	}
	// Who answered is known at the end.
	s.c.Header("Trailer", strings.Join([]string{modelapi.ProviderHeader, modelapi.ModelHeader, modelapi.FallbackHeader}, ", "))
	s.c.Header("X-Accel-Buffering", "no") // or nginx holds events back
	s.beat = time.AfterFunc(s.pause, s.keepOpen)
}

func (s *events) write(event func()) {
	s.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	event()
	s.c.Writer.Flush()
	s.beat.Reset(s.pause)
}

func (s *events) keepOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	_, _ = s.c.Writer.WriteString(cmp.Or(s.silence, ": still at work\n\n"))
	s.c.Writer.Flush()
	s.beat.Reset(s.pause)
}

// close ends the heartbeat; the response may then be used by others.
func (s *events) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.beat != nil {
		s.beat.Stop()
	}
}
