package worker

import (
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// Settings are what a worker is told first.
type Settings struct {
	Reader    string   `json:"reader"`    // [PDFiumReader] or [LedongthucReader]
	Languages []string `json:"languages"` // Tesseract's names
	CacheDir  string   `json:"cache_dir"` // compiled WebAssembly, shared
	Memory    uint64   `json:"memory"`    // bytes of address space
	MaxPixels int      `json:"max_pixels"`
	Figures   bool     `json:"figures"` // look for figures on every page
	// PageTime is how long a request may take; a worker that takes longer is killed.
	PageTime time.Duration `json:"page_time"`
}

// The PDF readers.
const (
	PDFiumReader     = "pdfium"
	LedongthucReader = "ledongthuc"
)

// operation is what a request asks for.
type operation string

const (
	opOpen    operation = "open"
	opText    operation = "text"
	opScan    operation = "scan"
	opPicture operation = "picture"
	opUnpack  operation = "unpack"
)

type request struct {
	Op   operation     `json:"op"`
	Path string        `json:"path"`
	Kind document.Kind `json:"kind"`
	Page int           `json:"page"`
	// Password opens a protected file. It is never logged.
	Password string `json:"password,omitempty"`
	Dir      string `json:"dir,omitempty"` // to unpack into
}

type response struct {
	Pages   int                `json:"pages,omitempty"`
	Text    *document.PageText `json:"text,omitempty"`
	Scan    *document.PageScan `json:"scan,omitempty"`
	Picture []byte             `json:"picture,omitempty"`
	Parts   []document.Part    `json:"parts,omitempty"`
	// Fault is the file's fault.
	Fault *wireFault `json:"fault,omitempty"`
	// OutOfMemory is true when the request failed for want of memory.
	OutOfMemory bool `json:"out_of_memory,omitempty"`
	// Swollen asks for a fresh process: this one has grown and cannot shrink.
	Swollen bool `json:"swollen,omitempty"`
}

type wireFault struct {
	Kind   fault.Kind    `json:"kind"`
	Detail string        `json:"detail"`
	Cause  string        `json:"cause,omitempty"`
	Fields []fault.Field `json:"fields,omitempty"`
}
