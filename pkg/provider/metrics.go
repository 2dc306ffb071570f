package provider

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what a Client does. Its methods are the hooks of [Options].
type Metrics struct {
	attempts, tokens, fallbacks, switches *prometheus.CounterVec
	duration, firstToken, queued          *prometheus.HistogramVec
}

// NewMetrics registers the series, all of whose names begin with llm_.
func NewMetrics(r prometheus.Registerer) *Metrics {
	seconds := []float64{.005, .02, .1, .25, .5, 1, 2, 5, 10, 20, 40, 80, 160, 300}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels)
		r.MustRegister(h)
		return h
	}
	return &Metrics{
		attempts:   counter("llm_attempts_total", "Calls to a model server, by how they ended.", "operation", "provider", "outcome"),
		tokens:     counter("llm_tokens_total", "Tokens read (input) and written (output) by models.", "operation", "provider", "direction"),
		fallbacks:  counter("llm_fallbacks_total", "Answers by another server than the first choice.", "operation", "provider"),
		switches:   counter("llm_provider_switches_total", "Switches to a provider.", "provider"),
		duration:   histogram("llm_attempt_duration_seconds", "Time of a call to a model server, waiting included.", "operation", "provider"),
		firstToken: histogram("llm_first_token_seconds", "Time to the first token, waiting included.", "operation", "provider"),
		queued:     histogram("llm_queue_seconds", "Time that a call waited for a place on a model server.", "operation", "provider"),
	}
}

// Observe is for Options.Observe.
func (m *Metrics) Observe(a Attempt) {
	m.attempts.WithLabelValues(a.Operation, a.Provider, a.Outcome).Inc()
	m.duration.WithLabelValues(a.Operation, a.Provider).Observe(a.Duration.Seconds())
	m.queued.WithLabelValues(a.Operation, a.Provider).Observe(a.QueueTime.Seconds())
	if a.FirstToken > 0 {
		m.firstToken.WithLabelValues(a.Operation, a.Provider).Observe(a.FirstToken.Seconds())
	}
	m.tokens.WithLabelValues(a.Operation, a.Provider, "input").Add(float64(a.Usage.InputTokens))
	m.tokens.WithLabelValues(a.Operation, a.Provider, "output").Add(float64(a.Usage.OutputTokens))
	if a.Outcome == "ok" && a.Number > 1 {
		m.fallbacks.WithLabelValues(a.Operation, a.Provider).Inc()
	}
}

// Switched is for Options.Switched.
func (m *Metrics) Switched(provider string) { m.switches.WithLabelValues(provider).Inc() }
