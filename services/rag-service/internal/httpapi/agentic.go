package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/services/rag-service/internal/rag"
)

type agenticRequest struct {
	Question      *string `json:"question" binding:"required"`
	Model         string  `json:"model"`
	TopK          *int    `json:"top_k"`
	History       []turn  `json:"history"`
	MaxIterations *int    `json:"max_iterations"`
	ShowReasoning *bool   `json:"show_reasoning"`
	where
}

// agenticResponse begins with RMA-Demo's fields.
type agenticResponse struct {
	Answer         string          `json:"answer"`
	Sources        []string        `json:"sources"`
	ReasoningSteps []reasoningStep `json:"reasoning_steps"` // null when they are not wanted
	IterationsUsed int             `json:"iterations_used"` // searches
	Confidence     string          `json:"confidence"`      // HIGH, MEDIUM or LOW, and why
	SearchQuestion string          `json:"search_question"`
	Sentences      []sentence      `json:"sentences"`
	Unsupported    []unsupported   `json:"unsupported"`
	Conflicts      []conflict      `json:"conflicts"`
	Citations      []citation      `json:"citations"`
	Mode           rag.Mode        `json:"mode"`
	Refused        bool            `json:"refused"`
	Notice         string          `json:"notice,omitempty"`
	Provider       string          `json:"provider"`
	Model          string          `json:"model"`
	Fallback       string          `json:"fallback"`
	Tokens         tokens          `json:"tokens"`
	Timings        timings         `json:"timings_ms"`
}

// reasoningStep is something that was done; step, description and result are what
// RMA-Demo's screen shows.
type reasoningStep struct {
	Step        rag.StepKind     `json:"step"`
	Description string           `json:"description"`
	Result      string           `json:"result"`
	Question    string           `json:"question,omitempty"` // what was searched for
	Found       []place          `json:"found,omitempty"`
	Dropped     []droppedPassage `json:"dropped,omitempty"`
}

type place struct {
	Document string `json:"document"`
	Page     *int   `json:"page"`
	Quote    string `json:"quote"`
}

type droppedPassage struct {
	place
	Reason string `json:"reason"`
}

func (a *API) agentic(c *gin.Context) error {
	form, err := httpserver.Negotiate(c.Request.Header.Values("Accept"), asJSON, asStream)
	if err != nil {
		return err
	}
	var req agenticRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	question, err := queryRequest{req.Question, req.Model, req.TopK, req.History, req.where}.question()
	if err != nil {
		return err
	}
	iterations := rag.DefaultIterations
	if req.MaxIterations != nil {
		iterations = *req.MaxIterations
	}
	shown := req.ShowReasoning == nil || *req.ShowReasoning
	if form == asStream {
		return a.agenticStream(c, question, iterations, shown)
	}
	found, err := a.o.Service.Investigate(c.Request.Context(), question, iterations, nil)
	if err != nil {
		return err
	}
	modelapi.Answered(c, found.Provider, found.Model, found.Fallback)
	c.JSON(http.StatusOK, researchOf(question, found, shown))
	return nil
}

// agenticStream is stream with the steps, as they are taken.
func (a *API) agenticStream(c *gin.Context, q rag.Question, iterations int, shown bool) error {
	s := &events{c: c, pause: cmp.Or(a.o.Heartbeat, 15*time.Second)}
	defer s.close()
	found, err := a.o.Service.Investigate(c.Request.Context(), q, iterations, func(e rag.Event) {
		if e.Step == nil {
			s.tell(q, e)
		} else if shown {
			s.send(stepEvent, stepOf(*e.Step))
		}
	})
	return s.finish(err, found.Answer, func() any { return researchOf(q, found, shown) })
}

func researchOf(q rag.Question, r rag.Research, shown bool) agenticResponse {
	full := responseOf(q, r.Answer)
	out := agenticResponse{
		Answer: full.Answer, Sources: full.Sources, IterationsUsed: r.Iterations, Confidence: string(r.Confidence) + " - " + r.Reason,
		SearchQuestion: full.SearchQuestion, Sentences: full.Sentences, Unsupported: full.Unsupported, Conflicts: full.Conflicts,
		Citations: full.Citations, Mode: full.Mode, Refused: full.Refused, Notice: full.Notice,
		Provider: full.Provider, Model: full.Model, Fallback: full.Fallback, Tokens: full.Tokens, Timings: full.Timings,
	}
	if shown {
		out.ReasoningSteps = make([]reasoningStep, len(r.Steps))
		for i, s := range r.Steps {
			out.ReasoningSteps[i] = stepOf(s)
		}
	}
	return out
}

func stepOf(s rag.Step) reasoningStep {
	out := reasoningStep{Step: s.Kind, Description: s.Description, Result: s.Result, Question: s.Question}
	for _, p := range s.Found {
		out.Found = append(out.Found, placeOf(p))
	}
	for _, d := range s.Dropped {
		out.Dropped = append(out.Dropped, droppedPassage{placeOf(d.Passage), d.Reason})
	}
	return out
}

func placeOf(p rag.Passage) place {
	return place{Document: p.Document(), Page: page(p.Page), Quote: p.Quote}
}
