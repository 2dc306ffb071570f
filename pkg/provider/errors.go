package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
)

// ContextError says that a prompt, with the answer asked for, does not fit the
// model's context. It is the cause of a fault.TooLarge. The caller may drop
// material and try again; nothing was truncated.
type ContextError struct {
	Limit  int // tokens that the model holds; 0 when the engine did not say
	Needed int // tokens that the call needs at least, more than Limit; 0 when neither is known
}

// Error states the numbers that are known.
func (e *ContextError) Error() string {
	switch {
	case e.Limit > 0 && e.Needed > 0:
		return fmt.Sprintf("the context holds %d tokens and at least %d are needed", e.Limit, e.Needed)
	case e.Limit > 0:
		return fmt.Sprintf("the context holds %d tokens and more are needed", e.Limit)
	}
	return "the context holds fewer tokens than are needed"
}

// What an engine can do wrong within a 200.
var (
	errIncomplete = errors.New("the answer ended before it was complete")
	errEmpty      = errors.New("the answer is empty")
	errGarbled    = errors.New("the answer cannot be read")
	errMismatch   = errors.New("the embeddings do not match the texts")
	errThoughts   = errors.New("there are thoughts and no answer")
	errUnfit      = errors.New("the answer does not follow the schema")
	errNoModel    = errors.New("the server lists no model")
)

// Why the Client did not send a call.
var (
	errFull   = errors.New("the queue for the server is full")
	errWaited = errors.New("no place on the server within LLM_QUEUE_TIMEOUT")
	errOpen   = errors.New("the server failed just now and is left alone for a while")
	errBlind  = errors.New("the model does not read images")
	errOther  = errors.New("the server makes other embeddings")
)

// Why the Client itself gave up on a call (context causes).
var (
	errSlowStart = errors.New("no token within LLM_FIRST_TOKEN_TIMEOUT")
	errStalled   = errors.New("no further token within LLM_IDLE_TIMEOUT")
)

const canceledDetail = "The request was cancelled."

// errStopped ends a driver's stream because its reader wants no more of it.
var errStopped = errors.New("the reader stopped")

// eventError is an error that an engine reported within a stream, after its 200.
type eventError struct{ message string }

func (e *eventError) Error() string { return "error within the stream: " + e.message }

// newEventError returns the error that an engine reported within a stream.
// Before the first token it is like a status, if the engine gives one.
func newEventError(message string, code int, began bool) error {
	if !began && code >= 400 {
		return &statusError{code: code, message: message}
	}
	return &eventError{message: message}
}

// reported reads the error member of an event; nil when there is none.
func reported(raw json.RawMessage, began bool) error {
	text := messageOf(raw)
	if text == "" {
		return nil
	}
	var object struct {
		Code int `json:"code"`
	}
	_ = json.Unmarshal(raw, &object) // a string, or a code in words, has no number
	return newEventError(text, object.Code, began)
}

// engine is what error messages need to know of a driver's server.
type engine struct {
	name        string // "Ollama"
	address     string // without password
	urlVariable string // "OLLAMA_URL"
	keyVariable string // "VLLM_API_KEY", or empty
	start       string // what starts it
	// missing says what to do about a model that the server does not have.
	missing func(model string) string
}

// classify translates an error of a call on model once into a fault. ctx is the
// call's own context, whose cause tells our timeouts from the caller's.
func (e engine) classify(ctx context.Context, model string, err error) error {
	var (
		classified *fault.Error
		tooLong    *ContextError
		status     *statusError
		event      *eventError
		dial       *net.OpError
		dns        *net.DNSError
		cert       *tls.CertificateVerificationError
		slow       net.Error
		sending    *url.Error
		blocked    *egress.BlockedError
	)
	switch cause := context.Cause(ctx); {
	case errors.As(err, &classified):
		return err
	case errors.Is(cause, errSlowStart):
		return fault.Wrap(fault.Timeout, errSlowStart, e.name+" did not begin to answer in time: the model may still be loading or the machine be too slow for it (LLM_FIRST_TOKEN_TIMEOUT).")
	case errors.Is(cause, errStalled):
		return fault.Wrap(fault.Timeout, errStalled, e.name+" stopped in the middle of its answer (LLM_IDLE_TIMEOUT).")
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.Wrap(fault.Timeout, err, e.name+" did not finish in the time that the request has.")
	case ctx.Err() != nil:
		return fault.Wrap(fault.Canceled, err, canceledDetail)
	case errors.As(err, &tooLong):
		return tooLong.fault()
	case errors.As(err, &status):
		return e.classifyStatus(model, status)
	case errors.As(err, &event):
		if c := contextError(event.message); c != nil {
			return c.fault()
		}
		return fault.Wrap(fault.Upstream, err, e.name+" failed in the middle of its answer.")
	case errors.As(err, &blocked):
		return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s is not asked, as EGRESS_ALLOW does not list its address: add it there, or correct %s.", e.name, e.urlVariable))
	case errors.As(err, &cert):
		return fault.Wrap(fault.Unavailable, err, e.untrusted(cert))
	case errors.Is(err, http.ErrSchemeMismatch):
		return fault.Wrap(fault.Unavailable, err, e.name+" does not speak https at this address: set "+e.urlVariable+" to its http:// address, or start it with a certificate.")
	case strings.Contains(err.Error(), tlsAnswer):
		return e.encrypted(err)
	case strings.Contains(err.Error(), "malformed HTTP response"):
		return e.notIt(err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s cannot be reached: no machine is known by the name in %s, so correct it.", e.name, e.urlVariable))
	case errors.As(err, &slow) && slow.Timeout():
		return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s cannot be reached: nothing answers at its address within %v, so check that machine and its firewall, or correct %s.", e.name, dialTimeout, e.urlVariable))
	case errors.As(err, &dns), errors.As(err, &dial) && dial.Op == "dial":
		return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s cannot be reached: %s, or set %s to its address.", e.name, e.start, e.urlVariable))
	case errors.As(err, &dial) && strings.HasSuffix(dial.Op, " error"): // "remote error", a TLS alert
		return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s and this machine agree on no encryption: set %s to an address that asks for no certificate of ours.", e.name, e.urlVariable))
	case errors.Is(err, errIncomplete):
		return fault.Wrap(fault.Upstream, err, e.name+" broke off its answer.")
	case errors.Is(err, errEmpty):
		return fault.Wrap(fault.Upstream, err, e.name+" gave an empty answer.")
	case errors.As(err, &sending) && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		other := "https://"
		if strings.HasPrefix(e.address, other) {
			other = "http://"
		}
		return fault.Wrap(fault.Upstream, err, fmt.Sprintf("%s closed the connection without an answer: it may be stopping, or want %s in %s.", e.name, other, e.urlVariable))
	}
	return fault.Wrap(fault.Upstream, err, e.name+" gave an answer that cannot be used.")
}

// tlsAnswer is how net/http quotes a server that answers http in TLS.
const tlsAnswer = `malformed HTTP response "\x15\x03`

// encrypted is the error for http to an address of https.
func (e engine) encrypted(err error) error {
	return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s speaks https at this address: set %s to its https:// address.", e.name, e.urlVariable))
}

// notIt is the error for an address at which something else answers.
func (e engine) notIt(err error) error {
	return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("What answers is not %s: set %s to its address.", e.name, e.urlVariable))
}

// untrusted says what is wrong with a certificate.
func (e engine) untrusted(err error) string {
	var (
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("%s's certificate has expired or is not valid yet: renew it, correct this machine's clock, or set %s to another address.", e.name, e.urlVariable)
	case errors.As(err, &host):
		return fmt.Sprintf("%s's certificate is for another host: set %s to a name that stands in the certificate.", e.name, e.urlVariable)
	}
	return fmt.Sprintf("%s's certificate is not trusted: install its authority on this machine, or correct %s.", e.name, e.urlVariable)
}

// blind is the error for an image sent to a model that cannot read it.
func blind(model string) error {
	return fault.Wrap(fault.Unavailable, errBlind, fmt.Sprintf("The model %s does not read images: set VISION_MODEL to one that does.", model))
}

// refusesImage reports whether an engine refused a call with an image for the
// image's sake.
func refusesImage(err error) bool {
	var s *statusError
	if !errors.As(err, &s) || s.code != http.StatusBadRequest && s.code != http.StatusUnprocessableEntity {
		return false
	}
	text := strings.ToLower(s.message)
	return strings.Contains(text, "multimodal") || strings.Contains(text, "support vision") ||
		strings.Contains(text, "support image") || strings.Contains(text, "image input") || strings.Contains(text, "image(s)")
}

func (e engine) classifyStatus(model string, s *statusError) error {
	text := strings.ToLower(s.message)
	if s.code == http.StatusBadRequest || s.code == http.StatusRequestEntityTooLarge || s.code >= 500 {
		if c := contextError(s.message); c != nil {
			return c.fault()
		}
	}
	switch {
	case s.code == http.StatusBadRequest && plainPattern.MatchString(text):
		return e.encrypted(s)
	case s.code >= 300 && s.code < 400:
		return fault.Wrap(fault.Unavailable, s, fmt.Sprintf("%s's address redirects elsewhere, which is not followed: set %s to the address itself.", e.name, e.urlVariable))
	case s.code == http.StatusUnauthorized || s.code == http.StatusForbidden:
		if e.keyVariable == "" {
			return fault.Wrap(fault.Unavailable, s, fmt.Sprintf("What stands before %s refuses us: put the name and password that it wants into %s, or set that to %s's own address.", e.name, e.urlVariable, e.name))
		}
		return fault.Wrap(fault.Unavailable, s, fmt.Sprintf("%s refuses the key: set %s to the one it was started with.", e.name, e.keyVariable))
	case s.code == http.StatusNotFound && strings.Contains(text, "model"):
		return fault.Wrap(fault.Unavailable, s, fmt.Sprintf("%s does not have the model %s: %s.", e.name, model, e.missing(model)))
	case s.code == http.StatusNotFound && text == "not found" && e.keyVariable != "": // vLLM's own words
		return fault.Wrap(fault.Unavailable, s, e.name+" runs a model of another kind: set VLLM_URL to a server with a chat model, and VLLM_EMBEDDING_URL to one with an embedding model.")
	case s.code == http.StatusNotFound:
		return e.notIt(s)
	case s.code == http.StatusTooManyRequests, s.code == http.StatusServiceUnavailable:
		busy := fault.Wrap(fault.Busy, s, e.name+" is busy or not ready: try again shortly.")
		busy.RetryAfter = s.retryAfter
		return busy
	case s.code < 500:
		return fault.Wrap(fault.Upstream, s, fmt.Sprintf("%s refused the request (status %d).", e.name, s.code))
	}
	return fault.Wrap(fault.Upstream, s, fmt.Sprintf("%s failed (status %d).", e.name, s.code))
}

// plainPattern is what Go, nginx and Apache say to http at an address of https.
var plainPattern = regexp.MustCompile(`to an https server|to https port|ssl-enabled server port`)

// The engines say that a prompt is too long in words only, which differ by
// version; the first group is the number.
var (
	tooLongPattern = regexp.MustCompile(`max_tokens=\d+ cannot be greater than max_model_len=\d|maximum (?:context|model) length (?:is|of) ?\d|exceeds? the (?:available |maximum |model's )?context (?:length|size|window)|too long to fit into the model`)
	limitPattern   = regexp.MustCompile(`(?:max_model_len=|maximum (?:context|model) length (?:is|of)|available context size \(|\(context length|context (?:length|size|window) (?:is|of)) ?(\d+)`)
	neededPattern  = []*regexp.Regexp{
		regexp.MustCompile(`for a total of at least (\d+)`),
		regexp.MustCompile(`max_tokens=(\d+) cannot`),
		regexp.MustCompile(`you requested (\d+) tokens`),
		regexp.MustCompile(`request \((\d+) tokens\)`),
		regexp.MustCompile(`(?:at least|request has) (\d+) input tokens`),
		regexp.MustCompile(`prompt \((?:total )?length (\d+)\)`),
	}
)

// contextError returns the error for a message that says that the prompt is too
// long, and nil for any other message.
func contextError(message string) *ContextError {
	text := strings.ToLower(message)
	if !tooLongPattern.MatchString(text) {
		return nil
	}
	c := &ContextError{}
	if m := limitPattern.FindStringSubmatch(text); m != nil {
		c.Limit, _ = strconv.Atoi(m[1]) // only too long a number fails: then 0, unknown
	}
	for _, pattern := range neededPattern {
		if m := pattern.FindStringSubmatch(text); m != nil {
			c.Needed, _ = strconv.Atoi(m[1])
			break
		}
	}
	c.Needed = max(c.Needed, reserved(text))
	return c
}

func (e *ContextError) fault() error {
	return fault.Wrap(fault.TooLarge, e.completed(), "The text is too long for the model: "+e.Error()+".")
}
