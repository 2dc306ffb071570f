package httpapi

import (
	"math"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

type queryRequest struct {
	Question *string `json:"question" binding:"required"`
	Model    string  `json:"model"`
	TopK     *int    `json:"top_k"`
	History  []turn  `json:"history"`
	where
}

// turn is something that was said before the question.
type turn struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// question returns what is asked.
func (r queryRequest) question() (rag.Question, error) {
	q := rag.Question{Text: *r.Question, Model: r.Model, TopK: 4}
	if r.TopK != nil {
		q.TopK = *r.TopK
	}
	for _, t := range r.History {
		q.History = append(q.History, rag.Turn{Role: provider.Role(t.Role), Content: t.Content})
	}
	return q, r.apply(&q)
}

type queryResponse struct {
	Answer          string           `json:"answer"`
	SearchQuestion  string           `json:"search_question"` // the question, with what it left to the turns before it
	Sentences       []sentence       `json:"sentences"`       // those of the answer that cite passages
	Unsupported     []unsupported    `json:"unsupported"`     // the model's sentences that are no part of the answer
	Conflicts       []conflict       `json:"conflicts"`
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
	LastID  int    `json:"last_chunk_id,omitempty"` // of the neighbours that the passage was joined of
	Page    *int   `json:"page"`
}

type citation struct {
	Document string   `json:"document"`
	Source   string   `json:"source"`
	Also     []string `json:"also,omitempty"` // other documents that say the same in the same words
	Page     *int     `json:"page"`
	Boxes    []box    `json:"boxes,omitempty"` // the passage's lines on the page; left out where they are not known
	Quote    string   `json:"quote"`
	Score    float64  `json:"score"`
	metadata
}

// box is left, top, right and bottom, in fractions of the page.
type box [4]float64

func boxesOf(p rag.Passage) []box {
	out := make([]box, len(p.Boxes))
	for i, b := range p.Boxes {
		out[i] = box{b.Left, b.Top, b.Right, b.Bottom}
	}
	return out
}

// metadata is what is known of a document besides its text; what is not known is
// left out.
type metadata struct {
	Title        string       `json:"title,omitempty"`
	Edition      string       `json:"edition,omitempty"`
	InForceFrom  string       `json:"in_force_from,omitempty"`
	InForceUntil string       `json:"in_force_until,omitempty"`
	Jurisdiction string       `json:"jurisdiction,omitempty"`
	Standing     rag.Standing `json:"standing,omitempty"` // in_force, superseded or not_yet
}

// sentence is a sentence of the answer with what proves it. Citations are the
// numbers in it: 1 is the first of the response's citations.
type sentence struct {
	Text      string     `json:"text"`
	Citations []int      `json:"citations"`
	Evidence  []evidence `json:"evidence"`
}

type evidence struct {
	Citation int    `json:"citation"`
	Document string `json:"document"`
	Page     *int   `json:"page"`
	Quote    string `json:"quote"` // the passage's sentence that comes closest
}

type unsupported struct {
	Text   string `json:"text"`
	Reason string `json:"reason"`
}

// conflict is figures that the passages state for what seems to be the same thing.
type conflict struct {
	Figures []statedFigure `json:"figures"`
}

type statedFigure struct {
	Value string `json:"value"`
	evidence
	metadata
	Superseded bool `json:"superseded"`
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
	question, err := req.question()
	if err != nil {
		return err
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
	sources, citations := cite(q, answer.Passages)
	out := queryResponse{
		Answer: answer.Text, SearchQuestion: answer.Searched, Sentences: sentencesOf(answer), Unsupported: unsupportedOf(answer),
		Conflicts: conflictsOf(q, answer), Sources: sources, Citations: citations,
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
			out.RetrievedChunks[i] = retrievedChunk{Text: p.Text, Source: p.Source, ChunkID: p.Position, LastID: lastID(p), Page: page(p.Page)}
		}
	}
	return out
}

// lastID is 0 for a passage of one chunk.
func lastID(p rag.Passage) int {
	if p.Last == p.Position {
		return 0
	}
	return p.Last
}

// cite lists passages, and their documents, each once.
func cite(q rag.Question, passages []rag.Passage) (sources []string, citations []citation) {
	sources, citations = []string{}, make([]citation, len(passages))
	for i, p := range passages {
		if !slices.Contains(sources, p.Source) {
			sources = append(sources, p.Source)
		}
		citations[i] = citation{
			Document: p.Document(), Source: p.Source, Also: p.Also, Page: page(p.Page), Boxes: boxesOf(p), Quote: p.Quote, Score: math.Round(p.Score*1000) / 1000,
			metadata: metadataOf(q, p),
		}
	}
	return sources, citations
}

func metadataOf(q rag.Question, p rag.Passage) metadata {
	return metadata{
		Title: p.Title, Edition: p.Edition, InForceFrom: p.From, InForceUntil: p.Until,
		Jurisdiction: p.Jurisdiction, Standing: q.Standing(p),
	}
}

func sentencesOf(a rag.Answer) []sentence {
	out := make([]sentence, len(a.Sentences))
	for i, s := range a.Sentences {
		out[i] = sentence{Text: s.Text, Citations: s.Citations, Evidence: make([]evidence, len(s.Evidence))}
		for j, e := range s.Evidence {
			out[i].Evidence[j] = evidenceOf(a, e.Citation, e.Quote)
		}
	}
	return out
}

func evidenceOf(a rag.Answer, number int, quote string) evidence {
	p := a.Passages[number-1]
	return evidence{Citation: number, Document: p.Document(), Page: page(p.Page), Quote: quote}
}

func unsupportedOf(a rag.Answer) []unsupported {
	out := make([]unsupported, len(a.Unsupported))
	for i, u := range a.Unsupported {
		out[i] = unsupported(u)
	}
	return out
}

func conflictsOf(q rag.Question, a rag.Answer) []conflict {
	out := make([]conflict, len(a.Conflicts))
	for i, c := range a.Conflicts {
		for _, f := range c.Figures {
			out[i].Figures = append(out[i].Figures, statedFigure{
				Value: f.Value, evidence: evidenceOf(a, f.Citation, f.Quote),
				metadata: metadataOf(q, a.Passages[f.Citation-1]), Superseded: f.Superseded,
			})
		}
	}
	return out
}
