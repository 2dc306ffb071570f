package pdftext

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/enums"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"signpost.internal/services/doc-processor/internal/layout"
)

// memoryPages bounds the sandbox's memory, in WebAssembly pages of 64 KiB:
// 1 GiB. Beyond it PDFium sees an allocation fail.
const memoryPages = 1 << 14

// PDFium is the [Reader] and rasteriser that runs PDFium as WebAssembly.
type PDFium struct {
	pool     pdfium.Pool
	instance pdfium.Pdfium
	cache    wazero.CompilationCache
}

// OpenPDFium starts the sandbox. The machine code compiled from the
// WebAssembly is kept in cacheDir, which processes can share: the first start
// takes seconds, the later ones a fifth of a second.
func OpenPDFium(ctx context.Context, cacheDir string) (*PDFium, error) {
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return nil, fmt.Errorf("open the compilation cache: %w", err)
	}
	p := &PDFium{cache: cache}
	p.pool, err = webassembly.Init(webassembly.Config{
		Context:  ctx,
		MinIdle:  0,
		MaxIdle:  1,
		MaxTotal: 1,
		// No file system: the sandbox sees only the bytes handed to it.
		FSConfig: wazero.NewFSConfig(),
		Stdout:   io.Discard,
		Stderr:   io.Discard,
		RuntimeConfig: wazero.NewRuntimeConfig().
			WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
			WithMemoryLimitPages(memoryPages).
			WithCompilationCache(cache),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start PDFium: %w", err), cache.Close(ctx))
	}
	p.instance, err = p.pool.GetInstance(time.Minute)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start PDFium: %w", err), p.pool.Close(), cache.Close(ctx))
	}
	return p, nil
}

// Close stops the sandbox.
func (p *PDFium) Close() error {
	return errors.Join(p.pool.Close(), p.cache.Close(context.Background()))
}

// Open reads the file's structure.
func (p *PDFium) Open(path string) (Document, error) { return p.OpenDocument(path) }

// OpenDocument is [PDFium.Open] with the concrete type, which also draws.
func (p *PDFium) OpenDocument(path string) (*PDFiumDocument, error) { return p.OpenLocked(path, "") }

// OpenLocked is [PDFium.OpenDocument] with the password of a protected file.
func (p *PDFium) OpenLocked(path, password string) (*PDFiumDocument, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the spooled file: %w", err)
	}
	opened, err := p.instance.OpenDocument(&requests.OpenDocument{File: &data, Password: &password})
	if err != nil {
		return nil, openFault(err)
	}
	d := &PDFiumDocument{pdfium: p, ref: opened.Document}
	count, err := p.instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: d.ref})
	if err != nil {
		return nil, errors.Join(openFault(err), d.Close())
	}
	d.pages = count.PageCount
	return d, nil
}

// Attachments is how many files are embedded in the document.
func (d *PDFiumDocument) Attachments() int {
	found, err := d.pdfium.instance.FPDFDoc_GetAttachmentCount(&requests.FPDFDoc_GetAttachmentCount{Document: d.ref})
	if err != nil {
		return 0
	}
	return found.AttachmentCount
}

// openFault translates PDFium's errors.
func openFault(err error) error {
	switch {
	case errors.Is(err, pdfiumerrors.ErrPassword), errors.Is(err, pdfiumerrors.ErrSecurity):
		return ErrEncrypted
	case outOfMemory(err):
		return fmt.Errorf("%w: %w", ErrMemory, err)
	default:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
}

// outOfMemory recognises the ways in which the sandbox reports that its
// memory is used up.
func outOfMemory(err error) bool {
	text := err.Error()
	for _, sign := range []string{"malloc", "memory", "unreachable", "abort", "bitmap"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// PDFiumDocument is an open document of a [PDFium].
type PDFiumDocument struct {
	pdfium *PDFium
	ref    references.FPDF_DOCUMENT
	pages  int
	page   references.FPDF_PAGE // the page loaded last
	loaded int                  // its number, from 1; 0 when there is none
}

// Pages is the number of pages.
func (d *PDFiumDocument) Pages() int { return d.pages }

// Close frees the document.
func (d *PDFiumDocument) Close() error {
	_, err := d.pdfium.instance.FPDF_CloseDocument(&requests.FPDF_CloseDocument{Document: d.ref})
	return err
}

// load makes the page the loaded one. One page is kept, so that a document of
// many pages does not fill the sandbox.
func (d *PDFiumDocument) load(page int) (requests.Page, error) {
	if d.loaded != page+1 {
		if d.loaded != 0 {
			d.loaded = 0
			if _, err := d.pdfium.instance.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: d.page}); err != nil {
				return requests.Page{}, pageFault(err)
			}
		}
		loaded, err := d.pdfium.instance.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d.ref, Index: page})
		if err != nil {
			return requests.Page{}, pageFault(err)
		}
		d.page, d.loaded = loaded.Page, page+1
	}
	return requests.Page{ByReference: &d.page}, nil
}

func pageFault(err error) error {
	if outOfMemory(err) {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// Glyphs returns the page's characters.
func (d *PDFiumDocument) Glyphs(page int) ([]layout.Glyph, error) {
	at, err := d.load(page)
	if err != nil {
		return nil, err
	}
	text, err := d.pdfium.instance.GetPageTextStructured(&requests.GetPageTextStructured{
		Page: at, Mode: requests.GetPageTextStructuredModeChars,
	})
	if err != nil {
		return nil, pageFault(err)
	}
	glyphs := make([]layout.Glyph, 0, len(text.Chars))
	for _, c := range text.Chars {
		r, _ := utf8.DecodeRuneInString(c.Text)
		switch {
		case c.Text == "":
			r = utf8.RuneError // a glyph without a character: a lost one
		case r == '\u0002', r == '\ufffe':
			r = '-' // PDFium's mark for a hyphen at the end of a line
		case r == '\r':
			continue // always followed by \n
		}
		box := c.PointPosition
		glyphs = append(glyphs, layout.Glyph{
			Rune: r, Left: box.Left, Bottom: box.Bottom, Right: box.Right, Top: box.Top,
			Quarter: -int(math.Round(c.Angle/(math.Pi/2))) & 3, // PDFium counts clockwise
			Askew:   math.Abs(math.Remainder(c.Angle, math.Pi/2)) > mostAskew,
		})
	}
	return glyphs, nil
}

// mostAskew is the angle, in radians, up to which a glyph counts as level: pages
// that were scanned askew and given a text layer have glyphs of a few degrees.
const mostAskew = 0.14

// Frame is the part of a page's space that is shown, and how it is turned.
type Frame struct {
	left, bottom, right, top float64
	quarter                  int // clockwise
}

// Shown is where a point of the page's space is on the page as shown, in fractions
// of its width and height from the left and the top.
func (f Frame) Shown(x, y float64) (across, down float64) {
	x, y = (x-f.left)/(f.right-f.left), (y-f.bottom)/(f.top-f.bottom)
	switch f.quarter {
	case 1:
		across, down = y, x
	case 2:
		across, down = 1-x, y
	case 3:
		across, down = 1-y, 1-x
	default:
		across, down = x, 1-y
	}
	return max(0, min(1, across)), max(0, min(1, down))
}

// Frame returns the page's frame.
func (d *PDFiumDocument) Frame(page int) (Frame, error) {
	at, err := d.load(page)
	if err != nil {
		return Frame{}, err
	}
	box, err := d.pdfium.instance.FPDF_GetPageBoundingBox(&requests.FPDF_GetPageBoundingBox{Page: at})
	if err != nil {
		return Frame{}, pageFault(err)
	}
	turn, err := d.pdfium.instance.FPDFPage_GetRotation(&requests.FPDFPage_GetRotation{Page: at})
	if err != nil {
		return Frame{}, pageFault(err)
	}
	f := Frame{float64(box.Rect.Left), float64(box.Rect.Bottom), float64(box.Rect.Right), float64(box.Rect.Top), int(turn.PageRotation) & 3}
	if f.right <= f.left || f.top <= f.bottom {
		return Frame{}, fmt.Errorf("%w: the page has no size", ErrDamaged)
	}
	return f, nil
}

// Link is a part of a page, in its own space, that leads to an address.
type Link struct {
	Left, Bottom, Right, Top float64
	URL                      string
}

// maxLinks is how many links of a page are kept.
const maxLinks = 300

// Links returns the page's links to addresses. What is wrong with a link costs
// only that one.
func (d *PDFiumDocument) Links(page int) ([]Link, error) {
	at, err := d.load(page)
	if err != nil {
		return nil, err
	}
	var links []Link
	for start := 0; len(links) < maxLinks; {
		next, err := d.pdfium.instance.FPDFLink_Enumerate(&requests.FPDFLink_Enumerate{Page: at, StartPos: start})
		if err != nil || next.Link == nil || next.NextStartPos == nil || *next.NextStartPos <= start {
			break
		}
		start = *next.NextStartPos
		action, err := d.pdfium.instance.FPDFLink_GetAction(&requests.FPDFLink_GetAction{Link: *next.Link})
		if err != nil || action.Action == nil {
			continue
		}
		uri, err := d.pdfium.instance.FPDFAction_GetURIPath(&requests.FPDFAction_GetURIPath{Document: d.ref, Action: *action.Action})
		if err != nil || uri.URIPath == nil || !leads(*uri.URIPath) {
			continue
		}
		box, err := d.pdfium.instance.FPDFLink_GetAnnotRect(&requests.FPDFLink_GetAnnotRect{Link: *next.Link})
		if err != nil || box.Rect == nil {
			continue
		}
		r := box.Rect
		links = append(links, Link{
			float64(min(r.Left, r.Right)), float64(min(r.Bottom, r.Top)), float64(max(r.Left, r.Right)), float64(max(r.Bottom, r.Top)), *uri.URIPath,
		})
	}
	return links, nil
}

// leads reports whether an address is one to follow: not a script.
func leads(address string) bool {
	lower := strings.ToLower(address)
	for _, scheme := range []string{"https://", "http://", "mailto:", "tel:"} {
		if strings.HasPrefix(lower, scheme) && !strings.ContainsAny(address, "\n\r<>") {
			return true
		}
	}
	return false
}

// Size is the page's width and height in points, as shown.
func (d *PDFiumDocument) Size(page int) (width, height float64, err error) {
	size, err := d.pdfium.instance.FPDF_GetPageSizeByIndex(&requests.FPDF_GetPageSizeByIndex{Document: d.ref, Index: page})
	if err != nil {
		return 0, 0, pageFault(err)
	}
	return size.Width, size.Height, nil
}

// maxObjects is how many objects of a page are looked at: the library keeps a
// little memory for each until the process ends.
const maxObjects = 3000

// Artwork tells what the page holds beside text.
func (d *PDFiumDocument) Artwork(page int) (Artwork, error) {
	var found Artwork
	at, err := d.load(page)
	if err != nil {
		return found, err
	}
	width, height, err := d.Size(page)
	if err != nil {
		return found, err
	}
	count, err := d.pdfium.instance.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: at})
	if err != nil {
		return found, pageFault(err)
	}
	for i := 0; i < min(count.Count, maxObjects) && !found.Pictured(); i++ {
		object, err := d.pdfium.instance.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: at, Index: i})
		if err != nil {
			return found, pageFault(err)
		}
		kind, err := d.pdfium.instance.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: object.PageObject})
		if err != nil {
			return found, pageFault(err)
		}
		switch kind.Type {
		case enums.FPDF_PAGEOBJ_PATH:
			found.Paths++
		case enums.FPDF_PAGEOBJ_IMAGE, enums.FPDF_PAGEOBJ_FORM, enums.FPDF_PAGEOBJ_SHADING:
			box, err := d.pdfium.instance.FPDFPageObj_GetBounds(&requests.FPDFPageObj_GetBounds{PageObject: object.PageObject})
			if err != nil {
				continue // an object without bounds covers nothing
			}
			found.Share += float64(box.Right-box.Left) * float64(box.Top-box.Bottom) / (width * height)
		}
	}
	return found, nil
}

// scannedShare is how much of a page an image must cover to be a scan of it, and
// scannedObjects how many of the page's objects are looked at to find it.
const (
	scannedShare   = 0.5
	scannedObjects = 40
)

// ScannedDPI is the resolution of the image that covers the page, 0 for a page
// that no image covers.
func (d *PDFiumDocument) ScannedDPI(page int) (int, error) {
	at, err := d.load(page)
	if err != nil {
		return 0, err
	}
	width, height, err := d.Size(page)
	if err != nil {
		return 0, err
	}
	count, err := d.pdfium.instance.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: at})
	if err != nil {
		return 0, pageFault(err)
	}
	best, share := 0, scannedShare
	for i := range min(count.Count, scannedObjects) {
		object, err := d.pdfium.instance.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: at, Index: i})
		if err != nil {
			return 0, pageFault(err)
		}
		kind, err := d.pdfium.instance.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: object.PageObject})
		if err != nil || kind.Type != enums.FPDF_PAGEOBJ_IMAGE {
			continue
		}
		box, err := d.pdfium.instance.FPDFPageObj_GetBounds(&requests.FPDFPageObj_GetBounds{PageObject: object.PageObject})
		if err != nil {
			continue // an object without bounds covers nothing
		}
		pixels, err := d.pdfium.instance.FPDFImageObj_GetImagePixelSize(&requests.FPDFImageObj_GetImagePixelSize{ImageObject: object.PageObject})
		if err != nil {
			continue
		}
		area := float64(box.Right-box.Left) * float64(box.Top-box.Bottom)
		if part := area / (width * height); part > share {
			share, best = part, int(math.Round(72*math.Sqrt(float64(pixels.Width)*float64(pixels.Height)/area)))
		}
	}
	return best, nil
}

// Render draws the page in shades of grey. The image is a copy.
func (d *PDFiumDocument) Render(page, dpi, maxPixels int) (*image.Gray, int, error) {
	width, height, err := d.Size(page)
	if err != nil {
		return nil, 0, err
	}
	if pixels := width * height * float64(dpi*dpi) / (72 * 72); pixels > float64(maxPixels) {
		dpi = max(1, int(float64(dpi)*math.Sqrt(float64(maxPixels)/pixels)))
	}
	drawn, done, err := d.draw(page, dpi, requests.RenderImageFormatGrayscale)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	gray, ok := drawn.(*image.Gray)
	if !ok {
		return nil, 0, fmt.Errorf("%w: PDFium drew no grey image", ErrDamaged)
	}
	img := image.NewGray(image.Rect(0, 0, gray.Rect.Dx(), gray.Rect.Dy()))
	for y := range img.Rect.Dy() {
		copy(img.Pix[y*img.Stride:(y+1)*img.Stride], gray.Pix[y*gray.Stride:y*gray.Stride+img.Stride])
	}
	return img, dpi, nil
}

// Picture draws the page in colour. The image is a copy.
func (d *PDFiumDocument) Picture(page, side int) (*image.RGBA, error) {
	width, height, err := d.Size(page)
	if err != nil {
		return nil, err
	}
	// PDFium rounds the sides up.
	dpi := max(1, min(pictureDPI, int(72*float64(side-1)/max(width, height))))
	drawn, done, err := d.draw(page, dpi, requests.RenderImageFormatRGBA)
	if err != nil {
		return nil, err
	}
	defer done()
	img := image.NewRGBA(image.Rect(0, 0, drawn.Bounds().Dx(), drawn.Bounds().Dy()))
	draw.Draw(img, img.Rect, drawn, drawn.Bounds().Min, draw.Src)
	return img, nil
}

// pictureDPI is the highest resolution of a picture of a page, for small pages.
const pictureDPI = 300

// draw has PDFium draw the page into its own memory, which done frees.
func (d *PDFiumDocument) draw(page, dpi int, format requests.RenderImageFormat) (img image.Image, done func(), err error) {
	at, err := d.load(page)
	if err != nil {
		return nil, nil, err
	}
	drawn, err := d.pdfium.instance.RenderPageInDPI(&requests.RenderPageInDPI{
		Page: at, DPI: dpi, ImageFormat: format, RenderFlags: enums.FPDF_RENDER_FLAG_ANNOT,
	})
	if err != nil {
		return nil, nil, pageFault(err)
	}
	return drawn.Result.RenderedImage, drawn.Cleanup, nil
}
