package provider

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
)

// target is a model on a server.
type target struct {
	up    *upstream
	model string // as configured; empty for the one that the server lists first
}

// name returns the name of a request's model on this server; empty while it
// must be asked for.
func (t target) name(requested string) string {
	switch found := t.up.discovered.Load(); {
	case requested != "":
		return requested
	case t.model != "":
		return t.model
	case found != nil:
		return *found
	}
	return ""
}

// discover returns the model that the server lists first.
func (t target) discover(ctx context.Context) (string, error) {
	names, err := t.up.driver.models(ctx)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		e := t.up.driver.engine()
		return "", fault.Wrap(fault.Unavailable, errNoModel, e.name+" serves no model: start it with `vllm serve` and a model's name.")
	}
	t.up.discovered.Store(&names[0])
	return names[0], nil
}

// route is an ordered list of tiers; the servers of a tier are replicas.
type route struct {
	variable string // that turns it on
	tiers    [][]target
	auto     bool          // a ready server of any tier goes before one that is not
	turn     atomic.Uint32 // so that equal replicas take turns
}

// targets returns the servers in the order of the configuration.
func (r *route) targets() []target { return slices.Concat(r.tiers...) }

// order returns the servers in the order in which a call tries them: tier by
// tier, within one those not known to be down first, and of these the one with
// the fewest calls.
func (r *route) order() []target {
	turn := int(r.turn.Add(1) - 1)
	ordered := make([]target, 0, len(r.tiers))
	for _, tier := range r.tiers {
		if len(tier) == 1 {
			ordered = append(ordered, tier[0])
			continue
		}
		from, start := len(ordered), turn%len(tier)
		ordered = append(append(ordered, tier[start:]...), tier[:start]...)
		slices.SortStableFunc(ordered[from:], func(a, b target) int {
			return cmp.Or(compareDown(a, b), cmp.Compare(a.up.outstanding.Load(), b.up.outstanding.Load()))
		})
	}
	if r.auto {
		slices.SortStableFunc(ordered, compareDown)
	}
	return ordered
}

func compareDown(a, b target) int {
	down := func(t target) int {
		if t.up.down() {
			return 1
		}
		return 0
	}
	return cmp.Compare(down(a), down(b))
}

// routes is what one configuration makes. It does not change: a switch puts
// another in its place, and calls keep the one that they began with.
type routes struct {
	cfg                     Config
	provider                string // of LLM_PROVIDER
	text, embedding, vision route
	accepted                []string // models that a request may name besides DefaultModel
	upstreams               map[string]*upstream
}

// newRoutes builds the routes of a valid configuration. Servers that the former
// routes have too are kept. The dialler may dial them all.
func newRoutes(cfg Config, dialer *egress.Dialer, former map[string]*upstream) (*routes, error) {
	r := &routes{cfg: cfg, provider: strings.ToLower(cfg.Provider), upstreams: map[string]*upstream{}}
	var faults []error
	tier := func(provider, vllmVariable string, vllmURLs []string, model string) []target {
		urls := vllmURLs
		if provider == Ollama {
			urls = []string{cfg.OllamaURL}
		}
		var replicas []target
		for _, raw := range urls {
			base, err := parseURL(raw)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			dialer.Allow(base)
			key := provider + " " + vllmVariable + " " + base.String()
			if provider == Ollama {
				key = provider + " " + base.String()
			}
			up := r.upstreams[key]
			if up == nil {
				up = former[key]
			}
			if up == nil && provider == Ollama {
				d := newOllama(dialer, base, cfg.OllamaContext)
				d.variables = cfg.modelVariables()
				up = newUpstream(cfg, provider, d)
			} else if up == nil {
				d := newVLLM(dialer, base, vllmVariable, cfg.VLLMAPIKey)
				d.variables = cfg.modelVariables()
				up = newUpstream(cfg, provider, d)
			}
			r.upstreams[key] = up
			replicas = append(replicas, target{up: up, model: model})
		}
		return replicas
	}
	r.text = route{variable: "LLM_PROVIDER", auto: r.provider == Auto}
	for _, name := range cfg.textProviders() {
		model := map[string]string{Ollama: cfg.OllamaModel, VLLM: cfg.VLLMModel}[name]
		r.text.tiers = append(r.text.tiers, tier(name, "VLLM_URL", cfg.vllmURLs(), model))
	}
	r.embedding = route{variable: "EMBEDDING_PROVIDER"}
	if cfg.EmbeddingProvider == "" {
		r.embedding.variable = "LLM_PROVIDER"
	}
	if name := cfg.embeddingProvider(); name != None {
		variable := "VLLM_URL"
		if strings.TrimSpace(cfg.VLLMEmbeddingURL) != "" {
			variable = "VLLM_EMBEDDING_URL"
		}
		r.embedding.tiers = [][]target{tier(name, variable, cfg.vllmEmbeddingURLs(), cfg.EmbeddingModel)}
	}
	r.vision = route{variable: "VISION_PROVIDER"}
	if r.provider == None && cfg.VisionProvider == "" {
		r.vision.variable = "LLM_PROVIDER"
	}
	if name := cfg.visionProvider(); name != None {
		r.vision.tiers = [][]target{tier(name, "VLLM_URL", cfg.vllmURLs(), cfg.VisionModel)}
	}
	var models []string
	for _, t := range r.text.targets() {
		models = append(models, t.model)
	}
	for _, name := range append(models, cfg.AllowedModels...) {
		if name = strings.TrimSpace(name); name != "" && name != DefaultModel && !slices.Contains(r.accepted, name) {
			r.accepted = append(r.accepted, name)
		}
	}
	return r, errors.Join(faults...)
}

// first returns the first choice for text, and false where there is none.
func (r *routes) first() (target, bool) {
	if len(r.text.tiers) == 0 {
		return target{}, false
	}
	return r.text.order()[0], true
}

// own reports whether a model that a request names is the configured one, under
// the name of one of the servers.
func (r *routes) own(model string) bool {
	if model == "" || model == DefaultModel {
		return true
	}
	return slices.ContainsFunc(r.text.targets(), func(t target) bool { return t.name("") == model })
}
