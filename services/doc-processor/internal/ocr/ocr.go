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
		// The library's own default takes the page for one block of text.
		c.tesseract.SetVariable("tessedit_pageseg_mode", "3"),
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
	if err := c.tesseract.SetVariable("user_defined_dpi", fmt.Sprint(dpi)); err != nil {
		return Result{}, fmt.Errorf("set the resolution: %w", err)
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

// assemble joins recognised words into lines and paragraphs. The words come in
// Tesseract's reading order, numbered by block, paragraph and line.
func assemble(words []gosseract.BoundingBox) Result {
	var (
		result Result
		lines  []layout.Line
		texts  [][]string
		blocks []int
		last   gosseract.BoundingBox
		sum    float64
	)
	columns := map[int]image.Rectangle{}
	for _, w := range words {
		if w.Word = strings.TrimSpace(w.Word); w.Word == "" {
			continue
		}
		// Tesseract's y grows downwards.
		left, bottom, right, top := float64(w.Box.Min.X), -float64(w.Box.Max.Y), float64(w.Box.Max.X), -float64(w.Box.Min.Y)
		newBlock := result.Words == 0 || w.BlockNum != last.BlockNum
		if newBlock || w.ParNum != last.ParNum || w.LineNum != last.LineNum {
			lines = append(lines, layout.Line{Left: left, Bottom: bottom, Right: right, Top: top, First: newBlock})
			texts, blocks = append(texts, nil), append(blocks, w.BlockNum)
		}
		now := &lines[len(lines)-1]
		now.Right, now.Bottom, now.Top = max(now.Right, right), min(now.Bottom, bottom), max(now.Top, top)
		texts[len(texts)-1] = append(texts[len(texts)-1], w.Word)
		columns[w.BlockNum] = columns[w.BlockNum].Union(w.Box)
		last = w
		sum += w.Confidence
		result.Words++
	}
	if result.Words > 0 {
		result.Confidence = max(0, min(1, sum/float64(result.Words)/100))
	}
	for i := range lines {
		lines[i].Text = strings.Join(texts[i], " ")
		column := columns[blocks[i]]
		lines[i].ColumnLeft, lines[i].ColumnRight = float64(column.Min.X), float64(column.Max.X)
	}
	result.Text = layout.Paragraphs(lines)
	return result
}
