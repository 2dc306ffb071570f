package httpapi

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/rag-service/internal/rag"
)

func (a *API) registerJobs(r *gin.Engine, quick gin.HandlerFunc) {
	const small = 16 << 10
	long := httpserver.Limit(small, a.o.IngestTimeout)
	r.GET("/jobs", quick, problem.Handler(a.jobs))
	r.GET("/jobs/:id", quick, problem.Handler(a.job))
	r.GET("/jobs/:id/events", long, problem.Handler(a.jobEvents))
	r.DELETE("/jobs/:id", httpserver.Limit(small, time.Minute), problem.Handler(a.cancelJob))
	r.POST("/jobs/:id/retry", quick, problem.Handler(a.retryJob))
	r.POST("/jobs/retry", httpserver.Limit(small, time.Minute), problem.Handler(a.retryJobs))
	r.GET("/ingest/events", long, problem.Handler(a.ingestEvents))
}

type job struct {
	ID         int64        `json:"id"`
	State      rag.JobState `json:"state"`
	Collection string       `json:"collection"`
	Source     string       `json:"source"`
	SHA256     string       `json:"sha256"`
	Bytes      int64        `json:"bytes"`
	Attempts   int          `json:"attempts"`
	Created    time.Time    `json:"created"`
	Started    *time.Time   `json:"started"`      // the last attempt
	Finished   *time.Time   `json:"finished"`     // null before
	Next       *time.Time   `json:"next_attempt"` // of a job that waits
	Progress   *step        `json:"progress"`     // null unless it runs
	Reason     string       `json:"reason"`       // why it waits, failed, or what is missing
	Result     *jobResult   `json:"result"`       // null before it is done
	Errors     []jobError   `json:"errors"`
}

// step counts pages or passages; total is 0 where that is not known.
type step struct {
	Stage rag.Stage `json:"stage"`
	Done  int       `json:"done"`
	Total int       `json:"total"`
	ETA   *float64  `json:"eta_seconds"` // of the stage; null where it is not known
}

type jobResult struct {
	Status     rag.Status `json:"status"`
	Characters int        `json:"characters"`
	Chunks     int        `json:"chunks"`
}

type jobError struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

func jobOf(j rag.Job) job {
	out := job{
		ID: j.ID, State: j.State, Collection: j.Collection, Source: j.Source, SHA256: j.Hash, Bytes: j.Bytes, Attempts: j.Attempts,
		Created: j.Created, Started: given(j.Started), Finished: given(j.Finished), Next: given(j.Next),
		Reason: j.Outcome.Reason, Errors: make([]jobError, len(j.Errors)),
	}
	for i, e := range j.Errors {
		out.Errors[i] = jobError(e)
	}
	if j.State == rag.Running && j.Step.Stage != "" {
		out.Progress = &step{Stage: j.Step.Stage, Done: j.Step.Done, Total: j.Step.Total}
		if j.Step.Done > 0 && j.Step.Total > 0 {
			eta := time.Since(j.Started).Seconds() / float64(j.Step.Done) * float64(j.Step.Total-j.Step.Done)
			out.Progress.ETA = &eta
		}
	}
	if j.State == rag.Done {
		out.Result = &jobResult{j.Outcome.Status, j.Outcome.Characters, j.Outcome.Chunks}
	}
	return out
}

func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type jobsResponse struct {
	Jobs   []job                `json:"jobs"`   // the newest first
	Counts map[rag.JobState]int `json:"counts"` // of all jobs
	// Before, when not null, asks for the jobs that follow.
	Before *int64 `json:"before"`
}

func (a *API) jobs(c *gin.Context) error {
	f, err := filterOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	found, err := a.o.Service.Jobs(ctx, f)
	if err != nil {
		return err
	}
	counts, err := a.o.Service.CountJobs(ctx)
	if err != nil {
		return err
	}
	out := jobsResponse{Jobs: make([]job, len(found)), Counts: map[rag.JobState]int{}}
	for i, j := range found {
		out.Jobs[i] = jobOf(j)
	}
	for _, state := range rag.JobStates() {
		out.Counts[state] = counts[state]
	}
	if len(found) == f.Limit && f.Limit > 0 {
		out.Before = &found[len(found)-1].ID
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// filterOf reads the parameters state, collection, source, before and limit.
func filterOf(c *gin.Context) (rag.JobFilter, error) {
	f := rag.JobFilter{Key: rag.Key{Collection: c.Query("collection"), Source: c.Query("source")}}
	if f.Key.Source != "" && f.Key.Collection == "" {
		f.Key.Collection = rag.DefaultCollection
	}
	for name := range strings.SplitSeq(c.Query("state"), ",") {
		state := rag.JobState(strings.TrimSpace(name))
		if state == "" {
			continue
		}
		if !slices.Contains(rag.JobStates(), state) {
			return f, &fault.Error{Kind: fault.Invalid, Detail: "A parameter is not acceptable.", Fields: []fault.Field{{
				Name: "state", Detail: "must be one of, or several with commas: queued, running, waiting, done, dead, cancelled",
			}}}
		}
		f.States = append(f.States, state)
	}
	limit, err := whole(c, "limit", defaultLimit)
	if err != nil {
		return f, err
	}
	before, err := whole(c, "before", 0)
	f.Limit, f.Before = max(1, min(limit, maxLimit)), int64(before)
	return f, err
}

// idOf reads a job's ID. What is no ID is nothing that is there.
func idOf(c *gin.Context) (int64, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return 0, fault.Wrap(fault.NotFound, err, "There is no such job: jobs have numbers.")
	}
	return id, nil
}

func (a *API) job(c *gin.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	j, err := a.o.Service.Job(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, jobOf(j))
	return nil
}

func (a *API) cancelJob(c *gin.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	j, err := a.o.Service.CancelJob(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, jobOf(j))
	return nil
}

func (a *API) retryJob(c *gin.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	j, err := a.o.Service.RetryJob(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.Header("Location", location(j.ID))
	c.JSON(http.StatusAccepted, jobOf(j))
	return nil
}

func (a *API) retryJobs(c *gin.Context) error {
	n, err := a.o.Service.RetryDeadJobs(c.Request.Context(), c.Query("collection"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, struct {
		Retried int `json:"retried"`
	}{n})
	return nil
}

// The events of the streams about the ingest.
const (
	jobEvent      = "job"
	progressEvent = "progress"
)

// jobEvents tells what becomes of a job until that is final.
func (a *API) jobEvents(c *gin.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	var last job
	return a.watch(c, func() (event string, data any, changed, final bool, err error) {
		j, err := a.o.Service.Job(c.Request.Context(), id)
		now := jobOf(j)
		if p := now.Progress; p != nil && last.Progress != nil && p.Stage == last.Progress.Stage && p.Done == last.Progress.Done {
			p.ETA = last.Progress.ETA // it changes with every look
		}
		changed = !reflect.DeepEqual(now, last)
		last = now
		return jobEvent, now, changed, j.State.Final(), err
	})
}

// ingestEvents tells how far the ingest has come until nothing is left to do.
func (a *API) ingestEvents(c *gin.Context) error {
	var last rag.Progress
	return a.watch(c, func() (event string, data any, changed, final bool, err error) {
		now, err := a.o.Service.Progress(c.Request.Context())
		shown := now
		shown.ETA = nil
		changed = shown != last
		last = shown
		return progressEvent, now, changed, now.State == "idle", err
	})
}

// watch sends events about what look sees, until it is final or the client leaves.
// Between two events there is a pause, so that a fast ingest does not flood it.
func (a *API) watch(c *gin.Context, look func() (event string, data any, changed, final bool, err error)) error {
	const pause = 100 * time.Millisecond
	ctx := c.Request.Context()
	beat := a.o.Heartbeat
	if beat == 0 {
		beat = 15 * time.Second
	}
	for last := time.Now(); ; {
		moved := a.o.Service.JobsChanged()
		event, data, changed, final, err := look()
		switch {
		case err != nil && !c.Writer.Written():
			return err
		case err != nil:
			c.SSEvent(errorEvent, failed(c, err))
			c.Writer.Flush()
			return err
		case changed || final:
			c.Header("X-Accel-Buffering", "no") // or nginx holds events back
			c.SSEvent(event, data)
			c.Writer.Flush()
			last = time.Now()
		case time.Since(last) >= beat:
			_, _ = c.Writer.WriteString(": still at work\n\n")
			c.Writer.Flush()
			last = time.Now()
		}
		if final {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-moved:
		case <-time.After(min(time.Second, beat)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// escapePath escapes a document's name for an address, leaving its slashes.
func escapePath(name string) string { return (&url.URL{Path: name}).EscapedPath() }
