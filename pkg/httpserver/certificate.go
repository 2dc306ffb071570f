package httpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"

	"signpost.internal/pkg/filewatch"
)

// certificate is the service's, from two files that are watched.
type certificate struct {
	paths   []string
	logger  *slog.Logger
	content [][]byte // as first read
	current atomic.Pointer[tls.Certificate]
}

func openCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{paths: []string{certFile, keyFile}, logger: logger}
	var err error
	if c.content, err = filewatch.Read(c.paths...); err != nil {
		return nil, err
	}
	return c, c.apply(c.content)
}

// apply puts a pair in force. One that does not fit, as when only one of the
// files was replaced yet, is an error.
func (c *certificate) apply(content [][]byte) error {
	pair, err := tls.X509KeyPair(content[0], content[1])
	if err != nil {
		return fmt.Errorf("%s and %s are no certificate with its key: %w", c.paths[0], c.paths[1], err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) watch(ctx context.Context) {
	filewatch.Watch(ctx, c.logger, c.paths, c.content, c.apply)
}

func (c *certificate) listener(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	})
}
