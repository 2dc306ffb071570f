package document

import (
	"context"
	"errors"
	"math"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/vision"
)

// Method says how a page's text was obtained.
type Method string

// The methods. Mixed is for documents only.
const (
	TextLayer  Method = "text_layer" // the file's own characters
	Tesseract  Method = "tesseract"  // optical character recognition
	LlamaParse Method = "llamaparse" // a service on the internet, where it was asked for
	Mixed      Method = "mixed"      // pages were read in different ways
	None       Method = "none"       // nothing was read: a blank page, or a failure
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
	// Words are the page's words at their places, in the order in which they were
	// read; none of a page without places, as a text file's.
	Words []Word
	// Doubts are the numbers of the page that were read with doubt.
	Doubts []Doubt
	// Header and Footer are running ones, which stand on other pages too; the text
	// of the first page that has one keeps it, that of the others does not.
	Header, Footer string
	// Stamps is what stands across the page, as a watermark.
	Stamps []string
	// Reason says in words why the page was read from its image though the file
	// could have had its text, or why there is nothing to read.
	Reason string
	// Prepared says in words what was done to the page's image before OCR.
	Prepared []string
	// Error says why the page could not be read, in words for the client.
	Error string
	// Vision is what a model said of the page's look; nil when none was asked
	// or it gave no answer. The Text owes nothing to it.
	Vision *vision.Note
}

// Box is a part of a page as it is shown, in fractions of its width and height from
// the left and the top.
type Box struct {
	Left   float64 `json:"l"`
	Top    float64 `json:"t"`
	Right  float64 `json:"r"`
	Bottom float64 `json:"b"`
}

// Rounded is the box to a ten-thousandth, which is finer than a pixel.
func (b Box) Rounded() Box {
	round := func(x float64) float64 { return math.Round(x*1e4) / 1e4 }
	return Box{round(b.Left), round(b.Top), round(b.Right), round(b.Bottom)}
}

// Word is a word of a page.
type Word struct {
	Text string `json:"w"`
	Box
	Confidence float64 `json:"c"` // from 0 to 1
}

// Doubt is a number, as an amount, a date or a reference, that OCR is not sure of.
type Doubt struct {
	Word
	// Other is what a second look at it read, where that differs.
	Other string `json:"other,omitempty"`
	// Crop is a picture of it and a little around it, as a PNG file.
	Crop []byte `json:"crop,omitempty"`
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

// Cloud is a service on the internet that reads documents. Its faults are those
// of the service, or of the file where it says so.
type Cloud interface {
	// Parse sends the file and returns its pages in their order.
	Parse(ctx context.Context, src Source) ([]CloudPage, error)
	// Host names the service.
	Host() string
}

// CloudPage is a page as such a service read it.
type CloudPage struct {
	Text   string
	Failed bool // the service says that it could not read it
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
	// character was lost; Markdown is the same with headings and tables marked.
	Text, Markdown string
	Words          []Word
	Margins        []Margin // outermost first
	// Pictured is true when the page shows images or drawings that a short
	// text layer does not account for.
	Pictured bool
	// Figures is true when the page shows more than words and rules.
	Figures bool
	// Stamps is what stands across the page at an angle.
	Stamps []string
	// Notice says that the page was not read as configured, or is empty.
	Notice string
}

// PageScan is what OCR read from a page.
type PageScan struct {
	Text, Markdown string
	Margins        []Margin // outermost first
	Confidence     float64  // mean over the words, from 0 to 1
	Words          []Word
	Doubts         []Doubt
	Unread         int  // about how many words seem to be there that could not be read
	Blank          bool // there is no ink on the page
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
