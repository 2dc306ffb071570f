package config

import (
	"flag"
	"strings"
	"testing"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/env/envtest"
)

var update = flag.Bool("update", false, "rewrite the reference page")

func TestReference(t *testing.T) {
	envtest.CheckReference(t, "../../../../docs/configuration/doc-processor.md", "doc-processor", &Config{}, *update)
}

func TestDefaultsAreValid(t *testing.T) {
	var cfg Config
	if err := env.Load(&cfg, nil); err != nil {
		t.Fatal(err)
	}
	if cfg.WorkerCount() < 1 || len(cfg.Languages()) != 2 {
		t.Errorf("%d workers, languages %v", cfg.WorkerCount(), cfg.Languages())
	}
}

func TestAllFaultsAreNamed(t *testing.T) {
	bad := map[string]string{
		"DOC_PROCESSOR_PORT": "70000", "MAX_UPLOAD_MB": "0", "MAX_PAGES": "-1", "MAX_MEGAPIXELS": "4000", "MAX_QUEUE": "-1",
		"WORKERS": "-2", "WORKER_MEMORY": "1024", "PAGE_TIMEOUT": "0s", "DOCUMENT_TIMEOUT": "-1s", "PDF_READER": "acrobat", "OCR_LANGUAGES": "eng+",
		"USE_VISION_ANALYSIS": "sometimes", "VISION_MAX_PAGES": "0", "VISION_TIMEOUT": "0s",
	}
	var cfg Config
	err := env.Load(&cfg, bad)
	if err == nil {
		t.Fatal("accepted")
	}
	for name := range bad {
		if !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s is not named in:\n%v", name, err)
		}
	}
}
