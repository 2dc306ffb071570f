package qdrantindex

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/fault"
)

const (
	defaultPort = "6334"
	// maxMessage is the largest answer that is taken: the client's own limit, 4 MiB,
	// is less than a few hundred passages.
	maxMessage = 64 << 20
	// The first release whose conditional upserts are fenced, which the catalogue
	// needs to have one writer at a time, and that takes the corpus of the IDF.
	oldestMajor, oldestMinor = 1, 19
)

// ParseURL returns the address of Qdrant's gRPC port, with the port that it has by
// default.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("an address such as http://localhost:6334, with the port of gRPC")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	return u, nil
}

// dial makes the client. It connects when it is first used, so that it can be made
// while Qdrant is away.
func dial(o Options) (*qdrant.Client, error) {
	u, err := ParseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("QDRANT_URL: %w", err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return nil, fmt.Errorf("QDRANT_URL: %w", err)
	}
	o.Dialer.Allow(u)
	config := &qdrant.Config{
		// The name goes to our dialler as it is: it looks names up itself.
		Host: "passthrough:///" + u.Hostname(), Port: port,
		UseTLS: u.Scheme == "https", TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		// One connection and no retries of the client's: with more of the one it
		// multiplies the other. HTTP/2 carries all calls, and call is who retries.
		PoolSize:               1,
		SkipCompatibilityCheck: true, // done by prepare, which fails where that only warns
		GrpcOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return o.Dialer.DialContext(ctx, "tcp", address)
			}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
			grpc.WithDisableServiceConfig(),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
				MinConnectTimeout: 3 * time.Second,
			}),
		},
	}
	if o.Key != "" {
		// As a header of ours: the client's own field writes to the default log.
		config.Headers = map[string]string{"api-key": o.Key.Reveal()}
	}
	if strings.Contains(u.Hostname(), ":") {
		config.Host = "passthrough:///[" + u.Hostname() + "]"
	}
	return qdrant.NewClient(config)
}

// newRetry makes the only policy that repeats a call: when Qdrant cannot be
// reached, twice at most, and for not more than a fifth of all calls.
func newRetry() failsafe.Executor[any] {
	return failsafe.With(retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return status.Code(err) == codes.Unavailable }).
		WithMaxRetries(2).
		WithBackoff(50*time.Millisecond, 400*time.Millisecond).
		WithJitterFactor(0.3).
		WithBudget(budget.NewBuilder().WithMaxRate(0.2).Build()).
		ReturnLastFailure().
		Build())
}

// read makes a call that changes nothing, within the time for a question.
func read[R any](ctx context.Context, x *Index, what func(context.Context, *qdrant.Client) (R, error)) (R, error) {
	return call(ctx, x, x.o.Timeout, what)
}

// write makes a call that changes something, within the time for a change. All
// are such that doing them twice does no harm.
func write[R any](ctx context.Context, x *Index, what func(context.Context, *qdrant.Client) (R, error)) (R, error) {
	return call(ctx, x, x.o.WriteTimeout, what)
}

func call[R any](ctx context.Context, x *Index, timeout time.Duration, what func(context.Context, *qdrant.Client) (R, error)) (R, error) {
	var result R
	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error // the policy's own errors, of its budget and the context, say less
	_, err := x.retry.WithContext(callCtx).Get(func() (any, error) {
		result, last = what(callCtx, x.client)
		return nil, last
	})
	if err != nil && last != nil {
		err = last
	}
	return result, x.explain(ctx, err)
}

// seconds is how long a server may work on a call.
func seconds(d time.Duration) *uint64 {
	return qdrant.PtrOf(uint64(max(1, math.Ceil(d.Seconds()))))
}

// update checks that a change has been applied and not only been taken note of.
func update(result *qdrant.UpdateResult, err error) (*qdrant.UpdateResult, error) {
	if err == nil && result.GetStatus() != qdrant.UpdateStatus_Completed {
		return nil, fault.Wrap(fault.Unavailable, fmt.Errorf("status %s", result.GetStatus()),
			"Qdrant took a change and did not apply it in time: it has too much to do. Try again, or set QDRANT_WRITE_TIMEOUT higher.")
	}
	return result, err
}

// explain translates Qdrant's errors, once. ctx is the caller's.
func (x *Index) explain(ctx context.Context, err error) error {
	var known *fault.Error
	var exhausted *qdrant.QdrantResourceExhaustedError
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.As(err, &exhausted):
		return &fault.Error{
			Kind: fault.Busy, Detail: "Qdrant takes no more requests at the moment: try again.",
			RetryAfter: time.Duration(exhausted.RetryAfterS) * time.Second, Cause: err,
		}
	}
	text := err.Error()
	switch status.Code(err) {
	case codes.Unavailable:
		return fault.Wrap(fault.Unavailable, err, unavailable(text))
	case codes.Unauthenticated, codes.PermissionDenied:
		return fault.Wrap(fault.Unavailable, err, "Qdrant refuses the key: set QDRANT_API_KEY to one that may read and write.")
	case codes.DeadlineExceeded:
		return fault.Wrap(fault.Timeout, err, "Qdrant took longer than QDRANT_TIMEOUT or QDRANT_WRITE_TIMEOUT: try again, give Qdrant more processors or memory, or set them higher.")
	case codes.Unimplemented:
		return fault.Wrap(fault.Unavailable, err, "What answers at QDRANT_URL is no Qdrant of version 1.19 or newer, or not its port of gRPC (6334 by default): set QDRANT_URL.")
	case codes.ResourceExhausted:
		return fault.Wrap(fault.Unavailable, err, "Qdrant has no room for this: give it more disk or memory, or raise its quotas, then try again.")
	case codes.Unknown:
		if errors.Is(err, context.DeadlineExceeded) {
			return fault.Wrap(fault.Timeout, err, "Qdrant took longer than it may: see QDRANT_TIMEOUT and QDRANT_WRITE_TIMEOUT.")
		}
	case codes.Internal:
		if strings.Contains(text, "No space left") || strings.Contains(text, "disk") && strings.Contains(text, "space") {
			return fault.Wrap(fault.Unavailable, err, "Qdrant's disk is full: free some space, then try again. Nothing of what was stored before is lost.")
		}
	}
	return fmt.Errorf("qdrant: %w", err)
}

func unavailable(text string) string {
	switch {
	case strings.Contains(text, "egress to "):
		return "EGRESS_ALLOW does not list the address of QDRANT_URL: add it."
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return "QDRANT_URL says https, and what answers there speaks without TLS: write http, or switch TLS on in Qdrant."
	case strings.Contains(text, "x509:"), strings.Contains(text, "tls:"), strings.Contains(text, "authentication handshake failed"):
		return "Qdrant's certificate is not trusted or not for the host in QDRANT_URL: put the name of the certificate into QDRANT_URL, and its authority among those that this machine trusts (SSL_CERT_FILE)."
	case strings.Contains(text, "server preface"), strings.Contains(text, "frame too large"), strings.Contains(text, "malformed HTTP"), strings.Contains(text, "unexpected HTTP status"):
		return "What answers at QDRANT_URL does not speak gRPC without TLS: give the port of gRPC (6334 by default), with https where Qdrant has TLS switched on."
	}
	return "Qdrant does not answer: start it, or correct QDRANT_URL. What is stored there is not lost."
}

// checkVersion fails for a server that lacks what this package uses.
func checkVersion(version string) error {
	part := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(part) == 3 {
		major, err1 := strconv.Atoi(part[0])
		minor, err2 := strconv.Atoi(part[1])
		if err1 == nil && err2 == nil && (major > oldestMajor || major == oldestMajor && minor >= oldestMinor) {
			return nil
		}
	}
	return fault.Newf(fault.Unavailable, "Qdrant at QDRANT_URL is of version %q, and %d.%d or newer is needed: upgrade it, one minor version at a time.", version, oldestMajor, oldestMinor)
}

// keyed locks by name.
type keyed struct {
	mu   sync.Mutex
	held map[string]*hold
}

type hold struct {
	sync.Mutex
	users int
}

func (k *keyed) lock(name string) (unlock func()) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*hold{}
	}
	h, ok := k.held[name]
	if !ok {
		h = &hold{}
		k.held[name] = h
	}
	h.users++
	k.mu.Unlock()
	h.Lock()
	return func() {
		h.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(k.held, name)
		}
	}
}
