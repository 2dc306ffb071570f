package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/httpserver"
	"signpost.internal/services/rag-service/internal/rag"
)

// searchTopK is how many passages POST /search returns by default.
const searchTopK = 10

type searchRequest struct {
	Question *string `json:"question" binding:"required"`
	TopK     *int    `json:"top_k"`
	where
}

type searchResponse struct {
	Results   []searchResult `json:"results"`
	Covered   bool           `json:"covered"`
	Reranking rag.Reranking  `json:"reranking"`
	Method    rag.Method     `json:"method"`
	Notice    string         `json:"notice"`
	Timings   searchTimings  `json:"timings_ms"`
}

type searchTimings struct {
	Total float64 `json:"total"`
}

type searchResult struct {
	Document string     `json:"document"`
	Source   string     `json:"source"`
	Also     []string   `json:"also,omitempty"` // other documents that say the same in the same words
	Title    string     `json:"title"`
	Page     *int       `json:"page"`
	Boxes    []box      `json:"boxes,omitempty"` // as in a citation
	ChunkID  int        `json:"chunk_id"`
	LastID   int        `json:"last_chunk_id,omitempty"` // of the neighbours that the passage was joined of
	Headings []string   `json:"headings"`
	Text     string     `json:"text"`
	Quote    string     `json:"quote"`
	Score    float64    `json:"score"`
	Before   *neighbour `json:"before"` // null at the document's beginning
	After    *neighbour `json:"after"`  // null at its end
}

type neighbour struct {
	ChunkID int    `json:"chunk_id"`
	Page    *int   `json:"page"`
	Text    string `json:"text"`
}

func (a *API) search(c *gin.Context) error {
	var req searchRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	question := rag.Question{Text: *req.Question, TopK: searchTopK}
	if req.TopK != nil {
		question.TopK = *req.TopK
	}
	if err := req.apply(&question); err != nil {
		return err
	}
	found, err := a.o.Service.Find(c.Request.Context(), question)
	if err != nil {
		return err
	}
	out := searchResponse{
		Results: make([]searchResult, len(found.Results)), Covered: found.Covered, Reranking: found.Reranking, Method: found.Method, Notice: found.Notice,
		Timings: searchTimings{milliseconds(found.Took)},
	}
	for i, r := range found.Results {
		_, citations := cite(question, []rag.Passage{r.Passage})
		out.Results[i] = searchResult{
			Document: citations[0].Document, Source: r.Source, Also: r.Also, Title: r.Title, Page: citations[0].Page, Boxes: citations[0].Boxes, ChunkID: r.Position, LastID: lastID(r.Passage),
			Headings: append([]string{}, r.Headings...), Text: r.Text, Quote: r.Quote, Score: citations[0].Score,
			Before: neighbourOf(r.Before), After: neighbourOf(r.After),
		}
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func neighbourOf(c *rag.Chunk) *neighbour {
	if c == nil {
		return nil
	}
	return &neighbour{ChunkID: c.Position, Page: page(c.Page), Text: c.Text}
}
