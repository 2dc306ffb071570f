package provider

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"

	"signpost.internal/pkg/fault"
)

const (
	// pullIdle is how long a pull may say nothing: to check what was fetched is
	// silent work of minutes.
	pullIdle = 10 * time.Minute
	// A pull that failed is tried again after pullDelay, then after twice as long
	// each time, up to pullDelayMax.
	pullDelay    = 30 * time.Second
	pullDelayMax = 30 * time.Minute
	// Progress is logged at each pullStep percent, and after pullLog without.
	pullStep = 10
	pullLog  = 30 * time.Second
)

// What can go wrong with a pull, besides what the server says.
var (
	errPulling  = errors.New("the model is being pulled")
	errPullCut  = errors.New("the pull was cut")
	errPullEnd  = errors.New("the pull ended without success")
	errPullIdle = errors.New("the pull made no progress")
)

// fetcher is a driver whose server can fetch a model.
type fetcher interface {
	// pull has the server fetch a model. report is told how many bytes are there
	// and how many are known of. It returns nil only when the server said that
	// the model is there.
	pull(ctx context.Context, model string, report func(done, total int64)) error
}

// pulls are the models that are being fetched or were tried to be.
type pulls struct {
	mu  sync.Mutex
	all map[pullKey]*pull
}

type pullKey struct {
	up    *upstream
	model string
}

// pull is a model on its way to a server. pulls.mu guards it.
type pull struct {
	running     bool
	began       time.Time
	done, total int64
	percent     int
	err         error // of the latest try that ended
	tries       int   // that ended
	next        time.Time
}

// pulling has a server fetch a model that it does not have, unless that is under
// way or failed just now. It returns false where nothing is to be fetched.
func (c *Client) pulling(up *upstream, model string) (pull, bool) {
	from, ok := up.driver.(fetcher)
	if !ok || !c.cfg.OllamaAutoPull || model == "" {
		return pull{}, false
	}
	key := pullKey{up, model}
	c.pulls.mu.Lock()
	defer c.pulls.mu.Unlock()
	if c.life.Err() != nil { // Close waits for what is begun before it
		return pull{}, false
	}
	p := c.pulls.all[key]
	if p == nil {
		p = &pull{}
		if c.pulls.all == nil {
			c.pulls.all = map[pullKey]*pull{}
		}
		c.pulls.all[key] = p
	}
	if !p.running && !time.Now().Before(p.next) {
		p.running, p.began, p.done, p.total, p.percent = true, time.Now(), 0, 0, 0
		c.group.Go(func() { c.fetch(from, key, p) })
	}
	return *p, true
}

// fetch has a server fetch a model, once.
func (c *Client) fetch(from fetcher, key pullKey, p *pull) {
	e := key.up.driver.engine()
	log := c.logger.With("provider", key.up.provider, "address", e.address, "model", key.model)
	log.InfoContext(c.life, "model pull began")
	ctx, cancel := context.WithCancelCause(c.life)
	defer cancel(nil)
	idle := time.AfterFunc(pullIdle, func() { cancel(errPullIdle) })
	defer idle.Stop()

	said, shown := time.Now(), 0
	err := from.pull(ctx, key.model, func(done, total int64) {
		idle.Reset(pullIdle)
		c.pulls.mu.Lock()
		p.done, p.total = done, total
		p.percent = max(p.percent, percent(done, total)) // a layer that is new in the sum takes nothing back
		now := p.percent
		c.pulls.mu.Unlock()
		if now/pullStep > shown/pullStep || time.Since(said) >= pullLog {
			said, shown = time.Now(), now
			log.InfoContext(ctx, "model pull progress", "percent", now, "done_bytes", done, "total_bytes", total)
		}
	})
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errPullIdle) {
		err = cause
	}

	c.pulls.mu.Lock()
	p.running, p.err, p.tries = false, err, p.tries+1
	delay := min(pullDelayMax, pullDelay<<min(p.tries-1, 10))
	p.next = time.Now().Add(delay)
	took, total := time.Since(p.began), p.total
	c.pulls.mu.Unlock()
	switch {
	case c.life.Err() != nil:
	case err != nil:
		log.WarnContext(c.life, "model pull failed", "error", err.Error(), "again_in", delay)
	default:
		c.probe.mu.Lock()
		c.probe.last.Checked = time.Time{}
		c.probe.mu.Unlock()
		log.InfoContext(c.life, "model pull ended", "seconds", took.Seconds(), "total_bytes", total)
		c.Status(c.life) // which has the model loaded
	}
}

// sentence says how the pull of a model stands.
func (p pull) sentence(e engine, model string) string {
	switch {
	case p.running && p.total > 0:
		return fmt.Sprintf("%s is pulling %s: %d %% of %s.", e.name, model, p.percent, size(p.total))
	case p.running:
		return fmt.Sprintf("%s is pulling %s: it has just begun.", e.name, model)
	case p.err == nil:
		return fmt.Sprintf("%s has pulled %s and does not list it, or lists it under another name: see `ollama list`.", e.name, model)
	}
	return fmt.Sprintf("%s does not have the model %s and could not pull it: %s. It is tried again at %s; or %s.",
		e.name, model, whyNotPulled(p.err), p.next.Format("15:04:05 MST"), e.missing(model))
}

// state is how a model stands that its server does not have.
func (p pull) state() State {
	if p.running {
		return Pulling
	}
	return ModelMissing
}

// fault is the error of a call to a model that is not there.
func (p pull) fault(e engine, model string, cause error) error {
	out := fault.Wrap(fault.Unavailable, cause, p.sentence(e, model))
	if !p.running {
		out.RetryAfter = max(time.Second, time.Until(p.next).Round(time.Second))
		return out
	}
	out.Cause = fmt.Errorf("%w: %w", errPulling, cause)
	out.RetryAfter = pullLog
	if took := time.Since(p.began); p.done > 0 {
		out.RetryAfter = time.Duration(float64(took) * float64(p.total-p.done) / float64(p.done))
	}
	out.RetryAfter = min(max(out.RetryAfter.Round(time.Second), 5*time.Second), 10*time.Minute)
	return out
}

// fetching has the model fetched that a call did not find, and says so in its
// error. Other errors are returned as they are.
func (c *Client) fetching(up *upstream, model string, err error) error {
	if err == nil || why(err).reason != "model_missing" {
		return err
	}
	p, ok := c.pulling(up, model)
	if !ok {
		return err
	}
	return p.fault(up.driver.engine(), model, err)
}

// whyNotPulled says in plain words why a pull failed.
func whyNotPulled(err error) string {
	var (
		status *statusError
		event  *eventError
		words  string
	)
	switch {
	case errors.Is(err, errPullCut):
		return "the connection to it was cut"
	case errors.Is(err, errPullEnd):
		return "it ended without saying that the model is there"
	case errors.Is(err, errPullIdle):
		return fmt.Sprintf("it said nothing for %v", pullIdle)
	case errors.Is(err, errGarbled):
		return "its answer cannot be read"
	case errors.As(err, &status):
		words = status.message
	case errors.As(err, &event):
		words = event.message
	default:
		return "it cannot be reached"
	}
	lower := strings.ToLower(words)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(lower, part) })
	}
	switch {
	case has("no space left", "not enough space", "disk quota"):
		return "its disk is full"
	case has("file does not exist", "manifest unknown", "not found"):
		return "the registry does not have it, or has it under another name"
	case has("no such host", "dial tcp", "network is unreachable", "i/o timeout", "tls handshake", "temporary failure in name resolution", "server misbehaving"):
		return "it cannot reach the registry"
	case has("certificate", "x509"):
		return "it does not trust the registry's certificate"
	case has("requires a newer version"):
		return "the model needs a newer Ollama"
	case has("invalid model name"):
		return "the name is not one of a model"
	case has("permission denied", "read-only file system"):
		return "it may not write to its folder of models"
	case has("digest mismatch"):
		return "what came is not what the registry promised"
	case words == "":
		return "it did not say why"
	}
	return "it says " + fmt.Sprintf("%q", words)
}

// percent is 99 at most: what is left is to check what was fetched.
func percent(done, total int64) int {
	if done <= 0 || total <= 0 {
		return 0
	}
	return int(min(99, 100*float64(done)/float64(total)))
}

// size is a number of bytes as Ollama shows it.
func size(bytes int64) string {
	switch {
	case bytes >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
	case bytes >= 1e6:
		return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(bytes)/1e3)
}

func (o *ollama) pull(ctx context.Context, model string, report func(done, total int64)) error {
	yes := true
	body, err := json.Marshal(api.PullRequest{Model: model, Stream: &yes})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.base.JoinPath("api/pull").String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := o.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return readPull(resp.Body, report)
}

// readPull reads the progress of a pull: one JSON object a line, each about one
// layer, the last with the status "success".
func readPull(stream io.Reader, report func(done, total int64)) error {
	type part struct{ done, total int64 }
	layers := map[string]part{}
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 4<<10), maxErrorBody)
	for lines.Scan() {
		raw := bytes.TrimSpace(lines.Bytes())
		if len(raw) == 0 {
			continue
		}
		var line struct {
			Status    string          `json:"status"`
			Digest    string          `json:"digest"`
			Total     int64           `json:"total"`
			Completed int64           `json:"completed"`
			Error     json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(raw, &line); err != nil {
			return fmt.Errorf("%w: %w", errGarbled, err)
		}
		if text := messageOf(line.Error); text != "" {
			return &eventError{message: text}
		}
		if line.Status == "success" {
			return nil
		}
		if line.Digest != "" && line.Total > 0 {
			layers[line.Digest] = part{min(max(0, line.Completed), line.Total), line.Total}
		}
		var sum part
		for _, l := range layers {
			sum.done, sum.total = sum.done+l.done, sum.total+l.total
		}
		report(sum.done, sum.total)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("%w: %w", errGarbled, err)
	case err != nil:
		return fmt.Errorf("%w: %w", errPullCut, err)
	}
	return errPullEnd
}
