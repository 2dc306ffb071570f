// Package config declares what an operator can set about the rag-service.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
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
	DataDir         string        `env:"DATA_DIR" doc:"Folder of the index (unless QDRANT_URL is set), the jobs and the originals. Default: signpost/rag-service in the user's configuration folder."`
	ManualsPath     string        `env:"MANUALS_PATH" doc:"Folder of the manuals, subfolders included. Empty: manuals are only sent in."`
	IngestOnStart   bool          `env:"INGEST_ON_START" envDefault:"true" doc:"Whether MANUALS_PATH, when it is there, is ingested at every start. What is unchanged is not read again."`
	ManualsWatch    time.Duration `env:"MANUALS_WATCH" envDefault:"10s" doc:"How often MANUALS_PATH is looked at for new and changed files, which are taken once they have stayed the same between two looks. 0s: never."`
	OriginalsURL    string        `env:"ORIGINALS_URL" doc:"Folder of the files that documents were read from, such as file:///srv/originals. Empty: originals in DATA_DIR. Several replicas need one that all of them reach."`
	DatabaseURL     env.Secret    `env:"DATABASE_URL" doc:"Postgres in which the jobs are kept, for several replicas: postgres://user:password@host:5432/name. Empty: a file in DATA_DIR."`
	IngestQueue     int           `env:"INGEST_QUEUE" envDefault:"10000" doc:"How many documents may wait to be ingested. One more is told 503 with Retry-After; those of MANUALS_PATH wait for room."`
	IngestWorkers   int           `env:"INGEST_WORKERS" envDefault:"2" doc:"How many documents are ingested at a time."`
	DocProcessorURL string        `env:"DOC_PROCESSOR_URL" envDefault:"http://localhost:8101" doc:"Address of the doc-processor, which reads PDFs and images."`
	DocProcessorKey env.Secret    `env:"DOC_PROCESSOR_API_KEY" doc:"Key that is sent to the doc-processor, with the scope read there. Unset sends none."`
	QueryTimeout    time.Duration `env:"QUERY_TIMEOUT" envDefault:"2m" doc:"How long a question may take, the model's answer included."`
	IngestTimeout   time.Duration `env:"INGEST_TIMEOUT" envDefault:"2h" doc:"How long a request to ingest may take, waiting for its turn included."`
	DocumentTimeout time.Duration `env:"DOCUMENT_TIMEOUT" envDefault:"10m" doc:"How long the reading of a document may take."`
	ReaderPatience  time.Duration `env:"DOC_PROCESSOR_PATIENCE" envDefault:"2m" doc:"How long a request to ingest waits for a doc-processor that cannot be reached or is busy. The document itself waits for it however long that takes."`
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
	if c.ManualsWatch < 0 || c.ManualsWatch > 0 && c.ManualsWatch < time.Second {
		faults = append(faults, fmt.Errorf("MANUALS_WATCH: %v: 0s, or a duration from 1s", c.ManualsWatch))
	}
	if u, err := url.Parse(c.OriginalsURL); err != nil || c.OriginalsURL != "" && (u.Scheme != "file" || u.Host != "" || !strings.HasPrefix(u.Path, "/")) {
		faults = append(faults, fmt.Errorf("ORIGINALS_URL: %q: a folder such as file:///srv/originals", c.OriginalsURL))
	}
	if u, err := url.Parse(c.DatabaseURL.Reveal()); err != nil || c.DatabaseURL != "" && (u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "") {
		faults = append(faults, errors.New("DATABASE_URL: what was given is not shown: an address such as postgres://user:password@host:5432/name"))
	}
	if c.IngestQueue < 1 || c.IngestQueue > 1_000_000 {
		faults = append(faults, fmt.Errorf("INGEST_QUEUE: %d: a whole number from 1 to 1000000", c.IngestQueue))
	}
	if c.IngestWorkers < 1 || c.IngestWorkers > 64 {
		faults = append(faults, fmt.Errorf("INGEST_WORKERS: %d: a whole number from 1 to 64", c.IngestWorkers))
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
