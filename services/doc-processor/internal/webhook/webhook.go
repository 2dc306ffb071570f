// Package webhook tells another program that a job ended. It tells it the job's
// ID and state and nothing of the document, and only to addresses whose hosts the
// operator listed.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
)

// The headers with which a message is proved to come from here.
const (
	SignatureHeader = "X-Signpost-Signature" // "sha256=" and the HMAC of the time, a full stop and the body
	TimestampHeader = "X-Signpost-Timestamp" // seconds since 1970
)

// Options are what a sender needs.
type Options struct {
	Hosts  []string // host:port
	Secret env.Secret
	Dialer *egress.Dialer
	// Pauses are those between attempts, one more than which there are.
	Pauses []time.Duration
}

// Pauses are the usual ones: five attempts within about a quarter of an hour.
func Pauses() []time.Duration {
	return []time.Duration{2 * time.Second, 15 * time.Second, 2 * time.Minute, 12 * time.Minute}
}

// Sender sends messages. Its methods may be called at the same time.
type Sender struct {
	o    Options
	http *http.Client
}

const attemptTimeout = 10 * time.Second

// New returns a sender that may dial the listed hosts.
func New(o Options) (*Sender, error) {
	s := &Sender{o: o, http: &http.Client{
		Transport: o.Dialer.Transport(), Timeout: attemptTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, host := range o.Hosts {
		u, err := url.Parse("http://" + host)
		if err != nil || u.Port() == "" || u.Host != host {
			return nil, fmt.Errorf("WEBHOOK_HOSTS: %q: addresses such as intranet.example:443, joined by commas", host)
		}
		o.Dialer.Allow(u)
	}
	return s, nil
}

// Check says whether messages may be sent to the address.
func (s *Sender) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return invalid("an address such as https://intranet.example/done, without a name and password in it")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	target := net.JoinHostPort(u.Hostname(), port)
	if !slices.ContainsFunc(s.o.Hosts, func(h string) bool { return strings.EqualFold(h, target) }) {
		return invalid("its host and port are not among those that WEBHOOK_HOSTS lists")
	}
	return nil
}

func invalid(detail string) error {
	return &fault.Error{Kind: fault.Invalid, Detail: "No message can be sent to this address.", Fields: []fault.Field{{Name: "webhook", Detail: detail}}}
}

// Send tells the address of a job's end. It tries again for a while; the error
// is that of the last attempt.
func (s *Sender) Send(ctx context.Context, address, id, state string) error {
	if err := s.Check(address); err != nil {
		return err // the list is another than when the job was sent
	}
	body, err := json.Marshal(map[string]string{"id": id, "state": state})
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		err := s.attempt(ctx, address, body)
		if err == nil || attempt == len(s.o.Pauses) {
			return err
		}
		select {
		case <-time.After(s.o.Pauses[attempt]):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Sender) attempt(ctx context.Context, address string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(TimestampHeader, now)
	req.Header.Set(SignatureHeader, "sha256="+Sign(s.o.Secret, now, body))
	response, err := s.http.Do(req)
	if err != nil {
		// Without the address, in which there may be a token.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			return wrapped.Err
		}
		return err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 4096) // so that the connection can be used again
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("answered %d", response.StatusCode)
	}
	return nil
}

// Sign returns the signature of a message in hex.
func Sign(secret env.Secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
