package app

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/vision"
	"signpost.internal/services/doc-processor/internal/worker"
)

// longManual is the sample manuals' text as one PDF, several times over.
func longManual(b *testing.B, times int) (document.Source, int) {
	b.Helper()
	paths, err := filepath.Glob("../../../../docs/manuals/*.md")
	if err != nil {
		b.Fatal(err)
	}
	head, body := "", bytes.Buffer{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		parts := strings.SplitN(string(text), "---\n", 3)
		if len(parts) == 3 {
			head = "---\n" + parts[1] + "---\n"
			body.WriteString(parts[2])
		}
	}
	manual, data, err := samplemanuals.Render(head+strings.Repeat(body.String(), times), samplemanuals.Text)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "manual.pdf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return document.Source{Path: path, Kind: document.PDF}, len(manual.Pages)
}

// timed runs a command of this machine; it skips where there is none.
func timed(b *testing.B, name string, args ...string) time.Duration {
	b.Helper()
	if _, err := exec.LookPath(name); err != nil {
		b.Skip("needs", name)
	}
	command := exec.CommandContext(b.Context(), name, args...)
	command.Env = []string{"OMP_THREAD_LIMIT=1"}
	start := time.Now()
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", name, err, out)
	}
	return time.Since(start)
}

// BenchmarkText reads a text layer with one worker, beside pdftotext.
func BenchmarkText(b *testing.B) {
	src, pages := longManual(b, 3)
	for _, reader := range []string{worker.PDFiumReader, worker.LedongthucReader} {
		b.Run(reader, func(b *testing.B) {
			pool := theMachine.Pool(b, func(o *worker.Options) { o.Size, o.Settings.Reader = 1, reader })
			if _, err := pool.Open(b.Context(), src); err != nil {
				b.Fatal(err)
			}
			var ours, theirs time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := pool.Open(b.Context(), src); err != nil {
					b.Fatal(err)
				}
				for page := range pages {
					if _, err := pool.Text(b.Context(), src, page); err != nil {
						b.Fatal(err)
					}
				}
				ours += time.Since(start)
				theirs += timed(b, "pdftotext", src.Path, "-")
			}
			compare(b, pages, ours, theirs, "pdftotext")
		})
	}
}

// BenchmarkOCR reads page images with one worker, beside the tesseract command.
func BenchmarkOCR(b *testing.B) {
	src, _ := longManual(b, 1)
	const pages = 3
	images := filepath.Join(b.TempDir(), "page")
	timed(b, "pdftoppm", "-r", "200", "-gray", "-png", "-f", "1", "-l", fmt.Sprint(pages), src.Path, images)
	paths, err := filepath.Glob(images + "*.png")
	if err != nil || len(paths) != pages {
		b.Fatalf("%d images, %v", len(paths), err)
	}
	pool := theMachine.Pool(b, func(o *worker.Options) { o.Size = 1 })
	var ours, theirs time.Duration
	for b.Loop() {
		for _, path := range paths {
			start := time.Now()
			if _, err := pool.Scan(b.Context(), document.Source{Path: path, Kind: document.PNG}, 0); err != nil {
				b.Fatal(err)
			}
			ours += time.Since(start)
			theirs += timed(b, "tesseract", path, "-", "-l", "eng+cym")
		}
	}
	compare(b, pages, ours, theirs, "tesseract")
}

// instant is a model that answers at once.
type instant struct{}

func (instant) Describe(context.Context, provider.DescribeRequest) (*provider.ChatResponse, error) {
	return &provider.ChatResponse{Content: "A table and a stamp at the top.", Provider: "ollama", Model: "llava:7b", FinishReason: provider.FinishStop}, nil
}

// BenchmarkVision makes pictures of pages, has them described by a model that
// takes no time, and cleans what it said: what the vision pass adds to a page
// beside the model's own time.
func BenchmarkVision(b *testing.B) {
	manual, _ := longManual(b, 1)
	photo := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	for i := range photo.Pix {
		photo.Pix[i] = uint8(i * i >> 8)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, photo, nil); err != nil {
		b.Fatal(err)
	}
	_, scan, err := samplemanuals.Render("# Notice\n\nYou owe £1,500.\n", samplemanuals.Scan)
	if err != nil {
		b.Fatal(err)
	}
	spooled := func(kind document.Kind, data []byte) document.Source {
		path := filepath.Join(b.TempDir(), "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		return document.Source{Path: path, Kind: kind}
	}
	text := strings.Repeat("You owe £1,500 by 12 March 2024, within fourteen days. ", 50)
	for name, src := range map[string]document.Source{
		"pdf": manual, "scan": spooled(document.PDF, scan), "photo_12MP": spooled(document.JPEG, file.Bytes()),
	} {
		b.Run(name, func(b *testing.B) {
			pool := theMachine.Pool(b, func(o *worker.Options) { o.Size = 1 })
			if _, err := pool.Open(b.Context(), src); err != nil {
				b.Fatal(err)
			}
			size := 0
			for b.Loop() {
				picture, err := pool.Picture(b.Context(), src, 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := vision.Describe(b.Context(), instant{}, picture, text); err != nil {
					b.Fatal(err)
				}
				size = len(picture)
			}
			b.ReportMetric(float64(size), "picture_bytes")
		})
	}
}

// BenchmarkFigures reads a text layer without and with the search for figures.
func BenchmarkFigures(b *testing.B) {
	src, pages := longManual(b, 1)
	for _, figures := range []bool{false, true} {
		b.Run(fmt.Sprint(figures), func(b *testing.B) {
			pool := theMachine.Pool(b, func(o *worker.Options) { o.Size, o.Settings.Figures = 1, figures })
			if _, err := pool.Open(b.Context(), src); err != nil {
				b.Fatal(err)
			}
			found := 0
			for b.Loop() {
				found = 0
				for page := range pages {
					text, err := pool.Text(b.Context(), src, page)
					if err != nil {
						b.Fatal(err)
					}
					if text.Figures {
						found++
					}
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*pages), "ms/page")
			b.ReportMetric(float64(found), "pages_with_figures")
		})
	}
}

func compare(b *testing.B, pages int, ours, theirs time.Duration, name string) {
	all := float64(pages * b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(all/ours.Seconds(), "pages/s")
	b.ReportMetric(all/theirs.Seconds(), name+"_pages/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "times_"+name)
}

// BenchmarkWorkerStart starts a worker with the compiled reader in the cache,
// and with an empty cache.
func BenchmarkWorkerStart(b *testing.B) {
	note := filepath.Join(b.TempDir(), "note.txt")
	if err := os.WriteFile(note, []byte("words"), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, cache := range []string{"warm", "cold"} {
		b.Run(cache, func(b *testing.B) {
			for b.Loop() {
				o := theMachine.Options()
				if cache == "cold" {
					o.Settings.CacheDir = b.TempDir()
				}
				pool := worker.NewPool(o)
				if _, err := pool.Open(b.Context(), document.Source{Path: note, Kind: document.Text}); err != nil {
					b.Fatal(err)
				}
				pool.Close()
			}
		})
	}
}
