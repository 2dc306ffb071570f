// Package httpapi is the doc-processor's HTTP surface.
package httpapi

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/problem"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/understand"
	"signpost.internal/services/doc-processor/internal/vision"
)

// receiveTimeout is what an upload may take on top of the reading, which may wait
// for others as long as it may take.
const receiveTimeout = 5 * time.Minute

// formOverhead is room for a multipart form around the file, in bytes.
const formOverhead = 64 << 10

// reader receives and reads documents.
type reader interface {
	Receive() (*document.Upload, error)
	Picture(ctx context.Context, f document.File, page int) ([]byte, error)
}

// model names what answers when a model is asked.
type model interface {
	Status(ctx context.Context) provider.Status
}

// Options are what the API needs.
type Options struct {
	Documents reader
	Jobs      jobs
	// OCR returns nil or why optical character recognition does not work.
	OCR             func(context.Context) error
	Model           model
	Version         string
	PDFReader       string
	OCRLanguages    []string
	MaxUpload       int64 // bytes
	MaxPages        int
	DocumentTimeout time.Duration
	Vision          bool // whether pages are described by a model
	Cloud           bool // whether LlamaParse may be chosen
	Webhooks        bool // whether somebody may be told of a job's end
	// Heartbeat is after what time an event stream says something again.
	Heartbeat time.Duration
}

// API answers the requests.
type API struct{ options Options }

// New returns the API.
func New(o Options) *API { return &API{options: o} }

// Reads are the routes that store nothing though their method could, as for
// [httpserver.Options].
func Reads() []string { return []string{"POST /process", "POST /classify"} }

// Register adds the routes.
func (a *API) Register(router gin.IRouter) {
	quick := httpserver.Limit(formOverhead, 30*time.Second)
	router.GET("/", quick, a.root)
	router.GET("/capabilities", quick, a.capabilities)
	router.POST("/process",
		httpserver.Limit(a.options.MaxUpload+formOverhead, receiveTimeout+2*a.options.DocumentTimeout),
		problem.Handler(a.process))
	router.POST("/classify",
		httpserver.Limit(a.options.MaxUpload+formOverhead, receiveTimeout+2*a.options.DocumentTimeout),
		problem.Handler(a.classify))
	a.registerJobs(router)
}

func (a *API) root(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{
		"service":            "doc-processor",
		"version":            a.options.Version,
		"description":        "Reads PDFs, images and text files into text, page by page.",
		"status":             "running",
		"processing_methods": a.methods(c.Request.Context()),
		"endpoints": gin.H{
			"health":       "GET /health",
			"ready":        "GET /ready",
			"metrics":      "GET /metrics",
			"capabilities": "GET /capabilities",
			"process":      "POST /process",
			"classify":     "POST /classify",
			"job":          "POST /jobs",
			"job_state":    "GET /jobs/{id}",
			"job_events":   "GET /jobs/{id}/events",
			"job_result":   "GET /jobs/{id}/result",
			"job_page":     "GET /jobs/{id}/pages/{n}.png",
			"job_deletion": "DELETE /jobs/{id}",
		},
	})
}

// Health is the body of GET /health.
type Health struct {
	Status              string   `json:"status"`
	LlamaparseAvailable bool     `json:"llamaparse_available"`
	OCRServiceAvailable bool     `json:"ocr_service_available"`
	ProcessingMethods   []string `json:"processing_methods"`
	Provider            string   `json:"provider"`
	Model               string   `json:"model"`
}

// Health reports what the service can do now.
func (a *API) Health(ctx context.Context) any {
	status := a.options.Model.Status(ctx)
	h := Health{
		Status:            "healthy",
		ProcessingMethods: a.methods(ctx),

		LlamaparseAvailable: a.options.Cloud,
		Provider:            status.Provider,
		Model:               status.Model,
	}
	h.OCRServiceAvailable = slices.Contains(h.ProcessingMethods, string(document.Tesseract))
	return h
}

// visionDescription is the vision pass among the methods. It is no page's
// method, as it yields no text.
const visionDescription = "vision_description"

// methods lists what is done with documents now.
func (a *API) methods(ctx context.Context) []string {
	methods := []string{string(document.TextLayer)}
	if a.options.OCR(ctx) == nil {
		methods = append(methods, string(document.Tesseract))
	}
	if a.options.Vision {
		methods = append(methods, visionDescription)
	}
	if a.options.Cloud {
		methods = append(methods, string(document.LlamaParse))
	}
	return methods
}

type capabilities struct {
	MediaTypes   []document.Kind `json:"media_types"`
	Parsers      []string        `json:"parsers"` // what the form field parser may say
	Webhooks     bool            `json:"webhooks"`
	Methods      []string        `json:"methods"`
	PDFReader    string          `json:"pdf_reader"`
	OCRLanguages []string        `json:"ocr_languages"`
	UsesModel    bool            `json:"uses_model"`
	MaxBytes     int64           `json:"max_bytes"`
	MaxPages     int             `json:"max_pages"`
	Seconds      float64         `json:"timeout_seconds"`
}

func (a *API) capabilities(c *gin.Context) {
	c.JSON(http.StatusOK, capabilities{
		MediaTypes:   document.Kinds(),
		Parsers:      a.parsers(),
		Webhooks:     a.options.Webhooks,
		Methods:      a.methods(c.Request.Context()),
		PDFReader:    a.options.PDFReader,
		OCRLanguages: a.options.OCRLanguages,
		UsesModel:    a.options.Vision,
		MaxBytes:     a.options.MaxUpload,
		MaxPages:     a.options.MaxPages,
		Seconds:      a.options.DocumentTimeout.Seconds(),
	})
}

// local is the parser that reads documents on this machine.
const local = "local"

func (a *API) parsers() []string {
	if a.options.Cloud {
		return []string{local, string(document.LlamaParse)}
	}
	return []string{local}
}

// inCloud reports whether the form chooses LlamaParse, and fails where that is
// not allowed.
func (a *API) inCloud(form httpserver.Form) (bool, error) {
	detail := "one of " + strings.Join(a.parsers(), ", ")
	switch parser := form.Get("parser"); {
	case parser == "" || parser == local:
		return false, nil
	case parser == string(document.LlamaParse) && a.options.Cloud:
		return true, nil
	case parser == string(document.LlamaParse):
		detail += "; LlamaParse, to which the document would be sent over the internet, is not allowed here (ALLOW_CLOUD_PARSING)"
	}
	return false, &fault.Error{Kind: fault.Invalid, Detail: "The document cannot be read in the way that was asked for.", Fields: []fault.Field{{Name: "parser", Detail: detail}}}
}

type processed struct {
	Markdown       string          `json:"markdown"`
	Method         document.Method `json:"method"`
	Pages          int             `json:"pages"`
	Success        bool            `json:"success"`
	Error          *string         `json:"error"` // always null: failures are problem documents
	ProcessingTime float64         `json:"processing_time"`
	MediaType      document.Kind   `json:"media_type"`
	PageResults    []pageResult    `json:"page_results"`
	Warnings       []string        `json:"warnings"`
	// Understanding is there when it was asked for.
	Understanding *understand.Result `json:"understanding,omitempty"`
}

type pageResult struct {
	Page       int             `json:"page"`
	Attachment string          `json:"attachment,omitempty"` // of a mail, that the page is of
	Method     document.Method `json:"method"`
	Confidence *float64        `json:"confidence"`
	Text       string          `json:"text"`
	Header     string          `json:"header,omitempty"`
	Footer     string          `json:"footer,omitempty"`
	Stamps     []string        `json:"stamps,omitempty"`
	Reason     string          `json:"reason,omitempty"`   // why it was read by OCR, or not at all
	Doubts     []doubtResult   `json:"doubts,omitempty"`   // numbers read with doubt
	Words      []wordResult    `json:"words,omitempty"`    // with include=words
	Prepared   []string        `json:"prepared,omitempty"` // what was done to the page's image before OCR
	Error      string          `json:"error,omitempty"`
	Vision     *visionResult   `json:"vision,omitempty"`
}

// wordResult is a word at its place: left, top, right and bottom in fractions of
// the page, as the page's picture takes them.
type wordResult struct {
	Text       string     `json:"text"`
	Box        [4]float64 `json:"box"`
	Confidence float64    `json:"confidence"`
}

// doubtResult is a number that was read with doubt.
type doubtResult struct {
	wordResult
	Other   string `json:"other,omitempty"`   // what a second look read
	Picture string `json:"picture,omitempty"` // of a job: the page with the number marked
	Crop    []byte `json:"crop,omitempty"`    // with include=crops: a PNG file in base64
}

// included is what a caller asks for beside the text.
type included struct{ words, crops bool }

// parseIncluded reads the query parameter include, a list joined by commas.
func parseIncluded(c *gin.Context) (included, error) {
	var in included
	for _, list := range c.QueryArray("include") {
		for name := range strings.SplitSeq(list, ",") {
			switch strings.TrimSpace(name) {
			case "words":
				in.words = true
			case "crops":
				in.crops = true
			case "":
			default:
				return in, fault.Newf(fault.Invalid, "There is no %q to include. There are words and crops.", name)
			}
		}
	}
	return in, nil
}

func toWord(w document.Word) wordResult {
	return wordResult{Text: w.Text, Box: [4]float64{w.Left, w.Top, w.Right, w.Bottom}, Confidence: math.Round(w.Confidence*1000) / 1000}
}

// visionResult is what a model said of the page's look. It is no part of text.
type visionResult struct {
	Description      string   `json:"description"`
	Provider         string   `json:"provider"`
	Model            string   `json:"model"`
	MachineDescribed bool     `json:"machine_described"` // always true
	Warnings         []string `json:"warnings"`
}

// process reads the file of a multipart form.
func (a *API) process(c *gin.Context) error {
	start := time.Now()
	form, err := httpserver.Negotiate(c.Request.Header.Values("Accept"), asJSON, asSSE, asLines)
	if err != nil {
		return err
	}
	in, err := parseIncluded(c)
	if err != nil {
		return err
	}
	upload, err := a.options.Documents.Receive()
	if err != nil {
		return err
	}
	// The file is in the spool only, which is emptied at the next start too.
	defer func() { _ = upload.Close() }()
	fields, err := httpserver.ReadForm(c, "file", &capped{w: upload, limit: a.options.MaxUpload})
	if err != nil {
		return err
	}
	file := document.File{Name: fields.FileName, Password: fields.Get("password")}
	if file.Cloud, err = a.inCloud(fields); err != nil {
		return err
	}
	understanding, err := asked(fields, "understand")
	if err != nil {
		return err
	}
	shape := func(r *document.Result, took time.Duration) processed {
		out := toWire(r, took, in, "")
		if understanding {
			u := understood(r, namesOf(fields))
			out.Understanding = &u
		}
		return out
	}
	if form != asJSON {
		return a.processStream(c, form, upload, file, shape)
	}
	result, err := upload.Read(c.Request.Context(), file)
	if err != nil {
		return err
	}
	answered(c, result.Pages)
	c.JSON(http.StatusOK, shape(result, time.Since(start)))
	return nil
}

// answered says in the headers which model described pages: that of the first
// of them, or of the first that was not described by the first choice.
func answered(c *gin.Context, pages []document.Page) {
	var by vision.Note
	for _, p := range pages {
		if p.Vision != nil && (by.Provider == "" || by.Fallback == "" && p.Vision.Fallback != "") {
			by = *p.Vision
		}
	}
	modelapi.Answered(c, by.Provider, by.Model, by.Fallback)
}

// toWire is the result as callers see it; job is the path of its job, if it has one.
func toWire(r *document.Result, took time.Duration, in included, job string) processed {
	out := processed{
		Markdown:       r.Markdown,
		Method:         r.Method,
		Pages:          len(r.Pages),
		Success:        true,
		ProcessingTime: took.Seconds(),
		MediaType:      r.Kind,
		PageResults:    make([]pageResult, len(r.Pages)),
		Warnings:       append([]string{}, r.Warnings...),
	}
	for i, p := range r.Pages {
		out.PageResults[i] = pageResult{
			Page: p.Number, Attachment: p.Attachment, Method: p.Method, Confidence: p.Confidence, Text: p.Text,
			Header: p.Header, Footer: p.Footer, Stamps: p.Stamps, Reason: p.Reason, Prepared: p.Prepared, Error: p.Error,
		}
		to := &out.PageResults[i]
		for _, d := range p.Doubts {
			doubt := doubtResult{wordResult: toWord(d.Word), Other: d.Other}
			if job != "" {
				doubt.Picture = fmt.Sprintf("%s/pages/%d.png?box=%g,%g,%g,%g", job, p.Number, d.Left, d.Top, d.Right, d.Bottom)
			}
			if in.crops {
				doubt.Crop = d.Crop
			}
			to.Doubts = append(to.Doubts, doubt)
		}
		if in.words {
			for _, w := range p.Words {
				to.Words = append(to.Words, toWord(w))
			}
		}
		if v := p.Vision; v != nil {
			out.PageResults[i].Vision = &visionResult{
				Description: v.Description, Provider: v.Provider, Model: v.Model,
				MachineDescribed: true, Warnings: append([]string{}, v.Warnings...),
			}
		}
	}
	return out
}

// capped refuses to write more than its limit.
type capped struct {
	w     io.Writer
	limit int64
	done  int64
}

func (c *capped) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	if c.done > c.limit {
		return 0, fault.Newf(fault.TooLarge, "The file is larger than the %d MiB that are accepted.", c.limit>>20)
	}
	return c.w.Write(p)
}
