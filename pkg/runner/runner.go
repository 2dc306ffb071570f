package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"signpost.internal/pkg/httpserver"
)

// Config is what an operator may set for the runner. The services read the same
// variables, and all others, themselves.
type Config struct {
	HTTP          httpserver.Config
	NotesPort     int    `env:"NOTES_SERVICE_PORT" envDefault:"8100" doc:"Port of notes-service."`
	DocumentsPort int    `env:"DOC_PROCESSOR_PORT" envDefault:"8101" doc:"Port of doc-processor."`
	ManualsPort   int    `env:"RAG_SERVICE_PORT" envDefault:"8102" doc:"Port of rag-service."`
	ManualsPath   string `env:"MANUALS_PATH" doc:"Folder of manuals to ask, with its subfolders. Without it the sample manuals are used."`
	Home          string `env:"SIGNPOST_HOME" envDefault:".signpost" doc:"Folder of the binaries, the data, the logs and the sample manuals of a run on one machine."`
}

// Validate reports values that cannot work.
func (c Config) Validate() []error {
	var faults []error
	for _, p := range c.ports() {
		if p.number < 1 || p.number > 65535 {
			faults = append(faults, fmt.Errorf("%s: %d: a port from 1 to 65535", p.variable, p.number))
		}
	}
	if c.ManualsPath != "" {
		if info, err := os.Stat(c.ManualsPath); err != nil || !info.IsDir() {
			faults = append(faults, fmt.Errorf("MANUALS_PATH: %s: a folder that exists", c.ManualsPath))
		}
	}
	return faults
}

type port struct {
	service, variable string
	number            int
}

// ports are in the order in which the services start.
func (c Config) ports() []port {
	return []port{
		{"doc-processor", "DOC_PROCESSOR_PORT", c.DocumentsPort},
		{"notes-service", "NOTES_SERVICE_PORT", c.NotesPort},
		{"rag-service", "RAG_SERVICE_PORT", c.ManualsPort},
	}
}

// url is where this machine reaches a port.
func (c Config) url(port int) string {
	host := c.HTTP.Host
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// Run starts everything, shows the progress of the first ingest and what to try,
// and returns once all has stopped. environ is passed on to the services.
func Run(ctx context.Context, cfg Config, environ map[string]string, terminal *Terminal) error {
	home, err := filepath.Abs(cfg.Home)
	if err != nil {
		return err
	}
	if err := portsFree(ctx, cfg); err != nil {
		return err
	}
	manuals := cfg.ManualsPath
	if manuals == "" {
		manuals = filepath.Join(home, "manuals")
	}
	if manuals, err = filepath.Abs(manuals); err != nil {
		return err
	}

	supervisor := &Supervisor{Grace: cfg.HTTP.DrainTimeout + 5*time.Second, Restart: time.Second, Settled: 5 * time.Second, Say: terminal.Line}
	for _, p := range cfg.ports() {
		log := &lumberjack.Logger{Filename: filepath.Join(home, "log", p.service+".log"), MaxSize: 10, MaxBackups: 3}
		defer log.Close()
		supervisor.Services = append(supervisor.Services, Service{
			Name: p.service,
			Path: filepath.Join(home, "bin", p.service),
			Env: environment(environ, map[string]string{
				"DATA_DIR":          filepath.Join(home, "data", p.service),
				"MANUALS_PATH":      manuals,
				"DOC_PROCESSOR_URL": cfg.url(cfg.DocumentsPort),
			}),
			Log:    log,
			Errors: io.MultiWriter(log, terminal.Prefixed(p.service)),
		})
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	guided := make(chan struct{})
	go func() {
		defer close(guided)
		guide(ctx, cfg, manuals, home, terminal)
	}()
	err = supervisor.Run(ctx)
	cancel()
	<-guided
	if err == nil {
		terminal.Line("All services have stopped.")
	}
	return err
}

// environment returns environ as NAME=value with the defaults for unset names.
func environment(environ, defaults map[string]string) []string {
	merged := maps.Clone(environ)
	for name, value := range defaults {
		if merged[name] == "" {
			merged[name] = value
		}
	}
	list := make([]string, 0, len(merged))
	for name, value := range merged {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// portsFree fails with one line for each port that something else holds.
func portsFree(ctx context.Context, cfg Config) error {
	var faults []error
	for _, p := range cfg.ports() {
		var listen net.ListenConfig
		l, err := listen.Listen(ctx, "tcp", cfg.HTTP.Addr(p.number))
		if err != nil {
			faults = append(faults, fmt.Errorf("port %d for %s cannot be used (%w): stop the program that holds it, or choose another: %s=%d make run",
				p.number, p.service, err, p.variable, p.number+100))
			continue
		}
		l.Close()
	}
	return errors.Join(faults...)
}

// guide waits for the services, follows the ingest and says what to try.
func guide(ctx context.Context, cfg Config, manuals, home string, terminal *Terminal) {
	for _, p := range cfg.ports() {
		if !healthy(ctx, cfg.url(p.number)) {
			return
		}
	}
	terminal.Line("Manuals: %s", manuals)
	last := follow(ctx, cfg.url(cfg.ManualsPort), terminal)
	if ctx.Err() != nil {
		return
	}
	terminal.Line("%s", last.summary(cfg.url(cfg.ManualsPort)))
	terminal.Line("%s", welcome(cfg, home))
}

// pollEvery is how often the runner looks at a service.
const pollEvery = 300 * time.Millisecond

// healthy waits until the service answers, or ctx ends.
func healthy(ctx context.Context, url string) bool {
	for {
		if err := get(ctx, url+"/health", &struct{}{}); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
	}
}

// progress is the part of rag-service's /stats that the runner shows.
type progress struct {
	TotalDocuments int `json:"total_documents"`
	TotalChunks    int `json:"total_chunks"`
	Ingest         struct {
		State   string `json:"state"`
		Total   int    `json:"total"`
		Done    int    `json:"done"`
		Failed  int    `json:"failed"`
		Current string `json:"current"`
	} `json:"ingest"`
}

func (p progress) summary(url string) string {
	s := fmt.Sprintf("%d manuals are ready (%d passages).", p.TotalDocuments, p.TotalChunks)
	if p.Ingest.Failed > 0 {
		s += fmt.Sprintf(" %d could not be read; the reasons: curl -s -X POST %s/ingest-all-manuals", p.Ingest.Failed, url)
	}
	return s
}

// follow shows the ingest's progress until it is idle or ctx ends.
func follow(ctx context.Context, url string, terminal *Terminal) progress {
	defer terminal.EndProgress()
	for {
		var p progress
		if err := get(ctx, url+"/stats", &p); err == nil {
			if p.Ingest.State != "running" {
				return p
			}
			terminal.Progress("Reading the manuals: %d of %d  %s", p.Ingest.Done, p.Ingest.Total, p.Ingest.Current)
		}
		select {
		case <-ctx.Done():
			return progress{}
		case <-time.After(pollEvery):
		}
	}
}

func get(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func welcome(cfg Config, home string) string {
	relative := home
	if wd, err := os.Getwd(); err == nil {
		if r, err := filepath.Rel(wd, home); err == nil && !strings.HasPrefix(r, "..") {
			relative = r
		}
	}
	rag, notes, doc := cfg.url(cfg.ManualsPort), cfg.url(cfg.NotesPort), cfg.url(cfg.DocumentsPort)
	return fmt.Sprintf(`
Signpost is running. Ctrl-C stops it. Logs: %s

  Ask the manuals    %s   POST /query
  Write the letter   %s   POST /convert
  Read the post      %s   POST /process

Try, in another terminal:

  curl -s %s/query -H 'Content-Type: application/json' \
    -d '{"question": "How long does breathing space last?"}'

  curl -s %s/convert -H 'Content-Type: application/json' \
    -d '{"client_name": "Ms Example", "notes": "Rent arrears £1,240. Client to send her tenancy agreement by 5 June."}'
`, filepath.Join(relative, "log"), rag, notes, doc, rag, notes)
}
