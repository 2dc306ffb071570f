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
	"strconv"
	"strings"
	"sync"
	"time"

	"signpost.internal/pkg/egress"
)

const (
	dialTimeout    = egress.DialTimeout
	maxErrorBody   = 64 << 10
	maxAnswerBody  = 64 << 20
	maxErrorShown  = 300
	maxIdlePerHost = 64
	// vLLM closes an idle connection after 5 s; a request sent on it at that
	// moment fails, so ours are given up sooner.
	idleConnTimeout = 4 * time.Second
)

// newHTTPClient returns a client for an engine. It has no timeout, which would
// cut streams, uses no proxy, and follows no redirect.
func newHTTPClient(dialer *egress.Dialer) *http.Client {
	base := dialer.Transport()
	base.MaxIdleConns = 2 * maxIdlePerHost
	base.MaxIdleConnsPerHost = maxIdlePerHost
	base.IdleConnTimeout = idleConnTimeout
	base.ExpectContinueTimeout = time.Second
	return &http.Client{Transport: &transport{base: base}}
}

// idempotencyKey is a header without a value, which is not sent. A request that
// meets a kept connection which the server closes at that moment is sent anew,
// as nothing was answered; net/http does so for a request that has this header.
const idempotencyKey = "Idempotency-Key"

// transport turns every status outside 2xx into a *statusError before a client
// library sees it. A RoundTripper should leave statuses to its caller; this one
// does not, because both libraries misread some of them: go-openai a 401 whose
// error is a string and every redirect, Ollama's an empty 503.
type transport struct{ base *http.Transport }

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Header[idempotencyKey]; !ok {
		req = req.Clone(req.Context())
		req.Header[idempotencyKey] = []string{}
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswerBody)
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // a broken body still has a status
	return nil, &statusError{
		code:       resp.StatusCode,
		message:    errorMessage(body),
		retryAfter: retryAfter(resp.Header.Get("Retry-After")),
	}
}

// CloseIdleConnections is called by http.Client's method of the same name.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// statusError is an answer with a status outside 2xx.
type statusError struct {
	code       int
	message    string // the engine's words, cut to maxErrorShown
	retryAfter time.Duration
}

func (e *statusError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("status %d", e.code)
	}
	return fmt.Sprintf("status %d: %s", e.code, e.message)
}

// errorMessage finds the engine's words in the shapes that engines and what
// stands before them use: {"error":"…"}, {"error":{"message":"…"}},
// {"message":"…"}, {"detail":"…"}, or text.
func errorMessage(body []byte) string {
	var shape struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &shape) != nil {
		return shorten(string(body))
	}
	for _, raw := range []json.RawMessage{shape.Error, shape.Message, shape.Detail} {
		if text := messageOf(raw); text != "" {
			return text
		}
	}
	return ""
}

// messageOf reads the value of an error member, a string or an object.
func messageOf(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return shorten(text)
	}
	var object struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &object) == nil && object.Message != "" {
		return shorten(object.Message)
	}
	return shorten(string(raw))
}

func shorten(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if runes := []rune(text); len(runes) > maxErrorShown {
		return string(runes[:maxErrorShown]) + "…"
	}
	return text
}

// retryAfter reads the header's form in seconds, the one that engines send.
func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// post sends a chat request. The header is only read and has an idempotencyKey.
// The caller closes the answer's body.
func post(ctx context.Context, client *http.Client, url string, header http.Header, request any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	return client.Do(req)
}

// lineReader reads the lines of a stream.
type lineReader struct {
	r    *bufio.Reader
	long []byte // a line that does not fit r's buffer
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReader(r)} }

// lineReaders keeps readers for the next streams.
type lineReaders struct{ pool sync.Pool }

func (p *lineReaders) get(r io.Reader) *lineReader {
	l, ok := p.pool.Get().(*lineReader)
	if !ok {
		return newLineReader(r)
	}
	l.r.Reset(r)
	return l
}

// put takes back a reader whose lines are used no more.
func (p *lineReaders) put(l *lineReader) {
	l.r.Reset(nil)
	l.long = nil
	p.pool.Put(l)
}

// maxRest is how much is read after the last message of an answer, which is
// nothing but the end of the stream, so that the connection can be used again.
const maxRest = 4 << 10

func (l *lineReader) drain() { _, _ = l.r.Discard(maxRest) }

// next returns a line, which holds until the next call, without the space
// around it. The last may lack its line end, which whole says. The error is
// io.EOF, one for a line longer than maxLine, or the network's.
func (l *lineReader) next() (line []byte, whole bool, err error) {
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if len(l.long)+len(part) > maxLine {
			return nil, false, fmt.Errorf("%w: %w", errGarbled, bufio.ErrTooLong)
		}
		switch {
		case err == nil && len(l.long) == 0:
			return bytes.TrimSpace(part), true, nil
		case err == nil:
			return bytes.TrimSpace(append(l.long, part...)), true, nil
		case errors.Is(err, bufio.ErrBufferFull):
			l.long = append(l.long, part...)
		case errors.Is(err, io.EOF) && len(l.long)+len(part) > 0:
			return bytes.TrimSpace(append(l.long, part...)), false, nil
		case errors.Is(err, io.EOF):
			return nil, false, io.EOF
		default:
			return nil, false, fmt.Errorf("%w: %w", errIncomplete, err)
		}
	}
}
