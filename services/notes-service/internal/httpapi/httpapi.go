// Package httpapi is the notes-service's HTTP surface.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/note"
	"signpost.internal/services/notes-service/internal/paper"
	"signpost.internal/services/notes-service/internal/template"
)

const (
	maxBody       = 1 << 20 // bytes
	maxClientName = 200     // characters
)

// drafts makes drafts of letters.
type drafts interface {
	Draft(ctx context.Context, r drafting.Request) (*drafting.Draft, error)
	Write(ctx context.Context, l paper.Letter, f drafting.Format) (*drafting.File, error)
	Templates() *template.Set
	Tagged() bool
}

// model tells how the language model stands.
type model interface {
	Status(ctx context.Context) provider.Status
	Provider() string
	Model() string
}

// Options are what the API needs.
type Options struct {
	Drafts drafts
	// Reviews is a review.Store, or a review.Ledger where nothing is kept.
	Reviews reviews
	Logger  *slog.Logger
	Model   model
	Version string
	// Timeout is what the model may take; a request may take a little more.
	Timeout time.Duration
}

// API answers the requests.
type API struct {
	options Options
	batches batches // set with its routes
}

// New returns the API.
func New(o Options) *API { return &API{options: o} }

// Reads are the routes that store nothing though their method could, as for
// [httpserver.Options].
func Reads() []string { return []string{"POST /analyse", "POST /convert"} }

// Register adds the routes.
func (a *API) Register(router gin.IRouter) {
	router.GET("/", httpserver.Limit(4<<10, 10*time.Second), a.root)
	router.POST("/convert", httpserver.Limit(maxBody, a.options.Timeout+30*time.Second), problem.Handler(a.convert))
	a.registerRecord(router)
	router.GET("/templates", httpserver.Limit(4<<10, 10*time.Second), problem.Handler(a.templates))
	a.registerReviews(router)
}

func (a *API) root(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{
		"service":     "notes-service",
		"description": "Turns an adviser's notes into a draft Confirmation of Advice letter.",
		"version":     a.options.Version,
		"status":      "running",
		"provider":    a.options.Model.Provider(),
		"model":       a.options.Model.Model(),
		"endpoints": gin.H{
			"health":    "GET /health",
			"ready":     "GET /ready",
			"metrics":   "GET /metrics",
			"analyse":   "POST /analyse",
			"convert":   "POST /convert",
			"templates": "GET /templates",
			"batches":   "POST /batches, GET, DELETE /batches/:id, GET /batches/:id/results, /batches/:id/items/:item, POST /batches/:id/cancel",
			"drafts":    "GET /drafts, GET, DELETE /drafts/:id",
			"decide":    "POST /drafts/:id/decision",
			"delete":    "POST /deletions",
			"switch":    "GET, PUT /admin/provider",
		},
	})
}

// Health is the body of GET /health.
type Health struct {
	Status   string `json:"status"` // healthy with a model, ready without
	Ollama   string `json:"ollama"` // connected or checking, whatever the provider
	Provider string `json:"provider"`
	Model    string `json:"model"`
}

// Health says that the process lives, and how the model stands.
func (a *API) Health(ctx context.Context) any {
	status := a.options.Model.Status(ctx)
	body := Health{Status: "ready", Ollama: "checking", Provider: status.Provider, Model: status.Model}
	if status.Reachable {
		body.Status, body.Ollama = "healthy", "connected"
	}
	return body
}

type response struct {
	ID       string      `json:"id"` // of the draft
	Matters  string      `json:"matters_discussed"`
	Ours     string      `json:"our_actions"`
	Yours    string      `json:"your_actions"`
	FullText string      `json:"full_text"`
	Facts    []any       `json:"facts"` // fact or action
	Method   note.Method `json:"method"`
	Provider string      `json:"provider"`
	Model    string      `json:"model"`
	Fallback string      `json:"fallback"` // why the model was not the first choice; empty when it was
	// Notice says why rules were used or what of the model's was not accepted.
	Notice    string   `json:"notice"`
	Warnings  []string `json:"warnings"`
	Template  string   `json:"template"`
	Ready     bool     `json:"ready"`
	NotProved string   `json:"not_proved"` // why it is not ready; empty when it is
	proofBody
	// Document is the letter's file, when another format is asked for within JSON.
	Document *document `json:"document,omitempty"`
}

func (a *API) convert(c *gin.Context) error {
	var req order
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	if wantsStream(c) {
		r, err := req.request()
		if err != nil {
			return err
		}
		return a.stream(c, r)
	}
	format, err := formatOf(c, trimmed(req.Format))
	if err != nil {
		return err
	}
	r, err := req.request()
	if err != nil {
		return err
	}
	d, err := a.draft(c, r)
	if err != nil {
		return err
	}
	return a.answer(c, d, format)
}

// check refuses what is not notes or not a name.
func check(notes, name string) (fields []fault.Field) {
	switch {
	case strings.TrimFunc(notes, invisible) == "":
		fields = append(fields, fault.Field{Name: "notes", Detail: "is empty: the notes of a conversation are accepted, as plain text"})
	case strings.ContainsFunc(notes, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		fields = append(fields, fault.Field{Name: "notes", Detail: "holds control characters: plain text is accepted, with tabs and line breaks"})
	}
	switch {
	case utf8.RuneCountInString(name) > maxClientName:
		fields = append(fields, fault.Field{Name: "client_name", Detail: "is longer than the 200 characters that are accepted"})
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		fields = append(fields, fault.Field{Name: "client_name", Detail: "holds a line break or another control character: one line of text is accepted"})
	}
	return fields
}

// invisible tells white space and characters without a shape of their own.
func invisible(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Cf) }

func wire(d *drafting.Draft) response {
	l := d.Note
	return response{
		ID: d.ID, Template: d.Template.Name, Ready: d.Ready(), NotProved: d.Unproved,
		Matters: l.Matters, Ours: l.Ours, Yours: l.Yours, FullText: l.FullText,
		Method: l.Method, Provider: l.Provider, Model: l.Model, Fallback: l.Fallback, Notice: l.Notice,
		Warnings: warnings(d),
		Facts:    factsOf(l.Record.Facts), proofBody: proofOf(l),
	}
}
