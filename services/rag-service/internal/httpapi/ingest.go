package httpapi

import (
	"bytes"
	"cmp"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/services/rag-service/internal/rag"
)

type ingestRequest struct {
	Documents *[]string `json:"documents" binding:"required"`
	Filenames *[]string `json:"filenames" binding:"required"`
	// What is said of all of them.
	Collection string `json:"collection"`
	told
}

type ingestResponse struct {
	Success           bool     `json:"success"`
	DocumentsIngested int      `json:"documents_ingested"`
	ChunksCreated     int      `json:"chunks_created"`
	DecisionTreeRules int      `json:"decision_tree_rules"`
	NearMissRules     int      `json:"near_miss_rules"`
	GraphsExtracted   int      `json:"graphs_extracted"`
	GraphDetails      []any    `json:"graph_details"`
	ManualGraphID     *string  `json:"manual_graph_id"`
	Details           []detail `json:"details"`
}

type detail struct {
	Filename        string     `json:"filename"`
	Status          rag.Status `json:"status"`
	ExtractedLength int        `json:"extracted_length"`
	ChunksCreated   int        `json:"chunks_created"`
	Reason          string     `json:"reason,omitempty"`
}

// summary adds outcomes up. Documents that were there already count neither as
// ingested nor their chunks as created.
func summary(outcomes []rag.Outcome) ingestResponse {
	out := ingestResponse{Success: true, GraphDetails: []any{}, Details: []detail{}}
	for _, o := range outcomes {
		out.Details = append(out.Details, detailOf(o))
		switch o.Status {
		case rag.Success:
			out.DocumentsIngested++
			out.ChunksCreated += o.Chunks
		case rag.Failed:
			out.Success = false
		case rag.Unchanged, rag.Skipped:
		}
	}
	return out
}

func detailOf(o rag.Outcome) detail {
	d := detail{Filename: o.Source, Status: o.Status, ExtractedLength: o.Characters, Reason: o.Reason}
	if o.Status == rag.Success {
		d.ChunksCreated = o.Chunks
	}
	return d
}

func (a *API) ingest(c *gin.Context) error {
	var req ingestRequest
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	documents, names := *req.Documents, *req.Filenames
	if len(documents) != len(names) {
		return fault.Newf(fault.Malformed, "There are %d documents and %d filenames: each document needs its name.", len(documents), len(names))
	}
	ctx, collection := c.Request.Context(), cmp.Or(req.Collection, rag.DefaultCollection)
	if wantsAsync(c) {
		var sent submitted
		for i := range documents {
			u := rag.Upload{Key: rag.Key{Collection: collection, Source: names[i]}, Metadata: req.domain(), Text: true}
			sent.add(a.o.Service.Submit(ctx, u, strings.NewReader(documents[i])))(names[i])
		}
		return sent.answer(c)
	}
	texts := make([]rag.Text, len(documents))
	for i := range documents {
		texts[i] = rag.Text{Name: names[i], Text: documents[i], Metadata: req.domain()}
	}
	outcomes, err := a.o.Service.IngestTexts(ctx, collection, texts)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, summary(outcomes))
	return nil
}

type ingestPDFResponse struct {
	ingestResponse
	ExtractedTextLength int    `json:"extracted_text_length"`
	ExtractionPreview   string `json:"extraction_preview"`
}

// previewCharacters is how much of a document's text POST /ingest-pdf shows.
const previewCharacters = 500

func (a *API) ingestPDF(c *gin.Context) error {
	var file bytes.Buffer
	name, err := httpserver.ReadUpload(c, "file", &file)
	if err != nil {
		return err
	}
	if int64(file.Len()) > a.o.MaxUpload {
		return fault.Newf(fault.TooLarge, "The file is larger than the %d MiB that are accepted.", a.o.MaxUpload>>20)
	}
	if !strings.EqualFold(path.Ext(name), ".pdf") {
		return fault.New(fault.Malformed, "The file's name must end in .pdf. Texts can be sent to /ingest, and scans put into the folder that MANUALS_PATH names.")
	}
	ctx := c.Request.Context()
	key := rag.Key{Collection: collectionOf(c), Source: name}
	u := rag.Upload{Key: key, Metadata: saidIn(c.Query)}
	if wantsAsync(c) {
		var sent submitted
		sent.add(a.o.Service.Submit(ctx, u, &file))(name)
		return sent.answer(c)
	}
	outcome, err := a.o.Service.Ingest(ctx, u, file.Bytes())
	if err != nil {
		return err
	}
	preview, err := a.o.Service.Preview(ctx, key, previewCharacters)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, ingestPDFResponse{
		ingestResponse:      summary([]rag.Outcome{outcome}),
		ExtractedTextLength: outcome.Characters,
		ExtractionPreview:   preview,
	})
	return nil
}

type ingestAllResponse struct {
	TotalFiles        int      `json:"total_files"`
	Successful        int      `json:"successful"`
	Failed            int      `json:"failed"`
	Details           []detail `json:"details"`
	MissingFromFolder []string `json:"missing_from_folder"`
}

func (a *API) ingestAll(c *gin.Context) error {
	if wantsAsync(c) {
		report, err := a.o.Service.SubmitFolder(c.Request.Context(), func(string) bool { return true })
		if err != nil {
			return err
		}
		return submittedFolder(report).answer(c)
	}
	report, err := a.o.Service.IngestFolder(c.Request.Context())
	if err != nil {
		return err
	}
	out := ingestAllResponse{TotalFiles: len(report.Outcomes), Details: []detail{}, MissingFromFolder: report.Missing}
	if out.MissingFromFolder == nil {
		out.MissingFromFolder = []string{}
	}
	for _, o := range report.Outcomes {
		out.Details = append(out.Details, detailOf(o))
		switch o.Status {
		case rag.Success, rag.Unchanged:
			out.Successful++
		case rag.Failed:
			out.Failed++
		case rag.Skipped:
			out.TotalFiles--
		}
	}
	c.JSON(http.StatusOK, out)
	return nil
}
