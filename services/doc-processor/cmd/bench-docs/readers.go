package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"signpost.internal/pkg/egress"
)

// service is the program under measurement.
type service struct {
	command *exec.Cmd
	url     string
	client  *http.Client
	drained chan struct{}
	peak    struct{ all, one atomic.Int64 } // resident bytes
	quit    chan struct{}
}

func startService(ctx context.Context, program, dir string) (*service, error) {
	dialer := egress.New(egress.Config{}, nil)
	s := &service{command: exec.CommandContext(ctx, program), client: &http.Client{Transport: dialer.Transport()}, drained: make(chan struct{}), quit: make(chan struct{})}
	s.command.Env = append(os.Environ(), "DOC_PROCESSOR_PORT=0", "LLM_PROVIDER=none", "DATA_DIR="+filepath.Join(dir, "data"), "DOCUMENT_TIMEOUT=1h", "PAGE_TIMEOUT=5m") //nolint:forbidigo // the program's environment, not our configuration
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	for s.url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("the service did not start: %w %s", err, line)
		}
		if _, address, ok := strings.Cut(strings.TrimSpace(line), " address="); ok && strings.Contains(line, "msg=listening") {
			s.url = "http://" + address
			dialer.Allow(&url.URL{Scheme: "http", Host: address})
		}
	}
	go func() {
		defer close(s.drained)
		_, _ = io.Copy(io.Discard, lines)
	}()
	go s.watch()
	return s, nil
}

func (s *service) stop() {
	close(s.quit)
	_ = s.command.Process.Signal(os.Interrupt)
	<-s.drained
	_ = s.command.Wait()
}

// processes lists the service and its workers.
func (s *service) processes() []string {
	pids := []string{strconv.Itoa(s.command.Process.Pid)}
	tasks, _ := filepath.Glob("/proc/" + pids[0] + "/task/*/children")
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		pids = append(pids, strings.Fields(string(children))...)
	}
	return pids
}

// watch keeps the largest memory seen.
func (s *service) watch() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-tick.C:
		}
		all := int64(0)
		for i, pid := range s.processes() {
			statm, _ := os.ReadFile("/proc/" + pid + "/statm")
			if fields := strings.Fields(string(statm)); len(fields) > 1 {
				pages, _ := strconv.ParseInt(fields[1], 10, 64)
				bytes := pages * int64(os.Getpagesize())
				all += bytes
				if i > 0 {
					s.peak.one.Store(max(s.peak.one.Load(), bytes))
				}
			}
		}
		s.peak.all.Store(max(s.peak.all.Load(), all))
	}
}

// cpuTime is the processor time that the service and its workers have used, the
// ended ones included.
func (s *service) cpuTime() time.Duration {
	const ticks = 100 // USER_HZ
	all := int64(0)
	for i, pid := range s.processes() {
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		_, rest, ok := bytes.Cut(stat, []byte(") "))
		if !ok {
			continue
		}
		fields := strings.Fields(string(rest))
		last := 13 // utime and stime; of the service also those of its ended workers
		if i == 0 {
			last = 15
		}
		for _, field := range fields[11:last] {
			n, _ := strconv.ParseInt(field, 10, 64)
			all += n
		}
	}
	return time.Duration(all) * time.Second / ticks
}

// read has the service read the file.
func (s *service) read(ctx context.Context, path string) (reading, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return reading{}, err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", filepath.Base(path))
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return reading{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/process", &body)
	if err != nil {
		return reading{}, err
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	start, cpu := time.Now(), s.cpuTime()
	resp, err := s.client.Do(r)
	if err != nil {
		return reading{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return reading{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return reading{}, fmt.Errorf("%s: %s", resp.Status, answer)
	}
	var result struct {
		Markdown    string
		Warnings    []string
		PageResults []struct{ Header, Text, Footer string } `json:"page_results"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return reading{}, err
	}
	out := reading{markdown: result.Markdown, elapsed: time.Since(start), cpuTime: s.cpuTime() - cpu, warned: len(result.Warnings) > 0}
	for _, p := range result.PageResults {
		out.pages = append(out.pages, strings.TrimSpace(p.Header+"\n\n"+p.Text+"\n\n"+p.Footer))
	}
	return out, nil
}

// leastText is how many characters a page of pdftotext's must have on average to
// count as read.
const leastText = 50

// readWithCommands reads the file with pdftotext, or else as images with tesseract,
// as many pages at a time as there are cores.
func readWithCommands(ctx context.Context, path string, pages int) (reading, error) {
	var out reading
	var mu sync.Mutex
	command := func(name string, args ...string) (string, error) {
		c := exec.CommandContext(ctx, name, args...)
		c.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1") //nolint:forbidigo // the command's environment, not our configuration
		text, err := c.Output()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		mu.Lock()
		out.cpuTime += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		mu.Unlock()
		return string(text), nil
	}
	start := time.Now()
	images, options := []string{path}, []string{"-", "-l", "eng+cym"}
	if strings.HasSuffix(path, ".pdf") {
		text, err := command("pdftotext", path, "-")
		if err != nil {
			return out, err
		}
		if len(strings.Join(strings.Fields(text), "")) >= leastText*pages {
			out.pages, out.elapsed, out.by = strings.Split(text, "\f"), time.Since(start), "pdftotext"
			return out, nil
		}
		base := strings.TrimSuffix(path, ".pdf") + " page"
		options = append(options, "--dpi", "200") // which its images do not say
		if _, err := command("pdftoppm", "-r", "200", "-gray", path, base); err != nil {
			return out, err
		}
		if images, err = filepath.Glob(strings.NewReplacer("[", `\[`).Replace(base) + "-*.pgm"); err != nil {
			return out, err
		}
		slices.Sort(images)
		defer func() {
			for _, image := range images {
				_ = os.Remove(image)
			}
		}()
	}
	out.by, out.pages = "tesseract", make([]string, len(images))
	errs := make([]error, len(images))
	var group sync.WaitGroup
	places := make(chan struct{}, 2)
	for i, image := range images {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			out.pages[i], errs[i] = command("tesseract", append([]string{image}, options...)...)
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return out, err
		}
	}
	out.elapsed = time.Since(start)
	return out, nil
}
