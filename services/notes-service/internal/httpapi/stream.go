package httpapi

import (
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/munnerz/goautoneg"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/problem"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/note"
)

// The events of a stream: how far the letter is, and then the letter or why there
// is none.
const (
	progressEvent = "progress"
	doneEvent     = "done"
	errorEvent    = "error"
)

// heartbeat is the pause after which a silent stream says that it is still open.
const heartbeat = 15 * time.Second

type progressBody struct {
	Stage note.Stage `json:"stage"`
}

type failedBody struct {
	problem.Document
	RetryAfter int `json:"retry_after,omitempty"` // seconds
}

// wantsStream tells whether the caller asks for an event stream by name.
func wantsStream(c *gin.Context) bool {
	for _, clause := range goautoneg.ParseAccept(strings.Join(c.Request.Header.Values("Accept"), ",")) {
		if clause.Type == "text" && clause.SubType == "event-stream" && clause.Q > 0 {
			return true
		}
	}
	return false
}

// stream answers with an event stream. What fails before its first event has the
// status of its own.
func (a *API) stream(c *gin.Context, r drafting.Request) error {
	s := &events{c: c}
	defer s.close()
	c.Request = c.Request.WithContext(note.WithProgress(c.Request.Context(), func(stage note.Stage) {
		s.send(progressEvent, progressBody{stage})
	}))
	d, err := a.draft(c, r)
	switch {
	case err == nil:
		if d.Note.Answered {
			modelapi.Answered(c, d.Note.Provider, d.Note.Model, d.Note.Fallback)
		} else {
			modelapi.Answered(c, provider.None, "", "")
		}
		s.send(doneEvent, wire(d))
	case s.beat != nil:
		s.send(errorEvent, failed(c, err))
	}
	return err
}

func failed(c *gin.Context, err error) failedBody {
	b := failedBody{Document: problem.Of(err)}
	b.Instance = "urn:request:" + c.Writer.Header().Get(problem.RequestIDHeader)
	var known *fault.Error
	if errors.As(err, &known) {
		b.RetryAfter = int(math.Ceil(known.RetryAfter.Seconds()))
	}
	return b
}

// events writes an event stream. A write that fails ends the request's context,
// so nothing else is done about it.
type events struct {
	c    *gin.Context
	beat *time.Timer // nil before the first event

	mu     sync.Mutex // of the response
	closed bool
}

func (s *events) send(name string, data any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beat == nil {
		// Who answered is known at the end.
		s.c.Header("Trailer", strings.Join([]string{modelapi.ProviderHeader, modelapi.ModelHeader, modelapi.FallbackHeader}, ", "))
		s.c.Header("X-Accel-Buffering", "no") // or nginx holds events back
		s.beat = time.AfterFunc(heartbeat, s.keepOpen)
	}
	s.c.SSEvent(name, data)
	s.c.Writer.Flush()
	s.beat.Reset(heartbeat)
}

func (s *events) keepOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	_, _ = s.c.Writer.WriteString(": still at work\n\n")
	s.c.Writer.Flush()
	s.beat.Reset(heartbeat)
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
