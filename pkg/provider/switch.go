package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
)

// Selection is what a switch changes.
type Selection struct {
	Provider string // as LLM_PROVIDER
	Fallback string // as LLM_FALLBACK; empty leaves the setting as it is
}

// Selection returns what is in force.
func (c *Client) Selection() Selection {
	cfg := c.routes.Load().cfg
	return Selection{Provider: strings.ToLower(cfg.Provider), Fallback: strings.ToLower(cfg.Fallback)}
}

// Switch puts another provider in force for the calls that begin from now on.
// Calls under way end where they began. A value that is not accepted is a
// fault.Invalid, and nothing changes. Embeddings stay with the engine that made
// them: those of another cannot be compared with them. A switch is not kept
// over a restart.
func (c *Client) Switch(ctx context.Context, s Selection) error {
	c.switching.Lock()
	defer c.switching.Unlock()
	cfg := c.routes.Load().cfg
	cfg.Provider = s.Provider
	if s.Fallback != "" {
		cfg.Fallback = s.Fallback
	}
	return c.apply(ctx, cfg, "request")
}

// apply puts a configuration in force. The caller holds c.switching.
func (c *Client) apply(ctx context.Context, cfg Config, by string) error {
	former := c.routes.Load()
	cfg.EmbeddingProvider = former.cfg.embeddingProvider()
	if faults := cfg.Validate(); len(faults) > 0 {
		return invalid(faults)
	}
	next, err := newRoutes(cfg, c.dialer, former.upstreams)
	if err != nil {
		return invalid([]error{err})
	}
	if !slices.EqualFunc(next.embedding.targets(), former.embedding.targets(), func(a, b target) bool { return a == b }) {
		c.identity.forget(next.embedding.targets())
	}
	c.routes.Store(next)
	c.active.Store(nil)
	c.probe.expire()
	for key, u := range former.upstreams {
		if next.upstreams[key] == nil {
			u.driver.close() // connections of calls under way follow as they fall idle
		}
	}
	c.logger.InfoContext(ctx, "model provider switched", "provider", next.provider, "servers", describe(next), "by", by)
	if c.switched != nil {
		c.switched(next.provider)
	}
	return nil
}

// describe names the engines of the text route in order.
func describe(r *routes) string {
	var names []string
	for _, t := range r.text.targets() {
		names = append(names, t.up.provider+" "+t.up.driver.engine().address)
	}
	return strings.Join(names, ", ")
}

// invalid makes one fault of what is wrong with a configuration.
func invalid(faults []error) error {
	out := fault.New(fault.Invalid, "")
	var details []string
	for _, f := range faults {
		variable, detail, _ := strings.Cut(f.Error(), ": ")
		field := map[string]string{"LLM_PROVIDER": "provider", "LLM_FALLBACK": "fallback"}[variable]
		if field == "" {
			field = variable
		}
		out.Fields = append(out.Fields, fault.Field{Name: field, Detail: detail})
		details = append(details, variable+": "+detail)
	}
	out.Detail = "Nothing was changed. " + strings.Join(details, ". ") + "."
	return out
}

const (
	filePoll = time.Second
	fileMax  = 64 << 10
)

// file is PROVIDER_FILE as it was last read.
type file struct {
	content []byte
	there   bool
}

// settings returns the environment's configuration with the file's lines in its
// place.
func (c *Client) settings(content []byte) (Config, error) {
	cfg := c.cfg
	change := map[string]*string{
		"LLM_PROVIDER": &cfg.Provider, "LLM_FALLBACK": &cfg.Fallback,
		"OLLAMA_URL": &cfg.OllamaURL, "OLLAMA_MODEL": &cfg.OllamaModel,
		"VLLM_URL": &cfg.VLLMURL, "VLLM_MODEL": &cfg.VLLMModel,
		"VISION_PROVIDER": &cfg.VisionProvider, "VISION_MODEL": &cfg.VisionModel,
	}
	known, err := env.Describe(&Config{})
	if err != nil {
		return cfg, err
	}
	var faults []error
	for number, line := range strings.Split(string(content), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		switch field := change[name]; {
		case !ok:
			faults = append(faults, fmt.Errorf("line %d is not NAME=value", number+1))
		case field != nil:
			*field = value
		// Other variables may stand in the file, as in one that a compose file
		// reads too, but not one of ours that is misspelt.
		case strings.HasPrefix(name, "LLM_") && !slices.ContainsFunc(known, func(v env.Variable) bool { return v.Name == name }):
			faults = append(faults, fmt.Errorf("%s is no variable of ours", name))
		}
	}
	return cfg, errors.Join(faults...)
}

// readFile returns the file's content; a file that is not there is no error.
func readFile(path string) (f file, err error) {
	opened, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return file{}, nil
	}
	if err != nil {
		return file{}, unreadable(path, err)
	}
	defer func() { _ = opened.Close() }()
	content, err := io.ReadAll(io.LimitReader(opened, fileMax+1))
	switch {
	case err != nil:
		return file{}, unreadable(path, err)
	case len(content) > fileMax:
		return file{there: true}, fmt.Errorf("%s is longer than %d bytes", path, fileMax)
	}
	return file{content: content, there: true}, nil
}

// unreadable says that a file cannot be read without naming the system's call.
func unreadable(path string, err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("%s cannot be read (%w); make it a file that this service may read", path, err)
}

// watchFile puts each change of the file in force until the client is closed.
func (c *Client) watchFile(last file) {
	ticks := time.NewTicker(filePoll)
	defer ticks.Stop()
	if !last.there {
		c.logger.WarnContext(c.life, "provider file is not there yet", "file", c.cfg.File)
	}
	complaint := ""
	for {
		select {
		case <-c.life.Done():
			return
		case <-ticks.C:
		}
		now, err := readFile(c.cfg.File)
		if err == nil && (!now.there || now.there == last.there && bytes.Equal(now.content, last.content)) {
			complaint = ""
			continue // one that was removed changes nothing
		}
		if err == nil {
			last = now
			err = c.applyFile(now.content)
		}
		if err != nil && err.Error() != complaint {
			complaint = err.Error()
			c.logger.WarnContext(c.life, "provider file refused", "file", c.cfg.File, "error", complaint)
		}
	}
}

func (c *Client) applyFile(content []byte) error {
	cfg, err := c.settings(content)
	if err != nil {
		return err
	}
	c.switching.Lock()
	defer c.switching.Unlock()
	return c.apply(c.life, cfg, "file")
}
