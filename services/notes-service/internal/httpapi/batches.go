package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/notes-service/internal/batch"
	"signpost.internal/services/notes-service/internal/drafting"
)

// batches writes many letters in the background.
type batches interface {
	Submit(items []batch.Item, key string) (batch.Job, error)
	Get(id string) (batch.Job, error)
	Result(id string, number int) (ref string, r *batch.Result, err error)
	Cancel(ctx context.Context, id string) (batch.Job, error)
	Delete(ctx context.Context, id string) (batch.Receipt, error)
	DeleteClient(client string) (batch.ClientReceipt, error)
}

const (
	maxBatch       = 32 << 20 // bytes
	receiveTimeout = 2 * time.Minute
	linesType      = "application/x-ndjson"
)

// RegisterBatches adds the routes of batches.
func (a *API) RegisterBatches(router gin.IRouter, b batches) {
	a.batches = b
	quick := httpserver.Limit(4<<10, quickly)
	router.POST("/batches", httpserver.Limit(maxBatch, receiveTimeout), problem.Handler(a.createBatch))
	router.GET("/batches/:id", quick, problem.Handler(a.showBatch))
	router.GET("/batches/:id/results", httpserver.Limit(4<<10, receiveTimeout), problem.Handler(a.batchResults))
	router.GET("/batches/:id/items/:item", httpserver.Limit(4<<10, a.options.Timeout+30*time.Second), problem.Handler(a.batchItem))
	router.POST("/batches/:id/cancel", quick, problem.Handler(a.cancelBatch))
	router.DELETE("/batches/:id", quick, problem.Handler(a.deleteBatch))
}

// Make writes the letter of a batch's item, as for [batch.Options].
func (a *API) Make(ctx context.Context, item batch.Item, key string) (*batch.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout+30*time.Second)
	defer cancel()
	r := item.Request
	r.ID = item.Draft
	d, err := a.options.Drafts.Draft(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := a.keep(ctx, d, r, key); err != nil {
		return nil, err
	}
	answer, err := json.Marshal(wire(d))
	if err != nil {
		return nil, err
	}
	return &batch.Result{State: batch.Done, Draft: answer, Letter: d.Letter, Format: item.Format}, nil
}

type batchBody struct {
	ID       string              `json:"id"`
	State    batch.State         `json:"state"`
	Created  time.Time           `json:"created"`
	Finished *time.Time          `json:"finished"`
	Items    int                 `json:"items"`
	Counts   map[batch.State]int `json:"counts"` // of the items by their states
}

func toBatch(j batch.Job) batchBody {
	b := batchBody{ID: j.ID, State: j.State, Created: j.Created, Items: j.Items, Counts: j.Counts}
	if j.State.Finished() {
		b.Finished = &j.Finished
	}
	return b
}

// createBatch receives a batch: a JSON array, or JSON lines.
func (a *API) createBatch(c *gin.Context) error {
	entries, err := readBatch(c)
	if err != nil {
		return err
	}
	if n := len(entries); n == 0 || n > batch.MaxItems {
		return fault.Newf(fault.Invalid, "The batch has %d items; 1 to %d are accepted.", n, batch.MaxItems)
	}
	items := make([]batch.Item, len(entries))
	for i, entry := range entries {
		items[i] = toItem(entry)
	}
	j, err := a.batches.Submit(items, httpserver.Caller(c))
	if err != nil {
		return err
	}
	a.options.Logger.LogAttrs(c.Request.Context(), slog.LevelInfo, "audit", slog.String("event", "batch_received"), slog.String("batch", j.ID), slog.Int("items", j.Items), slog.String("key", httpserver.Caller(c)))
	c.Header("Location", "/batches/"+j.ID)
	c.JSON(http.StatusAccepted, toBatch(j))
	return nil
}

// readBatch divides the body into its items.
func readBatch(c *gin.Context) ([]json.RawMessage, error) {
	kind, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type"))
	lines := kind == linesType || kind == "application/jsonl"
	if !lines && kind != "application/json" {
		return nil, fault.New(fault.Unsupported, "The body must be a JSON array (Content-Type: application/json) or JSON lines (Content-Type: "+linesType+").")
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return nil, httpserver.BodyError(c.Request.Context(), err)
	}
	if !utf8.Valid(body) {
		return nil, fault.New(fault.Malformed, "The body is not valid UTF-8.")
	}
	if !lines {
		var entries []json.RawMessage
		if err := json.Unmarshal(body, &entries); err != nil {
			var wrongType *json.UnmarshalTypeError
			if errors.As(err, &wrongType) {
				return nil, fault.Newf(fault.Invalid, "The body is a JSON %s; an array of objects is accepted.", wrongType.Value)
			}
			return nil, fault.New(fault.Malformed, "The body is not valid JSON.")
		}
		return entries, nil
	}
	var entries []json.RawMessage
	number := 0
	for line := range bytes.Lines(body) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			return nil, fault.Newf(fault.Malformed, "Line %d is not valid JSON: each line is one object.", number)
		}
		entries = append(entries, line)
	}
	return entries, nil
}

// entry is an item as callers send it.
type entry struct {
	order
	Ref *string `json:"ref"`
}

// toItem reads an item. One that cannot be written says why; the others of its
// batch are.
func toItem(raw json.RawMessage) batch.Item {
	var item batch.Item
	refuse := func(err error) batch.Item {
		doc := problem.Of(err)
		item.Refused = &doc
		return item
	}
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return refuse(fault.New(fault.Invalid, "The item is no object, or a field of it has the wrong type."))
	}
	item.Ref = trimmed(e.Ref)
	if bad := checkLine("ref", item.Ref); bad != nil {
		item.Ref = ""
		return refuse(invalid(bad))
	}
	if e.Notes == nil {
		return refuse(invalid([]fault.Field{{Name: "notes", Detail: "is required"}}))
	}
	if len(*e.Notes) > maxBody {
		return refuse(fault.New(fault.TooLarge, "The notes are larger than the 1 MiB that are accepted."))
	}
	format, err := parseFormat(trimmed(e.Format))
	if err != nil {
		return refuse(err)
	}
	item.Format = format
	if item.Request, err = e.request(); err != nil {
		// The client's name stays, by which the item can be deleted.
		item.Request = drafting.Request{Client: item.Request.Client}
		return refuse(err)
	}
	return item
}

func (a *API) showBatch(c *gin.Context) error {
	j, err := a.batches.Get(c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, toBatch(j))
	return nil
}

type batchItemBody struct {
	Item    int               `json:"item"`
	Ref     string            `json:"ref"`
	State   batch.State       `json:"state"`
	Draft   json.RawMessage   `json:"draft"`   // as /convert answers it; null unless it is done
	Problem *problem.Document `json:"problem"` // null unless it failed
	// Document is the letter's file, when it is asked for within JSON.
	Document *document `json:"document,omitempty"`
}

func toBatchItem(number int, ref string, r *batch.Result) batchItemBody {
	return batchItemBody{Item: number, Ref: ref, State: r.State, Draft: r.Draft, Problem: r.Problem}
}

// batchResults streams a line of JSON for each item, finished or not.
func (a *API) batchResults(c *gin.Context) error {
	id := c.Param("id")
	j, err := a.batches.Get(id)
	if err != nil {
		return err
	}
	c.Header("Content-Type", linesType)
	c.Header("Cache-Control", "no-store")
	out := json.NewEncoder(c.Writer)
	for number := 1; number <= j.Items; number++ {
		ref, r, err := a.batches.Result(id, number)
		if err != nil {
			doc := problem.Of(err)
			r = &batch.Result{State: batch.Failed, Problem: &doc}
		}
		if err := out.Encode(toBatchItem(number, ref, r)); err != nil {
			return err // the caller is gone
		}
	}
	return nil
}

// batchItem answers one item: its letter in its format, or in the one that is
// asked for here.
func (a *API) batchItem(c *gin.Context) error {
	number, err := strconv.Atoi(c.Param("item"))
	if err != nil {
		return fault.New(fault.NotFound, "Items are named by their numbers, from 1 on.")
	}
	ref, r, err := a.batches.Result(c.Param("id"), number)
	if err != nil {
		return err
	}
	format := r.Format
	if c.Query("format") != "" || format == "" {
		if format, err = formatOf(c, ""); err != nil {
			return err
		}
	}
	body := toBatchItem(number, ref, r)
	if r.State != batch.Done || format == drafting.JSON {
		c.JSON(http.StatusOK, body)
		return nil
	}
	file, err := a.options.Drafts.Write(c.Request.Context(), r.Letter, format)
	if err != nil {
		return err
	}
	if namesJSON(c) {
		body.Document = toDocument(file)
		describe(c, file)
		c.JSON(http.StatusOK, body)
		return nil
	}
	sendFile(c, file, r.Letter)
	return nil
}

func (a *API) cancelBatch(c *gin.Context) error {
	j, err := a.batches.Cancel(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, toBatch(j))
	return nil
}

func (a *API) deleteBatch(c *gin.Context) error {
	r, err := a.batches.Delete(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"id": r.ID, "stopped": r.Stopped, "files_deleted": r.Files, "bytes_deleted": r.Bytes, "files_left": r.Left})
	return nil
}
