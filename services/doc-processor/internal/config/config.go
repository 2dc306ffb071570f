// Package config declares what an operator can set about the doc-processor.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/telemetry"
	"signpost.internal/services/doc-processor/internal/worker"
)

// Config is the service's configuration.
type Config struct {
	Port            int           `env:"DOC_PROCESSOR_PORT" envDefault:"8101" doc:"Port to listen on."`
	DataDir         string        `env:"DATA_DIR" doc:"Folder for files while they are read, which are removed afterwards, and for jobs, which are kept. Default: signpost/doc-processor in the user's cache folder."`
	CacheDir        string        `env:"CACHE_DIR" doc:"Folder for the PDF reader's compiled form, made at first use and shared by all processes. Default: signpost in the user's cache folder."`
	MaxUploadMB     int           `env:"MAX_UPLOAD_MB" envDefault:"100" doc:"Largest file accepted, in MiB."`
	MaxPages        int           `env:"MAX_PAGES" envDefault:"5000" doc:"Largest number of pages accepted in a document."`
	MaxMegapixels   int           `env:"MAX_MEGAPIXELS" envDefault:"120" doc:"Largest image accepted, in millions of pixels; pages are drawn with at most as many."`
	MaxQueue        int           `env:"MAX_QUEUE" envDefault:"32" doc:"How many documents may wait, jobs among them. More are turned away with a time to come back."`
	ResultTTL       time.Duration `env:"RESULT_TTL" envDefault:"24h" doc:"How long a job's document and result are kept once it is finished. 0: until it is deleted."`
	Workers         int           `env:"WORKERS" envDefault:"0" doc:"How many pages are read at a time, each in a process of its own. 0: as many as there are cores."`
	WorkerMemory    int           `env:"WORKER_MEMORY" envDefault:"4096" doc:"Address space of a worker process in MiB, at least 2048. A file that needs more is refused."`
	PageTimeout     time.Duration `env:"PAGE_TIMEOUT" envDefault:"60s" doc:"How long the reading of a page may take."`
	DocumentTimeout time.Duration `env:"DOCUMENT_TIMEOUT" envDefault:"10m" doc:"How long the reading of a document may take, while it has a turn."`
	PDFReader       string        `env:"PDF_READER" envDefault:"pdfium" doc:"What reads the text of PDFs: pdfium, or ledongthuc."`
	OCRLanguages    string        `env:"OCR_LANGUAGES" envDefault:"eng+cym" doc:"Tesseract's languages, joined by +."`
	WordList        string        `env:"WORD_LIST" envDefault:"/usr/share/dict/british-english" doc:"Word list, one word a line, used to restore characters that a PDF does not name. Does without when the default is not installed."`
	UseVision       bool          `env:"USE_VISION_ANALYSIS" envDefault:"false" doc:"Whether the vision model (VISION_MODEL) describes what pages show beside their words. Its descriptions are marked and kept apart from the text."`
	VisionMaxPages  int           `env:"VISION_MAX_PAGES" envDefault:"3" doc:"How many pages of a document are described at most: scanned ones first, then those with figures."`
	VisionTimeout   time.Duration `env:"VISION_TIMEOUT" envDefault:"5m" doc:"How long the describing of a document's pages may take. It counts towards DOCUMENT_TIMEOUT; the text is returned in any case."`
	WebhookHosts    []string      `env:"WEBHOOK_HOSTS" doc:"Addresses (host:port) that may be told that a job ended, when its sender asks for it. Unset: none. They are told the job's ID and state only."`
	WebhookSecret   env.Secret    `env:"WEBHOOK_SECRET" doc:"Secret that such messages are signed with. Needed with WEBHOOK_HOSTS."`
	LlamaParseKey   env.Secret    `env:"LLAMA_PARSE_API_KEY" doc:"Key of LlamaParse, a service on the internet that reads documents. Used only where ALLOW_CLOUD_PARSING is true and a request asks for it with parser=llamaparse."`
	CloudParsing    bool          `env:"ALLOW_CLOUD_PARSING" envDefault:"false" doc:"Whether requests may choose to have a document sent to LlamaParse. It leaves this machine then."`
	LlamaParseURL   string        `env:"LLAMA_PARSE_URL" envDefault:"https://api.cloud.llamaindex.ai" doc:"Address of LlamaParse."`
	LlamaParseTier  string        `env:"LLAMA_PARSE_TIER" envDefault:"cost_effective" doc:"How thoroughly LlamaParse reads: fast, cost_effective, agentic or agentic_plus."`
	HTTP            httpserver.Config
	Provider        provider.Config
	Telemetry       telemetry.Config
	Egress          egress.Config
}

// leastWorkerMemory is what the PDF reader's WebAssembly needs, in MiB.
const leastWorkerMemory = 2048

// Validate reports values that cannot work.
func (c Config) Validate() []error {
	faults := httpserver.ValidatePort("DOC_PROCESSOR_PORT", c.Port)
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, positive := range []struct {
		name  string
		value int
	}{{"MAX_UPLOAD_MB", c.MaxUploadMB}, {"MAX_PAGES", c.MaxPages}, {"MAX_MEGAPIXELS", c.MaxMegapixels}, {"VISION_MAX_PAGES", c.VisionMaxPages}} {
		if positive.value < 1 {
			bad("%s: %d: a whole number from 1", positive.name, positive.value)
		}
	}
	if c.MaxUploadMB > 1024 {
		bad("MAX_UPLOAD_MB: %d: at most 1024", c.MaxUploadMB)
	}
	if c.MaxMegapixels > 400 {
		bad("MAX_MEGAPIXELS: %d: at most 400", c.MaxMegapixels)
	}
	if c.MaxQueue < 0 {
		bad("MAX_QUEUE: %d: a whole number from 0", c.MaxQueue)
	}
	if c.Workers < 0 || c.Workers > 256 {
		bad("WORKERS: %d: a whole number from 0 to 256", c.Workers)
	}
	if c.WorkerMemory < leastWorkerMemory {
		bad("WORKER_MEMORY: %d: at least %d MiB, which the PDF reader needs", c.WorkerMemory, leastWorkerMemory)
	}
	if c.PageTimeout <= 0 {
		bad("PAGE_TIMEOUT: %v: a duration above 0s", c.PageTimeout)
	}
	if c.DocumentTimeout <= 0 {
		bad("DOCUMENT_TIMEOUT: %v: a duration above 0s", c.DocumentTimeout)
	}
	if c.ResultTTL < 0 {
		bad("RESULT_TTL: %v: a duration from 0s", c.ResultTTL)
	}
	if len(c.WebhookHosts) > 0 && c.WebhookSecret == "" {
		bad("WEBHOOK_SECRET: unset: a secret to sign the messages to WEBHOOK_HOSTS with")
	}
	if c.CloudParsing && c.LlamaParseKey == "" {
		bad("LLAMA_PARSE_API_KEY: unset: the key of LlamaParse, as ALLOW_CLOUD_PARSING is true")
	}
	if !slices.Contains([]string{"fast", "cost_effective", "agentic", "agentic_plus"}, c.LlamaParseTier) {
		bad("LLAMA_PARSE_TIER: %q: fast, cost_effective, agentic or agentic_plus", c.LlamaParseTier)
	}
	if c.VisionTimeout <= 0 {
		bad("VISION_TIMEOUT: %v: a duration above 0s", c.VisionTimeout)
	}
	if c.PDFReader != worker.PDFiumReader && c.PDFReader != worker.LedongthucReader {
		bad("PDF_READER: %q: %s or %s", c.PDFReader, worker.PDFiumReader, worker.LedongthucReader)
	}
	if slices.Contains(c.Languages(), "") {
		bad("OCR_LANGUAGES: %q: names of Tesseract's languages joined by +, such as eng+cym", c.OCRLanguages)
	}
	return faults
}

// Languages are the OCR languages.
func (c Config) Languages() []string { return strings.Split(c.OCRLanguages, "+") }

// WorkerCount is the number of workers, the cores' where none is set.
func (c Config) WorkerCount() int {
	if c.Workers == 0 {
		return runtime.NumCPU()
	}
	return c.Workers
}

// Dirs are the folders, with the defaults filled in.
type Dirs struct {
	Spool string // files while they are read
	Jobs  string
	Cache string // of the PDF reader
}

// Dirs returns the folders.
func (c Config) Dirs() (Dirs, error) {
	data, cache := c.DataDir, c.CacheDir
	if data == "" || cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return Dirs{}, fmt.Errorf("set DATA_DIR and CACHE_DIR, as there is no cache folder of the user: %w", err)
		}
		if data == "" {
			data = filepath.Join(user, "signpost", "doc-processor")
		}
		if cache == "" {
			cache = filepath.Join(user, "signpost")
		}
	}
	return Dirs{Spool: filepath.Join(data, "tmp"), Jobs: filepath.Join(data, "jobs"), Cache: filepath.Join(cache, "pdfium")}, nil
}
