// Package config declares what an operator can set about the rag-service.
package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
	"signpost.internal/services/rag-service/internal/rerank"
)

// Config is the service's configuration.
type Config struct {
	Port            int           `env:"RAG_SERVICE_PORT" envDefault:"8102" doc:"Port to listen on."`
	DataDir         string        `env:"DATA_DIR" doc:"Folder of the index, unless QDRANT_URL is set. Default: signpost/rag-service in the user's configuration folder."`
	ManualsPath     string        `env:"MANUALS_PATH" doc:"Folder of the manuals, subfolders included. Empty: manuals are only sent in."`
	IngestOnStart   bool          `env:"INGEST_ON_START" envDefault:"true" doc:"Whether MANUALS_PATH, when it is there, is ingested at every start. What is unchanged is not read again."`
	DocProcessorURL string        `env:"DOC_PROCESSOR_URL" envDefault:"http://localhost:8101" doc:"Address of the doc-processor, which reads PDFs and images."`
	DocProcessorKey env.Secret    `env:"DOC_PROCESSOR_API_KEY" doc:"Key that is sent to the doc-processor, with the scope read there. Unset sends none."`
	QueryTimeout    time.Duration `env:"QUERY_TIMEOUT" envDefault:"2m" doc:"How long a question may take, the model's answer included."`
	IngestTimeout   time.Duration `env:"INGEST_TIMEOUT" envDefault:"2h" doc:"How long a request to ingest may take, waiting for its turn included."`
	DocumentTimeout time.Duration `env:"DOCUMENT_TIMEOUT" envDefault:"10m" doc:"How long the reading of a document may take."`
	ReaderPatience  time.Duration `env:"DOC_PROCESSOR_PATIENCE" envDefault:"2m" doc:"How long a document waits for a doc-processor that cannot be reached or is busy."`
	MaxUploadMB     int           `env:"MAX_UPLOAD_MB" envDefault:"100" doc:"Largest file accepted, in MiB."`
	RerankURL       string        `env:"RERANK_URL" doc:"Address of a reranker, below which POST /rerank is: a model that reads the question with each passage and orders them anew. Empty: the search's order stays."`
	RerankAPI       string        `env:"RERANK_API" envDefault:"vllm" doc:"Form of the reranker's requests: vllm (also Jina's and Cohere's form), or tei for Text Embeddings Inference."`
	RerankModel     string        `env:"RERANK_MODEL" doc:"Model that is named to a vLLM reranker. Empty: the one that it serves."`
	RerankKey       env.Secret    `env:"RERANK_API_KEY" doc:"Key that is sent to the reranker. Unset sends none."`
	RerankTimeout   time.Duration `env:"RERANK_TIMEOUT" envDefault:"5s" doc:"How long the reranker may take for a question. Then, as after any failure, the search's order stays."`
	Qdrant          Qdrant
	HTTP            httpserver.Config
	Provider        provider.Config
	Telemetry       telemetry.Config
	Egress          egress.Config
}

// Validate reports values that cannot work.
func (c Config) Validate() []error {
	faults := httpserver.ValidatePort("RAG_SERVICE_PORT", c.Port)
	u, err := url.Parse(c.DocProcessorURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		faults = append(faults, fmt.Errorf("DOC_PROCESSOR_URL: %q: an address such as http://localhost:8101", c.DocProcessorURL))
	}
	if u, err := url.Parse(c.RerankURL); c.RerankURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		faults = append(faults, fmt.Errorf("RERANK_URL: %q: an address such as http://localhost:8001", c.RerankURL))
	}
	if c.RerankAPI != string(rerank.VLLM) && c.RerankAPI != string(rerank.TEI) {
		faults = append(faults, fmt.Errorf("RERANK_API: %q: vllm or tei", c.RerankAPI))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"QUERY_TIMEOUT", c.QueryTimeout},
		{"INGEST_TIMEOUT", c.IngestTimeout},
		{"DOCUMENT_TIMEOUT", c.DocumentTimeout},
		{"DOC_PROCESSOR_PATIENCE", c.ReaderPatience},
		{"RERANK_TIMEOUT", c.RerankTimeout},
	} {
		if d.value <= 0 {
			faults = append(faults, fmt.Errorf("%s: %v: a duration above 0s", d.name, d.value))
		}
	}
	if c.MaxUploadMB < 1 || c.MaxUploadMB > 1024 {
		faults = append(faults, fmt.Errorf("MAX_UPLOAD_MB: %d: a whole number from 1 to 1024", c.MaxUploadMB))
	}
	return faults
}

// Dir returns the folder of the index.
func (c Config) Dir() (string, error) {
	if c.DataDir != "" {
		return c.DataDir, nil
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("DATA_DIR is not set and there is no place for it by default: %w", err)
	}
	return filepath.Join(base, "signpost", "rag-service"), nil
}
