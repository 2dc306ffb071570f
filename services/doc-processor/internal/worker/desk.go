package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/layout"
	"signpost.internal/services/doc-processor/internal/ocr"
	"signpost.internal/services/doc-processor/internal/office"
	"signpost.internal/services/doc-processor/internal/pdftext"
	"signpost.internal/services/doc-processor/internal/straighten"
)

// Limits of a document.
const (
	// maxSide is the longest side of a page in points, the limit of PDF 1.7
	// (ISO 32000-1, annex C: 14,400 units).
	maxSide = 14400
	// scanDPI is the resolution at which pages are drawn for OCR.
	scanDPI = 300
	// coarsestDPI is the least resolution at which a page is drawn, and coarseDPI
	// that below which it is enlarged before it is read.
	coarsestDPI = 72
	coarseDPI   = 160
	// endMarkWithin is how near the end of a PDF its end mark must be, in bytes.
	endMarkWithin = 2048
)

// desk is what one worker works with. It keeps the last document open.
type desk struct {
	settings Settings
	pdfium   *pdftext.PDFium
	reader   pdftext.Reader // for text; PDFium or another
	ocr      *ocr.Client

	path     string
	password string              // that opened it
	pages    []document.PageText // of a file whose words are characters
	drawn    *pdftext.PDFiumDocument
	other    pdftext.Document // the document in another reader than PDFium
	image    *picture
}

func openDesk(ctx context.Context, s Settings) (*desk, error) {
	pdfium, err := pdftext.OpenPDFium(ctx, s.CacheDir)
	if err != nil {
		return nil, err
	}
	d := &desk{settings: s, pdfium: pdfium, reader: pdfium}
	if s.Reader == LedongthucReader {
		d.reader = pdftext.Ledongthuc{}
	}
	return d, nil
}

// close ends the readers; the process ends with them, so failures are moot.
func (d *desk) close() {
	d.drop()
	if d.ocr != nil {
		_ = d.ocr.Close()
	}
	_ = d.pdfium.Close()
}

// drop closes the open document.
func (d *desk) drop() {
	if d.drawn != nil {
		_ = d.drawn.Close()
	}
	if d.other != nil {
		_ = d.other.Close()
	}
	d.path, d.password, d.pages, d.drawn, d.other, d.image = "", "", nil, nil, nil, nil
}

// turnTo makes the request's document the open one.
func (d *desk) turnTo(r request) error {
	if d.path == r.Path && d.password == r.Password {
		return nil
	}
	d.drop()
	switch r.Kind {
	case document.PDF:
		opened, err := d.pdfium.OpenLocked(r.Path, r.Password)
		if errors.Is(err, pdftext.ErrEncrypted) {
			return document.PasswordFault("PDF", r.Password != "")
		}
		if err != nil {
			return pdfFault(err)
		}
		d.drawn = opened
		if d.settings.Reader == LedongthucReader && r.Password == "" {
			// A file that only PDFium can open is read by PDFium.
			if other, err := d.reader.Open(r.Path); err == nil {
				d.other = other
			}
		}
	case document.PNG, document.JPEG, document.TIFF, document.WebP, document.BMP:
		opened, err := openPicture(r.Path, r.Kind, d.settings.MaxPixels)
		if err != nil {
			return err
		}
		d.image = opened
	case document.Text:
	default:
		pages, err := office.Read(r.Path, r.Kind)
		if err != nil {
			return err
		}
		d.pages = pages
	}
	d.path, d.password = r.Path, r.Password
	return nil
}

// open checks the file and counts its pages.
func (d *desk) open(r request) (int, error) {
	switch r.Kind {
	case document.Text:
		_, err := readText(r.Path)
		return 1, err
	case document.PDF:
		if err := checkEnd(r.Path); err != nil {
			return 0, err
		}
		if err := d.turnTo(r); err != nil {
			return 0, err
		}
		return d.drawn.Pages(), nil
	default:
		if err := d.turnTo(r); err != nil {
			return 0, err
		}
		if d.image == nil {
			return len(d.pages), nil
		}
		return d.image.pages(), nil
	}
}

// checkEnd refuses a PDF without its end mark: the rest of it is missing.
func checkEnd(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the spooled file: %w", err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("measure the spooled file: %w", err)
	}
	end := make([]byte, min(size, endMarkWithin))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil {
		return fmt.Errorf("read the spooled file: %w", err)
	}
	if !bytes.Contains(end, []byte("%%EOF")) {
		return fault.New(fault.Invalid, "The PDF is cut off: its end is missing. Send the whole file.")
	}
	return nil
}

// readText reads a text file, whose every byte must be UTF-8.
func readText(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the spooled file: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 || r == 0 {
			return "", fault.Newf(fault.Unsupported,
				"The file is none of the formats with a signature, and not UTF-8 text either (see byte %d). Accepted are %s.", at, document.Accepted)
		}
		at += size
	}
	return string(data), nil
}

// text reads a page's text layer.
func (d *desk) text(r request) (document.PageText, error) {
	if r.Kind == document.Text {
		text, err := readText(r.Path)
		return document.PageText{Text: text}, err
	}
	if err := d.turnTo(r); err != nil {
		return document.PageText{}, err
	}
	if r.Kind.Written() {
		if r.Page < 0 || r.Page >= len(d.pages) {
			return document.PageText{}, fault.New(fault.Invalid, "The file has no such page.")
		}
		return d.pages[r.Page], nil
	}
	if err := d.checkPage(r.Page); err != nil {
		return document.PageText{}, err
	}
	glyphs, notice, err := d.glyphs(r.Page)
	if err != nil {
		return document.PageText{}, pdfFault(err)
	}
	glyphs, stamps := layout.Askew(glyphs)
	laid := layout.Glyphs(glyphs)
	page := document.PageText{Text: laid.Text(), Markdown: laid.Markdown(), Margins: margins(laid), Stamps: stamps, Notice: notice}
	if len(glyphs) > 0 {
		if frame, err := d.drawn.Frame(r.Page); err == nil { // without one there are no places
			page.Words = placed(glyphs, frame)
		}
		if links, err := d.drawn.Links(r.Page); err == nil && len(links) > 0 {
			page.Markdown = linked(page.Markdown, glyphs, links)
		}
	}
	if n := d.drawn.Attachments(); n > 0 && r.Page == 0 && notice == "" {
		page.Notice = fmt.Sprintf("is of a file with %d files attached to it, which are not read: send them as files of their own", n)
	}
	if len(glyphs) < sparse || d.settings.Figures {
		artwork, err := d.drawn.Artwork(r.Page)
		if err != nil && len(glyphs) < sparse {
			return document.PageText{}, pdfFault(err)
		}
		page.Pictured = len(glyphs) < sparse && artwork.Pictured()
		page.Figures = artwork.Figures()
	}
	return page, nil
}

// sparse is the number of glyphs up to which it matters what else is on a page.
const sparse = 2000

// glyphs reads with the configured reader, or with PDFium where that fails.
func (d *desk) glyphs(page int) (glyphs []layout.Glyph, notice string, err error) {
	if d.settings.Reader != LedongthucReader {
		glyphs, err = d.drawn.Glyphs(page)
		return glyphs, "", err
	}
	if d.other != nil && page < d.other.Pages() {
		if glyphs, err = d.other.Glyphs(page); err == nil {
			return glyphs, "", nil
		}
	}
	glyphs, err = d.drawn.Glyphs(page)
	return glyphs, "was read by pdfium, as ledongthuc could not read it", err
}

// checkPage refuses a page that is larger than PDF allows.
func (d *desk) checkPage(page int) error {
	width, height, err := d.drawn.Size(page)
	if err != nil {
		return pdfFault(err)
	}
	if max(width, height) > maxSide {
		return fault.Newf(fault.Invalid,
			"Page %d is %.0f by %.0f points; pages of at most %d points a side are accepted.", page+1, width, height, maxSide)
	}
	return nil
}

// scan reads the image of a page.
func (d *desk) scan(r request) (document.PageScan, error) {
	if err := d.turnTo(r); err != nil {
		return document.PageScan{}, err
	}
	var (
		img *image.Gray
		dpi int
		err error
	)
	if r.Kind == document.PDF {
		if err := d.checkPage(r.Page); err != nil {
			return document.PageScan{}, err
		}
		// A scan is drawn as fine as it is: more shows nothing new, and makes
		// specks of dots.
		dpi = scanDPI
		if native, err := d.drawn.ScannedDPI(r.Page); err == nil && native > 0 {
			dpi = max(coarsestDPI, min(native, scanDPI))
		}
		if img, dpi, err = d.drawn.Render(r.Page, dpi, d.settings.MaxPixels); err != nil {
			return document.PageScan{}, pdfFault(err)
		}
	} else if img, dpi, err = d.image.page(r.Page); err != nil {
		return document.PageScan{}, err
	}
	if blank(img) && !straighten.Inked(img, dpi) {
		return document.PageScan{Blank: true}, nil
	}
	if d.ocr == nil {
		if d.ocr, err = ocr.New(d.settings.Languages); err != nil {
			return document.PageScan{}, fault.Wrap(fault.Unavailable, err, "The OCR engine cannot start.")
		}
	}
	scan, err := d.recognise(img, dpi)
	if err != nil {
		return document.PageScan{}, fault.Wrap(fault.Unavailable, err, "The OCR engine failed.")
	}
	return scan, nil
}

// doubtful is the mean confidence below which a page is looked at another way:
// upside down, on its side, or as it came. Clean pages have 0.85 and more, and
// pages read upside down 0.3 to 0.5.
const doubtful = 0.7

// lookingShare is after what part of the time for a page no further look at it is
// taken, so that what was read is there before the page's deadline.
const lookingShare = 0.6

// recognise reads the image, straightened; where the words come out doubtful, it
// tries what else the image may be and keeps what reads best.
func (d *desk) recognise(img *image.Gray, dpi int) (document.PageScan, error) {
	page := straighten.Straighten(img, dpi)
	if dpi < coarseDPI && img.Rect.Dx()*img.Rect.Dy() < d.settings.MaxPixels/4 {
		page, dpi = page.Enlarged(2), 2*dpi
	}
	type view struct {
		page     straighten.Page
		prepared []string
	}
	steps := page.Steps()
	views := []view{{page, steps}}
	turned := func(quarters int) view {
		return view{page.Turned(quarters), append(slices.Clip(steps), straighten.Turned(quarters))}
	}
	if straighten.UpsideDown(page.Image, dpi) {
		views = []view{turned(2), {page, steps}}
	} else {
		views = append(views, turned(2))
	}
	if !page.Sideways {
		views = append(views, turned(1), turned(3))
	}
	if len(steps) > 0 {
		views = append(views, view{straighten.Page{Image: img}, nil})
	}
	var (
		best  view
		read  ocr.Result
		score = -1.0
	)
	start := time.Now()
	for _, v := range views {
		result, err := d.ocr.Read(v.page.Image, dpi)
		if err != nil {
			return document.PageScan{}, err
		}
		// Many words read with doubt are less than few read well.
		if s := float64(len(result.Words)) * result.Confidence * result.Confidence; s > score {
			best, read, score = v, result, s
		}
		if read.Confidence >= doubtful && len(read.Words) > 0 || !d.timeLeft(start) {
			break
		}
	}
	if d.timeLeft(start) {
		var err error
		if read, err = d.ocr.Complete(best.page.Image, dpi, read); err != nil {
			return document.PageScan{}, err
		}
	}
	words := place(best.page, img, read.Words)
	scan := document.PageScan{
		Text: read.Page.Text(), Markdown: read.Page.Markdown(), Margins: margins(read.Page), Confidence: read.Confidence, Words: words, Prepared: best.prepared,
		Unread: read.Unread,
	}
	if d.timeLeft(start) {
		scan.Doubts = d.doubts(best.page, img, read.Words, words)
	}
	return scan, nil
}

// timeLeft reports whether another look may be taken at a page begun at start.
func (d *desk) timeLeft(start time.Time) bool {
	return time.Since(start).Seconds() < lookingShare*d.settings.PageTime.Seconds()
}

// portray makes a picture of the page, as a JPEG file.
func (d *desk) portray(r request) ([]byte, error) {
	if err := d.turnTo(r); err != nil {
		return nil, err
	}
	var (
		img image.Image
		err error
	)
	if r.Kind == document.PDF {
		if err := d.checkPage(r.Page); err != nil {
			return nil, err
		}
		if img, err = d.drawn.Picture(r.Page, document.PictureSide); err != nil {
			return nil, pdfFault(err)
		}
	} else {
		whole, err := d.image.load(r.Page)
		if err != nil {
			return nil, err
		}
		img = shrunk(whole, document.PictureSide)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return nil, fmt.Errorf("encode the picture: %w", err)
	}
	return file.Bytes(), nil
}

// jpegQuality keeps small print legible.
const jpegQuality = 90

// pdfFault says what is wrong with a PDF.
func pdfFault(err error) error {
	switch {
	case errors.Is(err, pdftext.ErrEncrypted):
		return document.PasswordFault("PDF", false)
	case errors.Is(err, pdftext.ErrMemory):
		return fmt.Errorf("%w: %w", document.ErrMemory, err)
	default:
		return fault.Wrap(fault.Invalid, err, "The PDF is damaged and cannot be read. Send a whole, valid file.")
	}
}
