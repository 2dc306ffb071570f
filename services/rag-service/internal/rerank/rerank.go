// Package rerank is the client of a reranker: a model that reads a question and a
// passage together and says how well the passage answers. It speaks the POST
// /rerank of vLLM (and of the services that copy Jina's and Cohere's form) and
// that of Hugging Face's Text Embeddings Inference.
package rerank

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
)

// API is the form of a reranker's requests and answers.
type API string

// The forms.
const (
	VLLM API = "vllm" // documents, results[].relevance_score
	TEI  API = "tei"  // texts, [].score
)

// maxAnswer is the most that is read of an answer, in bytes.
const maxAnswer = 4 << 20

// Client scores passages over HTTP. Its methods may be called at the same time.
type Client struct {
	o    Options
	base string
	http *http.Client
}

// Options say where the reranker is and how to speak to it.
type Options struct {
	URL     string
	API     API
	Model   string     // sent to a vLLM server; may be empty for the one that it serves
	Key     env.Secret // sent with each request; empty for none
	Timeout time.Duration
	Dialer  *egress.Dialer
}

// New returns a client of a reranker, whose address the dialler is told. Proxies
// of the environment are not used.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("RERANK_URL: %w", err)
	}
	o.Dialer.Allow(base)
	transport := o.Dialer.Transport()
	transport.MaxIdleConnsPerHost = 16
	transport.IdleConnTimeout = 30 * time.Second
	return &Client{
		o: o, base: strings.TrimRight(o.URL, "/"),
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

type vllmRequest struct {
	Model     string   `json:"model,omitempty"`
	Query     string   `json:"query"`
	Documents []string `json:"documents"`
}

type teiRequest struct {
	Query    string   `json:"query"`
	Texts    []string `json:"texts"`
	Truncate bool     `json:"truncate"` // a passage too long for the model is cut, not refused
}

type scored struct {
	Index int      `json:"index"`
	Score *float64 `json:"score"`
	// Relevance is what vLLM calls the score.
	Relevance *float64 `json:"relevance_score"`
}

// Rerank returns how well each text answers the question, in the order of the
// texts; the scale is the model's own. It fails with Unavailable, Timeout or
// Upstream; then nothing is known of any text.
func (c *Client) Rerank(ctx context.Context, question string, texts []string) ([]float64, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	callCtx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var request any = vllmRequest{Model: c.o.Model, Query: question, Documents: texts}
	if c.o.API == TEI {
		request = teiRequest{Query: question, Texts: texts, Truncate: true}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("request to the reranker: %w", err)
	}
	req, err := http.NewRequestWithContext(callCtx, http.MethodPost, c.base+"/rerank", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("request to the reranker: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Key.Reveal())
	}
	response, err := c.http.Do(req)
	if err != nil {
		return nil, classify(callCtx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fault.Newf(fault.Upstream, "The reranker answers with status %d. Are RERANK_URL, RERANK_API and RERANK_MODEL right?", response.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, classify(callCtx, err)
	}
	scores, err := parse(c.o.API, raw, len(texts))
	if err != nil {
		return nil, fault.Wrap(fault.Upstream, err, "The reranker's answer cannot be used. Are RERANK_URL and RERANK_API right?")
	}
	return scores, nil
}

// parse reads the scores of n texts. Each must have one.
func parse(api API, raw []byte, n int) ([]float64, error) {
	var list []scored
	var err error
	if api == TEI {
		err = json.Unmarshal(raw, &list)
	} else {
		var answer struct {
			Results []scored `json:"results"`
		}
		err = json.Unmarshal(raw, &answer)
		list = answer.Results
	}
	if err != nil {
		return nil, fmt.Errorf("answer of the reranker: %w", err)
	}
	if len(list) != n {
		return nil, fmt.Errorf("answer of the reranker: %d scores for %d texts", len(list), n)
	}
	scores, seen := make([]float64, n), make([]bool, n)
	for _, s := range list {
		value := s.Relevance
		if api == TEI {
			value = s.Score
		}
		if s.Index < 0 || s.Index >= n || seen[s.Index] || value == nil || math.IsNaN(*value) {
			return nil, errors.New("answer of the reranker: a score that is of no text, or a text twice")
		}
		seen[s.Index], scores[s.Index] = true, *value
	}
	return scores, nil
}

// Ping fails when the reranker does not answer.
func (c *Client) Ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/health", http.NoBody)
	if err != nil {
		return fmt.Errorf("request to the reranker: %w", err)
	}
	response, err := c.http.Do(req)
	if err != nil {
		return classify(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fault.Newf(fault.Unavailable, "The reranker answers with status %d: passages keep the order of the search. Is RERANK_URL right?", response.StatusCode)
	}
	return nil
}

func classify(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil:
		return fault.Wrap(fault.Timeout, err, "The reranker took longer than RERANK_TIMEOUT: passages keep the order of the search.")
	default:
		return fault.Wrap(fault.Unavailable, err, "The reranker does not answer: passages keep the order of the search. Is RERANK_URL right?")
	}
}
