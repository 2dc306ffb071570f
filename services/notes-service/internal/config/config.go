// Package config declares what an operator can set about the notes-service.
package config

import (
	"fmt"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
)

// Config is the service's configuration.
type Config struct {
	Port         int           `env:"NOTES_SERVICE_PORT" envDefault:"8100" doc:"Port to listen on."`
	ModelTimeout time.Duration `env:"NOTES_MODEL_TIMEOUT" envDefault:"2m" doc:"How long the language model may take over a letter. After it the letter is made by rule, and says so."`
	RequireModel bool          `env:"NOTES_REQUIRE_MODEL" envDefault:"false" doc:"Whether a letter needs a language model: without one /convert answers 503 and writes none, and /ready is 503 too."`
	HTTP         httpserver.Config
	Provider     provider.Config
	Telemetry    telemetry.Config
	Egress       egress.Config
}

// Validate reports values that cannot work.
func (c Config) Validate() []error {
	faults := httpserver.ValidatePort("NOTES_SERVICE_PORT", c.Port)
	if c.ModelTimeout <= 0 {
		faults = append(faults, fmt.Errorf("NOTES_MODEL_TIMEOUT: %v: a duration above 0s", c.ModelTimeout))
	}
	return faults
}
