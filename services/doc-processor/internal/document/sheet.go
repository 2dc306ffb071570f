package document

import (
	"cmp"
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
	// markdown is the chosen text with its headings and tables marked.
	markdown string
	// doubt says what speaks against the text layer, and misled that OCR showed
	// that the layer is not what the page says.
	doubt          string
	misled         bool
	header, footer string
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
	return s.err != nil || s.leaf.src.Kind.Written() || s.leaf.src.Kind == PDF && s.doubt == "" && usable(s.text.Text, s.text.Pictured)
}

// layerTexts are the texts of a PDF page's layer that are mended.
func (s *sheet) layerTexts() []*string {
	if s.leaf.src.Kind != PDF {
		return nil
	}
	return append([]*string{&s.text.Text, &s.text.Markdown}, marginTexts(s.text.Margins)...)
}

// scanTexts are the texts that OCR read.
func (s *sheet) scanTexts() []*string {
	return append([]*string{&s.scan.Text, &s.scan.Markdown}, marginTexts(s.scan.Margins)...)
}

func marginTexts(margins []Margin) []*string {
	var texts []*string
	for i := range margins {
		texts = append(texts, &margins[i].Text, &margins[i].Markdown)
	}
	return texts
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
	page.Header, page.Footer, page.Stamps = s.header, s.footer, s.text.Stamps
	switch {
	case s.leaf.src.Kind.Written() && s.err == nil && strings.TrimSpace(s.text.Text) == "" && s.leaf.src.Kind != Text:
		// An empty sheet or mail: there is nothing to read.
	case s.leaf.src.Kind.Written() && s.err == nil:
		certain := 1.0
		page.Method, page.Confidence = TextLayer, &certain
		page.Text = strings.ReplaceAll(strings.ReplaceAll(s.text.Text, "\r\n", "\n"), "\r", "\n")
		s.markdown = page.Text
	case !s.ocrWins() && count(s.text.Text).readable > 0:
		confidence := textConfidence(s.text.Text)
		page.Method, page.Confidence, page.Text, page.Words = TextLayer, &confidence, s.text.Text, s.text.Words
		s.markdown = s.text.Markdown
	case s.scanned && len(s.scan.Words) > 0:
		confidence := s.scan.Confidence
		page.Method, page.Confidence, page.Text, page.Prepared = Tesseract, &confidence, s.scan.Text, s.scan.Prepared
		page.Words, page.Doubts = s.scan.Words, s.scan.Doubts
		if s.leaf.src.Kind == PDF {
			page.Reason = s.reason()
		}
		s.markdown = s.scan.Markdown
	case s.scanned && s.scan.Blank:
		page.Reason = "nothing is printed on it"
	case s.scanned:
		page.Error = "There is something on the page, but no words could be read from it."
	}
	if s.err != nil {
		page.Error = reason(s.err)
	}
	return page
}

const (
	// missedWords is from how many words that seem to be there and could not be
	// read the reader is warned, and missedShare from what share of all.
	missedWords = 12
	missedShare = 0.15
)

// missed reports whether much of what seems to be written on the page was not read.
func (s *sheet) missed() bool {
	return s.scan.Unread >= missedWords && float64(s.scan.Unread) >= missedShare*float64(s.scan.Unread+len(s.scan.Words))
}

// ocrWins reports whether the page is what OCR read and not its text layer. A stamp
// on a scan that OCR could not read is still there to be told.
func (s *sheet) ocrWins() bool {
	return s.scanned && (s.misled || s.doubt == "" && count(s.text.Text).readable <= count(s.scan.Text).readable)
}

// reason says why the page was read by OCR.
func (s *sheet) reason() string {
	switch {
	case s.doubt != "":
		return s.doubt
	case count(s.text.Text).all == 0:
		return "it has no text layer"
	case count(s.text.Text).readable == 0 || float64(count(s.text.Text).lost) > lostShare*float64(count(s.text.Text).all):
		return "its text layer does not say which characters it shows"
	default:
		return "its text layer is but a small part of what it shows"
	}
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
		if s.misled {
			result.Warnings = append(result.Warnings, fmt.Sprintf("page %d was read by OCR instead of its text layer: %s", page.Number, s.doubt))
		}
		if page.Method == Tesseract && s.missed() {
			result.Warnings = append(result.Warnings, fmt.Sprintf("page %d: part of what is on the page could not be read: look at the document itself", page.Number))
		}
		if len(page.Doubts) > 0 {
			result.Warnings = append(result.Warnings, doubted(page.Number, page.Doubts))
		}
		if s.text.Notice != "" {
			result.Warnings = append(result.Warnings, fmt.Sprintf("page %d %s", page.Number, s.text.Notice))
		}
		if page.Method != None {
			parts = append(parts, cmp.Or(s.markdown, page.Text))
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

// doubted names the numbers that were read with doubt.
func doubted(page int, doubts []Doubt) string {
	const most = 8
	names := make([]string, 0, most)
	for _, d := range doubts[:min(most, len(doubts))] {
		name := "“" + d.Text + "”"
		if d.Other != "" {
			name += " (or “" + d.Other + "”)"
		}
		names = append(names, name)
	}
	more := ""
	if n := len(doubts) - most; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("page %d: figures read with doubt, check them against the document: %s%s", page, strings.Join(names, ", "), more)
}
