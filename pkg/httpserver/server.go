// Package httpserver is the HTTP half of a service: request IDs, one access
// line, limits, recovered panics and unknown routes as problem documents,
// /health, /ready and /metrics, and a graceful drain.
//
// A service makes one with [New], registers its routes on [Server.Router] (each
// with [Limit]) and calls [Server.Run].
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/problem"
)

// Config is what an operator sets about every service's HTTP side.
type Config struct {
	Host         string        `env:"LISTEN_HOST" envDefault:"127.0.0.1" doc:"Address to listen on. The default is reachable from this machine only."`
	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" envDefault:"15s" doc:"How long requests in flight may take to finish when the service is stopped."`

	APIKeysFile          string   `env:"API_KEYS_FILE" doc:"File of the hashed keys of those who may call this service, made with make key. It is watched. Without it everybody may who can reach the service."`
	APIRateLimit         int      `env:"API_RATE_LIMIT" envDefault:"600" doc:"How many requests a minute one key may send. 0: any number."`
	AllowUnauthenticated bool     `env:"ALLOW_UNAUTHENTICATED" envDefault:"false" doc:"Whether the service may listen on an address that other machines reach without an API_KEYS_FILE."`
	CORSOrigins          []string `env:"CORS_ORIGINS" doc:"Origins of web pages that may call this service, such as https://advice.example.org. Pages of all others may not."`
	TLSCertFile          string   `env:"TLS_CERT_FILE" doc:"Certificate chain in PEM, to speak https. It is watched, and so is its key."`
	TLSKeyFile           string   `env:"TLS_KEY_FILE" doc:"Private key of TLS_CERT_FILE in PEM."`
}

// Validate reports values that cannot work.
func (c Config) Validate() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.DrainTimeout < 0 {
		bad("DRAIN_TIMEOUT: %v: a duration from 0s", c.DrainTimeout)
	}
	if c.APIRateLimit < 0 {
		bad("API_RATE_LIMIT: %d: a whole number from 0", c.APIRateLimit)
	}
	if !c.loopback() && c.APIKeysFile == "" && !c.AllowUnauthenticated {
		bad("LISTEN_HOST: %q: other machines reach this address, so set API_KEYS_FILE (make key), listen on 127.0.0.1, or set ALLOW_UNAUTHENTICATED=true if something else keeps strangers out", c.Host)
	}
	for _, origin := range c.CORSOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			bad("CORS_ORIGINS: %q: origins such as https://advice.example.org, without a path", origin)
		}
	}
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		bad("TLS_CERT_FILE: %q: set both TLS_CERT_FILE and TLS_KEY_FILE, or neither", c.TLSCertFile)
	}
	return faults
}

// loopback reports whether only this machine reaches the address.
func (c Config) loopback() bool {
	ip, err := netip.ParseAddr(c.Host)
	return strings.EqualFold(c.Host, "localhost") || err == nil && ip.IsLoopback()
}

// ValidatePort reports a port that cannot be listened on; 0 lets the system choose.
func ValidatePort(name string, port int) []error {
	if port < 0 || port > 65535 {
		return []error{fmt.Errorf("%s: %d: a port from 0 to 65535", name, port)}
	}
	return nil
}

// Addr joins the configured host and a port.
func (c Config) Addr(port int) string { return net.JoinHostPort(c.Host, strconv.Itoa(port)) }

// Options are what a service's code decides.
type Options struct {
	Addr   string // host:port; port 0 lets the system choose
	Logger *slog.Logger
	// Registry receives the request metrics and is served at /metrics.
	Registry     *prometheus.Registry
	DrainTimeout time.Duration
	// Tracer gets a span for each request; nil traces nothing.
	Tracer trace.TracerProvider
	// Health returns the body of GET /health, which is always 200: the process lives.
	Health func(context.Context) any
	// Checks are what GET /ready asks, all at once.
	Checks []Check
	// Guard decides who may call; nil lets everybody.
	Guard *Guard
	// Reads are the routes ("POST /query") that store nothing though their method
	// is neither GET nor HEAD: a key needs the scope read for them, not write.
	Reads []string
}

// Server is a service's HTTP server.
type Server struct {
	opts   Options
	router *gin.Engine
}

// Gin announces itself on standard output unless told not to, by a global.
var quietGin = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// New returns a server with the common routes and middleware, not yet listening.
func New(o Options) *Server {
	quietGin()
	router := gin.New()
	router.HandleMethodNotAllowed = true
	// Gin answers these redirects before any middleware: unguarded and unlogged.
	router.RedirectTrailingSlash = false
	metrics := newMetrics(o.Registry)
	router.Use(freshDeadlines, requestID, observe(o.Logger, metrics))
	if o.Tracer != nil {
		router.Use(traced(o.Tracer))
	}
	router.Use(recovered, secured)
	if o.Guard != nil {
		router.Use(o.Guard.middleware(o.Reads)...)
	}
	router.Use(defaultLimit)
	router.NoRoute(problem.Handler(func(*gin.Context) error {
		return fault.New(fault.NotFound, "There is no such address here. GET / lists what there is.")
	}))
	router.NoMethod(problem.Handler(func(c *gin.Context) error {
		return fault.Newf(fault.NotAllowed, "This address does not answer %s. The Allow header lists what it answers.", c.Request.Method)
	}))
	router.GET("/health", func(c *gin.Context) {
		if stranger(c) {
			c.JSON(http.StatusOK, gin.H{"status": "healthy"})
			return
		}
		c.JSON(http.StatusOK, o.Health(c.Request.Context()))
	})
	router.GET("/ready", readiness(o.Checks))
	router.GET("/metrics", gin.WrapH(promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{})))
	Absent(router, apiPages())
	return &Server{opts: o, router: router}
}

// NewRegistry returns a metrics registry with the process's and Go's own metrics.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Router returns the router on which the service registers its routes.
func (s *Server) Router() *gin.Engine { return s.router }

// Run listens and serves until ctx ends, then lets requests in flight finish
// for at most the drain timeout. onListen, if not nil, learns the address.
func (s *Server) Run(ctx context.Context, onListen func(net.Addr)) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return explainListen(s.opts.Addr, err)
	}
	server := &http.Server{
		Handler:           s.router,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// "OPTIONS *" goes the way of every other request.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelWarn),
		// Requests outlive ctx: they are drained, not cut.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	watching, stopWatching := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer stopWatching()
	if guard := s.opts.Guard; guard != nil {
		watchers.Go(func() { guard.watch(watching) })
		listener = guard.secure(listener)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.opts.Logger.InfoContext(ctx, "listening", "address", listener.Addr().String())
	if onListen != nil {
		onListen(listener.Addr())
	}
	select {
	case err := <-served:
		return fmt.Errorf("serving %s: %w", s.opts.Addr, err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.DrainTimeout)
	defer cancel()
	err = server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		s.opts.Logger.WarnContext(ctx, "requests still in flight after the drain timeout were cut")
		err = server.Close()
	}
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", s.opts.Addr, served)
	}
	return err
}

func explainListen(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is already taken: stop the program that listens there, or choose another port", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s needs more rights than this user has: choose a port above 1023", addr)
	}
	return fmt.Errorf("listening on %s: %w", addr, err)
}
