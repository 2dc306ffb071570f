package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
)

// healthTimeout is how long a service may take to say that it lives.
const healthTimeout = 5 * time.Second

// healthcheck asks the service that runs with this configuration whether it
// lives, and returns a sentence if it does. It is what a container's health
// check runs: an image needs no other program for it.
func healthcheck(ctx context.Context, service string, cfg any, environ map[string]string) (string, error) {
	address, err := listens(service, cfg, environ)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	scheme := "http"
	if environ["TLS_CERT_FILE"] != "" {
		scheme = "https"
	}
	target := &url.URL{Scheme: scheme, Host: address, Path: "/health"}
	dialer := egress.New(egress.Config{}, nil)
	dialer.Allow(target)
	transport := dialer.Transport()
	transport.DisableKeepAlives = true
	// The certificate names the service as others call it, and nothing is asked
	// here that needs proof of who answers.
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return "", fmt.Errorf("does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", target, response.Status)
	}
	return fmt.Sprintf("%s is healthy at %s", service, target), nil
}

// listens returns where the service listens, as seen from its own machine: the
// port of the variable that bears the service's name, such as
// NOTES_SERVICE_PORT, and LISTEN_HOST.
func listens(service string, cfg any, environ map[string]string) (string, error) {
	variables, err := env.Describe(cfg)
	if err != nil {
		return "", err
	}
	value := func(name string) string {
		if environ[name] != "" {
			return environ[name]
		}
		for _, v := range variables {
			if v.Name == name {
				return v.Default
			}
		}
		return ""
	}
	name := strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_PORT"
	port := value(name)
	if port == "" {
		return "", fmt.Errorf("has no health to ask for: %s is no variable of it", name)
	}
	host := value("LISTEN_HOST")
	switch ip := net.ParseIP(host); {
	case host == "" || ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip.Equal(net.IPv6unspecified):
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
