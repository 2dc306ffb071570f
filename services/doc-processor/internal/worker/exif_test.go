package worker

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"signpost.internal/services/doc-processor/internal/document"
)

// withOrientation puts Exif with the orientation into a JPEG file.
func withOrientation(t testing.TB, file []byte, order binary.ByteOrder, value uint16) []byte {
	t.Helper()
	mark := map[binary.ByteOrder]string{binary.BigEndian: "MM\x00*", binary.LittleEndian: "II*\x00"}[order]
	tiff := []byte(mark + "\x00\x00\x00\x00\x00\x00")
	order.PutUint32(tiff[4:], 8)
	order.PutUint16(tiff[8:], 1)
	entry := make([]byte, 16)
	order.PutUint16(entry, 0x0112)
	order.PutUint16(entry[2:], 3)
	order.PutUint32(entry[4:], 1)
	order.PutUint16(entry[8:], value)
	body := append(append([]byte("Exif\x00\x00"), tiff...), entry...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(body)+2))
	return bytes.Join([][]byte{file[:2], segment, body, file[2:]}, nil)
}

// A picture with a dark corner at the top left comes out with it there, however
// the camera was held.
func TestOrientation(t *testing.T) {
	want := image.NewGray(image.Rect(0, 0, 32, 16))
	for i := range want.Pix {
		want.Pix[i] = 255
	}
	for y := range 8 {
		for x := range 8 {
			want.SetGray(x, y, color.Gray{})
		}
	}
	// How the sensor has a point of the scene, for each orientation.
	sensor := map[uint16]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return 31 - x, y },
		3: func(x, y int) (int, int) { return 31 - x, 15 - y },
		4: func(x, y int) (int, int) { return x, 15 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, 31 - x },
		7: func(x, y int) (int, int) { return 15 - y, 31 - x },
		8: func(x, y int) (int, int) { return 15 - y, x },
	}
	for value, place := range sensor {
		size := image.Rect(0, 0, 32, 16)
		if value >= 5 {
			size = image.Rect(0, 0, 16, 32)
		}
		raw := image.NewGray(size)
		for y := range 16 {
			for x := range 32 {
				px, py := place(x, y)
				raw.SetGray(px, py, want.GrayAt(x, y))
			}
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, raw, &jpeg.Options{Quality: 100}); err != nil {
			t.Fatal(err)
		}
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			p := &picture{data: withOrientation(t, file.Bytes(), order, value), kind: document.JPEG, maxPixels: 1000}
			got, _, err := p.page(0)
			if err != nil {
				t.Fatal(err)
			}
			if got.Rect != want.Rect || got.GrayAt(1, 1).Y > 60 || got.GrayAt(30, 1).Y < 200 || got.GrayAt(1, 14).Y < 200 {
				t.Errorf("orientation %d, %v: %v, corners %d %d %d", value, order, got.Rect, got.GrayAt(1, 1).Y, got.GrayAt(30, 1).Y, got.GrayAt(1, 14).Y)
			}
		}
	}
}

func FuzzOrientation(f *testing.F) {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(withOrientation(f, file.Bytes(), binary.BigEndian, 6))
	f.Add(withOrientation(f, file.Bytes(), binary.LittleEndian, 9))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o := orientation(data); o < 1 || o > 8 {
			t.Errorf("%d", o)
		}
	})
}
