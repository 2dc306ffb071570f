package pdftext

import (
	"errors"
	"image"

	"signpost.internal/services/doc-processor/internal/layout"
)

// Errors of opening and reading, one for each cause that a person can act on.
var (
	// ErrEncrypted: the file cannot be opened without a password.
	ErrEncrypted = errors.New("the PDF is encrypted and needs a password")
	// ErrDamaged: the file's structure cannot be read.
	ErrDamaged = errors.New("the PDF is damaged and cannot be read")
	// ErrMemory: reading needed more memory than a reader is given.
	ErrMemory = errors.New("the PDF needs more memory than the limit allows")
)

// Reader opens PDF files. A Reader and its documents are for one goroutine.
type Reader interface {
	// Open reads the file's structure. Its errors are ErrEncrypted, ErrDamaged
	// or ErrMemory, possibly wrapped.
	Open(path string) (Document, error)
	// Close frees what the reader holds.
	Close() error
}

// Document is an open PDF file. Pages count from 0.
type Document interface {
	// Pages is the number of pages.
	Pages() int
	// Glyphs returns the page's characters in the order of the content
	// stream; none for a page without a text layer.
	Glyphs(page int) ([]layout.Glyph, error)
	// Close frees the document.
	Close() error
}

// Rasteriser is the part of a document that draws its pages.
type Rasteriser interface {
	// Size is the page's width and height in points, as shown.
	Size(page int) (width, height float64, err error)
	// Artwork tells what the page holds beside text. It stops counting where
	// the page is a picture for certain, and after thousands of objects.
	Artwork(page int) (Artwork, error)
	// Render draws the page in shades of grey at the resolution, or at a
	// lower one where the image would have more than maxPixels. It returns
	// the resolution used.
	Render(page, dpi, maxPixels int) (img *image.Gray, usedDPI int, err error)
	// Picture draws the page in colour, at most side pixels long and wide.
	Picture(page, side int) (*image.RGBA, error)
}

// Artwork is what a page holds beside text.
type Artwork struct {
	Share float64 // of the page's area that images cover
	Paths int     // drawn lines and shapes
}

// What makes a page a picture: images over such a share of it, or so many
// drawn paths (a page whose letters are drawn as outlines).
const (
	picturedShare = 0.4
	picturedPaths = 400
)

// Pictured reports whether images or drawings cover so much of the page that a
// short text layer cannot be all there is to read.
func (a Artwork) Pictured() bool { return a.Share >= picturedShare || a.Paths >= picturedPaths }

// What makes a figure: an image larger than most logos, or more paths than the
// rules of a form or a table have.
const (
	figureShare = 0.03
	figurePaths = 100
)

// Figures reports whether there is something to see beside the text.
func (a Artwork) Figures() bool { return a.Share >= figureShare || a.Paths >= figurePaths }
