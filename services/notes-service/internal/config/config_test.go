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
	envtest.CheckReference(t, "../../../../docs/configuration/notes-service.md", "notes-service", &Config{}, *update)
}

func TestDefaultsAreValid(t *testing.T) {
	var cfg Config
	if err := env.Load(&cfg, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAllFaultsAreNamed(t *testing.T) {
	bad := map[string]string{
		"NOTES_SERVICE_PORT": "eighty", "NOTES_MODEL_TIMEOUT": "0s", "LLM_PROVIDER": "chatgpt", "DRAIN_TIMEOUT": "-1s",
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
	if !strings.Contains(err.Error(), "ollama, vllm and none") {
		t.Errorf("the good values are not named in:\n%v", err)
	}
}
