package env_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/env"
)

type inner struct {
	Wait time.Duration `env:"WAIT" envDefault:"30s" doc:"How long to wait."`
	Size int           `env:"SIZE" envDefault:"10" doc:"A size."`
}

func (i inner) Validate() []error {
	if i.Size < 1 {
		return []error{fmt.Errorf("SIZE: %d: a whole number from 1", i.Size)}
	}
	return nil
}

type config struct {
	Port  int        `env:"PORT" envDefault:"8100" doc:"Port to listen on."`
	Key   env.Secret `env:"KEY" doc:"A key."`
	Names []string   `env:"NAMES" doc:"Some names."`
	Inner inner
}

func TestLoad(t *testing.T) {
	var got config
	if err := env.Load(&got, map[string]string{"PORT": "", "WAIT": "2m", "KEY": "hush", "NAMES": "a,b"}); err != nil {
		t.Fatal(err)
	}
	want := config{Port: 8100, Key: "hush", Names: []string{"a", "b"}, Inner: inner{Wait: 2 * time.Minute, Size: 10}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadReportsAllFaultsTogether(t *testing.T) {
	var cfg config
	err := env.Load(&cfg, map[string]string{"PORT": "many", "WAIT": "soon", "SIZE": "0"})
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.Join([]string{
		`PORT: "many" is not a whole number`,
		`WAIT: "soon" is not a duration such as 30s or 5m`,
		`SIZE: 0: a whole number from 1`,
	}, "\n")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestDescribe(t *testing.T) {
	got, err := env.Describe(&config{})
	if err != nil {
		t.Fatal(err)
	}
	want := []env.Variable{
		{Name: "PORT", Default: "8100", Doc: "Port to listen on.", Type: "a whole number"},
		{Name: "KEY", Doc: "A key.", Type: "a secret", Secret: true},
		{Name: "NAMES", Doc: "Some names.", Type: "a comma-separated list"},
		{Name: "WAIT", Default: "30s", Doc: "How long to wait.", Type: "a duration such as 30s or 5m"},
		{Name: "SIZE", Default: "10", Doc: "A size.", Type: "a whole number"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := env.Describe(&struct {
		Bare string `env:"BARE"`
	}{}); err == nil {
		t.Error("a variable without documentation is accepted")
	}
}

func TestSecretNeverPrints(t *testing.T) {
	cfg := config{Key: "hush"}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Key, cfg.Key), string(encoded),
	} {
		if strings.Contains(printed, "hush") {
			t.Errorf("the secret stands in %s", printed)
		}
	}
	if cfg.Key.Reveal() != "hush" {
		t.Error("Reveal does not reveal")
	}
}
