package httpapi

import (
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/rag-service/internal/rag"
)

// deletionTimeout bounds a deletion, the search for what was deleted included.
const deletionTimeout = 5 * time.Minute

func (a *API) registerDocuments(r *gin.Engine, quick gin.HandlerFunc) {
	const small = 16 << 10
	deletion := httpserver.Limit(small, deletionTimeout)
	r.GET("/documents", quick, problem.Handler(a.documents))
	r.POST("/documents", httpserver.Limit(uploadSize*a.o.MaxUpload, a.o.IngestTimeout), problem.Handler(a.sendDocuments))
	r.GET("/documents/*source", httpserver.Limit(small, time.Minute), problem.Handler(a.document))
	r.PATCH("/documents/*source", quick, problem.Handler(a.describe))
	r.DELETE("/documents/*source", deletion, problem.Handler(a.deleteDocument))
	r.GET("/collections", quick, problem.Handler(a.collections))
	r.POST("/collections", quick, problem.Handler(a.createCollection))
	r.GET("/collections/:name", quick, problem.Handler(a.collection))
	r.DELETE("/collections/:name", deletion, problem.Handler(a.deleteCollection))
	r.POST("/collections/:name/embedding", httpserver.Limit(small, time.Minute), problem.Handler(a.embed))
}

type document struct {
	Collection string `json:"collection"`
	Source     string `json:"source"`
	told
	// State is ready, embedding (found by words, not all of it by meaning yet), or the
	// state of the job that brings it in.
	State      string `json:"state"`
	SHA256     string `json:"sha256"`
	Pages      int    `json:"pages"`
	Chunks     int    `json:"chunks"`
	Embedded   int    `json:"embedded"`
	Characters int    `json:"characters"`
	Folder     bool   `json:"folder"` // it came from the manuals folder
	Original   string `json:"original"`
	// Job brings in a new edition, or failed to; null when there is none.
	Job *job `json:"job"`
}

func documentOf(d rag.DocumentInfo, embedding bool) document {
	out := document{
		Collection: d.Collection, Source: d.Source, told: toldOf(d.Metadata), State: "ready",
		SHA256: d.Hash, Pages: d.Pages, Chunks: d.Chunks, Embedded: d.Embedded, Characters: d.Characters, Folder: d.Folder,
		Original: "/documents/" + escapePath(d.Source) + originalSuffix + "?collection=" + d.Collection,
	}
	if embedding && d.Embedded == 0 {
		out.State = "embedding"
	}
	if d.Job != nil {
		j := jobOf(*d.Job)
		out.Job = &j
		if !d.There {
			out.State = string(j.State)
		}
	}
	return out
}

type documentsResponse struct {
	Collection string     `json:"collection"`
	Documents  []document `json:"documents"`
	Total      int        `json:"total"`
}

func (a *API) documents(c *gin.Context) error {
	ctx, name := c.Request.Context(), collectionOf(c)
	info, err := a.o.Service.CollectionNamed(ctx, name)
	if err != nil {
		return err
	}
	found, err := a.o.Service.Documents(ctx, name)
	if err != nil {
		return err
	}
	out := documentsResponse{Collection: name, Documents: make([]document, len(found)), Total: len(found)}
	for i, d := range found {
		out.Documents[i] = documentOf(d, info.Embedding != nil)
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// originalSuffix asks for the file that a document was read from.
const originalSuffix = "/original"

func keyOf(c *gin.Context) rag.Key {
	return rag.Key{Collection: collectionOf(c), Source: strings.TrimPrefix(c.Param("source"), "/")}
}

func (a *API) document(c *gin.Context) error {
	ctx, k := c.Request.Context(), keyOf(c)
	if source, ok := strings.CutSuffix(k.Source, originalSuffix); ok {
		k.Source = source
		return a.original(c, k)
	}
	info, err := a.o.Service.CollectionNamed(ctx, k.Collection)
	if err != nil {
		return err
	}
	d, err := a.o.Service.Document(ctx, k)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, documentOf(d, info.Embedding != nil))
	return nil
}

// original sends the file that a document was read from. What a browser could run
// is never among the types that are shown in it.
func (a *API) original(c *gin.Context, k rag.Key) error {
	data, err := a.o.Service.Original(c.Request.Context(), k)
	if err != nil {
		return err
	}
	mediaType, shown := http.DetectContentType(data), "inline"
	switch mediaType {
	case "application/pdf", "image/png", "image/jpeg", "image/webp", "image/bmp":
	default:
		mediaType, shown = "application/octet-stream", "attachment"
		if text, _ := rag.KindOf(k.Source); text {
			mediaType, shown = "text/plain; charset=utf-8", "inline"
		}
	}
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Content-Security-Policy", "sandbox; default-src 'none'")
	c.Header("Content-Disposition", mime.FormatMediaType(shown, map[string]string{"filename": path.Base(k.Source)}))
	c.Data(http.StatusOK, mediaType, data)
	return nil
}

// describeRequest holds what changes; fields that are absent stay, empty ones are
// unknown from then on.
type describeRequest struct {
	Title        *string `json:"title"`
	Edition      *string `json:"edition"`
	From         *string `json:"from"`
	Until        *string `json:"until"`
	Jurisdiction *string `json:"jurisdiction"`
}

func (a *API) describe(c *gin.Context) error {
	var req describeRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	ctx, k := c.Request.Context(), keyOf(c)
	d, err := a.o.Service.Describe(ctx, k, func(m *rag.Metadata) {
		for _, f := range []struct{ to, from *string }{
			{&m.Title, req.Title}, {&m.Edition, req.Edition}, {&m.From, req.From}, {&m.Until, req.Until}, {&m.Jurisdiction, req.Jurisdiction},
		} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, documentOf(d, false))
	return nil
}

type receipt struct {
	Collection string       `json:"collection"`
	Source     string       `json:"source,omitempty"`
	Proved     bool         `json:"proved"` // it was looked for and not found
	Started    time.Time    `json:"started"`
	Finished   time.Time    `json:"finished"`
	SHA256     []string     `json:"sha256"` // of the originals that were removed
	Before     holding      `json:"before"`
	After      holding      `json:"after"`
	Checks     []lookedInto `json:"checks"`
	Kept       []string     `json:"kept"` // SHA-256 of originals that other documents were read from too
	Notes      []string     `json:"notes"`
}

type holding struct {
	Documents int `json:"documents"`
	Chunks    int `json:"chunks"`
	Jobs      int `json:"jobs"`
	Originals int `json:"originals"`
}

type lookedInto struct {
	Where  string `json:"where"`
	Looked int    `json:"looked_for"`
	Found  int    `json:"found"`
}

func receiptOf(r rag.Receipt) receipt {
	out := receipt{
		Collection: r.Collection, Source: r.Source, Proved: r.Proved(), Started: r.Started, Finished: r.Finished,
		SHA256: append([]string{}, r.Hashes...), Before: holding(r.Before), After: holding(r.After),
		Kept: append([]string{}, r.Kept...), Notes: append([]string{}, r.Notes...),
	}
	for _, check := range r.Checks {
		out.Checks = append(out.Checks, lookedInto(check))
	}
	return out
}

func (a *API) deleteDocument(c *gin.Context) error {
	r, err := a.o.Service.DeleteDocument(c.Request.Context(), keyOf(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, receiptOf(r))
	return nil
}

type collection struct {
	Name      string     `json:"name"`
	Title     string     `json:"title"`
	Documents int        `json:"documents"`
	Chunks    int        `json:"chunks"`
	Embedded  int        `json:"embedded"`
	Embedding *embedding `json:"embedding"` // what the search by meaning compares; null before there is any
	Staged    *embedding `json:"staged"`    // what is being filled in beside it; null when nothing is
}

type embedding struct {
	Model     string `json:"model"`
	Dimension int    `json:"dimension"`
}

func collectionFrom(info rag.CollectionInfo) collection {
	out := collection{Name: info.Name, Title: info.Title, Documents: info.Documents, Chunks: info.Chunks, Embedded: info.Embedded}
	if id := info.Embedding; id != nil {
		out.Embedding = &embedding{id.Model, id.Dimension}
	}
	if id := info.Staged; id != nil {
		out.Staged = &embedding{id.Model, id.Dimension}
	}
	return out
}

func (a *API) collections(c *gin.Context) error {
	all, err := a.o.Service.Collections(c.Request.Context())
	if err != nil {
		return err
	}
	out := struct {
		Collections []collection `json:"collections"`
	}{make([]collection, len(all))}
	for i, info := range all {
		out.Collections[i] = collectionFrom(info)
	}
	c.JSON(http.StatusOK, out)
	return nil
}

type createRequest struct {
	Name  *string `json:"name" binding:"required"`
	Title string  `json:"title"`
}

func (a *API) createCollection(c *gin.Context) error {
	var req createRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	info, err := a.o.Service.CreateCollection(c.Request.Context(), *req.Name, req.Title)
	if err != nil {
		return err
	}
	c.Header("Location", "/collections/"+info.Name)
	c.JSON(http.StatusCreated, collectionFrom(info))
	return nil
}

func (a *API) collection(c *gin.Context) error {
	info, err := a.o.Service.CollectionNamed(c.Request.Context(), c.Param("name"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, collectionFrom(info))
	return nil
}

func (a *API) deleteCollection(c *gin.Context) error {
	r, err := a.o.Service.DeleteCollection(c.Request.Context(), c.Param("name"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, receiptOf(r))
	return nil
}

func (a *API) embed(c *gin.Context) error {
	info, err := a.o.Service.Embed(c.Request.Context(), c.Param("name"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, collectionFrom(info))
	return nil
}
