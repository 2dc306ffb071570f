package daemon

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// config is declared as a service's is.
type config struct {
	Port int    `env:"NOTES_SERVICE_PORT" envDefault:"8100" doc:"Port to listen on."`
	Host string `env:"LISTEN_HOST" envDefault:"127.0.0.1" doc:"Address to listen on."`
}

func TestListens(t *testing.T) {
	for _, c := range []struct {
		name, service string
		environ       map[string]string
		want, fault   string
	}{
		{"the defaults", "notes-service", nil, "127.0.0.1:8100", ""},
		{"another port", "notes-service", map[string]string{"NOTES_SERVICE_PORT": "9"}, "127.0.0.1:9", ""},
		{"every address", "notes-service", map[string]string{"LISTEN_HOST": "0.0.0.0"}, "127.0.0.1:8100", ""},
		{"every address of IPv6", "notes-service", map[string]string{"LISTEN_HOST": "::"}, "[::1]:8100", ""},
		{"one address", "notes-service", map[string]string{"LISTEN_HOST": "10.1.2.3"}, "10.1.2.3:8100", ""},
		{"an empty variable is unset", "notes-service", map[string]string{"LISTEN_HOST": "", "NOTES_SERVICE_PORT": ""}, "127.0.0.1:8100", ""},
		{"a program without a port", "signpost", nil, "", "SIGNPOST_PORT is no variable of it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := listens(c.service, &config{}, c.environ)
			if got != c.want || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("listens = %q, %v; want %q, %q", got, err, c.want, c.fault)
			}
		})
	}
}

func TestHealthcheck(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// A proxy of the environment must not be asked.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	ask := func() (string, error) {
		return healthcheck(t.Context(), "notes-service", &config{}, map[string]string{"NOTES_SERVICE_PORT": port})
	}
	if said, err := ask(); err != nil || !strings.Contains(said, "notes-service is healthy at http://127.0.0.1:"+port) {
		t.Errorf("of a healthy service: %q, %v", said, err)
	}
	status = http.StatusServiceUnavailable
	if said, err := ask(); err == nil || said != "" || !strings.Contains(err.Error(), "503") {
		t.Errorf("of a service that answers 503: %q, %v", said, err)
	}
	server.Close()
	if said, err := ask(); err == nil || said != "" || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("of a service that is down: %q, %v", said, err)
	}
}

func TestHealthcheckOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	said, err := healthcheck(t.Context(), "notes-service", &config{}, map[string]string{"NOTES_SERVICE_PORT": port, "TLS_CERT_FILE": "some.pem"})
	if err != nil || !strings.Contains(said, "https://127.0.0.1:"+port) {
		t.Errorf("%q, %v", said, err)
	}
}
