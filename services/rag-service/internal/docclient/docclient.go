// Package docclient is the client of doc-processor: PDFs and images in, pages of
// text out.
package docclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// The most that is read of an answer. An answer is taken in page by page, so that
// the words of a page, which take more room than its text, are in memory once.
const (
	maxAnswer  = 1 << 30
	maxProblem = 64 << 10
	maxWords   = 1 << 20 // of a document whose places are kept; pages further on have none
)

// Client is a [rag.Reader] over HTTP. Its methods may be called at the same time.
type Client struct {
	base    string
	key     env.Secret
	http    *http.Client
	timeout time.Duration
}

// Options say where the doc-processor is and how to reach it.
type Options struct {
	URL     string
	Key     env.Secret    // sent with each document; empty for none
	Timeout time.Duration // that a document may take in all
	Dialer  *egress.Dialer
}

// New returns a client of a doc-processor, whose address the dialler is told.
// Proxies of the environment are not used: documents go to that address and
// nowhere else.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("DOC_PROCESSOR_URL: %w", err)
	}
	o.Dialer.Allow(base)
	transport := o.Dialer.Transport()
	transport.MaxIdleConnsPerHost = 4
	transport.IdleConnTimeout = 30 * time.Second
	return &Client{
		base: strings.TrimRight(o.URL, "/"),
		key:  o.Key,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout: o.Timeout,
	}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Read implements [rag.Reader].
func (c *Client) Read(ctx context.Context, name string, data []byte) (rag.Reading, error) {
	callCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	body, contentType, err := form(name, data)
	if err != nil {
		return rag.Reading{}, err
	}
	req, err := http.NewRequestWithContext(callCtx, http.MethodPost, c.base+"/process?include=words", body)
	if err != nil {
		return rag.Reading{}, fmt.Errorf("request to doc-processor: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	c.sign(req)
	response, err := c.http.Do(req)
	if err != nil {
		return rag.Reading{}, classify(callCtx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return rag.Reading{}, refused(response)
	}
	limited := &io.LimitedReader{R: response.Body, N: maxAnswer}
	p, err := decode(limited)
	switch {
	case err != nil && limited.N <= 0:
		return rag.Reading{}, fault.Newf(fault.TooLarge, "The document processor's answer is larger than %d MiB: cut the document into smaller ones.", maxAnswer>>20)
	case err != nil:
		return rag.Reading{}, broken(callCtx, err)
	case !p.success:
		return rag.Reading{}, fault.New(fault.Invalid, cmp.Or(p.detail, "The document processor could not read the document."))
	}
	return p.reading, nil
}

const keyRefused = "The document processor refuses the key: set DOC_PROCESSOR_API_KEY to one that it knows, with the scope read."

// sign adds the key to a request.
func (c *Client) sign(req *http.Request) {
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	}
}

// Ping fails when the doc-processor does not answer, or refuses the key.
func (c *Client) Ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/capabilities", http.NoBody)
	if err != nil {
		return fmt.Errorf("request to doc-processor: %w", err)
	}
	c.sign(req)
	response, err := c.http.Do(req)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The document processor does not answer: PDFs and scans cannot be ingested until it is started. Is DOC_PROCESSOR_URL right?")
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.New(fault.Unavailable, keyRefused)
	default:
		return fault.Newf(fault.Unavailable, "The document processor answers with status %d: PDFs and scans cannot be ingested. Is DOC_PROCESSOR_URL right?", response.StatusCode)
	}
}

func form(name string, data []byte) (io.Reader, string, error) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	if _, err := w.CreateFormFile("file", name); err != nil {
		return nil, "", fmt.Errorf("form for doc-processor: %w", err)
	}
	split := head.Len()
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("form for doc-processor: %w", err)
	}
	tail := bytes.NewReader(head.Bytes()[split:])
	return io.MultiReader(bytes.NewReader(head.Bytes()[:split]), bytes.NewReader(data), tail), w.FormDataContentType(), nil
}

// classify translates a failed call. A connection that is refused or breaks is
// Unavailable: the service may be starting again.
func classify(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.Timeout, err, "The document processor took longer for the document than it is allowed to.")
	}
	return fault.Wrap(fault.Unavailable, err, "The document processor does not answer. Start it, or see that DOC_PROCESSOR_URL is its address.")
}

// broken translates an answer that cannot be read.
func broken(ctx context.Context, err error) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &shape) {
		return fault.Wrap(fault.Upstream, err, "The document processor's answer cannot be read. Is DOC_PROCESSOR_URL right?")
	}
	return classify(ctx, err)
}

// lockedType is the type of the problem of a document that needs a password.
const lockedType = "urn:signpost:problem:locked"

// refused translates an answer that is not 200. The detail of its problem
// document is meant for clients and passed on.
func refused(response *http.Response) error {
	var document struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err == nil {
		err = json.Unmarshal(body, &document)
	}
	status := response.StatusCode
	if err == nil && document.Type == lockedType {
		return fault.New(fault.Invalid, "The document is protected by a password. Ingest it without one.")
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return fault.Wrap(fault.Upstream, fmt.Errorf("doc-processor answered %d", status), keyRefused)
	}
	if err != nil || document.Detail == "" {
		document.Detail = fmt.Sprintf("The document processor answered with status %d.", status)
	}
	kinds := map[int]fault.Kind{
		http.StatusBadRequest:            fault.Malformed,
		http.StatusUnprocessableEntity:   fault.Invalid,
		http.StatusRequestEntityTooLarge: fault.TooLarge,
		http.StatusUnsupportedMediaType:  fault.Unsupported,
		http.StatusTooManyRequests:       fault.Busy,
		http.StatusBadGateway:            fault.Unavailable,
		http.StatusServiceUnavailable:    fault.Unavailable,
		http.StatusGatewayTimeout:        fault.Timeout,
	}
	kind, ok := kinds[status]
	if !ok {
		kind = fault.Upstream
	}
	return fault.Wrap(kind, fmt.Errorf("doc-processor answered %d", status), document.Detail)
}
