// Package llamaparse has LlamaParse, a service on the internet, read a document.
// It is never used unless an operator allowed it and a request chose it: what it
// sends leaves the machine. Each use is logged with the document's hash.
//
// It speaks version 2 of the service's API: the file is uploaded, its job polled
// until it ends, and the pages come back as Markdown. A job whose caller went
// away is cancelled.
package llamaparse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// Options are what a client needs.
type Options struct {
	URL    string
	Key    env.Secret
	Tier   string
	Dialer *egress.Dialer
	Logger *slog.Logger
	// PollEvery is the pause between looks at a job.
	PollEvery time.Duration
}

// Client calls LlamaParse. Its methods may be called at the same time.
type Client struct {
	o    Options
	base *url.URL
	http *http.Client
}

const (
	callTimeout   = 2 * time.Minute // of one call; the upload is the longest
	cancelTimeout = 5 * time.Second
	maxAnswer     = 256 << 20
	maxLooks      = 5 // that may fail one after the other
)

// New returns a client that may dial the service's address.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("LLAMA_PARSE_URL: %q: an address such as https://api.cloud.llamaindex.ai", o.URL)
	}
	o.Dialer.Allow(base)
	return &Client{o: o, base: base, http: &http.Client{
		Transport: o.Dialer.Transport(), Timeout: callTimeout,
		// The file and the key go where the configuration says, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Host names the service in warnings.
func (c *Client) Host() string { return c.base.Host }

// job is what the service says of a job.
type job struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// answer is what the service answers to all calls: the job itself or, with its
// result, within an object.
type answer struct {
	job
	Job      *job `json:"job"`
	Markdown *struct {
		Pages []struct {
			Number   int    `json:"page_number"`
			Markdown string `json:"markdown"`
			Success  *bool  `json:"success"`
		} `json:"pages"`
	} `json:"markdown"`
}

// Parse sends the file and returns its pages, in their order.
func (c *Client) Parse(ctx context.Context, src document.Source) ([]document.CloudPage, error) {
	data, err := os.ReadFile(src.Path)
	if err != nil {
		return nil, fmt.Errorf("read the spooled file: %w", err)
	}
	digest := sha256.Sum256(data)
	log := c.o.Logger.With("sha256", hex.EncodeToString(digest[:]), "bytes", len(data), "host", c.base.Host)
	log.WarnContext(ctx, "a document is sent to LlamaParse")
	begun := time.Now()
	pages, err := c.parse(ctx, data, src.Kind)
	if err != nil {
		log.WarnContext(ctx, "LlamaParse did not read a document", "problem", fault.KindOf(err).String(), "duration_ms", time.Since(begun).Milliseconds())
		return nil, err
	}
	log.InfoContext(ctx, "LlamaParse read a document", "pages", len(pages), "duration_ms", time.Since(begun).Milliseconds())
	return pages, nil
}

func (c *Client) parse(ctx context.Context, data []byte, kind document.Kind) ([]document.CloudPage, error) {
	started, err := c.upload(ctx, data, kind)
	if err != nil {
		return nil, err
	}
	if started.ID == "" {
		return nil, unreadable(errors.New("no job"))
	}
	pages, err := c.await(ctx, started.ID)
	if err != nil && ctx.Err() != nil {
		c.cancel(ctx, started.ID)
	}
	return pages, err
}

// upload sends the file, under a name that says nothing.
func (c *Client) upload(ctx context.Context, data []byte, kind document.Kind) (job, error) {
	configuration, err := json.Marshal(map[string]any{"tier": c.o.Tier, "version": "latest"})
	if err != nil {
		return job{}, err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "document"+document.Ending(kind))
	if err == nil {
		_, err = file.Write(data)
	}
	if err == nil {
		err = form.WriteField("configuration", string(configuration))
	}
	if err = errors.Join(err, form.Close()); err != nil {
		return job{}, fmt.Errorf("form for LlamaParse: %w", err)
	}
	var a answer
	if err := c.call(ctx, http.MethodPost, "/api/v2/parse/upload", form.FormDataContentType(), &body, &a); err != nil {
		return job{}, err
	}
	return a.state(), nil
}

func (a answer) state() job {
	if a.Job != nil {
		return *a.Job
	}
	return a.job
}

// await looks at the job until it has ended.
func (c *Client) await(ctx context.Context, id string) ([]document.CloudPage, error) {
	tick := time.NewTicker(c.o.PollEvery)
	defer tick.Stop()
	for failed := 0; ; {
		var a answer
		err := c.call(ctx, http.MethodGet, "/api/v2/parse/"+url.PathEscape(id)+"?expand=markdown", "", http.NoBody, &a)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			if kind := fault.KindOf(err); kind != fault.Unavailable && kind != fault.Busy && kind != fault.Upstream {
				return nil, err
			}
			if failed++; failed == maxLooks {
				return nil, err
			}
		default:
			failed = 0
			switch a.state().Status {
			case "PENDING", "RUNNING":
			case "COMPLETED":
				return a.pages()
			case "FAILED":
				return nil, fault.New(fault.Upstream, "LlamaParse could not read the document. Read it on this machine: leave the field parser out.")
			case "CANCELLED":
				return nil, fault.New(fault.Upstream, "LlamaParse cancelled the reading of the document.")
			default:
				return nil, unreadable(fmt.Errorf("status %q", a.state().Status))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pages checks that every page is there once, in order.
func (a answer) pages() ([]document.CloudPage, error) {
	if a.Markdown == nil || len(a.Markdown.Pages) == 0 {
		return nil, unreadable(errors.New("no pages"))
	}
	var pages []document.CloudPage
	for i, p := range a.Markdown.Pages {
		if p.Number != i+1 {
			return nil, unreadable(fmt.Errorf("page %d in the place of page %d", p.Number, i+1))
		}
		pages = append(pages, document.CloudPage{Text: strings.ToValidUTF8(p.Markdown, "\ufffd"), Failed: p.Success != nil && !*p.Success})
	}
	return pages, nil
}

// cancel stops a job that nobody waits for any more.
func (c *Client) cancel(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	if err := c.call(ctx, http.MethodPost, "/api/v2/parse/"+url.PathEscape(id)+"/cancel", "", http.NoBody, &answer{}); err != nil {
		c.o.Logger.WarnContext(ctx, "a job of LlamaParse could not be cancelled", "error", err)
	}
}

func unreadable(err error) error {
	return fault.Wrap(fault.Upstream, err, "The answer of LlamaParse cannot be read.")
}

// call sends one request and reads its answer.
func (c *Client) call(ctx context.Context, method, path, contentType string, body io.Reader, into *answer) error {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+path, body)
	if err != nil {
		return fmt.Errorf("request to LlamaParse: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.o.Key.Reveal())
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fault.Wrap(fault.Unavailable, err, "LlamaParse does not answer.")
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refused(response)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return unreadable(err)
	}
	return nil
}

// refused translates a status. What else the service said may hold the
// document's words, so it is not passed on.
func refused(response *http.Response) error {
	cause := fmt.Errorf("LlamaParse answered %d", response.StatusCode)
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fault.Wrap(fault.Upstream, cause, "LlamaParse refuses the key. Is LLAMA_PARSE_API_KEY right?")
	case code == http.StatusPaymentRequired:
		return fault.Wrap(fault.Upstream, cause, "LlamaParse's credits are used up.")
	case code == http.StatusTooManyRequests:
		f := fault.Wrap(fault.Busy, cause, "LlamaParse takes no more documents at present.")
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			f.RetryAfter = time.Duration(seconds) * time.Second
		}
		return f
	case code == http.StatusRequestEntityTooLarge:
		return fault.Wrap(fault.TooLarge, cause, "The document is larger than LlamaParse takes.")
	case code >= 500:
		return fault.Wrap(fault.Unavailable, cause, "LlamaParse has a fault of its own.")
	default:
		return fault.Wrap(fault.Invalid, cause, "LlamaParse refuses the document.")
	}
}
