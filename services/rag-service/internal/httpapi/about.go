package httpapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"signpost.internal/services/rag-service/internal/rag"
)

type root struct {
	Service          string            `json:"service"`
	Status           string            `json:"status"`
	VectorstoreReady bool              `json:"vectorstore_ready"`
	Endpoints        map[string]string `json:"endpoints"`
}

func (a *API) root(c *gin.Context) error {
	_, ready := a.ready(c.Request.Context())
	c.JSON(http.StatusOK, root{
		Service: "rag-service", Status: "healthy", VectorstoreReady: ready,
		Endpoints: map[string]string{
			"POST /query":               "Ask the manuals: {\"question\": …, \"top_k\": 4}. With Accept: text/event-stream the answer comes sentence by sentence.",
			"POST /agentic-query":       "Ask in steps that can be seen: {\"question\": …, \"max_iterations\": 3}.",
			"POST /v1/chat/completions": "The same for clients of OpenAI's chat API; GET /v1/models lists the collections as models.",
			"POST /search":              "Find passages without an answer: {\"question\": …, \"top_k\": 10}.",
			"POST /documents":           "Send files of any kind that is ingested: multipart, field \"file\", as many as you like. Answers before they are read.",
			"GET /documents":            "The documents, with what is said of them and what is being done for them.",
			"GET /collections":          "The collections of documents.",
			"GET /jobs":                 "What is being ingested, what waits, and what failed and why.",
			"POST /ingest":              "Ingest texts: {\"documents\": […], \"filenames\": […]}.",
			"POST /ingest-pdf":          "Ingest a PDF: multipart, field \"file\".",
			"POST /ingest-all-manuals":  "Ingest the folder that MANUALS_PATH names.",
			"GET /stats":                "What the index holds, and how far an ingest has come.",
			"GET /debug/documents":      "The passages of the index: limit, offset, source.",
			"GET /debug/sources":        "The documents of the index.",
			"GET /health":               "Whether the process lives.",
			"GET /ready":                "Whether it can do its work, and if not why.",
			"GET /metrics":              "Figures for Prometheus.",
		},
	})
	return nil
}

type health struct {
	Status           string `json:"status"`
	Version          string `json:"version"`
	VectorstoreReady bool   `json:"vectorstore_ready"`
	LanggraphEnabled bool   `json:"langgraph_enabled"`
	AgentLoaded      bool   `json:"agent_loaded"`
	ThresholdsCached int    `json:"thresholds_cached"`
	DecisionTrees    int    `json:"decision_trees"`
	Mode             string `json:"mode"`
	Provider         string `json:"provider"`
	Model            string `json:"model"`
}

// Health returns the body of GET /health.
func (a *API) Health(ctx context.Context) any {
	_, ready := a.ready(ctx)
	status := a.o.Model.Status(ctx)
	return health{
		Status: "healthy", Version: apiVersion, VectorstoreReady: ready, AgentLoaded: true, Mode: "legacy",
		Provider: status.Provider, Model: status.Model,
	}
}

type stats struct {
	TotalChunks    int          `json:"total_chunks"`
	TotalDocuments int          `json:"total_documents"`
	CollectionName string       `json:"collection_name"`
	Status         string       `json:"status"` // ready or not_initialized
	Index          string       `json:"index"`  // embedded or qdrant
	Ingest         rag.Progress `json:"ingest"`
	Embedding      rag.Filling  `json:"embedding"`
}

func (a *API) stats(c *gin.Context) error {
	ctx := c.Request.Context()
	size, ready := a.ready(ctx)
	progress, err := a.o.Service.Progress(ctx)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, stats{
		TotalChunks: size.Chunks, TotalDocuments: size.Documents, CollectionName: rag.DefaultCollection,
		Status: status(ready), Index: a.o.IndexKind, Ingest: progress, Embedding: a.o.Service.Filling(),
	})
	return nil
}
