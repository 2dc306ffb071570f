package document

import (
	"context"
	"errors"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/vision"
)

// Method says how a page's text was obtained.
type Method string

// The methods. Mixed is for documents only.
const (
	TextLayer Method = "text_layer" // the file's own characters
	Tesseract Method = "tesseract"  // optical character recognition
	Mixed     Method = "mixed"      // pages were read in different ways
	None      Method = "none"       // nothing was read: a blank page, or a failure
)

// LineHyphen stands in a page's text where a line ended in a hyphen within a
// word, until [Vocabulary.Mend] has decided whether the hyphen stays.
const LineHyphen = '\u00ad'

// Page is what was read from one page.
type Page struct {
	Number int // from 1
	// Attachment is the name of the attachment that the page is of; empty for a
	// page of the file itself.
	Attachment string
	Method     Method
	// Confidence is from 0 to 1; nil when nothing was read.
	Confidence *float64
	Text       string
	// Prepared says in words what was done to the page's image before OCR.
	Prepared []string
	// Error says why the page could not be read, in words for the client.
	Error string
	// Vision is what a model said of the page's look; nil when none was asked
	// or it gave no answer. The Text owes nothing to it.
	Vision *vision.Note
}

// Result is what was read from a document.
type Result struct {
	Kind     Kind
	Method   Method
	Pages    []Page
	Markdown string
	// Warnings are things that the reader of the text should know.
	Warnings []string
}

// Source is a spooled file.
type Source struct {
	Path string
	Kind Kind
	// Password opens the file if it is protected.
	Password string
}

// Part is a file that was in another.
type Part struct {
	Name string // as the other file calls it, without a path
	Path string // where it was unpacked
}

// PasswordFault is the fault of a protected file that came without its password,
// or with a wrong one.
func PasswordFault(what string, wrong bool) error {
	f := fault.Newf(fault.Locked, "The %s is protected: send its password in the form field \"password\".", what)
	f.Fields = []fault.Field{{Name: "password", Detail: "is needed to open the file"}}
	if wrong {
		f.Detail = "The password does not open the " + what + ". Send the right one in the form field \"password\"."
		f.Fields[0].Detail = "does not open the file"
	}
	return f
}

// PageText is the text layer of a page.
type PageText struct {
	// Text is in reading order, with [LineHyphen] and U+FFFD where a
	// character was lost.
	Text string
	// Pictured is true when the page shows images or drawings that a short
	// text layer does not account for.
	Pictured bool
	// Figures is true when the page shows more than words and rules.
	Figures bool
	// Notice says that the page was not read as configured, or is empty.
	Notice string
}

// PageScan is what OCR read from a page.
type PageScan struct {
	Text       string
	Confidence float64 // mean over the words, from 0 to 1
	Words      int
	Blank      bool // there is no ink on the page
	// Prepared says in words what was done to the image before it was read.
	Prepared []string
}

// Engine reads files in worker processes. Methods may be called at the same
// time; pages count from 0. What a file did wrong is a *fault.Error; what
// happened to the process is ErrCrashed, ErrMemory or ErrDeadline.
type Engine interface {
	// Open checks the file and returns its number of pages.
	Open(ctx context.Context, src Source) (pages int, err error)
	// Text reads the text layer of a page.
	Text(ctx context.Context, src Source, page int) (PageText, error)
	// Unpack writes the files that the file holds into the folder.
	Unpack(ctx context.Context, src Source, dir string) ([]Part, error)
	// Scan draws the page and reads the image.
	Scan(ctx context.Context, src Source, page int) (PageScan, error)
	// Picture draws the page in colour into a JPEG file, at most [PictureSide]
	// pixels long and wide.
	Picture(ctx context.Context, src Source, page int) ([]byte, error)
}

// PictureSide is the longest side of a picture of a page in pixels: what vision
// models see of it at most.
const PictureSide = 1344

// What can happen to a worker process.
var (
	ErrCrashed  = errors.New("the process that read it crashed")
	ErrMemory   = errors.New("reading it needs more memory than is allowed")
	ErrDeadline = errors.New("reading it took longer than is allowed")
)
