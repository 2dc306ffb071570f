package app

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/samplemanuals"
)

// program is the built service, as its own process.
type program struct {
	command *exec.Cmd
	url     string
	log     *bytes.Buffer // complete after wait
	read    chan struct{}
}

func startProgram(t *testing.T, data string) *program {
	t.Helper()
	p := &program{command: exec.CommandContext(t.Context(), theMachine.Program), log: &bytes.Buffer{}, read: make(chan struct{})}
	p.command.Env = []string{
		"DOC_PROCESSOR_PORT=0", "LLM_PROVIDER=none", "WORKERS=2", "DATA_DIR=" + data,
		"CACHE_DIR=" + filepath.Dir(theMachine.CacheDir), "PATH=" + os.Getenv("PATH"), //nolint:forbidigo // the program's PATH, not its configuration
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for p.url == "" {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("it ended before it listened: %s%s", p.log, line)
		}
		p.log.Write(line)
		if _, address, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" address=")); ok && bytes.Contains(line, []byte("msg=listening")) {
			p.url = "http://" + string(address)
		}
	}
	go func() {
		defer close(p.read)
		_, _ = io.Copy(p.log, lines)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9.
func (p *program) kill() {
	_ = p.command.Process.Kill()
	<-p.read
	_ = p.command.Wait()
}

// working lists the workers that compute; the others wait for a request.
func (p *program) working() (pids []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.command.Process.Pid))
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		for _, pid := range strings.Fields(string(children)) {
			stats, _ := filepath.Glob("/proc/" + pid + "/task/*/stat")
			for _, stat := range stats {
				line, _ := os.ReadFile(stat)
				if _, rest, ok := bytes.Cut(line, []byte(") ")); ok && rest[0] == 'R' {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

type jobState struct {
	ID, State string
	Progress  *struct {
		Stage     string
		Pages     *int
		PagesRead int `json:"pages_read"`
	}
}

func sendJob(t *testing.T, url, name string, data []byte) string {
	t.Helper()
	var j jobState
	send(t, form(t, url+"/jobs", name, data), &j)
	return j.ID
}

// until polls what another process brings about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !met(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Twenty jobs, some done, some being read, some waiting: kill -9 and a new start
// finish them all, none twice.
func TestKilledInTwentyJobs(t *testing.T) {
	data := t.TempDir()
	markdown, err := os.ReadFile("../../../../docs/manuals/bankruptcy.md")
	if err != nil {
		t.Fatal(err)
	}
	manual, text, err := samplemanuals.Render(string(markdown), samplemanuals.Text)
	if err != nil {
		t.Fatal(err)
	}
	_, scan, err := samplemanuals.Render(string(markdown), samplemanuals.Scan)
	if err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, data)
	var ids []string
	for i := range 20 {
		file := text
		if i%10 == 5 {
			file = scan
		}
		ids = append(ids, sendJob(t, p.url, "letter.pdf", file))
	}
	state := func(id string) (j jobState) {
		get(t, p.url+"/jobs/"+id, &j)
		return j
	}
	until(t, "the scans are being read", func() bool {
		return slices.ContainsFunc(ids, func(id string) bool { j := state(id); return j.Progress != nil && j.Progress.PagesRead > 0 })
	})
	p.kill()

	p = startProgram(t, data)
	for _, id := range ids {
		until(t, "the job is finished", func() bool { s := state(id).State; return s == "done" || s == "failed" })
		var result struct {
			Pages       int
			PageResults []struct{ Text string } `json:"page_results"`
		}
		get(t, p.url+"/jobs/"+id+"/result", &result)
		if s := state(id).State; s != "done" || result.Pages != len(manual.Pages) {
			t.Errorf("%s, %d pages", s, result.Pages)
		}
	}
	stored, err := filepath.Glob(filepath.Join(data, "jobs", "*", "result.json"))
	if err != nil || len(stored) != len(ids) {
		t.Errorf("%d results, %v", len(stored), err)
	}
	p.kill()
	if n := strings.Count(p.log.String(), `msg="a job ended"`); n == 0 || n >= len(ids) {
		t.Errorf("%d jobs ended after the restart, of those that had not before", n)
	}
	if strings.Contains(p.log.String(), "letter.pdf") || strings.Contains(p.log.String(), "bankrupt") {
		t.Error("the document is in the log")
	}
}

// Once a job's deletion is answered no process works on it.
func TestDeletedJobLeavesNoWorker(t *testing.T) {
	markdown, err := os.ReadFile("../../../../docs/manuals/bankruptcy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, scan, err := samplemanuals.Render(string(markdown), samplemanuals.Scan)
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	p := startProgram(t, data)
	id := sendJob(t, p.url, "letter.pdf", scan)
	until(t, "pages are being read", func() bool {
		var j jobState
		get(t, p.url+"/jobs/"+id, &j)
		return j.Progress != nil && j.Progress.Stage == "ocr" && len(p.working()) > 0
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, p.url+"/jobs/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	var receipt struct {
		Stopped bool
		Left    int `json:"files_left"`
	}
	send(t, r, &receipt)
	if still := p.working(); !receipt.Stopped || receipt.Left != 0 || len(still) > 0 {
		t.Errorf("%+v, still at work: %v", receipt, still)
	}
}

// When a client leaves, nothing works for it half a second later.
func TestGoneClientLeavesNoWorker(t *testing.T) {
	markdown, err := os.ReadFile("../../../../docs/manuals/bankruptcy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, scan, err := samplemanuals.Render(string(markdown), samplemanuals.Scan)
	if err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, t.TempDir())
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	r := form(t, p.url+"/process", "letter.pdf", scan).WithContext(ctx)
	go func() {
		defer close(gone)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		if resp, err := client.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	until(t, "pages are being read", func() bool { return len(p.working()) > 0 })
	leave()
	<-gone
	left := time.Now()
	until(t, "no worker works", func() bool { return len(p.working()) == 0 })
	if took := time.Since(left); took > 500*time.Millisecond {
		t.Errorf("they went on for %v", took)
	}
}
