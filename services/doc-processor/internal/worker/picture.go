package worker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// maxPictures bounds the images of one TIFF file.
const maxPictures = 10000

// picture is an open image file.
type picture struct {
	data      []byte
	kind      document.Kind
	maxPixels int
	offsets   []uint32 // of a TIFF file's images
}

// openPicture checks the file's first image, without decoding it.
func openPicture(path string, kind document.Kind, maxPixels int) (*picture, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the spooled file: %w", err)
	}
	p := &picture{data: data, kind: kind, maxPixels: maxPixels}
	if kind == document.TIFF {
		if p.offsets, err = tiffOffsets(data); err != nil {
			return nil, err
		}
		return p, nil // each of its images is checked by itself
	}
	return p, p.check(p.at(0))
}

func (p *picture) pages() int {
	if p.kind == document.TIFF {
		return len(p.offsets)
	}
	return 1
}

// page decodes one image into shades of grey, and guesses its resolution.
func (p *picture) page(n int) (*image.Gray, int, error) {
	img, err := p.load(n)
	if err != nil {
		return nil, 0, err
	}
	bounds := img.Bounds()
	gray := image.NewGray(image.Rect(0, 0, bounds.Dx(), bounds.Dy()))
	draw.Draw(gray, gray.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(gray, gray.Rect, img, bounds.Min, draw.Over)
	// The side of an A4 page is as good a guess as what cameras and scanners
	// write into their files.
	const a4Width = 8.27
	dpi := int(float64(min(bounds.Dx(), bounds.Dy())) / a4Width)
	return gray, max(70, min(600, dpi)), nil
}

// load checks and decodes one image.
func (p *picture) load(n int) (image.Image, error) {
	if n < 0 || n >= p.pages() {
		return nil, fault.New(fault.Invalid, "The file has no such page.")
	}
	if err := p.check(p.at(n)); err != nil {
		return nil, err
	}
	img, err := p.decode(p.at(n))
	if err != nil {
		return nil, pictureFault(err)
	}
	if p.kind == document.JPEG {
		img = upright(img, orientation(p.data))
	}
	return img, nil
}

// shrunk returns the image in colour on white paper, at most side pixels long
// and wide: each pixel is the mean of those it stands for. Only a strip of the
// original is held beside the original.
func shrunk(img image.Image, side int) *image.RGBA {
	from := img.Bounds()
	width, height := from.Dx(), from.Dy()
	if longest := max(width, height); longest > side {
		width, height = max(1, width*side/longest), max(1, height*side/longest)
	}
	// Column x of the small image stands for columns edges[x] to edges[x+1].
	edges := make([]int, width+1)
	for x := range edges {
		edges[x] = x * from.Dx() / width
	}
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	strip := image.NewRGBA(image.Rect(0, 0, from.Dx(), from.Dy()/height+1))
	for y := range height {
		top, bottom := y*from.Dy()/height, (y+1)*from.Dy()/height
		rows := image.Rect(0, 0, from.Dx(), bottom-top)
		draw.Draw(strip, rows, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, rows, img, from.Min.Add(image.Pt(0, top)), draw.Over)
		for x := range width {
			var red, green, blue int
			for row := range bottom - top {
				line := strip.Pix[row*strip.Stride+4*edges[x] : row*strip.Stride+4*edges[x+1]]
				for ; len(line) > 0; line = line[4:] {
					red, green, blue = red+int(line[0]), green+int(line[1]), blue+int(line[2])
				}
			}
			n := (bottom - top) * (edges[x+1] - edges[x])
			small.SetRGBA(x, y, color.RGBA{uint8(red / n), uint8(green / n), uint8(blue / n), 255})
		}
	}
	return small
}

// at returns the file as if it had its n-th image only.
func (p *picture) at(n int) *bytes.Reader {
	if p.kind != document.TIFF {
		return bytes.NewReader(p.data)
	}
	data := bytes.Clone(p.data)
	byteOrder(data).PutUint32(data[4:], p.offsets[n])
	return bytes.NewReader(data)
}

// check looks at an image's size before it is decoded.
func (p *picture) check(r io.Reader) error {
	var (
		config image.Config
		err    error
	)
	switch p.kind {
	case document.PNG:
		config, err = png.DecodeConfig(r)
	case document.JPEG:
		config, err = jpeg.DecodeConfig(r)
	case document.WebP:
		config, err = webp.DecodeConfig(r)
	case document.BMP:
		config, err = bmp.DecodeConfig(r)
	default:
		config, err = tiff.DecodeConfig(r)
	}
	if err != nil {
		return pictureFault(err)
	}
	if config.Width <= 0 || config.Height <= 0 {
		return fault.New(fault.Invalid, "The image has no pixels.")
	}
	if config.Width > p.maxPixels/config.Height {
		return fault.Newf(fault.Invalid, "The image is %d by %d pixels; images of at most %d million pixels are accepted.",
			config.Width, config.Height, p.maxPixels/1_000_000)
	}
	return nil
}

func (p *picture) decode(r io.Reader) (image.Image, error) {
	switch p.kind {
	case document.PNG:
		return png.Decode(r)
	case document.JPEG:
		return jpeg.Decode(r)
	case document.WebP:
		return webp.Decode(r)
	case document.BMP:
		return bmp.Decode(r)
	default:
		return tiff.Decode(r)
	}
}

func pictureFault(err error) error {
	return fault.Wrap(fault.Invalid, err, "The image is damaged, cut off or of a variant that is not read. Send a whole PNG, baseline or progressive JPEG, WebP, BMP, or TIFF without JPEG compression.")
}

func byteOrder(tiff []byte) binary.ByteOrder {
	if tiff[0] == 'M' {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// tiffOffsets walks the chain of a TIFF file's images (TIFF 6.0, section 2:
// each image file directory ends with the offset of the next).
func tiffOffsets(data []byte) ([]uint32, error) {
	const entry = 12
	if len(data) < 8 {
		return nil, pictureFault(io.ErrUnexpectedEOF)
	}
	order := byteOrder(data)
	var offsets []uint32
	seen := map[uint32]bool{}
	for at := order.Uint32(data[4:]); at != 0; {
		if seen[at] {
			return nil, pictureFault(fmt.Errorf("its images form a loop"))
		}
		if len(offsets) == maxPictures {
			return nil, fault.Newf(fault.Invalid, "The TIFF holds more than the %d images that are accepted.", maxPictures)
		}
		if uint64(at)+2 > uint64(len(data)) {
			return nil, pictureFault(io.ErrUnexpectedEOF)
		}
		next := uint64(at) + 2 + entry*uint64(order.Uint16(data[at:]))
		if next+4 > uint64(len(data)) {
			return nil, pictureFault(io.ErrUnexpectedEOF)
		}
		seen[at] = true
		offsets = append(offsets, at)
		at = order.Uint32(data[next:])
	}
	if len(offsets) == 0 {
		return nil, fault.New(fault.Invalid, "The TIFF holds no image.")
	}
	return offsets, nil
}

// Ink, for telling a blank page: a pixel this much darker than the paper, and
// so large a share of such pixels.
const (
	inkContrast = 64
	inkShare    = 1.0 / 50000
)

// blank reports whether the image shows nothing but paper.
func blank(img *image.Gray) bool {
	var levels [256]int
	for y := range img.Rect.Dy() {
		for _, v := range img.Pix[y*img.Stride : y*img.Stride+img.Rect.Dx()] {
			levels[v]++
		}
	}
	all := img.Rect.Dx() * img.Rect.Dy()
	paper := 0
	for level, n := range levels {
		if n > levels[paper] {
			paper = level
		}
	}
	// Ink may be darker than the paper or, on a dark page, lighter.
	ink := 0
	for level, n := range levels {
		if level < paper-inkContrast || level > paper+inkContrast {
			ink += n
		}
	}
	return float64(ink) < inkShare*float64(all)
}
