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
	"image/color"
	"image/draw"
	"slices"
	"strings"
	"unicode"

	"github.com/otiai10/gosseract/v2"

	"signpost.internal/services/doc-processor/internal/layout"
)

// Result is what was read from an image.
type Result struct {
	Page       layout.Page
	Confidence float64 // mean over the words, from 0 to 1
	Words      []Word
	Unread     int // about how many words seem to be there that could not be read

	boxes []gosseract.BoundingBox
}

// Word is a word at its place in the image.
type Word struct {
	Text       string
	Box        image.Rectangle
	Confidence float64 // from 0 to 1
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
	boxes, err := c.boxes(img, dpi, segmentation(img, dpi))
	if err != nil {
		return Result{}, err
	}
	return assemble(boxes), nil
}

// ReadLine recognises the text of an image of one line or less. Its boxes are of no
// use.
func (c *Client) ReadLine(img *image.Gray, dpi int) (Result, error) {
	part, _ := alone(img, img.Rect, nil)
	boxes, err := c.boxes(part, dpi, oneLine)
	if err != nil {
		return Result{}, err
	}
	return assemble(boxes), nil
}

const (
	// believed is the confidence from which a word that was missed at first is
	// taken in: what is no writing comes out with less.
	believed = 0.5
	// maxRegions bounds what is looked at again of a page.
	maxRegions = 40
)

// Complete reads what looks like writing in the image and is in none of the words
// of the result, and returns the result with it. Of what still cannot be read,
// Unread says how many words it seems to be.
func (c *Client) Complete(img *image.Gray, dpi int, r Result) (Result, error) {
	regions, _ := unread(img, dpi, r.Words)
	if len(regions) == 0 {
		return r, nil
	}
	boxes := slices.Clone(r.boxes)
	block := 0
	for _, b := range boxes {
		block = max(block, b.BlockNum)
	}
	for _, region := range regions[:min(len(regions), maxRegions)] {
		part, origin := alone(img, region, r.Words)
		more, err := c.boxes(part, dpi, oneBlock)
		if err != nil {
			return Result{}, err
		}
		for _, b := range more {
			if b.Confidence/100 < believed || !strings.ContainsFunc(b.Word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
				continue
			}
			b.Box = b.Box.Add(origin)
			if again(b, r.Words) {
				continue
			}
			b.BlockNum += block
			boxes = append(boxes, b)
		}
		if n := len(boxes); n > 0 {
			block = max(block, boxes[n-1].BlockNum)
		}
	}
	whole := assemble(boxes)
	_, whole.Unread = unread(img, dpi, whole.Words)
	return whole, nil
}

// again reports whether a word is one of those that were read already, or the end of
// one whose box is too small.
func again(b gosseract.BoundingBox, words []Word) bool {
	const common = 5 // of how many parts of the word's area one may be another's
	area := b.Box.Dx() * b.Box.Dy()
	for _, w := range words {
		both := w.Box.Intersect(b.Box)
		if common*both.Dx()*both.Dy() > area {
			return true
		}
		if near := w.Box.Inset(-w.Box.Dy() / 2); near.Overlaps(b.Box) && strings.Contains(w.Text, strings.TrimSpace(b.Word)) {
			return true
		}
	}
	return false
}

// alone copies a region onto paper of its own without the words that were read in
// it, with room around: Tesseract sees no line that touches the edge. It returns
// also where the copy's corner lies in the image.
func alone(img *image.Gray, region image.Rectangle, words []Word) (*image.Gray, image.Point) {
	const room = 40
	part := image.NewGray(image.Rect(0, 0, region.Dx()+2*room, region.Dy()+2*room))
	paper := image.NewUniform(color.Gray{Y: paperOf(img)})
	draw.Draw(part, part.Rect, paper, image.Point{}, draw.Src)
	draw.Draw(part, part.Rect.Inset(room), img, region.Min, draw.Src)
	origin := region.Min.Sub(image.Pt(room, room))
	for _, w := range words {
		draw.Draw(part, w.Box.Sub(origin).Intersect(part.Rect), paper, image.Point{}, draw.Src)
	}
	return part, origin
}

func (c *Client) boxes(img *image.Gray, dpi int, segmentation string) ([]gosseract.BoundingBox, error) {
	for _, set := range []error{
		c.tesseract.SetVariable("user_defined_dpi", fmt.Sprint(dpi)),
		c.tesseract.SetVariable("tessedit_pageseg_mode", segmentation),
	} {
		if set != nil {
			return nil, fmt.Errorf("set up Tesseract: %w", set)
		}
	}
	if err := c.tesseract.SetImageFromBytes(pgm(img)); err != nil {
		return nil, fmt.Errorf("hand over the image: %w", err)
	}
	words, err := c.tesseract.GetBoundingBoxesVerbose()
	if err != nil {
		return nil, fmt.Errorf("recognise: %w", err)
	}
	return words, nil
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
		if text == "" || ruled(text) {
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
		confidence := max(0, min(1, b.Confidence/100))
		result.Words = append(result.Words, Word{Text: text, Box: b.Box, Confidence: confidence})
		sum += confidence
	}
	if len(words) > 0 {
		result.Confidence = sum / float64(len(words))
	}
	result.Page, result.boxes = layout.Words(words), boxes
	return result
}

// ruled reports whether a word is made of signs only as which rules are recognised.
func ruled(text string) bool { return strings.Trim(text, "|_¦—=~") == "" }

// How Tesseract is told to look at a page.
const (
	findColumns = "3" // find the columns; may drop what stands apart, as the numbers of a list
	oneColumn   = "4"
	oneBlock    = "6"
	oneLine     = "7"
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
	g := inkGrid(img, dpi, 128)
	wide, ink := g.wide, g.ink
	if wide == 0 || g.high == 0 {
		return oneColumn
	}
	inkTop, inkBottom := g.high, 0
	for at, inked := range ink {
		if inked {
			inkTop, inkBottom = min(inkTop, at/wide), at/wide+1
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
