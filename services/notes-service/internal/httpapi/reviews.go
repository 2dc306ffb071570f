package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/paper"
	"signpost.internal/services/notes-service/internal/review"
)

// reviews notes drafts and what is decided about them.
type reviews interface {
	Save(ctx context.Context, d review.Draft) error
	Decide(ctx context.Context, id string, d review.Decision) (review.Draft, error)
}

// kept is the record where it is kept.
type kept interface {
	reviews
	Get(ctx context.Context, id string) (review.Draft, []review.Decision, error)
	List(ctx context.Context, state review.State, limit int) ([]review.Summary, error)
	Delete(ctx context.Context, id string) (review.Receipt, error)
	DeleteClient(ctx context.Context, client string) (review.Receipt, error)
}

const (
	maxDecision = 1<<20 + 16<<10 // bytes: a letter's text and the JSON around it
	maxListed   = 200
	quickly     = 30 * time.Second
)

func (a *API) registerReviews(router gin.IRouter) {
	quick := httpserver.Limit(4<<10, quickly)
	router.GET("/drafts", quick, problem.Handler(a.listDrafts))
	router.GET("/drafts/:id", httpserver.Limit(4<<10, a.options.Timeout+30*time.Second), problem.Handler(a.showDraft))
	router.DELETE("/drafts/:id", quick, problem.Handler(a.deleteDraft))
	router.POST("/drafts/:id/decision", httpserver.Limit(maxDecision, quickly), problem.Handler(a.decide))
	router.POST("/deletions", quick, problem.Handler(a.deleteClient))
}

// keep notes a draft in the review record, and that there is one in the log. Only
// after it may the draft be answered.
func (a *API) keep(ctx context.Context, d *drafting.Draft, r drafting.Request, key string) error {
	answer, err := json.Marshal(wire(d))
	if err != nil {
		return err
	}
	err = a.options.Reviews.Save(ctx, review.Draft{
		ID: d.ID, Created: time.Now().UTC(), Client: r.Client, Template: d.Template.Name, Method: string(d.Note.Method),
		Unproved: d.Unproved, Notes: r.Notes, Answer: answer, Letter: d.Letter, Key: key,
	})
	if err != nil {
		return err
	}
	a.audit(ctx, "drafted", d.ID, key, slog.String("template", d.Template.Name), slog.String("method", string(d.Note.Method)),
		slog.Bool("ready", d.Ready()), slog.Int("facts", len(d.Note.Facts)), slog.Int("warnings", len(d.Note.Warnings)))
	return nil
}

// audit writes the line about what became of a draft. It has no content.
func (a *API) audit(ctx context.Context, event, id, key string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("event", event), slog.String("draft", id)}, attrs...)
	if key != "" {
		attrs = append(attrs, slog.String("key", key))
	}
	a.options.Logger.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
}

// store returns the record, or says that there is none.
func (a *API) store() (kept, error) {
	if s, ok := a.options.Reviews.(kept); ok {
		return s, nil
	}
	return nil, fault.New(fault.NotFound, "This service keeps no drafts. NOTES_KEEP=true keeps them, with what is decided about them.")
}

type decisionBody struct {
	Decision *string `json:"decision" binding:"required"`
	Reason   string  `json:"reason"`
	Text     string  `json:"text"`
	Unproved bool    `json:"accept_unproved"`
}

// decide records what an adviser decided about a draft.
func (a *API) decide(c *gin.Context) error {
	var req decisionBody
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	key := httpserver.Caller(c)
	decision := review.Decision{
		Action: review.Action(*req.Decision), Reason: strings.TrimSpace(req.Reason), Text: strings.TrimSpace(req.Text),
		Unproved: req.Unproved, Key: key,
	}
	d, err := a.options.Reviews.Decide(c.Request.Context(), c.Param("id"), decision)
	if err != nil {
		return err
	}
	a.audit(c.Request.Context(), string(decision.Action), d.ID, key, slog.String("template", d.Template), slog.String("method", d.Method),
		slog.String("state", string(d.State)), slog.Bool("ready", d.Unproved == ""), slog.Int("text_bytes", len(decision.Text)), slog.Int("reason_bytes", len(decision.Reason)))
	_, keeps := a.options.Reviews.(kept)
	c.JSON(http.StatusOK, gin.H{"id": d.ID, "state": d.State, "ready": d.State != review.Rejected && d.Unproved == "", "not_proved": d.Unproved, "kept": keeps})
	return nil
}

type keptBody struct {
	ID        string       `json:"id"`
	Created   time.Time    `json:"created"`
	State     review.State `json:"state"`
	Client    string       `json:"client_name"`
	Template  string       `json:"template"`
	NotProved string       `json:"not_proved"`
	Key       string       `json:"key,omitempty"`
	Notes     string       `json:"notes"`
	// Text is the letter's Markdown as it stands, edited or not; Draft what the
	// caller of /convert was answered.
	Text      string          `json:"text"`
	Draft     json.RawMessage `json:"draft"`
	Decisions []keptDecision  `json:"decisions"`
	Document  *document       `json:"document,omitempty"`
}

type keptDecision struct {
	At       time.Time     `json:"at"`
	Decision review.Action `json:"decision"`
	Reason   string        `json:"reason,omitempty"`
	Diff     string        `json:"diff,omitempty"`
	Key      string        `json:"key,omitempty"`
}

// standing is the letter with the mark that its state asks for.
func standing(d review.Draft) paper.Letter {
	switch d.State {
	case review.Accepted:
		return d.Letter.NotProved("")
	case review.Rejected:
		return d.Letter.NotProved("rejected by the adviser")
	default:
		return d.Letter.NotProved(d.Unproved)
	}
}

// showDraft answers a kept draft, as JSON or as a file.
func (a *API) showDraft(c *gin.Context) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	format, err := formatOf(c, "")
	if err != nil {
		return err
	}
	d, decisions, err := store.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	letter := standing(d)
	about(c, d.ID, strings.TrimPrefix(letter.Mark, letter.Label+": "))
	body := keptBody{
		ID: d.ID, Created: d.Created, State: d.State, Client: d.Client, Template: d.Template, NotProved: d.Unproved,
		Key: d.Key, Notes: d.Notes, Text: d.Letter.Markdown, Draft: d.Answer, Decisions: []keptDecision{},
	}
	for _, one := range decisions {
		body.Decisions = append(body.Decisions, keptDecision{At: one.At, Decision: one.Action, Reason: one.Reason, Diff: one.Diff, Key: one.Key})
	}
	if format != drafting.JSON {
		file, err := a.options.Drafts.Write(c.Request.Context(), letter, format)
		if err != nil {
			return err
		}
		if !namesJSON(c) {
			sendFile(c, file, letter)
			return nil
		}
		describe(c, file)
		body.Document = toDocument(file)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, body)
	return nil
}

type summaryBody struct {
	ID       string       `json:"id"`
	Created  time.Time    `json:"created"`
	Client   string       `json:"client_name"`
	Template string       `json:"template"`
	State    review.State `json:"state"`
	Unproved string       `json:"not_proved"`
}

// listDrafts lists the newest drafts, with ?state= those of a state.
func (a *API) listDrafts(c *gin.Context) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	state := review.State(c.Query("state"))
	if !slices.Contains([]review.State{"", review.Open, review.Edited, review.Accepted, review.Rejected}, state) {
		return invalid([]fault.Field{{Name: "state", Detail: "is not one of: open, edited, accepted, rejected"}})
	}
	all, err := store.List(c.Request.Context(), state, maxListed)
	if err != nil {
		return err
	}
	list := []summaryBody{}
	for _, d := range all {
		list = append(list, summaryBody(d))
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"drafts": list, "limit": maxListed})
	return nil
}

func (a *API) deleteDraft(c *gin.Context) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	r, err := store.Delete(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	a.audit(c.Request.Context(), "deleted", c.Param("id"), httpserver.Caller(c), slog.Int("drafts", r.Drafts), slog.Int("decisions", r.Decisions))
	c.JSON(http.StatusOK, toReceipt(r))
	return nil
}

type receiptBody struct {
	Drafts    int      `json:"drafts_deleted"`
	Decisions int      `json:"decisions_deleted"`
	Bytes     int64    `json:"bytes_deleted"`
	SHA256    []string `json:"sha256"` // of each draft's notes and letter
	Remaining int      `json:"drafts_remaining"`
}

func toReceipt(r review.Receipt) receiptBody { return receiptBody(r) }

// clientReceipt is what was deleted of a client, in the record and in batches.
type clientReceipt struct {
	receiptBody
	Kept      bool `json:"record_kept"` // whether there is a record at all (NOTES_KEEP)
	Items     int  `json:"batch_items_deleted"`
	Files     int  `json:"batch_files_deleted"`
	ItemsLeft int  `json:"batch_items_remaining"`
}

type deletion struct {
	ClientName *string `json:"client_name" binding:"required"`
}

// deleteClient deletes all there is of a client. The name is in the body, because
// addresses end in logs.
func (a *API) deleteClient(c *gin.Context) error {
	var req deletion
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	name := trimmed(req.ClientName)
	if name == "" {
		return invalid([]fault.Field{{Name: "client_name", Detail: "is empty: a client's drafts are deleted by the name that they were made with"}})
	}
	body := clientReceipt{receiptBody: receiptBody{SHA256: []string{}}}
	// First the batches: these refuse while one with the client's notes goes on,
	// which would make new drafts.
	if a.batches != nil {
		r, err := a.batches.DeleteClient(name)
		if err != nil {
			return err
		}
		body.Items, body.Files, body.ItemsLeft = r.Items, r.Files, r.Remaining
	}
	if store, ok := a.options.Reviews.(kept); ok {
		r, err := store.DeleteClient(c.Request.Context(), name)
		if err != nil {
			return err
		}
		body.receiptBody, body.Kept = toReceipt(r), true
	}
	a.audit(c.Request.Context(), "client_deleted", "", httpserver.Caller(c), slog.Int("drafts", body.Drafts), slog.Int("decisions", body.Decisions),
		slog.Int("batch_items", body.Items), slog.Int("remaining", body.Remaining+body.ItemsLeft))
	c.JSON(http.StatusOK, body)
	return nil
}
