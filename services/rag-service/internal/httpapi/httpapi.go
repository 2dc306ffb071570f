// Package httpapi is the HTTP side of the rag-service: routes, wire types and
// the checks of their form.
package httpapi

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"path"
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
func Reads() []string { return []string{"POST /query", "POST /search"} }

// Register adds the routes.
func (a *API) Register(r *gin.Engine) {
	const small = 16 << 10
	quick := httpserver.Limit(small, 10*time.Second)
	upload := httpserver.Limit(a.o.MaxUpload+1<<20, a.o.IngestTimeout)
	r.GET("/", quick, problem.Handler(a.root))
	r.GET("/stats", quick, problem.Handler(a.stats))
	r.GET("/debug/documents", quick, problem.Handler(a.debugDocuments))
	r.GET("/debug/sources", quick, problem.Handler(a.debugSources))
	r.POST("/query", httpserver.Limit(maxQuery, a.o.QueryTimeout), problem.Handler(a.query))
	r.POST("/search", httpserver.Limit(maxQuery, a.o.QueryTimeout), problem.Handler(a.search))
	r.POST("/ingest", upload, problem.Handler(a.ingest))
	r.POST("/ingest-pdf", upload, problem.Handler(a.ingestPDF))
	r.POST("/ingest-all-manuals", httpserver.Limit(small, a.o.IngestTimeout), problem.Handler(a.ingestAll))
	httpserver.Absent(r, absences())
}

func (a *API) ready(ctx context.Context) (rag.Size, bool) {
	size, err := a.o.Index.Size(ctx, rag.DefaultCollection)
	return size, err == nil && size.Chunks > 0
}

type root struct {
	Service          string            `json:"service"`
	Status           string            `json:"status"`
	VectorstoreReady bool              `json:"vectorstore_ready"`
	Endpoints        map[string]string `json:"endpoints"`
}

func (a *API) root(c *gin.Context) error {
	_, ready := a.ready(c.Request.Context())
	c.JSON(http.StatusOK, root{
		Service: "rag-service", Status: "healthy", VectorstoreReady: ready,
		Endpoints: map[string]string{
			"POST /query":              "Ask the manuals: {\"question\": …, \"top_k\": 4}. With Accept: text/event-stream the answer comes sentence by sentence.",
			"POST /search":             "Find passages without an answer: {\"question\": …, \"top_k\": 10}.",
			"POST /ingest":             "Ingest texts: {\"documents\": […], \"filenames\": […]}.",
			"POST /ingest-pdf":         "Ingest a PDF: multipart, field \"file\".",
			"POST /ingest-all-manuals": "Ingest the folder that MANUALS_PATH names.",
			"GET /stats":               "What the index holds, and how far an ingest has come.",
			"GET /debug/documents":     "The passages of the index: limit, offset, source.",
			"GET /debug/sources":       "The documents of the index.",
			"GET /health":              "Whether the process lives.",
			"GET /ready":               "Whether it can do its work, and if not why.",
			"GET /metrics":             "Figures for Prometheus.",
		},
	})
	return nil
}

type health struct {
	Status           string `json:"status"`
	Version          string `json:"version"`
	VectorstoreReady bool   `json:"vectorstore_ready"`
	LanggraphEnabled bool   `json:"langgraph_enabled"`
	AgentLoaded      bool   `json:"agent_loaded"`
	ThresholdsCached int    `json:"thresholds_cached"`
	DecisionTrees    int    `json:"decision_trees"`
	Mode             string `json:"mode"`
	Provider         string `json:"provider"`
	Model            string `json:"model"`
}

// Health returns the body of GET /health.
func (a *API) Health(ctx context.Context) any {
	_, ready := a.ready(ctx)
	status := a.o.Model.Status(ctx)
	return health{
		Status: "healthy", Version: apiVersion, VectorstoreReady: ready, Mode: "legacy",
		Provider: status.Provider, Model: status.Model,
	}
}

type stats struct {
	TotalChunks    int          `json:"total_chunks"`
	TotalDocuments int          `json:"total_documents"`
	CollectionName string       `json:"collection_name"`
	Status         string       `json:"status"` // ready or not_initialized
	Index          string       `json:"index"`  // embedded or qdrant
	Ingest         rag.Progress `json:"ingest"`
}

func (a *API) stats(c *gin.Context) error {
	size, ready := a.ready(c.Request.Context())
	c.JSON(http.StatusOK, stats{
		TotalChunks: size.Chunks, TotalDocuments: size.Documents, CollectionName: rag.DefaultCollection,
		Status: status(ready), Index: a.o.IndexKind, Ingest: a.o.Service.Progress(),
	})
	return nil
}

func status(ready bool) string {
	if ready {
		return "ready"
	}
	return "not_initialized"
}

type queryRequest struct {
	Question *string `json:"question" binding:"required"`
	Model    string  `json:"model"`
	TopK     *int    `json:"top_k"`
}

type queryResponse struct {
	Answer          string           `json:"answer"`
	Sources         []string         `json:"sources"`
	RetrievedChunks []retrievedChunk `json:"retrieved_chunks"` // null when top_k is 0
	Citations       []citation       `json:"citations"`
	Mode            rag.Mode         `json:"mode"`
	Refused         bool             `json:"refused"`
	Notice          string           `json:"notice,omitempty"`
	Provider        string           `json:"provider"` // ollama, vllm, or none when no model answered
	Model           string           `json:"model"`    // empty when none answered
	Fallback        string           `json:"fallback"` // why it was not the first choice; empty when it was
	Tokens          tokens           `json:"tokens"`
	Timings         timings          `json:"timings_ms"`
}

// tokens are zeros where no model answered or the engine did not say.
type tokens struct {
	Input  int `json:"input"`
	Output int `json:"output"`
}

// timings are milliseconds.
type timings struct {
	Search     float64 `json:"search"`
	Queue      float64 `json:"queue"`       // waited for a place on the model server
	FirstToken float64 `json:"first_token"` // from asking the model to its first token
	Total      float64 `json:"total"`
}

type retrievedChunk struct {
	Text    string `json:"text"`
	Source  string `json:"source"`
	ChunkID int    `json:"chunk_id"`
	Page    *int   `json:"page"`
}

type citation struct {
	Document string  `json:"document"`
	Source   string  `json:"source"`
	Page     *int    `json:"page"`
	Quote    string  `json:"quote"`
	Score    float64 `json:"score"`
}

func (a *API) query(c *gin.Context) error {
	form, err := httpserver.Negotiate(c.Request.Header.Values("Accept"), asJSON, asStream)
	if err != nil {
		return err
	}
	var req queryRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	question := rag.Question{Text: *req.Question, Model: req.Model, TopK: 4}
	if req.TopK != nil {
		question.TopK = *req.TopK
	}
	if form == asStream {
		return a.stream(c, question)
	}
	answer, err := a.o.Service.Ask(c.Request.Context(), question, nil)
	if err != nil {
		return err
	}
	modelapi.Answered(c, answer.Provider, answer.Model, answer.Fallback)
	c.JSON(http.StatusOK, responseOf(question, answer))
	return nil
}

func responseOf(q rag.Question, answer rag.Answer) queryResponse {
	sources, citations := cite(answer.Passages)
	out := queryResponse{
		Answer: answer.Text, Sources: sources, Citations: citations,
		Mode: answer.Mode, Refused: answer.Refused, Notice: answer.Notice,
		Provider: answer.Provider, Model: answer.Model, Fallback: answer.Fallback,
		Tokens: tokens{answer.Usage.InputTokens, answer.Usage.OutputTokens},
		Timings: timings{
			Search: milliseconds(answer.Timings.Search), Queue: milliseconds(answer.Timings.Queue),
			FirstToken: milliseconds(answer.Timings.FirstToken), Total: milliseconds(answer.Timings.Total),
		},
	}
	if q.TopK > 0 {
		out.RetrievedChunks = make([]retrievedChunk, len(answer.Passages))
		for i, p := range answer.Passages {
			out.RetrievedChunks[i] = retrievedChunk{Text: p.Text, Source: p.Source, ChunkID: p.Position, Page: page(p.Page)}
		}
	}
	return out
}

// cite lists passages, and their documents, each once.
func cite(passages []rag.Passage) (sources []string, citations []citation) {
	sources, citations = []string{}, make([]citation, len(passages))
	for i, p := range passages {
		if !slices.Contains(sources, p.Source) {
			sources = append(sources, p.Source)
		}
		citations[i] = citation{
			Document: p.Document(), Source: p.Source, Page: page(p.Page), Quote: p.Quote, Score: math.Round(p.Score*1000) / 1000,
		}
	}
	return sources, citations
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

type ingestRequest struct {
	Documents *[]string `json:"documents" binding:"required"`
	Filenames *[]string `json:"filenames" binding:"required"`
}

type ingestResponse struct {
	Success           bool     `json:"success"`
	DocumentsIngested int      `json:"documents_ingested"`
	ChunksCreated     int      `json:"chunks_created"`
	DecisionTreeRules int      `json:"decision_tree_rules"`
	NearMissRules     int      `json:"near_miss_rules"`
	GraphsExtracted   int      `json:"graphs_extracted"`
	GraphDetails      []any    `json:"graph_details"`
	ManualGraphID     *string  `json:"manual_graph_id"`
	Details           []detail `json:"details"`
}

type detail struct {
	Filename        string     `json:"filename"`
	Status          rag.Status `json:"status"`
	ExtractedLength int        `json:"extracted_length"`
	ChunksCreated   int        `json:"chunks_created"`
	Reason          string     `json:"reason,omitempty"`
}

// summary adds outcomes up. Documents that were there already count neither as
// ingested nor their chunks as created.
func summary(outcomes []rag.Outcome) ingestResponse {
	out := ingestResponse{Success: true, GraphDetails: []any{}, Details: []detail{}}
	for _, o := range outcomes {
		out.Details = append(out.Details, detailOf(o))
		switch o.Status {
		case rag.Success:
			out.DocumentsIngested++
			out.ChunksCreated += o.Chunks
		case rag.Failed:
			out.Success = false
		case rag.Unchanged, rag.Skipped:
		}
	}
	return out
}

func detailOf(o rag.Outcome) detail {
	d := detail{Filename: o.Source, Status: o.Status, ExtractedLength: o.Characters, Reason: o.Reason}
	if o.Status == rag.Success {
		d.ChunksCreated = o.Chunks
	}
	return d
}

func (a *API) ingest(c *gin.Context) error {
	var req ingestRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	documents, names := *req.Documents, *req.Filenames
	if len(documents) != len(names) {
		return fault.Newf(fault.Malformed, "There are %d documents and %d filenames: each document needs its name.", len(documents), len(names))
	}
	texts := make([]rag.Text, len(documents))
	for i := range documents {
		texts[i] = rag.Text{Name: names[i], Text: documents[i]}
	}
	outcomes, err := a.o.Service.IngestTexts(c.Request.Context(), rag.DefaultCollection, texts)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, summary(outcomes))
	return nil
}

type ingestPDFResponse struct {
	ingestResponse
	ExtractedTextLength int    `json:"extracted_text_length"`
	ExtractionPreview   string `json:"extraction_preview"`
}

// previewCharacters is how much of a document's text POST /ingest-pdf shows.
const previewCharacters = 500

func (a *API) ingestPDF(c *gin.Context) error {
	var file bytes.Buffer
	name, err := httpserver.ReadUpload(c, "file", &file)
	if err != nil {
		return err
	}
	if int64(file.Len()) > a.o.MaxUpload {
		return fault.Newf(fault.TooLarge, "The file is larger than the %d MiB that are accepted.", a.o.MaxUpload>>20)
	}
	if !strings.EqualFold(path.Ext(name), ".pdf") {
		return fault.New(fault.Malformed, "The file's name must end in .pdf. Texts can be sent to /ingest, and scans put into the folder that MANUALS_PATH names.")
	}
	ctx := c.Request.Context()
	key := rag.Key{Collection: rag.DefaultCollection, Source: name}
	outcome, err := a.o.Service.IngestFile(ctx, key, file.Bytes())
	if err != nil {
		return err
	}
	preview, err := a.o.Service.Preview(ctx, key, previewCharacters)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, ingestPDFResponse{
		ingestResponse:      summary([]rag.Outcome{outcome}),
		ExtractedTextLength: outcome.Characters,
		ExtractionPreview:   preview,
	})
	return nil
}

type ingestAllResponse struct {
	TotalFiles        int      `json:"total_files"`
	Successful        int      `json:"successful"`
	Failed            int      `json:"failed"`
	Details           []detail `json:"details"`
	MissingFromFolder []string `json:"missing_from_folder"`
}

func (a *API) ingestAll(c *gin.Context) error {
	report, err := a.o.Service.IngestFolder(c.Request.Context())
	if err != nil {
		return err
	}
	out := ingestAllResponse{TotalFiles: len(report.Outcomes), Details: []detail{}, MissingFromFolder: report.Missing}
	if out.MissingFromFolder == nil {
		out.MissingFromFolder = []string{}
	}
	for _, o := range report.Outcomes {
		out.Details = append(out.Details, detailOf(o))
		switch o.Status {
		case rag.Success, rag.Unchanged:
			out.Successful++
		case rag.Failed:
			out.Failed++
		case rag.Skipped:
			out.TotalFiles--
		}
	}
	c.JSON(http.StatusOK, out)
	return nil
}

type debugDocument struct {
	ID      string `json:"id"`
	Text    string `json:"text"`
	Source  string `json:"source"`
	Chunk   int    `json:"chunk"`
	Page    *int   `json:"page"`
	Preview string `json:"preview"`
}

type debugDocumentsResponse struct {
	Documents []debugDocument `json:"documents"`
	Total     int             `json:"total"`
	Limit     int             `json:"limit"`
	Offset    int             `json:"offset"`
	Status    string          `json:"status"`
}

// The bounds of a page of passages.
const (
	defaultLimit = 50
	maxLimit     = 1000
	previewRunes = 200
)

func (a *API) debugDocuments(c *gin.Context) error {
	limit, err := whole(c, "limit", defaultLimit)
	if err != nil {
		return err
	}
	offset, err := whole(c, "offset", 0)
	if err != nil {
		return err
	}
	limit = min(limit, maxLimit)
	source := c.Query("source")
	if !utf8.ValidString(source) {
		return fault.New(fault.Malformed, "The parameter source is not valid UTF-8.")
	}
	ctx := c.Request.Context()
	hits, total, err := a.o.Index.Chunks(ctx, rag.DefaultCollection, source, offset, limit)
	if err != nil {
		return err
	}
	_, ready := a.ready(ctx)
	out := debugDocumentsResponse{Documents: make([]debugDocument, len(hits)), Total: total, Limit: limit, Offset: offset, Status: status(ready)}
	for i, h := range hits {
		runes := []rune(h.Chunk.Text)
		out.Documents[i] = debugDocument{
			ID:     h.Source + "#" + strconv.Itoa(h.Chunk.Position),
			Text:   h.Chunk.Text,
			Source: h.Source, Chunk: h.Chunk.Position, Page: page(h.Chunk.Page),
			Preview: string(runes[:min(len(runes), previewRunes)]),
		}
	}
	c.JSON(http.StatusOK, out)
	return nil
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

type debugSourcesResponse struct {
	Sources      []string `json:"sources"`
	TotalSources int      `json:"total_sources"`
	Status       string   `json:"status"`
}

func (a *API) debugSources(c *gin.Context) error {
	ctx := c.Request.Context()
	documents, err := a.o.Index.Documents(ctx, rag.DefaultCollection)
	if err != nil {
		return err
	}
	_, ready := a.ready(ctx)
	out := debugSourcesResponse{Sources: make([]string, len(documents)), TotalSources: len(documents), Status: status(ready)}
	for i, d := range documents {
		out.Sources[i] = d.Source
	}
	c.JSON(http.StatusOK, out)
	return nil
}
