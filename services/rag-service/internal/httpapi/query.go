package httpapi

import (
	"math"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/services/rag-service/internal/rag"
)

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
