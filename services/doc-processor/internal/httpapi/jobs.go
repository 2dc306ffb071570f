package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/job"
)

// followTimeout is how long one request may follow a job's events.
const followTimeout = time.Hour

// jobs keeps documents that are read in the background.
type jobs interface {
	Create() (*job.Draft, error)
	Get(id string) (job.Job, error)
	Progress(id string, known int) (job.Job, document.Progress, <-chan struct{}, error)
	Result(id string) (job.Job, *document.Result, error)
	File(id string) (job.Job, string, error)
	Delete(ctx context.Context, id string) (job.Receipt, error)
}

func (a *API) registerJobs(router gin.IRouter) {
	quick := httpserver.Limit(formOverhead, 30*time.Second)
	router.POST("/jobs", httpserver.Limit(a.options.MaxUpload+formOverhead, receiveTimeout), problem.Handler(a.createJob))
	router.GET("/jobs/:id", quick, problem.Handler(a.showJob))
	router.GET("/jobs/:id/events", httpserver.Limit(formOverhead, followTimeout), problem.Handler(a.followJob))
	router.GET("/jobs/:id/result", quick, problem.Handler(a.jobResult))
	router.GET("/jobs/:id/pages/:page", httpserver.Limit(formOverhead, a.options.DocumentTimeout), problem.Handler(a.jobPage))
	router.DELETE("/jobs/:id", quick, problem.Handler(a.deleteJob))
}

// jobBody is a job as callers see it.
type jobBody struct {
	ID       string            `json:"id"`
	State    job.State         `json:"state"`
	Name     string            `json:"name"`
	SHA256   string            `json:"sha256"`
	Bytes    int64             `json:"bytes"`
	Created  time.Time         `json:"created"`
	Finished *time.Time        `json:"finished"`
	Progress *progressBody     `json:"progress"` // null once it is finished
	Problem  *problem.Document `json:"problem"`  // null unless it failed
	Webhook  string            `json:"webhook,omitempty"`
}

type progressBody struct {
	Stage     document.Stage `json:"stage"`
	Pages     *int           `json:"pages"` // null until it is known
	PagesRead int            `json:"pages_read"`
	Ahead     int            `json:"documents_ahead"`
	ETA       *float64       `json:"eta_seconds"` // null when it is not known
}

type settledBody struct {
	Page   int             `json:"page"`
	Method document.Method `json:"method"`
	Error  string          `json:"error,omitempty"`
}

func toJob(j job.Job, p document.Progress) jobBody {
	b := jobBody{ID: j.ID, State: j.State, Name: j.Name, SHA256: j.SHA256, Bytes: j.Bytes, Created: j.Created, Problem: j.Problem}
	if j.Webhook != "" {
		b.Webhook = cmp.Or(string(j.Told), "pending")
	}
	if j.State.Finished() {
		b.Finished = &j.Finished
	} else {
		progress := toProgress(p)
		b.Progress = &progress
	}
	return b
}

func toProgress(p document.Progress) progressBody {
	b := progressBody{Stage: p.Stage, PagesRead: p.Read, Ahead: p.Ahead}
	if p.Pages > 0 {
		b.Pages = &p.Pages
	}
	if p.Left != nil {
		seconds := p.Left.Seconds()
		b.ETA = &seconds
	}
	return b
}

// createJob receives a file that is read in the background.
func (a *API) createJob(c *gin.Context) error {
	draft, err := a.options.Jobs.Create()
	if err != nil {
		return err
	}
	defer draft.Discard()
	fields, err := httpserver.ReadForm(c, "file", &capped{w: draft, limit: a.options.MaxUpload})
	if err != nil {
		return err
	}
	order := job.Order{Name: fields.FileName, Password: fields.Get("password"), Webhook: fields.Get("webhook")}
	if order.Cloud, err = a.inCloud(fields); err != nil {
		return err
	}
	if order.Understand, err = asked(fields, "understand"); err != nil {
		return err
	}
	j, err := draft.Submit(order)
	if err != nil {
		return err
	}
	c.Header("Location", "/jobs/"+j.ID)
	_, p, _, err := a.options.Jobs.Progress(j.ID, 0)
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, toJob(j, p))
	return nil
}

func (a *API) showJob(c *gin.Context) error {
	j, p, _, err := a.options.Jobs.Progress(c.Param("id"), 0)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, toJob(j, p))
	return nil
}

func (a *API) deleteJob(c *gin.Context) error {
	r, err := a.options.Jobs.Delete(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"id": r.ID, "stopped": r.Stopped, "files_deleted": r.Files, "bytes_deleted": r.Bytes, "files_left": r.Left})
	return nil
}

func (a *API) jobResult(c *gin.Context) error {
	in, err := parseIncluded(c)
	if err != nil {
		return err
	}
	j, result, err := a.options.Jobs.Result(c.Param("id"))
	if err != nil {
		return err
	}
	answered(c, result.Pages)
	out := toWire(result, j.Took, in, "/jobs/"+j.ID)
	if j.Understand || c.Query("understand") == "true" {
		u := understood(result, nil)
		out.Understanding = &u
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// passwordHeader carries the password of a protected file whose page is to be
// drawn: a job does not keep it.
const passwordHeader = "X-Document-Password"

// jobPage draws a page of the job's file, with the boxes that are asked for.
func (a *API) jobPage(c *gin.Context) error {
	number, err := strconv.Atoi(strings.TrimSuffix(c.Param("page"), ".png"))
	if err != nil || number < 1 || !strings.HasSuffix(c.Param("page"), ".png") {
		return fault.New(fault.NotFound, "Pages are named by their numbers, from 1.png on.")
	}
	boxes, err := parseBoxes(c.QueryArray("box"))
	if err != nil {
		return err
	}
	j, path, err := a.options.Jobs.File(c.Param("id"))
	if err != nil {
		return err
	}
	file := document.File{Path: path, Name: j.Name, Password: c.GetHeader(passwordHeader)}
	picture, err := a.options.Documents.Picture(c.Request.Context(), file, number)
	if err != nil {
		return err
	}
	drawn, err := highlight(picture, boxes)
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, "image/png", drawn)
	return nil
}

// The forms of an answer that is given as it comes about.
const (
	asJSON  = "application/json"
	asSSE   = "text/event-stream"
	asLines = "application/x-ndjson"
)

// The events. The README says what they mean to a client.
const (
	progressEvent = "progress"
	pageEvent     = "page"
	resultEvent   = "result"
	jobEvent      = "job"
	errorEvent    = "error"
)

// stream sends events in one of the two forms. A write that fails ends the
// request's context, so nothing else is done about it.
type stream struct {
	c     *gin.Context
	form  string
	begun bool
}

func (s *stream) send(name string, data any) {
	if !s.begun {
		s.begun = true
		s.c.Header("Content-Type", s.form)
		s.c.Header("X-Accel-Buffering", "no") // or nginx holds events back
	}
	if s.form == asSSE {
		s.c.SSEvent(name, data)
	} else {
		_ = json.NewEncoder(s.c.Writer).Encode(gin.H{"event": name, "data": data})
	}
	s.c.Writer.Flush()
}

func (s *stream) fail(err error) {
	doc := problem.Of(err)
	doc.Instance = "urn:request:" + s.c.Writer.Header().Get(problem.RequestIDHeader)
	s.send(errorEvent, doc)
}

// tell sends what is new of a reading until there is no more, which a nil channel
// says. While the document waits it is told at each heartbeat only, so that a file
// that is refused at once is refused with a status of its own.
func (s *stream) tell(ctx context.Context, heartbeat time.Duration, progress func(known int) (document.Progress, <-chan struct{}, error)) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for known, idle := 0, false; ; {
		p, changed, err := progress(known)
		if err != nil {
			return err
		}
		for _, page := range p.Settled {
			s.send(pageEvent, settledBody(page))
		}
		known += len(p.Settled)
		if changed == nil {
			return nil
		}
		if p.Stage != document.Ended && (idle || p.Stage != document.Waiting) {
			s.send(progressEvent, toProgress(p))
		}
		select {
		case <-changed:
			idle = false
		case <-beat.C:
			idle = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// followJob sends a job's progress until it is finished, and then the job.
func (a *API) followJob(c *gin.Context) error {
	form, err := httpserver.Negotiate(c.Request.Header.Values("Accept"), asSSE, asLines)
	if err != nil {
		return err
	}
	id := c.Param("id")
	s := &stream{c: c, form: form}
	err = s.tell(c.Request.Context(), a.options.Heartbeat, func(known int) (document.Progress, <-chan struct{}, error) {
		_, p, changed, err := a.options.Jobs.Progress(id, known)
		return p, changed, err
	})
	if err == nil {
		var j job.Job
		if j, err = a.options.Jobs.Get(id); err == nil {
			s.send(jobEvent, toJob(j, document.Progress{}))
			return nil
		}
	}
	if s.begun {
		s.fail(err)
	}
	return err
}

// processStream reads the received file and sends its progress, then the result.
// What fails before the first event has the status of its own.
func (a *API) processStream(c *gin.Context, form string, upload *document.Upload, file document.File, shape func(*document.Result, time.Duration) processed) error {
	start := time.Now()
	type outcome struct {
		result *document.Result
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		result, err := upload.Read(c.Request.Context(), file)
		ended <- outcome{result, err}
	}()
	s := &stream{c: c, form: form}
	gone := s.tell(c.Request.Context(), a.options.Heartbeat, func(known int) (document.Progress, <-chan struct{}, error) {
		p, changed := upload.Progress(known)
		if p.Stage == document.Ended {
			changed = nil
		}
		return p, changed, nil
	})
	o := <-ended // the reading ends with the request too
	switch err := cmp.Or(gone, o.err); {
	case err == nil:
		s.send(resultEvent, shape(o.result, time.Since(start)))
		return nil
	case s.begun:
		s.fail(err)
		return err
	default:
		return err
	}
}
