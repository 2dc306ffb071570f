// Package problem writes errors as RFC 9457 problem documents
// (application/problem+json). It is the one place where an error's kind becomes
// an HTTP status; docs/problems.md describes each type.
package problem

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
)

// RequestIDHeader carries the request's ID in requests and responses.
const RequestIDHeader = "X-Request-ID"

// StatusClientClosed is the status noted when the caller went away before the
// answer; nobody receives it.
const StatusClientClosed = 499

// Document is the body of an error response.
type Document struct {
	// Type is a stable identifier of the kind of problem: "urn:signpost:problem:" and the kind.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what was wrong this time and what is accepted.
	Detail string `json:"detail"`
	// Instance identifies the request: "urn:request:" and its ID.
	Instance string        `json:"instance,omitempty"`
	Errors   []fault.Field `json:"errors,omitempty"`
}

// Of returns the document for err, without an instance.
func Of(err error) Document {
	kind := fault.KindOf(err)
	status, title := statusAndTitle(kind)
	doc := Document{
		Type:   "urn:signpost:problem:" + kind.String(),
		Title:  title,
		Status: status,
		Detail: fault.DetailOf(err),
	}
	if e, ok := asFault(err); ok {
		doc.Errors = e.Fields
	}
	return doc
}

// statusAndTitle maps a kind to its HTTP status and fixed title.
func statusAndTitle(kind fault.Kind) (status int, title string) {
	switch kind {
	case fault.Malformed:
		return http.StatusBadRequest, "The request cannot be read"
	case fault.Invalid:
		return http.StatusUnprocessableEntity, "The request's content is not acceptable"
	case fault.NotFound:
		return http.StatusNotFound, "Not found"
	case fault.NotAllowed:
		return http.StatusMethodNotAllowed, "Method not allowed"
	case fault.Forbidden:
		return http.StatusForbidden, "Not for this caller"
	case fault.Conflict:
		return http.StatusConflict, "Conflict with the present state"
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge, "Too large"
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType, "Unsupported type"
	case fault.Busy:
		return http.StatusServiceUnavailable, "Busy"
	case fault.Unavailable:
		return http.StatusServiceUnavailable, "Unavailable"
	case fault.Upstream:
		return http.StatusBadGateway, "A service behind this one failed"
	case fault.Timeout:
		return http.StatusGatewayTimeout, "Took too long"
	case fault.Canceled:
		return StatusClientClosed, "The caller went away"
	case fault.NotImplemented:
		return http.StatusNotImplemented, "Not built yet"
	case fault.Gone:
		return http.StatusGone, "Gone"
	case fault.NotAcceptable:
		return http.StatusNotAcceptable, "Not available in this form"
	case fault.Unauthenticated:
		return http.StatusUnauthorized, "A key is needed"
	case fault.Locked:
		return http.StatusUnauthorized, "A password is needed"
	case fault.TooMany:
		return http.StatusTooManyRequests, "Too many requests"
	default:
		return http.StatusInternalServerError, "Internal error"
	}
}

// Handler adapts a handler that returns its failure. An error becomes a problem
// document and is kept in c.Errors for the access line. Once a response has
// begun only the log can still be told.
func Handler(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			Write(c, err)
		}
	}
}

// Write ends the request with err's problem document.
func Write(c *gin.Context, err error) {
	_ = c.Error(err) // returns its argument, wrapped
	c.Abort()
	if c.Writer.Written() {
		return
	}
	doc := Of(err)
	if doc.Status == StatusClientClosed {
		c.Status(StatusClientClosed)
		return
	}
	if id := c.Writer.Header().Get(RequestIDHeader); id != "" {
		doc.Instance = "urn:request:" + id
	}
	if e, ok := asFault(err); ok && e.RetryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if doc.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", challenge(err))
	}
	body, marshalErr := json.Marshal(doc)
	if marshalErr != nil { // strings and ints always marshal
		panic(marshalErr)
	}
	c.Data(doc.Status, "application/problem+json", append(body, '\n'))
}

// challenge says what is missing: a key for the service, or a document's password,
// which is a field of the form and of no scheme that a browser could ask for.
func challenge(err error) string {
	if fault.KindOf(err) == fault.Locked {
		return `Form realm="document", field="password"`
	}
	return `Bearer realm="signpost"`
}

func asFault(err error) (*fault.Error, bool) {
	var e *fault.Error
	ok := errors.As(err, &e)
	return e, ok
}
