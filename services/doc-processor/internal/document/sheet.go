package document

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"signpost.internal/pkg/fault"
)

// sheet is a page while it is being read.
type sheet struct {
	leaf    *leaf
	at      int // its place in the leaf
	text    PageText
	scan    PageScan
	scanned bool
	err     error
}

func (s *sheet) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// layer reads the page's text layer.
func (s *sheet) layer(ctx context.Context, engine Engine) {
	text, err := retried(ctx, func() (PageText, error) { return engine.Text(ctx, s.leaf.src, s.at) })
	if err != nil {
		s.fail(err)
		return
	}
	s.text = text
}

// settled reports whether there is nothing for OCR to do.
func (s *sheet) settled() bool {
	return s.err != nil || s.leaf.src.Kind.Written() || s.leaf.src.Kind == PDF && usable(s.text.Text, s.text.Pictured)
}

// ocr reads the page's image.
func (s *sheet) ocr(ctx context.Context, engine Engine) {
	scan, err := retried(ctx, func() (PageScan, error) { return engine.Scan(ctx, s.leaf.src, s.at) })
	if err != nil {
		s.fail(err)
		return
	}
	s.scan, s.scanned = scan, true
}

// page is the outcome for the client.
func (s *sheet) page(number int) Page {
	page := Page{Number: number, Attachment: s.leaf.attachment, Method: None}
	// A stamp on a scan that OCR could not read is still there to be told.
	layerWins := !s.scanned || count(s.text.Text).readable > count(s.scan.Text).readable
	switch {
	case s.leaf.src.Kind.Written() && s.err == nil && strings.TrimSpace(s.text.Text) == "" && s.leaf.src.Kind != Text:
		// An empty sheet or mail: there is nothing to read.
	case s.leaf.src.Kind.Written() && s.err == nil:
		certain := 1.0
		page.Method, page.Confidence = TextLayer, &certain
		page.Text = strings.ReplaceAll(strings.ReplaceAll(s.text.Text, "\r\n", "\n"), "\r", "\n")
	case layerWins && count(s.text.Text).readable > 0:
		confidence := textConfidence(s.text.Text)
		page.Method, page.Confidence, page.Text = TextLayer, &confidence, s.text.Text
	case s.scanned && s.scan.Words > 0:
		confidence := s.scan.Confidence
		page.Method, page.Confidence, page.Text, page.Prepared = Tesseract, &confidence, s.scan.Text, s.scan.Prepared
	case s.scanned && !s.scan.Blank:
		page.Error = "There is something on the page, but no words could be read from it."
	}
	if s.err != nil {
		page.Error = reason(s.err)
	}
	return page
}

// outcome is what is told of the page before the document is done.
func (s *sheet) outcome(number int) Settled {
	page := s.page(number)
	return Settled{Page: number, Method: page.Method, Error: page.Error}
}

// reason is a page's error in words for the client.
func reason(err error) string {
	if text, ok := lost(err); ok {
		return "The page could not be read: " + text + "."
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Detail
	}
	return "The page could not be read."
}

// doubtful is the confidence of a page below which its reader is warned: of clean
// scans it is 0.85 and more.
const doubtful = 0.75

// assemble puts the result of the pages together. A document of which no page
// could be read is refused with the first page's reason.
func (p *Processor) assemble(ctx context.Context, sheets []sheet, result *Result) error {
	failed, lostMarks := 0, 0
	var parts []string
	for i := range sheets {
		s, page := &sheets[i], &result.Pages[i]
		if s.err != nil {
			failed++
		}
		if page.Error != "" {
			result.Warnings = append(result.Warnings, fmt.Sprintf("page %d: %s", page.Number, page.Error))
		}
		if page.Method == Tesseract && *page.Confidence < doubtful {
			result.Warnings = append(result.Warnings, fmt.Sprintf("page %d was read with doubt (confidence %.2f): check it against the document", page.Number, *page.Confidence))
		}
		if s.text.Notice != "" {
			result.Warnings = append(result.Warnings, fmt.Sprintf("page %d %s", page.Number, s.text.Notice))
		}
		if page.Method != None {
			parts = append(parts, page.Text)
			lostMarks += strings.Count(page.Text, string(utf8.RuneError))
			switch result.Method {
			case None, page.Method:
				result.Method = page.Method
			default:
				result.Method = Mixed
			}
		}
		if page.Vision != nil {
			parts = append(parts, page.Vision.Markdown())
		}
	}
	if failed == len(sheets) {
		return p.refusal(ctx, sheets[0].err)
	}
	if lostMarks > 0 {
		result.Warnings = append(result.Warnings, fmt.Sprintf("%d characters that the file does not name are shown as \ufffd", lostMarks))
	}
	result.Markdown = strings.Join(parts, "\n\n")
	return nil
}
