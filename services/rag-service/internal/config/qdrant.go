package config

import (
	"fmt"
	"time"

	"signpost.internal/pkg/env"
	"signpost.internal/services/rag-service/internal/qdrantindex"
)

// Qdrant is where and how chunks are kept when not in the embedded index.
type Qdrant struct {
	URL              string        `env:"QDRANT_URL" doc:"Address of Qdrant's gRPC port, such as http://localhost:6334, https where it has TLS. Empty: the index is a file in DATA_DIR. Several replicas of this service may share one Qdrant."`
	Key              env.Secret    `env:"QDRANT_API_KEY" doc:"Key that is sent to Qdrant; it must allow writing. Unset sends none."`
	Prefix           string        `env:"QDRANT_PREFIX" envDefault:"signpost" doc:"Beginning of the names of all collections in Qdrant, so that others can share it: lower-case letters, digits and hyphens."`
	Shards           int           `env:"QDRANT_SHARDS" envDefault:"1" doc:"Shards of each collection that is made from now on: on a cluster as many as it has nodes, or a multiple."`
	Replicas         int           `env:"QDRANT_REPLICAS" envDefault:"1" doc:"Replicas of each shard, on as many nodes of the cluster."`
	WriteConsistency int           `env:"QDRANT_WRITE_CONSISTENCY" envDefault:"0" doc:"Replicas that must have a change before it counts. 0: all. With fewer a reader may miss a document for a moment."`
	Quantization     string        `env:"QDRANT_QUANTIZATION" envDefault:"none" doc:"How Qdrant keeps embeddings in memory for its first look: none, int8 (a quarter of the memory) or binary (a thirty-second, for 1,024 dimensions and more). Applies to embeddings that are made from now on."`
	Timeout          time.Duration `env:"QDRANT_TIMEOUT" envDefault:"10s" doc:"How long Qdrant may take for a search."`
	WriteTimeout     time.Duration `env:"QDRANT_WRITE_TIMEOUT" envDefault:"60s" doc:"How long Qdrant may take for a change."`
}

// Validate reports values that cannot work.
func (q Qdrant) Validate() []error {
	var faults []error
	if q.URL != "" {
		if _, err := qdrantindex.ParseURL(q.URL); err != nil {
			faults = append(faults, fmt.Errorf("QDRANT_URL: %q: %w", q.URL, err))
		}
	}
	if !qdrantindex.CheckPrefix(q.Prefix) {
		faults = append(faults, fmt.Errorf("QDRANT_PREFIX: %q: up to 32 lower-case letters, digits and hyphens, such as signpost", q.Prefix))
	}
	for _, n := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"QDRANT_SHARDS", q.Shards, 1, 1000},
		{"QDRANT_REPLICAS", q.Replicas, 1, 100},
		{"QDRANT_WRITE_CONSISTENCY", q.WriteConsistency, 0, 100},
	} {
		if n.value < n.least || n.value > n.most {
			faults = append(faults, fmt.Errorf("%s: %d: a whole number from %d to %d", n.name, n.value, n.least, n.most))
		}
	}
	if q.WriteConsistency > q.Replicas {
		faults = append(faults, fmt.Errorf("QDRANT_WRITE_CONSISTENCY: %d: at most QDRANT_REPLICAS, which is %d", q.WriteConsistency, q.Replicas))
	}
	switch qdrantindex.Quantization(q.Quantization) {
	case qdrantindex.Full, qdrantindex.Int8, qdrantindex.Binary:
	default:
		faults = append(faults, fmt.Errorf("QDRANT_QUANTIZATION: %q: none, int8 or binary", q.Quantization))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"QDRANT_TIMEOUT", q.Timeout}, {"QDRANT_WRITE_TIMEOUT", q.WriteTimeout}} {
		if d.value <= 0 {
			faults = append(faults, fmt.Errorf("%s: %v: a duration above 0s", d.name, d.value))
		}
	}
	return faults
}
