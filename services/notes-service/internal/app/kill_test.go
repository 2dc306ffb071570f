package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/env"
)

// serve, as the test program's argument, makes it the service.
const serve = "serve-for-a-test"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == serve {
		if err := Run(context.Background(), env.Environ(), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// program is the service as its own process.
type program struct {
	command *exec.Cmd
	url     string
	log     *bytes.Buffer // complete after kill
	read    chan struct{}
}

func start(t *testing.T, data string) *program {
	t.Helper()
	p := &program{command: exec.CommandContext(t.Context(), os.Args[0], serve), log: &bytes.Buffer{}, read: make(chan struct{})}
	p.command.Env = []string{"NOTES_SERVICE_PORT=0", "LLM_PROVIDER=none", "DATA_DIR=" + data, "NOTES_KEEP=true", "OFFICE_PROGRAM=none"}
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

// ask sends a request to the program and reads its JSON.
func (p *program) ask(t *testing.T, method, path, kind, body string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	w, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	data, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s, %v", method, path, w.StatusCode, data, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

// A batch of forty letters, killed with -9 in its midst: the next run finishes it,
// no letter is lost, and none that was written is written again.
func TestKilledInTheMidstOfABatch(t *testing.T) {
	data := t.TempDir()
	var lines strings.Builder
	for i := range 40 {
		notes := strings.Repeat(fmt.Sprintf("Client %d owes Lowell £%d.50 ref LW/%d. I'll ring them by Friday.\n", i, 100+i, i), 80)
		line, err := json.Marshal(map[string]string{"notes": notes, "client_name": fmt.Sprintf("Zebra %d", i), "ref": fmt.Sprint(i + 1)})
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	p := start(t, data)
	var job struct {
		ID, State string
		Counts    map[string]int
	}
	p.ask(t, "POST", "/batches", "application/x-ndjson", lines.String(), &job)
	id := job.ID
	for job.Counts["done"] < 3 {
		if job.State == "done" {
			t.Fatal("the batch ended before it was killed")
		}
		p.ask(t, "GET", "/batches/"+id, "", "", &job)
	}
	p.kill()
	before := results(t, data, id)
	if len(before) == 0 || len(before) == 40 {
		t.Fatalf("%d letters at the kill", len(before))
	}

	p = start(t, data)
	job.State = ""
	for deadline := time.Now().Add(3 * time.Minute); job.State != "done"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not finished: %+v", job)
		}
		job.Counts = nil
		p.ask(t, "GET", "/batches/"+id, "", "", &job)
	}
	if job.Counts["done"] != 40 {
		t.Errorf("%+v", job)
	}
	after := results(t, data, id)
	if len(after) != 40 {
		t.Errorf("%d letters", len(after))
	}
	for name, was := range before {
		if !after[name].Equal(was) {
			t.Errorf("%s was written again", name)
		}
	}
	var kept struct{ Drafts []struct{ ID string } }
	p.ask(t, "GET", "/drafts", "", "", &kept)
	if len(kept.Drafts) != 40 {
		t.Errorf("%d drafts in the record", len(kept.Drafts))
	}
	var receipt map[string]any
	p.ask(t, "POST", "/deletions", "application/json", `{"client_name": "zebra 7"}`, &receipt)
	if receipt["drafts_deleted"] != 1.0 || receipt["batch_items_deleted"] != 1.0 || receipt["drafts_remaining"] != 0.0 || receipt["batch_items_remaining"] != 0.0 {
		t.Errorf("%v", receipt)
	}
	p.ask(t, "DELETE", "/batches/"+id, "", "", &receipt)
	if receipt["files_left"] != 0.0 {
		t.Errorf("%v", receipt)
	}
	p.kill()
	if strings.Contains(p.log.String(), "Zebra") || strings.Contains(p.log.String(), "Lowell") {
		t.Error("the notes are in the log")
	}
}

// results are the times of the results' files.
func results(t *testing.T, data, id string) map[string]time.Time {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "batches", id, "*.result.json"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]time.Time{}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = info.ModTime()
	}
	return found
}
