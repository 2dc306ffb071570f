// Package ocr reads images of text with Tesseract.
//
// Tesseract is C++ that parses what strangers sent: use it in a worker process
// only. It starts as many threads as there are cores unless the process was
// started with OMP_THREAD_LIMIT=1, which is several times faster in total.
package ocr

import (
	"bytes"
	"fmt"
	"image"
	"strings"

	"github.com/otiai10/gosseract/v2"

	"signpost.internal/services/doc-processor/internal/layout"
)

// Result is what was read from an image.
type Result struct {
	Text       string  // see [layout.Paragraphs]
	Confidence float64 // mean over the words, from 0 to 1
	Words      int
}

// Client is one Tesseract instance, for one goroutine.
type Client struct{ tesseract *gosseract.Client }

// New returns a client for the languages, by Tesseract's names ("eng", "cym").
// The language data are loaded at the first Read.
func New(languages []string) (*Client, error) {
	c := &Client{tesseract: gosseract.NewClient()}
	for _, set := range []error{
		c.tesseract.SetLanguage(languages...),
		c.tesseract.SetVariable("debug_file", "/dev/null"),
	} {
		if set != nil {
			return nil, fmt.Errorf("set up Tesseract: %w", set)
		}
	}
	return c, nil
}

// Close frees the instance.
func (c *Client) Close() error { return c.tesseract.Close() }

// Languages lists the languages whose data are installed.
func Languages() ([]string, error) {
	found, err := gosseract.GetAvailableLanguages()
	if err != nil {
		return nil, fmt.Errorf("list Tesseract's languages: %w", err)
	}
	return found, nil
}

// Read recognises the text of the image, whose resolution is dpi.
func (c *Client) Read(img *image.Gray, dpi int) (Result, error) {
	for _, set := range []error{
		c.tesseract.SetVariable("user_defined_dpi", fmt.Sprint(dpi)),
		c.tesseract.SetVariable("tessedit_pageseg_mode", segmentation(img, dpi)),
	} {
		if set != nil {
			return Result{}, fmt.Errorf("set up Tesseract: %w", set)
		}
	}
	if err := c.tesseract.SetImageFromBytes(pgm(img)); err != nil {
		return Result{}, fmt.Errorf("hand over the image: %w", err)
	}
	words, err := c.tesseract.GetBoundingBoxesVerbose()
	if err != nil {
		return Result{}, fmt.Errorf("recognise: %w", err)
	}
	return assemble(words), nil
}

// pgm writes the image in the simplest format that Tesseract's library reads.
func pgm(img *image.Gray) []byte {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	var out bytes.Buffer
	out.Grow(width*height + 32)
	fmt.Fprintf(&out, "P5\n%d %d\n255\n", width, height)
	for y := range height {
		out.Write(img.Pix[y*img.Stride : y*img.Stride+width])
	}
	return out.Bytes()
}

// assemble joins recognised words into text. The words come in Tesseract's
// reading order, numbered by block, paragraph and line.
func assemble(boxes []gosseract.BoundingBox) Result {
	var (
		result Result
		words  []layout.Word
		last   gosseract.BoundingBox
		line   int
		sum    float64
	)
	for _, b := range boxes {
		text := strings.TrimSpace(b.Word)
		if text == "" {
			continue
		}
		if b.BlockNum != last.BlockNum || b.ParNum != last.ParNum || b.LineNum != last.LineNum {
			line++
		}
		last = b
		words = append(words, layout.Word{
			Text: text, Block: b.BlockNum, Line: line,
			// Tesseract's y grows downwards.
			Left: float64(b.Box.Min.X), Bottom: -float64(b.Box.Max.Y), Right: float64(b.Box.Max.X), Top: -float64(b.Box.Min.Y),
		})
		sum += b.Confidence
	}
	result.Words = len(words)
	if result.Words > 0 {
		result.Confidence = max(0, min(1, sum/float64(result.Words)/100))
	}
	result.Text = layout.Words(words)
	return result
}

// How Tesseract is told to look at a page.
const (
	findColumns = "3" // find the columns; may drop what stands apart, as the numbers of a list
	oneColumn   = "4"
)

// A strip without ink parts columns when it is this wide, in inches, and has
// ink on both sides for this share of the inked part of the page's height,
// without a break.
const (
	gutterInches = 0.12
	gutterShare  = 0.13
)

// segmentation chooses how Tesseract is to look at the page: for columns only
// where an empty strip runs down the middle of it.
func segmentation(img *image.Gray, dpi int) string {
	// Cells of about a fiftieth of an inch, true where there is ink.
	cell := max(1, dpi/50)
	wide, high := img.Rect.Dx()/cell, img.Rect.Dy()/cell
	if wide == 0 || high == 0 {
		return oneColumn
	}
	ink := make([]bool, wide*high)
	inkTop, inkBottom := high, 0
	for y := range high * cell {
		for x, v := range img.Pix[y*img.Stride : y*img.Stride+wide*cell] {
			if v < 128 {
				ink[y/cell*wide+x/cell] = true
				inkTop, inkBottom = min(inkTop, y/cell), max(inkBottom, y/cell+1)
			}
		}
	}
	need := max(1, int(gutterInches*50))
	enough := int(gutterShare * float64(inkBottom-inkTop))
	// run[x] is how many inked rows up to here have none in the strip ending at x.
	run := make([]int, wide)
	for y := inkTop; y < inkBottom; y++ {
		row := ink[y*wide : (y+1)*wide]
		left, right := edges(row)
		clear := 0
		for x, inked := range row {
			if inked {
				clear = 0
			} else {
				clear++
			}
			middle := x > wide/4 && x < 3*wide/4
			switch {
			case left == right:
				// An empty row neither makes nor breaks a gutter.
			case clear >= need && middle && left < x && x < right:
				if run[x]++; run[x] > enough {
					return findColumns
				}
			case clear < need:
				run[x] = 0
			}
		}
	}
	return oneColumn
}

// edges are the first and last inked cells of the row; equal in an empty row.
func edges(row []bool) (left, right int) {
	left, right = -1, -1
	for x, inked := range row {
		if inked {
			if left < 0 {
				left = x
			}
			right = x
		}
	}
	return left, right
}
