// Package modelapi is the HTTP face of a service's model client, the same for
// every service: the switch of provider (GET and PUT /admin/provider), the
// headers that say who answered, and the models' part of /ready and /metrics.
package modelapi

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/pkg/provider"
)

// Open opens the model client of a service, with its metrics in the registry.
// traces may be nil. The caller closes the client.
func Open(cfg provider.Config, dialer *egress.Dialer, logger *slog.Logger, registry prometheus.Registerer, traces trace.TracerProvider) (*provider.Client, error) {
	metrics := provider.NewMetrics(registry)
	return provider.Open(cfg, provider.Options{Logger: logger, Dialer: dialer, Observe: metrics.Observe, Switched: metrics.Switched, TracerProvider: traces})
}

// The headers that say who answered.
const (
	ProviderHeader = "X-LLM-Provider" // ollama, vllm or none
	ModelHeader    = "X-LLM-Model"    // absent when no model answered
	FallbackHeader = "X-LLM-Fallback" // why not the first choice; absent when it was
)

// Answered sets the headers. An empty or "none" provider means that no model
// had a part in the answer. The fallback's reason is ASCII.
func Answered(c *gin.Context, name, model, fallback string) {
	c.Header(ProviderHeader, cmp.Or(name, provider.None))
	if name != "" && name != provider.None {
		c.Header(ModelHeader, model)
	}
	if fallback != "" {
		c.Header(FallbackHeader, fallback)
	}
}

// Check is the models' part of /ready: degraded, with the reason, when a route
// that the service uses (such as provider.TextRoute) has no model that answers;
// the detail lists every server, of all routes.
func Check(client *provider.Client, routes ...string) httpserver.Check {
	return httpserver.Check{
		Name:   "model",
		Probe:  func(ctx context.Context) error { return client.Check(ctx, routes...) },
		Detail: func(ctx context.Context) any { return upstreams(client.Status(ctx)) },
	}
}

// upstream is how one model on one server stands.
type upstream struct {
	Route    string         `json:"route"` // text, embedding or vision
	Provider string         `json:"provider"`
	Address  string         `json:"address"`
	Model    string         `json:"model"`
	State    provider.State `json:"state"`
	Reason   string         `json:"reason,omitempty"`
	Progress int            `json:"progress,omitempty"` // percent of a model that is being pulled
}

func upstreams(status provider.Status) []upstream {
	list := make([]upstream, len(status.Upstreams))
	for i, u := range status.Upstreams {
		list[i] = upstream{Route: u.Route, Provider: u.Provider, Address: u.Address, Model: u.Model, State: u.State, Reason: u.Reason, Progress: u.Progress}
	}
	return list
}

// Register adds GET and PUT /admin/provider, for the holders of a key with the
// scope admin, and without keys for callers on this machine.
func Register(router gin.IRouter, client *provider.Client) {
	limit := httpserver.Limit(4<<10, 10*time.Second)
	router.GET("/admin/provider", limit, problem.Handler(func(c *gin.Context) error {
		if err := permitted(c); err != nil {
			return err
		}
		c.JSON(http.StatusOK, state(c.Request.Context(), client, ""))
		return nil
	}))
	router.PUT("/admin/provider", limit, problem.Handler(func(c *gin.Context) error { return put(c, client) }))
}

// selection is the body of a PUT.
type selection struct {
	Provider string `json:"provider" binding:"required"`
	Fallback string `json:"fallback"`
}

// providerState is the body of an answer.
type providerState struct {
	Provider  string         `json:"provider"` // as LLM_PROVIDER
	Fallback  string         `json:"fallback"` // as LLM_FALLBACK; empty means the other engine, where there is one
	Active    string         `json:"active"`   // whom the next call goes to: ollama, vllm or none
	Model     string         `json:"model"`
	State     provider.State `json:"state"`
	Reason    string         `json:"reason,omitempty"`
	Upstreams []upstream     `json:"upstreams"`
	Notice    string         `json:"notice,omitempty"`
}

func state(ctx context.Context, client *provider.Client, notice string) providerState {
	chosen, status := client.Selection(), client.Status(ctx)
	return providerState{
		Provider: chosen.Provider, Fallback: chosen.Fallback, Active: status.Provider, Model: status.Model,
		State: status.State, Reason: status.Reason, Upstreams: upstreams(status), Notice: notice,
	}
}

const notice = "In force now, for this service alone, and not kept: after a restart PROVIDER_FILE decides again, and where it sets nothing the environment. " +
	"To switch every service, edit PROVIDER_FILE."

func put(c *gin.Context, client *provider.Client) error {
	if err := permitted(c); err != nil {
		return err
	}
	var wanted selection
	if err := httpserver.BindJSON(c, &wanted); err != nil {
		return err
	}
	ctx := c.Request.Context()
	if err := client.Switch(ctx, provider.Selection{Provider: wanted.Provider, Fallback: wanted.Fallback}); err != nil {
		return err
	}
	c.JSON(http.StatusOK, state(ctx, client, notice))
	return nil
}

// permitted lets the holders of a key with the scope admin in from anywhere and,
// where the service has no keys, callers on this machine.
func permitted(c *gin.Context) error {
	if httpserver.Keyed(c) {
		return nil
	}
	return local(c.Request)
}

// local refuses callers on other machines, also those whom a proxy on this one
// speaks for, and web pages whose own address was made to lead to this machine:
// their requests name another host.
func local(r *http.Request) error {
	caller, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !caller.Addr().Unmap().IsLoopback() || !loopbackName(r.Host) || forwarded(r.Header) {
		return fault.New(fault.Forbidden, "The model provider is shown and switched from this machine only, at a loopback address. From elsewhere, edit PROVIDER_FILE.")
	}
	return nil
}

// forwarded reports whether a proxy says that it sends the request on.
func forwarded(h http.Header) bool {
	return slices.ContainsFunc([]string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"}, func(name string) bool {
		return len(h[name]) > 0
	})
}

func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
