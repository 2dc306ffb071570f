package httpapi

import (
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

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
