package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"signpost.internal/pkg/fault"
)

// State is how a model stands.
type State string

// The states.
const (
	Ready        State = "ready"         // the server answers, has the model, and the model answered
	Loading      State = "loading"       // the server has the model, whose first token is still to come
	Unreachable  State = "unreachable"   // the server does not answer as it should
	ModelMissing State = "model_missing" // the server answers and does not have the model
	Pulling      State = "pulling"       // the server fetches the model, which it does not have
	Off          State = "off"           // LLM_PROVIDER=none
)

// The routes, as an UpstreamStatus names them.
const (
	TextRoute      = "text"
	EmbeddingRoute = "embedding"
	VisionRoute    = "vision"
)

// Status is what a look at the servers found.
type Status struct {
	// Provider and Model are those that the next call goes to: of the first
	// server that is ready, or the first of all where none is.
	Provider string
	Model    string
	State    State
	// Reachable is true when a call can be expected to work: the State is Ready.
	Reachable bool
	// Context is how many tokens the model holds, its answer included; 0 where that
	// is not known.
	Context int
	// Reason is a sentence for the operator for each server that does not answer
	// though it should: what is wrong, with its address, and what to do about
	// it. It is empty when the first choice is Ready.
	Reason  string
	Checked time.Time
	// Upstreams are the servers and what each is for, in the order in which they
	// are tried.
	Upstreams []UpstreamStatus
}

// UpstreamStatus is how one model on one server stands.
type UpstreamStatus struct {
	Route    string // TextRoute, EmbeddingRoute or VisionRoute
	Provider string
	Address  string // without password
	Model    string
	State    State
	Reason   string // as in Status
	Progress int    // percent of the model that is there while Pulling, else 0
}

const (
	probeTimeout = 2 * time.Second
	probeAge     = 5 * time.Second
	loadAge      = 20 * time.Second
	warmMax      = time.Minute
)

// probe keeps the latest status. At most one look is under way at a time.
type probe struct {
	mu    sync.Mutex
	last  Status
	under chan struct{} // closed when the look under way ends; nil when none is

	loads map[loadKey]*load // by whom a model is being asked for its first token

	wanted sync.Map // routes whose models are to be loaded besides that of text
}

// expire makes the next Status look anew.
func (p *probe) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last.Checked = time.Time{}
}

type loadKey struct {
	up    *upstream
	model string
	way   string // what it is asked for
}

// load is a question for one token or one vector, which makes a cold server load
// the model.
type load struct {
	done  chan struct{}
	err   error
	ended time.Time
}

// stale reports whether the question is to be asked anew. A model that a server
// cannot load is not loaded every few seconds.
func (l *load) stale() bool {
	select {
	case <-l.done:
		return l.err == nil || why(l.err).reason != "server_error" || time.Since(l.ended) >= loadAge
	default:
		return false
	}
}

// Status says how the models stand. It looks at most every five seconds, sooner
// after a call that failed, and for about two; callers in between share the
// result.
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
		c.group.Go(c.look)
	}
	under := p.under
	p.mu.Unlock()

	select {
	case <-under:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.last
	case <-ctx.Done():
		return Status{Provider: c.Provider(), Model: c.Model(), State: Unreachable, Reason: "The check of the model server did not end in the time that the request has."}
	}
}

// Warm has the models of the routes loaded in the background, so that the first
// user need not wait for that: each is asked for one token or one vector, which
// [Client.Status] does for TextRoute alone otherwise. A model that its server
// does not have is fetched where OLLAMA_AUTO_PULL allows it. Warm returns at
// once and goes on until each answered; what goes wrong is in the log and in the
// Status.
func (c *Client) Warm(routes ...string) {
	for _, way := range routes {
		c.probe.wanted.Store(way, nil)
	}
	c.group.Go(func() {
		for wait := probeAge; ; wait = min(2*wait, warmMax) {
			found := c.Status(c.life)
			if !slices.ContainsFunc(found.Upstreams, func(u UpstreamStatus) bool { return u.State != Ready && slices.Contains(routes, u.Route) }) {
				return
			}
			select {
			case <-c.life.Done():
				return
			case <-time.After(wait):
			}
		}
	})
}

// wants reports whether the models of a route are to be loaded.
func (c *Client) wants(way string) bool {
	_, wanted := c.probe.wanted.Load(way)
	return wanted || way == TextRoute
}

// look probes the servers once and keeps and logs the result.
func (c *Client) look() {
	r := c.routes.Load()
	found := c.ask(r)
	found.Checked = time.Now()

	p := &c.probe
	p.mu.Lock()
	before := p.last
	if c.routes.Load() != r { // switched meanwhile: this is no longer of interest
		found.Checked = time.Time{}
	}
	p.last = found
	close(p.under)
	p.under = nil
	p.mu.Unlock()

	for _, u := range found.Upstreams {
		was := slices.IndexFunc(before.Upstreams, func(b UpstreamStatus) bool {
			return b.Route == u.Route && b.Address == u.Address && b.Model == u.Model
		})
		if was >= 0 && before.Upstreams[was].State == u.State && (before.Upstreams[was].Reason == u.Reason || u.State == Pulling) {
			continue // the progress of a pull is logged where it is made
		}
		if u.State == Ready {
			c.logger.InfoContext(c.life, "model provider state", "route", u.Route, "provider", u.Provider, "model", u.Model, "state", u.State)
		} else {
			c.logger.WarnContext(c.life, "model provider state", "route", u.Route, "provider", u.Provider, "model", u.Model, "state", u.State, "reason", u.Reason)
		}
	}
}

// ask looks at the servers, all at the same time.
func (c *Client) ask(r *routes) Status {
	ctx, cancel := context.WithTimeout(c.life, probeTimeout)
	defer cancel()
	type item struct {
		route string
		target
	}
	var items []item
	for _, w := range []struct {
		name string
		way  *route
	}{{TextRoute, &r.text}, {EmbeddingRoute, &r.embedding}, {VisionRoute, &r.vision}} {
		for _, t := range w.way.targets() {
			items = append(items, item{w.name, t})
		}
	}
	lists := map[*upstream]*list{}
	for _, i := range items {
		if lists[i.up] == nil {
			lists[i.up] = &list{}
		}
	}
	var looks sync.WaitGroup
	for up, l := range lists {
		looks.Go(func() { l.names, l.err = up.driver.models(ctx) })
	}
	looks.Wait()

	status := Status{Provider: r.provider, Upstreams: make([]UpstreamStatus, len(items))}
	for n, i := range items {
		looks.Go(func() { status.Upstreams[n] = c.judge(ctx, i.route, i.target, lists[i.up]) })
	}
	looks.Wait()

	if len(r.text.tiers) == 0 {
		status.State, status.Reason = Off, fault.DetailOf(none("LLM_PROVIDER"))
		return status
	}
	var reasons []string
	for n, u := range status.Upstreams[:len(r.text.targets())] {
		if n == 0 {
			status.Provider, status.Model, status.State = u.Provider, u.Model, u.State
		}
		if u.State == Ready {
			status.Provider, status.Model, status.State, status.Reachable = u.Provider, u.Model, Ready, true
			status.Context = items[n].up.holds(ctx, u.Model)
			provider := u.Provider
			c.active.Store(&provider)
			break
		}
		reasons = append(reasons, u.Reason)
	}
	status.Reason = strings.Join(reasons, " ")
	return status
}

// list is what a server said of its models.
type list struct {
	names []string
	err   error
}

// has reports whether a model is listed. Ollama does not tell capitals apart.
func (l *list) has(provider, model string) bool {
	return slices.ContainsFunc(l.names, func(name string) bool {
		return name == model || provider == Ollama && strings.EqualFold(name, model)
	})
}

// judge says how a model on a server stands, given the server's list.
func (c *Client) judge(ctx context.Context, way string, t target, l *list) UpstreamStatus {
	e := t.up.driver.engine()
	s := UpstreamStatus{Route: way, Provider: t.up.provider, Address: e.address, Model: t.name("")}
	e.name += " at " + e.address
	switch {
	case l.err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		s.State = Unreachable
		s.Reason = fmt.Sprintf("%s did not say within %v how it is: it may be starting or overloaded, or %s may not be its address.", e.name, probeTimeout, e.urlVariable)
	case l.err != nil:
		s.State, s.Reason = Unreachable, fault.DetailOf(e.classify(ctx, s.Model, l.err))
		if t.up.provider == VLLM && errors.Is(l.err, syscall.ECONNREFUSED) {
			s.Reason += " One that is loading its model refuses connections too, for minutes."
		}
	case t.model == "" && len(l.names) > 0:
		s.Model = l.names[0]
		t.up.discovered.Store(&s.Model)
		s.State, s.Reason = c.answers(ctx, e, t, s.Model, way)
	case !l.has(t.up.provider, s.Model):
		s.State, s.Reason = ModelMissing, missingReason(e, s.Model, l.names)
		if !c.wants(way) {
			break
		}
		if p, ok := c.pulling(t.up, s.Model); ok {
			s.State, s.Reason, s.Progress = p.state(), p.sentence(e, s.Model), p.percent
		}
	case !c.wants(way):
		s.State = Ready
	default:
		s.State, s.Reason = c.answers(ctx, e, t, s.Model, way)
	}
	if way == TextRoute {
		t.up.setDown(s.State == Unreachable)
	}
	return s
}

// answers says whether a model answers. One that did is believed until a call
// fails; another is asked for one token, or one vector. As a cold model loads at that, which
// can take minutes, the question goes on when the look ends.
func (c *Client) answers(ctx context.Context, e engine, t target, model, way string) (State, string) {
	if _, known := t.up.answered.Load(model); known {
		return Ready, ""
	}
	key := loadKey{t.up, model, way}
	c.probe.mu.Lock()
	l := c.probe.loads[key]
	if l == nil || l.stale() {
		l = &load{done: make(chan struct{})}
		if c.probe.loads == nil {
			c.probe.loads = map[loadKey]*load{}
		}
		c.probe.loads[key] = l
		c.group.Go(func() { c.load(key, l) })
	}
	c.probe.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		return Loading, fmt.Sprintf("%s is loading the model %s, or is busy.", e.name, model)
	}
	if l.err == nil {
		return Ready, ""
	}
	switch {
	case why(l.err).reason == "model_missing":
		return ModelMissing, fault.DetailOf(l.err)
	case fault.KindOf(l.err) == fault.Busy:
		return Loading, fault.DetailOf(l.err)
	}
	return Unreachable, fault.DetailOf(l.err)
}

// load asks a model for one token or one vector.
func (c *Client) load(key loadKey, l *load) {
	ctx, watch := c.dog.watch(c.life, c.cfg.FirstTokenTimeout)
	defer watch.stop()
	var err error
	if key.way == EmbeddingRoute {
		_, _, err = key.up.driver.embed(ctx, key.model, canaries[:1])
	} else {
		_, err = key.up.driver.chat(ctx, call{
			model: key.model, messages: []Message{{Role: User, Content: "Say yes."}}, maxTokens: 1,
		}, func(delta) bool { return true })
	}
	if err == nil {
		key.up.answered.Store(key.model, nil)
	} else {
		e := key.up.driver.engine()
		e.name += " at " + e.address
		l.err = e.classify(ctx, key.model, err)
	}
	l.ended = time.Now()
	close(l.done)
}

// missingReason says what to do about a model that is not in the list.
func missingReason(e engine, model string, names []string) string {
	switch {
	case model == "":
		return fmt.Sprintf("%s serves no model: %s.", e.name, e.start)
	case len(names) == 0:
		return fmt.Sprintf("%s does not have the model %s: %s.", e.name, model, e.missing(model))
	}
	return fmt.Sprintf("%s does not have the model %s: %s (it has %s).", e.name, model, e.missing(model), few(names))
}

// few names the first of many.
func few(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
	}
	return strings.Join(names, ", ")
}
