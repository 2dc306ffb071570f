// Package config declares what an operator can set about the notes-service.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
)

// Config is the service's configuration.
type Config struct {
	Port           int           `env:"NOTES_SERVICE_PORT" envDefault:"8100" doc:"Port to listen on."`
	ModelTimeout   time.Duration `env:"NOTES_MODEL_TIMEOUT" envDefault:"2m" doc:"How long the language model may take over a letter. After it the letter is made by rule, and says so."`
	RequireModel   bool          `env:"NOTES_REQUIRE_MODEL" envDefault:"false" doc:"Whether a letter needs a language model: without one /convert answers 503 and writes none, and /ready is 503 too."`
	TemplatesDir   string        `env:"TEMPLATES_DIR" doc:"Folder of templates of letters (files that end in .md), read at start. One of the name confirmation-of-advice takes the place of the built-in default."`
	OfficeProgram  string        `env:"OFFICE_PROGRAM" envDefault:"soffice" doc:"LibreOffice's program, by which PDFs are tagged for screen readers. Where it is not installed, or with none, they are plain, and say so."`
	OfficeTimeout  time.Duration `env:"OFFICE_TIMEOUT" envDefault:"1m" doc:"How long LibreOffice may take over a letter. After it the PDF is made plain, and says so."`
	OfficeParallel int           `env:"OFFICE_PARALLEL" envDefault:"1" doc:"How many letters LibreOffice converts at a time, each in a process of its own."`
	Keep           bool          `env:"NOTES_KEEP" envDefault:"false" doc:"Whether drafts, their notes and what is decided about them are kept in DATA_DIR until they are deleted. false keeps nothing."`
	BatchParallel  int           `env:"BATCH_PARALLEL" envDefault:"2" doc:"How many letters of batches are written at a time."`
	ResultTTL      time.Duration `env:"RESULT_TTL" envDefault:"24h" doc:"How long a batch, with its notes and letters, is kept once it is finished. 0: until it is deleted."`
	DataDir        string        `env:"DATA_DIR" doc:"Folder of batches and of what NOTES_KEEP keeps. Default: signpost/notes-service in the user's configuration folder."`
	HTTP           httpserver.Config
	Provider       provider.Config
	Telemetry      telemetry.Config
	Egress         egress.Config
}

// Data returns the folder of batches and of what is kept.
func (c Config) Data() (string, error) {
	if c.DataDir != "" {
		return c.DataDir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("DATA_DIR is not set and there is no place for it by default: %w", err)
	}
	return filepath.Join(dir, "signpost", "notes-service"), nil
}

// Validate reports values that cannot work.
func (c Config) Validate() []error {
	faults := httpserver.ValidatePort("NOTES_SERVICE_PORT", c.Port)
	if c.ModelTimeout <= 0 {
		faults = append(faults, fmt.Errorf("NOTES_MODEL_TIMEOUT: %v: a duration above 0s", c.ModelTimeout))
	}
	if c.OfficeTimeout <= 0 {
		faults = append(faults, fmt.Errorf("OFFICE_TIMEOUT: %v: a duration above 0s", c.OfficeTimeout))
	}
	if c.BatchParallel < 1 || c.BatchParallel > 64 {
		faults = append(faults, fmt.Errorf("BATCH_PARALLEL: %d: a whole number from 1 to 64", c.BatchParallel))
	}
	if c.ResultTTL < 0 {
		faults = append(faults, fmt.Errorf("RESULT_TTL: %v: a duration from 0s", c.ResultTTL))
	}
	if c.OfficeParallel < 1 || c.OfficeParallel > 16 {
		faults = append(faults, fmt.Errorf("OFFICE_PARALLEL: %d: a whole number from 1 to 16", c.OfficeParallel))
	}
	return faults
}
