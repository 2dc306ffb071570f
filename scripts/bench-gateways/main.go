// Command bench-gateways measures what a call to a model server costs through
// pkg/provider, through go-openai, through Bifrost's Go library and with
// net/http alone, on one stub server in one run.
//
// The stub is a process of its own, and so is each client, so that none profits
// from another's memory. Clients take turns, round by round, so that what else
// runs on the machine meets all of them. Every client sends the same prompt and
// is checked, before it is measured, to have got the whole answer. The stub
// answers at once and flushes each event of a stream.
//
// It is built apart from Signpost's own modules, by scripts/gateways.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	rounds     = 16
	rate       = 1000 // calls a second in the open loop
	openCalls  = 300  // a round
	aloneCalls = 100  // a round
	warmUp     = 300
)

// sample is what a client measured in one round.
type sample struct {
	Open, Alone  []time.Duration // of each call
	CPU          time.Duration   // of the client's process for the calls of Alone
	Mallocs      uint64          // of the calls of Alone
	Bytes        uint64          // of the calls of Alone
	Failed       int
	FirstFailure string
	NotEvenBegun string // why the client could not be set up
}

func main() {
	log.SetFlags(0)
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "stub":
		err = serve()
	case len(os.Args) == 4 && os.Args[1] == "client":
		err = client(os.Args[2], os.Args[3])
	default:
		err = compare(os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// process is a client's process.
type process struct {
	contestant
	in  io.WriteCloser
	out *bufio.Reader
	sum sample
	// tails has each round's 99th percentile in µs. Their median is shown, which
	// other work on the machine in some of the rounds does not decide.
	tails []int64
}

func compare(w io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	start := func(arguments ...string) (io.WriteCloser, *bufio.Reader, error) {
		command := exec.CommandContext(ctx, os.Args[0], arguments...)
		command.Stderr = os.Stderr
		in, err := command.StdinPipe()
		if err != nil {
			return nil, nil, err
		}
		out, err := command.StdoutPipe()
		if err != nil {
			return nil, nil, err
		}
		if err := command.Start(); err != nil {
			return nil, nil, err
		}
		group.Go(func() {
			<-ctx.Done()
			_ = command.Wait() // it was killed
		})
		return in, bufio.NewReader(out), nil
	}
	_, out, err := start("stub")
	if err != nil {
		return err
	}
	url, err := out.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the stub did not start: %w", err)
	}
	url = url[:len(url)-1]

	var workers []*process
	for _, c := range contestants {
		in, out, err := start("client", c.name, url)
		if err != nil {
			return err
		}
		workers = append(workers, &process{contestant: c, in: in, out: out})
	}
	for range rounds {
		for _, worker := range workers {
			if err := worker.round(); err != nil {
				return fmt.Errorf("%s: %w", worker.name, err)
			}
		}
	}
	return table(w, workers)
}

// round has the client measure once more.
func (w *process) round() error {
	if w.sum.NotEvenBegun != "" {
		return nil
	}
	if _, err := w.in.Write([]byte("\n")); err != nil {
		return err
	}
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	var s sample
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	if len(s.Open) > 0 {
		w.tails = append(w.tails, quantile(s.Open, .99))
	}
	w.sum.Open = append(w.sum.Open, s.Open...)
	w.sum.Alone = append(w.sum.Alone, s.Alone...)
	w.sum.CPU += s.CPU
	w.sum.Mallocs += s.Mallocs
	w.sum.Bytes += s.Bytes
	w.sum.Failed += s.Failed
	w.sum.NotEvenBegun = s.NotEvenBegun
	if w.sum.FirstFailure == "" {
		w.sum.FirstFailure = s.FirstFailure
	}
	return nil
}

// client measures one contestant each time that a line comes in.
func client(name, url string) error {
	i := slices.IndexFunc(contestants, func(c contestant) bool { return c.name == name })
	if i < 0 {
		return fmt.Errorf("no client %q", name)
	}
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	call, err := contestants[i].open(url)
	if err == nil {
		err = warm(call)
	}
	for lines.Scan() {
		s := sample{}
		if err != nil {
			s.NotEvenBegun = err.Error()
		} else {
			s = measure(call)
		}
		if err := out.Encode(s); err != nil {
			return err
		}
	}
	return lines.Err()
}

// warm checks that a client gets the whole answer, and opens its connections.
func warm(call caller) error {
	for range warmUp {
		text, err := call(context.Background())
		if err != nil {
			return err
		}
		if text != "" && text != answer {
			return fmt.Errorf("got %q", text)
		}
	}
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() { _, _ = call(context.Background()) })
	}
	group.Wait()
	return nil
}

func measure(call caller) sample {
	var s sample
	var mu sync.Mutex
	note := func(err error) {
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			if s.Failed++; s.Failed == 1 {
				s.FirstFailure = err.Error()
			}
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := used()
	s.Alone = make([]time.Duration, aloneCalls)
	for i := range s.Alone {
		began := time.Now()
		_, err := call(context.Background())
		s.Alone[i] = time.Since(began)
		note(err)
	}
	s.CPU = used() - cpu
	runtime.ReadMemStats(&after)
	s.Mallocs, s.Bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc

	s.Open = make([]time.Duration, openCalls)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range s.Open {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / rate)))
		began := time.Now() // calls that the last ones hold up begin in time all the same
		group.Go(func() {
			_, err := call(context.Background())
			s.Open[i] = time.Since(began)
			note(err)
		})
	}
	group.Wait()
	return s
}

// used returns the time that this process has had of the processors.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func table(w io.Writer, workers []*process) error {
	fmt.Fprintf(w, "%d calls each at %d a second, %d one at a time; an answer of %d tokens; times in µs, p99 is the median of %d rounds', cpu is what the client's process uses for a call; + is what is added to net/http's call of the same form\n",
		rounds*openCalls, rate, rounds*aloneCalls, len(pieces()), rounds)
	fmt.Fprintf(w, "%-34s %22s %22s %22s %8s %13s\n", "", "at 1,000/s: p50", "p99", "one at a time: p50", "cpu", "allocs  KiB")
	byName := map[string]*process{}
	for _, worker := range workers {
		byName[worker.name] = worker
	}
	section := ""
	for _, worker := range workers {
		if worker.section != section {
			section = worker.section
			fmt.Fprintf(w, "%s\n", section)
		}
		if worker.sum.NotEvenBegun != "" {
			fmt.Fprintf(w, "  %-32s %s\n", worker.shown, worker.sum.NotEvenBegun)
			continue
		}
		base := byName[worker.base]
		figure := func(of func(*process) int64) string {
			if base == worker {
				return fmt.Sprintf("%d        ", of(worker))
			}
			return fmt.Sprintf("%d (%+5d)", of(worker), of(worker)-of(base))
		}
		open := func(of *process) int64 { return quantile(of.sum.Open, .5) }
		tail := func(of *process) int64 { return median(of.tails) }
		alone := func(of *process) int64 { return quantile(of.sum.Alone, .5) }
		calls := uint64(len(worker.sum.Alone))
		fmt.Fprintf(w, "  %-32s %22s %22s %22s %8d %8d %4d\n", worker.shown, figure(open), figure(tail), figure(alone),
			worker.sum.CPU.Microseconds()/int64(calls), worker.sum.Mallocs/calls, worker.sum.Bytes/calls>>10)
		if worker.sum.Failed > 0 {
			fmt.Fprintf(w, "    %d calls failed: %s\n", worker.sum.Failed, worker.sum.FirstFailure)
		}
	}
	return nil
}

// quantile returns the p-quantile in µs.
func quantile(times []time.Duration, p float64) int64 {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[int(p*float64(len(sorted)-1))].Microseconds()
}

func median(values []int64) int64 { return slices.Sorted(slices.Values(values))[len(values)/2] }
