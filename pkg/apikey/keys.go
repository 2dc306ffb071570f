package apikey

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"signpost.internal/pkg/filewatch"
)

const (
	// A key may send what it may send in burstTime at once.
	burstTime = 10 * time.Second
	// An address may fail failBurst times, and again once each failEvery. Beyond
	// that its failures are told to wait. A right key is let in all the same, so
	// that nobody can lock out others behind the same address.
	failBurst = 20
	failEvery = 2 * time.Second
	// Addresses share places, as a table that grew with them would be a way to
	// fill the memory.
	failPlaces = 4096
)

// Keys are the keys of a file that is watched. All methods may be called at the
// same time.
type Keys struct {
	path    string
	limit   int // requests a minute; 0 for any number
	logger  *slog.Logger
	content [][]byte // as read by Open
	known   atomic.Pointer[table]
	seed    maphash.Seed
	fails   [failPlaces]*rate.Limiter
}

// table is what one version of the file makes.
type table struct {
	keys   []Key
	limits map[[32]byte]*rate.Limiter // by hash
}

// Open reads the file of keys. A key may send perMinute requests a minute, any
// number where that is 0.
func Open(path string, perMinute int, logger *slog.Logger) (*Keys, error) {
	content, err := filewatch.Read(path)
	if err != nil {
		return nil, err
	}
	k := &Keys{path: path, limit: perMinute, logger: logger, content: content, seed: maphash.MakeSeed()}
	for i := range k.fails {
		k.fails[i] = rate.NewLimiter(rate.Every(failEvery), failBurst)
	}
	if err := k.apply(content); err != nil {
		return nil, err
	}
	return k, nil
}

// Watch puts each change of the file in force until ctx ends. A file that is
// broken, gone or empty is refused with a log line, and the keys stay.
func (k *Keys) Watch(ctx context.Context) {
	filewatch.Watch(ctx, k.logger, []string{k.path}, k.content, k.apply)
}

func (k *Keys) apply(content [][]byte) error {
	keys, err := Parse(content[0])
	if err != nil {
		return fmt.Errorf("%s: %w", k.path, err)
	}
	next := &table{keys: keys, limits: make(map[[32]byte]*rate.Limiter, len(keys))}
	former := k.known.Load()
	for _, key := range keys {
		if former != nil && former.limits[key.hash] != nil {
			next.limits[key.hash] = former.limits[key.hash]
			continue
		}
		next.limits[key.hash] = k.newLimit()
	}
	k.known.Store(next)
	return nil
}

func (k *Keys) newLimit() *rate.Limiter {
	if k.limit == 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	perSecond := float64(k.limit) / time.Minute.Seconds()
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond*burstTime.Seconds())))
}

// Find returns the key that a request sent, and whether there is such a one.
func (k *Keys) Find(sent string) (Key, bool) { return find(k.known.Load().keys, sent) }

// Take counts a request of a key. wait is 0, or how long the caller must wait
// because the request is one too many.
func (k *Keys) Take(key Key) (wait time.Duration) {
	limit := k.known.Load().limits[key.hash]
	if limit == nil { // taken from the file since Find
		return time.Second
	}
	return take(limit)
}

// Failed counts a request without a right key from an address ("host:port").
// wait is 0, or how long the address must wait because it fails too often.
func (k *Keys) Failed(remote string) (wait time.Duration) {
	return take(k.fails[maphash.String(k.seed, place(remote))%failPlaces])
}

// place is what one sender is taken to have: an IPv4 address, or an IPv6 /64.
func place(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := at.Addr().Unmap()
	if ip.Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}

// take takes a token, or says how long to wait for the next.
func take(limit *rate.Limiter) time.Duration {
	r := limit.Reserve()
	if wait := r.Delay(); wait > 0 {
		r.Cancel()
		return wait
	}
	return 0
}
