package httpserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/apikey"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/problem"
)

// Guard decides who may call a service: the holders of keys, and the web pages
// of the allowed origins. It also holds the service's certificate.
type Guard struct {
	keys    *apikey.Keys // nil for none
	origins []string
	names   []string // hosts of the origins
	anyName bool     // whether the service may be called by any name
	tls     *certificate
}

// OpenGuard reads the files that the configuration names.
func OpenGuard(ctx context.Context, cfg Config, logger *slog.Logger) (*Guard, error) {
	g := &Guard{}
	for _, origin := range cfg.CORSOrigins {
		origin = strings.ToLower(origin) // as browsers send it
		g.origins = append(g.origins, origin)
		_, host, _ := strings.Cut(origin, "://")
		g.names = append(g.names, hostname(host))
	}
	if cfg.APIKeysFile != "" {
		var err error
		if g.keys, err = apikey.Open(cfg.APIKeysFile, cfg.APIRateLimit, logger); err != nil {
			return nil, fmt.Errorf("API_KEYS_FILE: %w", err)
		}
		g.anyName = true
	}
	if cfg.TLSCertFile != "" {
		var err error
		if g.tls, err = openCertificate(cfg.TLSCertFile, cfg.TLSKeyFile, logger); err != nil {
			return nil, fmt.Errorf("TLS_CERT_FILE: %w", err)
		}
	}
	switch {
	case g.keys == nil && !cfg.loopback():
		logger.WarnContext(ctx, "everybody who reaches this address may call the service, as ALLOW_UNAUTHENTICATED is set", "host", cfg.Host)
	case !cfg.loopback() && g.tls == nil:
		logger.WarnContext(ctx, "keys and answers are sent unencrypted: set TLS_CERT_FILE, or let only a proxy with TLS reach this address", "host", cfg.Host)
	}
	return g, nil
}

// watch follows the files until ctx ends.
func (g *Guard) watch(ctx context.Context) {
	var watchers sync.WaitGroup
	if g.keys != nil {
		watchers.Go(func() { g.keys.Watch(ctx) })
	}
	if g.tls != nil {
		watchers.Go(func() { g.tls.watch(ctx) })
	}
	watchers.Wait()
}

// secure makes the listener speak TLS where there is a certificate.
func (g *Guard) secure(l net.Listener) net.Listener {
	if g.tls == nil {
		return l
	}
	return g.tls.listener(l)
}

func (g *Guard) middleware(reads []string) []gin.HandlerFunc {
	chain := []gin.HandlerFunc{g.pages}
	if len(g.origins) > 0 {
		chain = append(chain, cors.New(cors.Config{
			AllowOrigins: g.origins,
			AllowMethods: []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete},
			AllowHeaders: []string{"Accept", "Authorization", "Content-Type", "X-API-Key", problem.RequestIDHeader},
			ExposeHeaders: []string{
				"Retry-After", problem.RequestIDHeader, "X-LLM-Provider", "X-LLM-Model", "X-LLM-Fallback",
				"X-Draft-ID", "X-Draft-Ready", "X-Draft-Not-Proved", "X-PDF-Method", "X-Document-Notice",
			},
			MaxAge: 10 * time.Minute,
		}))
	}
	if g.keys != nil {
		chain = append(chain, func(c *gin.Context) { g.authenticate(c, reads) })
	}
	return chain
}

// pages refuses requests of web pages that have no business here. A browser
// sends some of them, uploads too, without asking first. A page can also have
// its own name lead to this machine; so without keys the service is called by
// an address, or by a name that nobody outside can own.
func (g *Guard) pages(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if _, from, _ := strings.Cut(origin, "://"); origin != "" && from != c.Request.Host && !slices.Contains(g.origins, origin) {
		refuse(c, fault.New(fault.Forbidden, "Web pages of this origin may not call the service. CORS_ORIGINS lists those that may."))
		return
	}
	if name := hostname(c.Request.Host); !g.anyName && !ownName(name) && !slices.Contains(g.names, name) {
		refuse(c, fault.New(fault.Forbidden, "Without API keys the service is called by its IP address, as localhost or by a name without a dot. Set API_KEYS_FILE, or CORS_ORIGINS to the address that people see."))
	}
}

// ownName reports whether no stranger can own the name.
func ownName(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil || !strings.Contains(strings.TrimSuffix(name, "."), ".")
}

// hostname returns the host without port and brackets, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// What the guard leaves in Gin's context.
const (
	callerKey   = "httpserver.caller"   // the name of the key, a string
	strangerKey = "httpserver.stranger" // true: no right key where there are keys
)

// Keyed reports whether the request came with a key that has the route's scope.
func Keyed(c *gin.Context) bool { return c.GetString(callerKey) != "" }

// Caller returns the name of the key that the request came with, empty where
// there are no keys.
func Caller(c *gin.Context) string { return c.GetString(callerKey) }

func stranger(c *gin.Context) bool { return c.GetBool(strangerKey) }

// authenticate lets those requests pass that come with a right key, whatever
// else comes from the same address.
func (g *Guard) authenticate(c *gin.Context, reads []string) {
	route := c.FullPath()
	open := route == "/health" || route == "/ready"
	sent := apikey.Sent(c.Request.Header)
	key, ok := g.keys.Find(sent)
	switch {
	case !ok && open:
		c.Set(strangerKey, true)
		return
	case !ok:
		g.refuseStranger(c, sent)
		return
	case open:
	default:
		if wait := g.keys.Take(key); wait > 0 {
			refuse(c, tooMany(wait, "This key has sent as many requests as it may for now (API_RATE_LIMIT)."))
			return
		}
		// Addresses that do not exist are answered as such to every key.
		if scope := scopeOf(c.Request.Method, route, reads); route != "" && !key.Allows(scope) {
			refuse(c, fault.Newf(fault.Forbidden, "The key %s lacks the scope %s, which this needs.", key.Name, scope))
			return
		}
	}
	c.Set(callerKey, key.Name)
}

func (g *Guard) refuseStranger(c *gin.Context, sent string) {
	switch wait := g.keys.Failed(c.Request.RemoteAddr); {
	case wait > 0:
		refuse(c, tooMany(wait, "Too many requests came from your address without a right key."))
	case sent == "":
		refuse(c, fault.New(fault.Unauthenticated, "Send your key in the header Authorization: Bearer …, or X-API-Key."))
	default:
		refuse(c, fault.New(fault.Unauthenticated, "The key is not one of those that this service knows."))
	}
}

// scopeOf returns the scope that a route needs. What nobody thought of needs
// more rather than less.
func scopeOf(method, route string, reads []string) apikey.Scope {
	switch {
	case strings.HasPrefix(route, "/admin/"):
		return apikey.Admin
	case method == http.MethodGet, method == http.MethodHead, slices.Contains(reads, method+" "+route):
		return apikey.Read
	}
	return apikey.Write
}

func tooMany(wait time.Duration, detail string) error {
	return &fault.Error{Kind: fault.TooMany, Detail: detail, RetryAfter: wait}
}

// refusedTime is how long a refused caller may hold the connection.
const refusedTime = 5 * time.Second

// refuse answers without reading the body, and ends the connection where there
// is one: a stranger could send it for ever.
func refuse(c *gin.Context, err error) {
	if c.Request.ContentLength != 0 {
		c.Header("Connection", "close")
	}
	conn := http.NewResponseController(c.Writer)
	_ = conn.SetReadDeadline(time.Now().Add(refusedTime)) // recorders in tests have no deadlines
	_ = conn.SetWriteDeadline(time.Now().Add(refusedTime))
	problem.Write(c, err)
}

// secured tells browsers to make nothing of an answer but what it is, and
// nobody to keep it.
func secured(c *gin.Context) {
	for name, value := range map[string]string{
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
	} {
		c.Header(name, value)
	}
}
