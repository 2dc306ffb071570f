// Package httpapi is the HTTP side of the rag-service: routes, wire types and
// the checks of their form.
package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// apiVersion is the version that GET /health has always named.
const apiVersion = "2.0.0"

// maxQuery is the largest body of a question in bytes.
const maxQuery = 128 << 10

// model names what answers when a model is asked.
type model interface {
	Status(ctx context.Context) provider.Status
}

// Options is what the API works with.
type Options struct {
	Service       *rag.Service
	Index         rag.Index
	IndexKind     string // embedded or qdrant
	Model         model
	MaxUpload     int64 // bytes of a file
	QueryTimeout  time.Duration
	IngestTimeout time.Duration
	// Heartbeat is how long a stream may be silent: then a comment is sent, so that
	// nobody on the way takes it for dead. 0 means 15 s.
	Heartbeat time.Duration
}

// API answers requests.
type API struct{ o Options }

// New returns the API.
func New(o Options) *API { return &API{o: o} }

// Reads are the routes that store nothing though their method could, as for
// [httpserver.Options].
func Reads() []string {
	return []string{"POST /query", "POST /agentic-query", "POST /search", "POST /v1/chat/completions"}
}

// Register adds the routes.
func (a *API) Register(r *gin.Engine) {
	const small = 16 << 10
	quick := httpserver.Limit(small, 10*time.Second)
	upload := httpserver.Limit(a.o.MaxUpload+1<<20, a.o.IngestTimeout)
	r.GET("/", quick, problem.Handler(a.root))
	r.GET("/stats", quick, problem.Handler(a.stats))
	r.GET("/debug/documents", quick, problem.Handler(a.debugDocuments))
	r.GET("/debug/sources", quick, problem.Handler(a.debugSources))
	r.POST("/query", httpserver.Limit(maxQuery, a.o.QueryTimeout), a.asking, problem.Handler(a.query))
	r.POST("/agentic-query", httpserver.Limit(maxQuery, a.o.QueryTimeout), a.asking, problem.Handler(a.agentic))
	r.POST("/search", httpserver.Limit(maxQuery, a.o.QueryTimeout), a.asking, problem.Handler(a.search))
	r.GET("/v1/models", quick, openAI(a.models))
	r.GET("/v1/models/*id", quick, openAI(a.model))
	r.POST("/v1/chat/completions", httpserver.Limit(maxChat, a.o.QueryTimeout), a.asking, openAI(a.chat))
	r.POST("/ingest", upload, problem.Handler(a.ingest))
	r.POST("/ingest-pdf", upload, problem.Handler(a.ingestPDF))
	r.POST("/ingest-all-manuals", httpserver.Limit(small, a.o.IngestTimeout), problem.Handler(a.ingestAll))
	a.registerDocuments(r, quick)
	a.registerJobs(r, quick)
	httpserver.Absent(r, absences())
}

// asking lets what goes on in the background give way to a question.
func (a *API) asking(c *gin.Context) {
	defer a.o.Service.Asking()()
	c.Next()
}

func (a *API) ready(ctx context.Context) (rag.Size, bool) {
	size, err := a.o.Index.Size(ctx, rag.DefaultCollection)
	return size, err == nil && size.Chunks > 0
}

func status(ready bool) string {
	if ready {
		return "ready"
	}
	return "not_initialized"
}

// milliseconds is exact to a microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// page is null for a source without pages.
func page(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func whole(c *gin.Context, name string, otherwise int) (int, error) {
	given, sent := c.GetQuery(name)
	if !sent || given == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 0 {
		return 0, &fault.Error{
			Kind: fault.Invalid, Detail: "A parameter is not acceptable.",
			Fields: []fault.Field{{Name: name, Detail: "must be a whole number from 0"}},
		}
	}
	return n, nil
}
