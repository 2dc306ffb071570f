package httpserver

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
)

// probeTimeout bounds one readiness probe.
const probeTimeout = 3 * time.Second

// Check is one thing that a service needs, or would like to have.
type Check struct {
	Name string
	// Required checks that fail make the service unavailable (503). Others make
	// it degraded (200): it does its job with less.
	Required bool
	// Probe returns nil or the reason in words that an operator can act on.
	Probe func(context.Context) error
	// Detail, if not nil, returns what the check's line shows besides, as JSON.
	Detail func(context.Context) any
}

type readyBody struct {
	Status string      `json:"status"` // ready, degraded or unavailable
	Checks []readyLine `json:"checks"`
}

type readyLine struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok or failed
	Reason string `json:"reason,omitempty"`
	Detail any    `json:"detail,omitempty"`
}

// strangersEvery is how often probes run for those who have no key: probes ask
// other services, at the cost of this service's own key there.
const strangersEvery = time.Second

func readiness(checks []Check) gin.HandlerFunc {
	var last probed
	return func(c *gin.Context) {
		if stranger(c) {
			c.JSON(last.probe(c.Request.Context(), checks))
			return
		}
		c.JSON(probe(c.Request.Context(), checks))
	}
}

// probed is what strangers are told, all the same.
type probed struct {
	mu     sync.Mutex
	at     time.Time
	status int
	body   readyBody
}

func (p *probed) probe(ctx context.Context, checks []Check) (int, readyBody) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) > strangersEvery {
		// Others wait for the outcome, so it does not end with this request.
		p.status, p.body = probe(context.WithoutCancel(ctx), checks)
		for i, line := range p.body.Checks { // reasons and details hold addresses
			p.body.Checks[i] = readyLine{Name: line.Name, Status: line.Status}
		}
		p.at = time.Now()
	}
	return p.status, p.body
}

// probe asks all checks.
func probe(ctx context.Context, checks []Check) (int, readyBody) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	errs, details := make([]error, len(checks)), make([]any, len(checks))
	var wg sync.WaitGroup
	for i, check := range checks {
		wg.Go(func() {
			errs[i] = check.Probe(ctx)
			if check.Detail != nil {
				details[i] = check.Detail(ctx)
			}
		})
	}
	wg.Wait()

	status, body := http.StatusOK, readyBody{Status: "ready", Checks: make([]readyLine, len(checks))}
	for i, check := range checks {
		body.Checks[i] = readyLine{Name: check.Name, Status: "ok", Detail: details[i]}
		switch {
		case errs[i] == nil:
			continue
		case check.Required:
			status, body.Status = http.StatusServiceUnavailable, "unavailable"
		case body.Status == "ready":
			body.Status = "degraded"
		}
		body.Checks[i].Status, body.Checks[i].Reason = "failed", fault.DetailOf(errs[i])
	}
	return status, body
}
