// Package egress holds the one dialler of a service. It dials the addresses that
// the configuration names and no other, so that nothing leaves for anywhere
// else, whatever a library, a redirect or a defect asks for.
//
// Every client that speaks over the network is made with [Dialer.Transport] or
// [Dialer.DialContext]; a test of this package finds code that dials otherwise.
package egress

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DialTimeout is how long a connection may take to come about.
const DialTimeout = 3 * time.Second

// Config is what the operator sets.
type Config struct {
	Allow []string `env:"EGRESS_ALLOW" doc:"Addresses (host:port) that this service may connect to, even where another variable or PROVIDER_FILE names more. Unset: all that these name, and no other."`
}

// Validate reports addresses that cannot be dialled.
func (c Config) Validate() []error {
	var faults []error
	for _, address := range c.Allow {
		host, port, err := net.SplitHostPort(address)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || n == 0 {
			faults = append(faults, fmt.Errorf("EGRESS_ALLOW: %q: addresses such as localhost:11434, joined by commas", address))
		}
	}
	return faults
}

// BlockedError is the error of a dial to an address that is not allowed.
type BlockedError struct{ Address string }

// Error names the address and what to do.
func (e *BlockedError) Error() string {
	return "egress to " + e.Address + " is blocked: it is no address of the configuration (EGRESS_ALLOW)"
}

// Dialer dials allowed addresses. Its methods may be called at the same time.
type Dialer struct {
	dialer net.Dialer
	logger *slog.Logger
	fixed  bool // whether EGRESS_ALLOW decides alone

	mu      sync.RWMutex
	allowed map[string]struct{} // host:port, the host in lower case
}

// New returns a dialler that allows what the configuration lists. logger, nil
// for none, is told of each dial that is blocked.
func New(cfg Config, logger *slog.Logger) *Dialer {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	d := &Dialer{
		dialer: net.Dialer{Timeout: DialTimeout, KeepAlive: 30 * time.Second},
		logger: logger, fixed: len(cfg.Allow) > 0, allowed: map[string]struct{}{},
	}
	for _, address := range cfg.Allow {
		d.allowed[canonical(address)] = struct{}{}
	}
	return d
}

// Allow adds the addresses of URLs that the configuration names. It adds none
// where EGRESS_ALLOW is set.
func (d *Dialer) Allow(urls ...*url.URL) {
	if d.fixed {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range urls {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		d.allowed[canonical(net.JoinHostPort(u.Hostname(), port))] = struct{}{}
	}
}

// DialContext connects to an allowed address. Any other is refused with a
// *BlockedError before its name is looked up, and named in the log.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.RLock()
	_, ok := d.allowed[canonical(address)]
	d.mu.RUnlock()
	if !ok {
		d.logger.WarnContext(ctx, "egress blocked", "address", address, "allowed", d.list())
		return nil, &BlockedError{Address: address}
	}
	return d.dialer.DialContext(ctx, network, address)
}

func (d *Dialer) list() string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]string, 0, len(d.allowed))
	for address := range d.allowed {
		all = append(all, address)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// Transport returns an HTTP transport that uses this dialler and no proxy. The
// caller may change the rest of it before its first use.
func (d *Dialer) Transport() *http.Transport {
	return &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: DialTimeout}
}

func canonical(address string) string { return strings.ToLower(address) }
