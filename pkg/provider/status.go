package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"signpost.internal/pkg/fault"
)

// State is how the configured model stands.
type State string

// The states.
const (
	Ready        State = "ready"         // the server answers and has the model
	Unreachable  State = "unreachable"   // the server does not answer as it should
	ModelMissing State = "model_missing" // the server answers and does not have the model
	Off          State = "off"           // LLM_PROVIDER=none
)

// Status is what a look at the server found.
type Status struct {
	Provider string
	Model    string
	State    State
	// Reachable is true when a call can be expected to work: the State is Ready.
	Reachable bool
	// Reason is a sentence for the operator: what is wrong, with the server's
	// address, and what to do about it. Empty when Ready.
	Reason  string
	Checked time.Time
}

const (
	probeTimeout = 2 * time.Second
	probeAge     = 5 * time.Second
)

// probe keeps the latest status. At most one look is under way at a time.
type probe struct {
	mu    sync.Mutex
	last  Status
	under chan struct{} // closed when the look under way ends; nil when none is
	group sync.WaitGroup
}

func (p *probe) wait() { p.group.Wait() }

// Status says whether the server answers and has the model. It looks at most
// every five seconds, and for at most two; callers in between share the result.
func (c *Client) Status(ctx context.Context) Status {
	p := &c.probe
	p.mu.Lock()
	if !p.last.Checked.IsZero() && time.Since(p.last.Checked) < probeAge {
		defer p.mu.Unlock()
		return p.last
	}
	if p.under == nil {
		p.under = make(chan struct{})
		// The look is for all callers, so it outlives the one that began it.
		p.group.Go(func() { c.look(context.WithoutCancel(ctx), p) })
	}
	under := p.under
	p.mu.Unlock()

	select {
	case <-under:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.last
	case <-ctx.Done():
		return Status{Provider: c.provider, Model: c.Model(), State: Unreachable, Reason: "The check of the model server did not end in the time that the request has."}
	}
}

// look probes the server once and keeps and logs the result.
func (c *Client) look(ctx context.Context, p *probe) {
	looking, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	found := c.ask(looking)
	found.Checked = time.Now()

	p.mu.Lock()
	before := p.last
	p.last = found
	close(p.under)
	p.under = nil
	p.mu.Unlock()

	if before.State == found.State && before.Reason == found.Reason {
		return
	}
	if found.State == Ready || found.State == Off {
		c.logger.InfoContext(ctx, "model provider state", "provider", found.Provider, "model", found.Model, "state", found.State)
	} else {
		c.logger.WarnContext(ctx, "model provider state", "provider", found.Provider, "model", found.Model, "state", found.State, "reason", found.Reason)
	}
}

// ask looks at the server.
func (c *Client) ask(ctx context.Context) Status {
	status := Status{Provider: c.provider, Model: c.Model(), State: Ready}
	if c.provider == None {
		status.State, status.Reason = Off, fault.DetailOf(noDriver{variable: "LLM_PROVIDER"}.none())
		return status
	}
	e := c.text.engine()
	e.name += " at " + e.address
	names, err := c.text.models(ctx)
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		status.State = Unreachable
		status.Reason = fmt.Sprintf("%s did not say within %v how it is: it may be starting or overloaded, or %s may not be its address.", e.name, probeTimeout, e.urlVariable)
	case err != nil:
		status.State = Unreachable
		status.Reason = fault.DetailOf(e.classify(ctx, status.Model, err))
	case c.configured() == "" && len(names) > 0:
		c.discovered.Store(&names[0])
		status.Model = names[0]
	case !slices.Contains(names, status.Model):
		status.State = ModelMissing
		status.Reason = missingReason(e, status.Model, names)
	}
	status.Reachable = status.State == Ready
	return status
}

// missingReason says what to do about a model that is not in the list.
func missingReason(e engine, model string, names []string) string {
	switch {
	case model == "":
		return fmt.Sprintf("%s serves no model: %s.", e.name, e.start)
	case len(names) == 0:
		return fmt.Sprintf("%s does not have the model %s: %s.", e.name, model, e.missing(model))
	}
	return fmt.Sprintf("%s does not have the model %s: %s (it has %s).", e.name, model, e.missing(model), list(names))
}

// list names the first few.
func list(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
	}
	return strings.Join(names, ", ")
}
