package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestTheServiceAnswersAndStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	listening, done := make(chan net.Addr, 1), make(chan error, 1)
	var log bytes.Buffer
	go func() {
		done <- run(ctx, map[string]string{"NOTES_SERVICE_PORT": "0", "LLM_PROVIDER": "none", "DATA_DIR": t.TempDir()}, &log, func(a net.Addr) { listening <- a })
	}()
	var base string
	select {
	case addr := <-listening:
		base = "http://" + addr.String()
	case err := <-done:
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, body string) (int, map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		w, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		raw, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		var out map[string]any
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		return w.StatusCode, out
	}
	if status, body := ask("GET", "/ready", ""); status != 200 || body["status"] != "degraded" || !strings.Contains(toJSON(t, body), "LLM_PROVIDER") {
		t.Errorf("ready: %d %v", status, body)
	}
	if status, body := ask("GET", "/health", ""); status != 200 || body["provider"] != "none" || body["status"] != "ready" {
		t.Errorf("health: %d %v", status, body)
	}
	if status, body := ask("PUT", "/admin/provider", `{"provider": "gpt"}`); status != 422 || !strings.Contains(toJSON(t, body), "ollama, vllm") {
		t.Errorf("switch to nonsense: %d %v", status, body)
	}
	if status, body := ask("GET", "/admin/provider", ""); status != 200 || body["provider"] != "none" {
		t.Errorf("provider: %d %v", status, body)
	}
	if status, body := ask("POST", "/convert", `{"notes": "I'll ring Lowell"}`); status != 200 || body["our_actions"] != "- Ring Lowell." || body["method"] != "rules" {
		t.Errorf("convert: %d %v", status, body)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("after the stop: %v", err)
	}
	if !strings.Contains(log.String(), "provider=none") {
		t.Errorf("the log does not name the provider:\n%s", log.String())
	}
}

func TestFaultsOfTheConfigurationAreToldTogether(t *testing.T) {
	err := Run(t.Context(), map[string]string{"NOTES_SERVICE_PORT": "99999", "LLM_PROVIDER": "gpt", "NOTES_MODEL_TIMEOUT": "0s"}, io.Discard)
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"NOTES_SERVICE_PORT", "LLM_PROVIDER", "ollama", "NOTES_MODEL_TIMEOUT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
