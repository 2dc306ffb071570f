package httpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/problem"
)

// What a route may take when it does not say otherwise with [Limit].
const (
	defaultMaxBody = 64 << 10
	defaultTimeout = 30 * time.Second
)

// A caller's own request ID is kept when it is short and plain, so that it
// cannot forge log lines or headers.
var plainID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func requestID(c *gin.Context) {
	id := c.GetHeader(problem.RequestIDHeader)
	if !plainID.MatchString(id) {
		id = uuid.NewString()
	}
	c.Header(problem.RequestIDHeader, id)
	c.Next()
}

// freshDeadlines gives a request its own deadlines on the connection, until its
// route sets others: a write deadline of the request before would still hold.
// Recorders in tests have no deadlines.
func freshDeadlines(c *gin.Context) {
	conn := http.NewResponseController(c.Writer)
	_ = conn.SetReadDeadline(time.Now().Add(defaultTimeout))
	_ = conn.SetWriteDeadline(time.Now().Add(defaultTimeout))
	c.Next()
}

// methodOf returns the request's method, "other" for one that is not HTTP's own:
// each value that a caller can make up would be a metric kept for ever.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return r.Method
	}
	return "other"
}

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(r *prometheus.Registry) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signpost_http_requests_total", Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signpost_http_request_duration_seconds", Help: "Time from the first byte read to the last byte written.",
			Buckets: []float64{.005, .02, .1, .5, 1, 2.5, 5, 10, 30, 120, 600},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signpost_http_requests_in_flight", Help: "Requests being answered now.",
		}),
	}
	r.MustRegister(m.requests, m.duration, m.inFlight)
	return m
}

// observe writes the one access line of a request and counts it. The line has
// the route's pattern, never the path or the query, which may name a client. An
// error's text is logged only for failures of ours: what a client sent wrongly
// may hold its data.
func observe(logger *slog.Logger, m metrics) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		c.Next()

		route := c.FullPath()
		if route == "" {
			route = "unmatched"
		}
		took, status, method := time.Since(start), c.Writer.Status(), methodOf(c.Request)
		m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
		m.duration.WithLabelValues(route, method).Observe(took.Seconds())

		level := slog.LevelInfo
		attrs := []slog.Attr{
			slog.String("method", method),
			slog.String("route", route),
			slog.Int("status", status),
			slog.Int64("duration_ms", took.Milliseconds()),
			slog.Int("bytes", max(c.Writer.Size(), 0)),
			slog.String("request_id", c.Writer.Header().Get(problem.RequestIDHeader)),
		}
		if name := c.GetString(callerKey); name != "" {
			attrs = append(attrs, slog.String("key", name))
		}
		if last := c.Errors.Last(); last != nil {
			attrs = append(attrs, slog.String("fault", fault.KindOf(last.Err).String()))
			if status >= http.StatusInternalServerError && status != http.StatusNotImplemented {
				level = slog.LevelError
				attrs = append(attrs, slog.Any("error", last.Err))
			}
		}
		logger.LogAttrs(c.Request.Context(), level, "request", attrs...)
	}
}

// recovered turns a panic into an internal error with its stack in the log.
func recovered(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p) // the server's own way to drop a connection
		}
		problem.Write(c, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}()
	c.Next()
}

// The untouched body and context, kept so that a route's own limits replace the
// defaults instead of nesting inside them.
const rawRequestKey = "httpserver.raw"

func defaultLimit(c *gin.Context) {
	c.Set(rawRequestKey, c.Request)
	limit(c, defaultMaxBody, defaultTimeout)
	if c.Writer.Status() >= http.StatusBadRequest && c.Request.ContentLength != 0 {
		receiveRest(c)
	}
}

const (
	// A client that was refused may go on sending so much, for so long.
	maxRest  = 256 << 20
	restTime = 20 * time.Second
)

// receiveRest reads what a refused client is still sending. Most clients read
// the answer after they sent everything; a connection that is closed before
// reaches them as a reset in the answer's place.
func receiveRest(c *gin.Context) {
	c.Writer.Flush() // a client that does look may stop sending
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(restTime))
	_, _ = io.CopyN(io.Discard, c.MustGet(rawRequestKey).(*http.Request).Body, maxRest)
}

// Limit sets a route's own bounds: the largest body in bytes (beyond it reading
// fails, see [BodyError]) and how long the request may take in all, as a
// deadline of its context and of the connection.
func Limit(maxBody int64, timeout time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) { limit(c, maxBody, timeout) }
}

func limit(c *gin.Context, maxBody int64, timeout time.Duration) {
	raw := c.MustGet(rawRequestKey).(*http.Request)
	ctx, cancel := context.WithTimeout(raw.Context(), timeout)
	defer cancel()
	c.Request = raw.WithContext(ctx)
	c.Request.Body = http.MaxBytesReader(c.Writer, raw.Body, maxBody)

	// A slow sender or reader must not outlive the request. The margins let the
	// context's deadline speak first. Recorders in tests have no deadlines.
	conn := http.NewResponseController(c.Writer)
	_ = conn.SetReadDeadline(time.Now().Add(timeout + 5*time.Second))
	_ = conn.SetWriteDeadline(time.Now().Add(timeout + 30*time.Second))
	c.Next()
}
