package worker

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/draw"
)

// orientation reads from a JPEG file how the camera was held (Exif 2.32, tag
// 0x0112): 1 for upright, also when the file does not say.
func orientation(data []byte) int {
	const upright = 1
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		marker, length := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		if marker == 0xda || length < 2 || at+2+length > len(data) { // the image begins
			return upright
		}
		segment := data[at+4 : at+2+length]
		if exif, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return exifOrientation(exif)
		}
		at += 2 + length
	}
	return upright
}

// exifOrientation looks the tag up in the first directory of Exif's TIFF.
func exifOrientation(exif []byte) int {
	const (
		upright = 1
		tag     = 0x0112
		entry   = 12
	)
	if len(exif) < 8 {
		return upright
	}
	order := byteOrder(exif)
	at := int64(order.Uint32(exif[4:]))
	if at+2 > int64(len(exif)) {
		return upright
	}
	entries := int64(order.Uint16(exif[at:]))
	for n := range entries {
		e := at + 2 + n*entry
		if e+entry > int64(len(exif)) {
			return upright
		}
		if order.Uint16(exif[e:]) != tag {
			continue
		}
		if value := int(order.Uint16(exif[e+8:])); value >= 1 && value <= 8 {
			return value
		}
		return upright
	}
	return upright
}

// upright turns and mirrors the image so that it stands as the camera saw it.
func upright(img image.Image, orientation int) image.Image {
	if orientation <= 1 || orientation > 8 {
		return img
	}
	from := img.Bounds()
	w, h := from.Dx(), from.Dy()
	source := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(source, source.Rect, img, from.Min, draw.Src)
	width, height := w, h
	if orientation >= 5 {
		width, height = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			copy(out.Pix[ty*out.Stride+4*tx:][:4], source.Pix[y*source.Stride+4*x:][:4])
		}
	}
	return out
}
