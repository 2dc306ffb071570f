package worker

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// chained joins TIFF files of one image each into one file.
func chained(t *testing.T, images ...image.Image) []byte {
	t.Helper()
	var out []byte
	next := 4 // where the offset of the next image goes
	for i, img := range images {
		var b bytes.Buffer
		if err := tiff.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		order := byteOrder(data)
		base := uint32(len(out))
		directory := order.Uint32(data[4:])
		entries := int(order.Uint16(data[directory:]))
		for e := range entries {
			entry := data[int(directory)+2+12*e:]
			tag, kind, n := order.Uint16(entry), order.Uint16(entry[2:]), order.Uint32(entry[4:])
			size := map[uint16]uint32{1: 1, 2: 1, 3: 2, 4: 4, 5: 8}[kind] * n
			if size > 4 || tag == 273 { // an offset, or the strip's
				order.PutUint32(entry[8:], order.Uint32(entry[8:])+base)
			}
		}
		out = append(out, data...)
		if i > 0 {
			binary.LittleEndian.PutUint32(out[next:], base+directory)
		}
		next = int(base+directory) + 2 + 12*entries
	}
	return out
}

func grey(width, height int, level uint8) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = level
	}
	return img
}

func openBytes(t *testing.T, kind document.Kind, data []byte, maxPixels int) (*picture, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return openPicture(path, kind, maxPixels)
}

func TestWebPAndBMP(t *testing.T) {
	var b bytes.Buffer
	if err := bmp.Encode(&b, grey(30, 20, 100)); err != nil {
		t.Fatal(err)
	}
	dot, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	for kind, tc := range map[document.Kind]struct {
		data []byte
		size image.Point
	}{document.BMP: {b.Bytes(), image.Pt(30, 20)}, document.WebP: {dot, image.Pt(1, 1)}} {
		if got, ok := document.Sniff(tc.data); got != kind || !ok {
			t.Errorf("%s is told as %s", kind, got)
		}
		p, err := openBytes(t, kind, tc.data, 1000)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		img, _, err := p.page(0)
		if err != nil || img.Rect.Size() != tc.size {
			t.Errorf("%s: %v, %v", kind, img, err)
		}
		cut, err := openBytes(t, kind, tc.data[:len(tc.data)/2], 1000)
		if err == nil {
			_, _, err = cut.page(0)
		}
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s cut off: %v", kind, err)
		}
	}
	if _, err := openBytes(t, document.BMP, b.Bytes(), 500); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a BMP of too many pixels: %v", err)
	}
	if kind, ok := document.Sniff([]byte("BMA and BMW are names.")); kind != document.Text || !ok {
		t.Errorf("a text is told as %s", kind)
	}
}

func TestEveryImageOfATIFF(t *testing.T) {
	p, err := openBytes(t, document.TIFF, chained(t, grey(20, 10, 0), grey(30, 10, 100), grey(40, 10, 200)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if p.pages() != 3 {
		t.Fatalf("%d pages, want 3", p.pages())
	}
	for i, want := range []int{20, 30, 40} {
		img, _, err := p.page(i)
		if err != nil || img.Rect.Dx() != want || img.Pix[0] != uint8(100*i) {
			t.Errorf("page %d: %v, %v", i, img, err)
		}
	}
}

func TestTooManyPixels(t *testing.T) {
	p, err := openBytes(t, document.TIFF, chained(t, grey(50, 50, 0)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.page(0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestBlank(t *testing.T) {
	dot := grey(200, 200, 250)
	for x := range 4 {
		dot.Pix[dot.PixOffset(100+x, 100)] = 0
	}
	for name, tc := range map[string]struct {
		img  *image.Gray
		want bool
	}{
		"white": {grey(200, 200, 255), true},
		"grey":  {grey(200, 200, 180), true},
		"black": {grey(200, 200, 0), true},
		"a dot": {dot, false},
	} {
		if got := blank(tc.img); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A shrunk image keeps its sides' proportion and its colours; what is
// transparent is paper.
func TestShrunk(t *testing.T) {
	const side = 100
	for _, tc := range []struct {
		width, height int
		want          image.Point
	}{
		{200, 300, image.Pt(66, 100)},
		{300, 200, image.Pt(100, 66)},
		{100, 100, image.Pt(100, 100)},
		{99, 7, image.Pt(99, 7)},
		{1013, 761, image.Pt(100, 75)},
		{5000, 3, image.Pt(100, 1)},
	} {
		img := image.NewNRGBA(image.Rect(-7, 5, tc.width-7, tc.height+5))
		for y := range tc.height {
			for x := range tc.width {
				if x < tc.width/2 {
					img.SetNRGBA(x-7, y+5, color.NRGBA{uint8(x % 2 * 200), 40, 60, 255})
				}
			}
		}
		got := shrunk(img, side)
		if got.Rect.Size() != tc.want {
			t.Errorf("%d by %d became %v, want %v", tc.width, tc.height, got.Rect.Size(), tc.want)
		}
		right := got.RGBAAt(tc.want.X-1, tc.want.Y-1)
		left := got.RGBAAt(0, 0)
		if right != (color.RGBA{255, 255, 255, 255}) || left.G != 40 || left.B != 60 {
			t.Errorf("%d by %d: %v at the left, %v at the right", tc.width, tc.height, left, right)
		}
		if tc.width == 200 && left.R != 100 && left.R != 66 && left.R != 133 {
			t.Errorf("the mean of 0 and 200 is %d", left.R)
		}
	}
}

func FuzzTIFFOffsets(f *testing.F) {
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x08"))
	f.Fuzz(func(t *testing.T, data []byte) {
		offsets, err := tiffOffsets(data)
		if (err == nil) == (len(offsets) == 0) {
			t.Errorf("%v, %v", offsets, err)
		}
	})
}
