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
	"unicode"
	"unicode/utf8"

	"github.com/otiai10/gosseract/v2"
)

// Result is what was read from an image.
type Result struct {
	Text       string  // lines joined into paragraphs, a blank line between those
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

// Read recognises the text of the image, whose resolution is dpi. lineHyphen
// is written where a line ended in a hyphen within a word.
func (c *Client) Read(img *image.Gray, dpi int, lineHyphen rune) (Result, error) {
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
	return assemble(words, lineHyphen), nil
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
func assemble(words []gosseract.BoundingBox, lineHyphen rune) Result {
	var (
		text   strings.Builder
		result Result
		last   gosseract.BoundingBox
		sum    float64
	)
	for _, w := range words {
		word := strings.TrimSpace(w.Word)
		if word == "" {
			continue
		}
		switch {
		case result.Words == 0:
		case w.BlockNum != last.BlockNum || w.ParNum != last.ParNum:
			text.WriteString("\n\n")
		case w.LineNum != last.LineNum && brokenWord(last.Word, word):
			joined := strings.TrimSuffix(text.String(), "-")
			text.Reset()
			text.WriteString(joined)
			text.WriteRune(lineHyphen)
		default:
			text.WriteByte(' ')
		}
		text.WriteString(word)
		last, last.Word = w, word
		sum += w.Confidence
		result.Words++
	}
	if result.Words > 0 {
		result.Confidence = max(0, min(1, sum/float64(result.Words)/100))
	}
	result.Text = text.String()
	return result
}

// brokenWord reports whether a line's last word goes on in the next line's first.
func brokenWord(last, next string) bool {
	stem, ok := strings.CutSuffix(last, "-")
	end, _ := utf8.DecodeLastRuneInString(stem)
	start, _ := utf8.DecodeRuneInString(next)
	return ok && unicode.IsLetter(end) && unicode.IsLetter(start)
}
