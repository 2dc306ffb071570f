package rag

import "github.com/prometheus/client_golang/prometheus"

// Why says why meaning was not used in a search.
type Why string

// The reasons.
const (
	WhyNone      Why = ""            // it was used
	NoEmbedder   Why = "no_model"    // the service has no embedding model
	NoVectors    Why = "no_vectors"  // the collection has no embeddings
	OtherModel   Why = "other_model" // the embeddings are another model's
	EmbedFailed  Why = "failed"      // the model failed, was too slow, or did a moment ago
	VectorsMoved Why = "changed"     // the index gave up its embeddings during the search
)

// Metrics counts what a [Service] does. Its methods are the hooks of [Options].
type Metrics struct{ searches *prometheus.CounterVec }

// NewMetrics registers the series, all of whose names begin with rag_.
func NewMetrics(r prometheus.Registerer) *Metrics {
	searches := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rag_searches_total", Help: "Searches of the index for a question or a part of one, by method (words, both) and why meaning was not used.",
	}, []string{"method", "why"})
	r.MustRegister(searches)
	return &Metrics{searches}
}

// Searched is for Options.Searched.
func (m *Metrics) Searched(method Method, why Why) {
	label := "words"
	if method == ByHybrid {
		label = "both"
	}
	m.searches.WithLabelValues(label, string(why)).Inc()
}
