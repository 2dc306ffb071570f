package config_test

import (
	"flag"
	"strings"
	"testing"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/env/envtest"
	"signpost.internal/services/rag-service/internal/config"
)

var update = flag.Bool("update", false, "rewrite the reference page")

func TestReference(t *testing.T) {
	envtest.CheckReference(t, "../../../../docs/configuration/rag-service.md", "rag-service", &config.Config{}, *update)
}

func TestDefaults(t *testing.T) {
	var cfg config.Config
	if err := env.Load(&cfg, map[string]string{}); err != nil {
		t.Fatal(err)
	}
	if cfg.Port != 8102 || cfg.DocProcessorURL != "http://localhost:8101" || !cfg.IngestOnStart || cfg.HTTP.Host != "127.0.0.1" {
		t.Errorf("defaults %+v", cfg)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	var cfg config.Config
	err := env.Load(&cfg, map[string]string{
		"RAG_SERVICE_PORT": "99999", "DOC_PROCESSOR_URL": "localhost:8101", "QUERY_TIMEOUT": "0s", "INGEST_TIMEOUT": "soon",
		"DOCUMENT_TIMEOUT": "-1s", "DOC_PROCESSOR_PATIENCE": "0s", "MAX_UPLOAD_MB": "0", "LLM_PROVIDER": "gpt",
		"RERANK_URL": "localhost", "RERANK_API": "grpc", "RERANK_TIMEOUT": "0s",
		"QDRANT_URL": "localhost:6334", "QDRANT_PREFIX": "A_", "QDRANT_SHARDS": "-1", "QDRANT_REPLICAS": "0", "QDRANT_WRITE_CONSISTENCY": "5",
		"QDRANT_QUANTIZATION": "int4", "QDRANT_TIMEOUT": "0s", "QDRANT_WRITE_TIMEOUT": "-1s",
		"MANUALS_WATCH": "1ms", "ORIGINALS_URL": "s3://bucket", "DATABASE_URL": "mysql://me:word@host/db", "INGEST_QUEUE": "0", "INGEST_WORKERS": "0",
	})
	if err == nil {
		t.Fatal("all of that is accepted")
	}
	for _, name := range []string{
		"RAG_SERVICE_PORT", "DOC_PROCESSOR_URL", "QUERY_TIMEOUT", "INGEST_TIMEOUT", "DOCUMENT_TIMEOUT", "DOC_PROCESSOR_PATIENCE", "MAX_UPLOAD_MB", "LLM_PROVIDER",
		"RERANK_URL", "RERANK_API", "RERANK_TIMEOUT", "QDRANT_URL", "QDRANT_PREFIX", "QDRANT_SHARDS", "QDRANT_REPLICAS",
		"QDRANT_WRITE_CONSISTENCY", "QDRANT_QUANTIZATION", "QDRANT_TIMEOUT", "QDRANT_WRITE_TIMEOUT", "MANUALS_WATCH", "ORIGINALS_URL", "DATABASE_URL", "INGEST_QUEUE", "INGEST_WORKERS",
	} {
		if !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s is not named in:\n%v", name, err)
		}
	}
	if strings.Contains(err.Error(), "me:word") {
		t.Errorf("a password is shown in:\n%v", err)
	}
}

func TestDir(t *testing.T) {
	if dir, err := (config.Config{DataDir: "/data"}).Dir(); dir != "/data" || err != nil {
		t.Errorf("Dir = %q, %v", dir, err)
	}
	t.Setenv("XDG_CONFIG_HOME", "/home/somebody/.config")
	if dir, err := (config.Config{}).Dir(); dir != "/home/somebody/.config/signpost/rag-service" || err != nil {
		t.Errorf("Dir = %q, %v", dir, err)
	}
}
