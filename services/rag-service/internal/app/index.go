package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"signpost.internal/pkg/egress"
	"signpost.internal/services/rag-service/internal/config"
	"signpost.internal/services/rag-service/internal/qdrantindex"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// The kinds of index, as /stats and /ready name them.
const (
	embedded = "embedded"
	onQdrant = "qdrant"
)

// openIndex opens the index that the configuration chooses, and names its kind.
func openIndex(ctx context.Context, cfg config.Config, dir string, dialer *egress.Dialer, logger *slog.Logger) (rag.Index, string, error) {
	if cfg.Qdrant.URL == "" {
		index, err := sqliteindex.Open(ctx, dir)
		return index, embedded, err
	}
	owner, err := ownerIn(dir)
	if err != nil {
		return nil, "", err
	}
	q := cfg.Qdrant
	index, err := qdrantindex.Open(qdrantindex.Options{
		URL: q.URL, Key: q.Key, Dialer: dialer, Logger: logger, Owner: owner, Prefix: q.Prefix,
		Shards: q.Shards, Replicas: q.Replicas, WriteConsistency: q.WriteConsistency,
		Quantization: qdrantindex.Quantization(q.Quantization), Timeout: q.Timeout, WriteTimeout: q.WriteTimeout,
	})
	return index, onQdrant, err
}

// ownerIn returns the name of this replica, which it keeps in its folder.
func ownerIn(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("DATA_DIR %s cannot be made: %w", dir, err)
	}
	path := filepath.Join(dir, "replica")
	content, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(content)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("DATA_DIR cannot be read: %w", err)
	}
	name := uuid.NewString()
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("DATA_DIR cannot be written: %w", err)
	}
	return name, nil
}
