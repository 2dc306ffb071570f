// Command bench-indexes measures the index of rag-service beside others, on the
// same chunks and questions, each in a process of its own: the embedded index,
// chromem-go, and Qdrant where QDRANT_TEST_URL names one.
//
// The chunks are synthetic: texts of words as frequent as in a language, and
// vectors in clusters, as those of a language model are. Recall is that of the
// ten nearest, against all vectors compared one by one.
package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

const (
	dimension = 768
	latent    = 48
	clusters  = 2000
	queries   = 200
	best      = 10
	perSource = 100 // chunks of a document
	words     = 120 // of a chunk
	distinct  = 30_000
)

// data makes the same chunks and questions each time.
type data struct {
	centres [][]float32
	lift    [][]float32
	zipf    *rand.Zipf
	random  *rand.Rand
	analyse *bm25.Analyzer
}

func newData() *data {
	r := rand.New(rand.NewPCG(1, 2))
	d := &data{random: r, analyse: bm25.NewAnalyzer()}
	for range clusters {
		d.centres = append(d.centres, normal(r, latent, 1))
	}
	for range dimension {
		d.lift = append(d.lift, normal(r, latent, 1))
	}
	return d
}

func normal(r *rand.Rand, n int, spread float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * spread)
	}
	return v
}

// seed begins the same sequence anew.
func (d *data) seed(n uint64) {
	d.random = rand.New(rand.NewPCG(n, 3))
	d.zipf = rand.NewZipf(d.random, 1.07, 20, distinct-1)
}

func (d *data) vector() []float32 {
	centre := d.centres[d.random.IntN(clusters)]
	var point [latent]float32
	for i := range point {
		point[i] = centre[i] + float32(d.random.NormFloat64()*0.35)
	}
	out := make([]float32, dimension)
	var sum float64
	for i, row := range d.lift {
		var s float32
		for j, x := range point {
			s += row[j] * x
		}
		s += float32(d.random.NormFloat64() * 0.5)
		out[i] = s
		sum += float64(s) * float64(s)
	}
	for i := range out {
		out[i] /= float32(math.Sqrt(sum))
	}
	return out
}

func (d *data) text(n int) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "w%d ", d.zipf.Uint64())
	}
	return b.String()
}

// question is one of those that are asked.
type question struct {
	Dense []float32
	Text  string
	Exact []string
}

func (d *data) questions() []question {
	d.seed(7)
	out := make([]question, queries)
	for i := range out {
		out[i].Dense = d.vector()
		var text []string
		for range 6 {
			text = append(text, fmt.Sprintf("w%d", 20+d.random.IntN(3000)))
		}
		out[i].Text = strings.Join(text, " ")
	}
	return out
}

// documents yields n chunks in documents.
func (d *data) documents(n int, each func(rag.Document) error) error {
	d.seed(11)
	for source := 0; source < n/perSource; source++ {
		doc := rag.Document{
			Key: rag.Key{Collection: rag.DefaultCollection, Source: fmt.Sprintf("d%05d", source)}, Hash: "h", Version: 1, Embedding: &identity,
		}
		for p := range perSource {
			text := d.text(words)
			doc.Chunks = append(doc.Chunks, rag.Chunk{
				Position: p, Page: p + 1, Text: text, Sparse: d.analyse.Document(bm25.Field{Text: text, Weight: 1}), Dense: d.vector(),
			})
		}
		if err := each(doc); err != nil {
			return err
		}
	}
	return nil
}

func name(source string, position int) string { return fmt.Sprintf("%s#%d", source, position) }

// exact finds the nearest of each question by comparing with all.
func exact(d *data, n int) []question {
	asked := d.questions()
	type near struct {
		name  string
		score float32
	}
	top := make([][]near, len(asked))
	err := d.documents(n, func(doc rag.Document) error {
		var wait sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			wait.Go(func() {
				for q := w; q < len(asked); q += workers {
					for _, c := range doc.Chunks {
						var s float32
						for i, x := range asked[q].Dense {
							s += x * c.Dense[i]
						}
						if len(top[q]) == best && s <= top[q][best-1].score {
							continue
						}
						at, _ := slices.BinarySearchFunc(top[q], s, func(a near, s float32) int {
							if a.score > s {
								return -1
							}
							return 1
						})
						top[q] = slices.Insert(top[q], at, near{name(doc.Source, c.Position), s})
						top[q] = top[q][:min(len(top[q]), best)]
					}
				}
			})
		}
		wait.Wait()
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for q := range asked {
		for _, x := range top[q] {
			asked[q].Exact = append(asked[q].Exact, x.name)
		}
	}
	return asked
}

// store is what is measured.
type store interface {
	add(ctx context.Context, d rag.Document) error
	// ready waits until searches are as fast as they will be.
	ready(ctx context.Context) error
	// find returns names, best first; errors.ErrUnsupported for a search that it has not.
	find(ctx context.Context, sparse bm25.Vector, dense []float32) ([]string, error)
	memory() int64 // bytes; 0 where it is not known
	close() error
}

func open(kind, dir string) (store, error) {
	switch kind {
	case "embedded":
		return openEmbedded(dir)
	case "chromem-go":
		return openChromem(dir)
	case "qdrant":
		return openQdrant()
	}
	return nil, fmt.Errorf("no store %q", kind)
}

// row is what came out.
type row struct {
	Build, BuildCPU         float64 // seconds
	Memory, Disk            int64
	Lexical, Dense, Hybrid  []float64 // milliseconds of each question, sorted; nil where it cannot
	LexicalC, DenseC, HybrC float64   // milliseconds of processor time for a question, where the store is in this process
	Recall                  float64
	Note                    string
}

func measure(ctx context.Context, kind string, n int, asked []question) (row, error) {
	dir, err := os.MkdirTemp("", "bench-indexes")
	if err != nil {
		return row{}, err
	}
	defer os.RemoveAll(dir)
	s, err := open(kind, dir)
	if err != nil {
		return row{}, err
	}
	var out row
	d := newData()
	err = d.documents(n, func(doc rag.Document) error {
		began, cpu := time.Now(), processor()
		err := s.add(ctx, doc)
		out.Build += time.Since(began).Seconds()
		out.BuildCPU += (processor() - cpu).Seconds()
		return err
	})
	if err != nil {
		return row{}, err
	}
	began, cpu := time.Now(), processor()
	if err := s.ready(ctx); err != nil {
		return row{}, err
	}
	out.Build += time.Since(began).Seconds()
	out.BuildCPU += (processor() - cpu).Seconds()

	hits, wanted := 0, 0
	ask := func(sparse, dense bool) ([]float64, float64, error) {
		var took []float64
		var cpu time.Duration
		for i, q := range append(asked[:20:20], asked...) { // the first twenty warm it up
			var v bm25.Vector
			var meaning []float32
			if sparse {
				v = d.analyse.Query(q.Text)
			}
			if dense {
				meaning = q.Dense
			}
			began, before := time.Now(), processor()
			found, err := s.find(ctx, v, meaning)
			if err != nil {
				return nil, 0, err
			}
			if i < 20 {
				continue
			}
			took = append(took, float64(time.Since(began).Microseconds())/1000)
			cpu += processor() - before
			if dense && !sparse {
				wanted += len(q.Exact)
				for _, name := range found {
					if slices.Contains(q.Exact, name) {
						hits++
					}
				}
			}
		}
		slices.Sort(took)
		return took, cpu.Seconds() * 1000 / float64(len(took)), nil
	}
	for _, search := range []struct {
		sparse, dense bool
		took          *[]float64
		cpu           *float64
	}{{true, false, &out.Lexical, &out.LexicalC}, {false, true, &out.Dense, &out.DenseC}, {true, true, &out.Hybrid, &out.HybrC}} {
		took, cpu, err := ask(search.sparse, search.dense)
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if err != nil {
			return row{}, err
		}
		*search.took, *search.cpu = took, cpu
	}
	out.Recall = float64(hits) / float64(wanted)
	d = nil
	debug.FreeOSMemory()
	out.Memory = s.memory()
	if err := s.close(); err != nil {
		return row{}, err
	}
	out.Disk = size(dir)
	return out, nil
}

func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is what this process has in memory, in bytes.
func resident() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

func size(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}

func quantile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// child runs a store in a process of its own and returns what it measured.
func child(kind string, n int, asked []question) (row, error) {
	var in, out bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(asked); err != nil {
		return row{}, err
	}
	command := exec.Command(os.Args[0], kind, strconv.Itoa(n))
	command.Stdin, command.Stdout, command.Stderr = &in, &out, os.Stderr
	if err := command.Run(); err != nil {
		return row{}, err
	}
	var r row
	return r, gob.NewDecoder(&out).Decode(&r)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 3 && !strings.HasPrefix(os.Args[1], "1") {
		n, err := strconv.Atoi(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		var asked []question
		if err := gob.NewDecoder(os.Stdin).Decode(&asked); err != nil {
			log.Fatal(err)
		}
		r, err := measure(context.Background(), os.Args[1], n, asked)
		if err != nil {
			log.Fatal(err)
		}
		if err := gob.NewEncoder(os.Stdout).Encode(r); err != nil {
			log.Fatal(err)
		}
		return
	}
	sizes := []int{10_000, 100_000}
	if len(os.Args) > 1 {
		sizes = nil
		for _, a := range os.Args[1:] {
			n, err := strconv.Atoi(a)
			if err != nil || n < perSource {
				log.Fatalf("%q: a number of chunks from %d", a, perSource)
			}
			sizes = append(sizes, n)
		}
	}
	kinds := []string{"embedded", "chromem-go"}
	if os.Getenv("QDRANT_TEST_URL") != "" {
		kinds = append(kinds, "qdrant")
	} else {
		fmt.Println("not run: Qdrant (QDRANT_TEST_URL is not set)")
	}
	fmt.Printf("%d questions, the best %d, vectors of %d dimensions; milliseconds, of the processor in brackets; %d processors\n",
		queries, best, dimension, runtime.NumCPU())
	fmt.Printf("%-11s %8s %14s %8s %8s  %-22s %-22s %-22s %9s\n", "", "chunks", "build s (cpu)", "memory", "disk", "lexical p50/p99", "dense p50/p99", "hybrid p50/p99", "recall@10")
	for _, n := range sizes {
		asked := exact(newData(), n)
		for _, kind := range kinds {
			r, err := child(kind, n, asked)
			if err != nil {
				log.Fatalf("%s: %v", kind, err)
			}
			fmt.Printf("%-11s %8d %7.1f (%4.1f) %8s %8s  %-22s %-22s %-22s %9.3f\n", kind, n, r.Build, r.BuildCPU, mb(r.Memory), mb(r.Disk),
				times(r.Lexical, r.LexicalC), times(r.Dense, r.DenseC), times(r.Hybrid, r.HybrC), r.Recall)
		}
	}
}

func mb(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d MB", n/1_000_000)
}

func times(took []float64, cpu float64) string {
	if took == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f / %.1f (%.1f)", quantile(took, 0.5), quantile(took, 0.99), cpu)
}
