package samplepost

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"strings"
)

// Damage is what happens to a page between the printer and the reader.
type Damage func(*image.Gray) *image.Gray

// Scanned is what an office scanner makes of a page: grey paper, soft edges and
// a little noise.
func Scanned(img *image.Gray) *image.Gray { return noise(levels(blur(img), 28, 247), 4, 0, 1) }

// Skewed lays the page askew: its lines rise by so many degrees to the right.
func Skewed(degrees float64) Damage {
	return func(img *image.Gray) *image.Gray {
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		w, h := float64(img.Rect.Dx())/2, float64(img.Rect.Dy())/2
		return warp(img, img.Rect, 250, func(x, y float64) (float64, float64) {
			x, y = x-w, y-h
			return w + x*cos - y*sin, h + x*sin + y*cos
		})
	}
}

// Turned turns the page by quarters, clockwise.
func Turned(quarters int) Damage {
	return func(img *image.Gray) *image.Gray {
		for range quarters {
			w, h := img.Rect.Dx(), img.Rect.Dy()
			turned := image.NewGray(image.Rect(0, 0, h, w))
			for y := range h {
				for x := range w {
					turned.Pix[x*turned.Stride+h-1-y] = img.Pix[y*img.Stride+x]
				}
			}
			img = turned
		}
		return img
	}
}

// Noisy is a bad sensor's or a copy of a copy's page: grain and specks.
func Noisy(grain float64, specks float64) Damage {
	return func(img *image.Gray) *image.Gray { return noise(levels(blur(img), 40, 235), grain, specks, 2) }
}

// Faint is a page from a printer without toner.
func Faint(img *image.Gray) *image.Gray { return noise(levels(blur(img), 178, 238), 5, 0, 3) }

// Faxed has black and white only, after dots were lost.
func Faxed(img *image.Gray) *image.Gray {
	out := noise(blur(img), 24, 0.002, 4)
	for i, v := range out.Pix {
		if out.Pix[i] = 0; v > 128 {
			out.Pix[i] = 255
		}
	}
	return out
}

// Photographed is the page on a table, seen from an angle by a camera in uneven light.
func Photographed(seed uint64) Damage {
	return func(img *image.Gray) *image.Gray {
		r := rand.New(rand.NewPCG(seed, 7))
		w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
		wide, high := int(w*1.18), int(h*1.14)
		off := func(size float64) float64 { return (0.02 + 0.05*r.Float64()) * size }
		m := square([8]float64{
			off(w) + 0.03*w, off(h), float64(wide) - off(w), off(h) + 0.01*h,
			float64(wide) - off(w) - 0.01*w, float64(high) - off(h), off(w), float64(high) - off(h) - 0.01*h,
		})
		out := warp(img, image.Rect(0, 0, wide, high), 0, func(x, y float64) (float64, float64) {
			u, v := m.back(x, y)
			if u < 0 || v < 0 || u > 1 || v > 1 {
				return -10, -10
			}
			return u * w, v * h
		})
		angle, fall := r.Float64()*2*math.Pi, 0.35+0.2*r.Float64()
		sin, cos := math.Sincos(angle)
		for y := range high {
			for x := range wide {
				i := y*out.Stride + x
				v := float64(out.Pix[i])
				if v == 0 {
					v = 70 + 12*math.Sin(float64(x)/37)*math.Cos(float64(y)/53) // the table
				}
				light := 0.95 - fall*(0.5+0.5*(cos*(2*float64(x)/float64(wide)-1)+sin*(2*float64(y)/float64(high)-1))/1.5)
				out.Pix[i] = uint8(max(0, min(255, v*light)))
			}
		}
		return noise(blur(out), 5, 0, seed)
	}
}

// Shaded is a page that fills the picture, with a hand's shadow across it.
func Shaded(img *image.Gray) *image.Gray {
	out := levels(img, 20, 240)
	w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			i := y*out.Stride + x
			d := (float64(x)/w + 0.6*float64(y)/h - 0.85) * 9
			out.Pix[i] = uint8(float64(out.Pix[i]) * (0.42 + 0.55/(1+math.Exp(-d))))
		}
	}
	return noise(blur(out), 5, 0, 5)
}

// Stamped has a stamp across it, at an angle.
func Stamped(img *image.Gray) *image.Gray {
	out := image.NewGray(img.Rect)
	draw.Draw(out, out.Rect, img, image.Point{}, draw.Src)
	w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	sin, cos := math.Sincos(-0.2)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			dx, dy := float64(x)-0.72*w, float64(y)-0.3*h
			u, v := math.Abs(dx*cos-dy*sin), math.Abs(dx*sin+dy*cos)
			if edge := 0.004 * w; u < 0.16*w && v < 0.05*w && (u > 0.16*w-edge || v > 0.05*w-edge) {
				out.SetGray(x, y, color.Gray{Y: 120})
			}
		}
	}
	return Scanned(out)
}

// Apply damages a page in turn.
func Apply(img *image.Gray, damages ...Damage) *image.Gray {
	for _, d := range damages {
		img = d(img)
	}
	return img
}

func levels(img *image.Gray, black, white float64) *image.Gray {
	out := image.NewGray(img.Rect)
	for i, v := range img.Pix {
		out.Pix[i] = uint8(black + float64(v)*(white-black)/255)
	}
	return out
}

// blur averages each pixel with its neighbours, twice as much weight on itself.
func blur(img *image.Gray) *image.Gray {
	out := image.NewGray(img.Rect)
	copy(out.Pix, img.Pix)
	w := img.Stride
	for y := 1; y < img.Rect.Dy()-1; y++ {
		for x := 1; x < img.Rect.Dx()-1; x++ {
			i := y*w + x
			sum := 4 * int(img.Pix[i])
			for _, n := range [...]int{i - 1, i + 1, i - w, i + w} {
				sum += 2 * int(img.Pix[n])
			}
			for _, n := range [...]int{i - w - 1, i - w + 1, i + w - 1, i + w + 1} {
				sum += int(img.Pix[n])
			}
			out.Pix[i] = uint8(sum / 16)
		}
	}
	return out
}

func noise(img *image.Gray, grain, specks float64, seed uint64) *image.Gray {
	r := rand.New(rand.NewPCG(seed, 11))
	out := image.NewGray(img.Rect)
	for i, v := range img.Pix {
		w := float64(v) + grain*r.NormFloat64()
		if specks > 0 {
			switch p := r.Float64(); {
			case p < specks/2:
				w = 0
			case p < specks:
				w = 255
			}
		}
		out.Pix[i] = uint8(max(0, min(255, w)))
	}
	return out
}

// warp fills the rectangle from where the function says; beside the image there is paper.
func warp(img *image.Gray, r image.Rectangle, paper uint8, from func(x, y float64) (float64, float64)) *image.Gray {
	out := image.NewGray(r)
	for y := range r.Dy() {
		for x := range r.Dx() {
			fx, fy := from(float64(x), float64(y))
			x0, y0 := int(math.Floor(fx)), int(math.Floor(fy))
			v := float64(paper)
			if x0 >= 0 && y0 >= 0 && x0+1 < img.Rect.Dx() && y0+1 < img.Rect.Dy() {
				i := y0*img.Stride + x0
				a, b := fx-float64(x0), fy-float64(y0)
				v = (float64(img.Pix[i])*(1-a)+float64(img.Pix[i+1])*a)*(1-b) + (float64(img.Pix[i+img.Stride])*(1-a)+float64(img.Pix[i+img.Stride+1])*a)*b
			}
			out.Pix[y*out.Stride+x] = uint8(v)
		}
	}
	return out
}

// projection maps the unit square onto a quadrilateral.
type projection [8]float64

// square returns the projection onto the corners, clockwise from the top left.
func square(q [8]float64) projection {
	dx1, dx2, dx3 := q[2]-q[4], q[6]-q[4], q[0]-q[2]+q[4]-q[6]
	dy1, dy2, dy3 := q[3]-q[5], q[7]-q[5], q[1]-q[3]+q[5]-q[7]
	det := dx1*dy2 - dx2*dy1
	g, h := (dx3*dy2-dx2*dy3)/det, (dx1*dy3-dx3*dy1)/det
	return projection{q[2] - q[0] + g*q[2], q[6] - q[0] + h*q[6], q[0], q[3] - q[1] + g*q[3], q[7] - q[1] + h*q[7], q[1], g, h}
}

// back solves x = (au+bv+c)/(gu+hv+1), y = (du+ev+f)/(gu+hv+1) for u and v.
func (m projection) back(x, y float64) (u, v float64) {
	a, b, c := m[0]-m[6]*x, m[1]-m[7]*x, x-m[2]
	d, e, f := m[3]-m[6]*y, m[4]-m[7]*y, y-m[5]
	det := a*e - b*d
	return (c*e - b*f) / det, (a*f - c*d) / det
}

// ScanPDF makes a PDF of page images. The hidden text of each page, if any, lies
// under its image as an OCR program's would.
func ScanPDF(pages []*image.Gray, hidden []string) ([]byte, error) {
	var kids strings.Builder
	objects := []string{"<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"}
	for i, img := range pages {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 70}); err != nil {
			return nil, fmt.Errorf("encode page %d: %w", i+1, err)
		}
		w, h := pageWidth, pageHeight
		if img.Rect.Dx() > img.Rect.Dy() {
			w, h = h, w
		}
		content := fmt.Sprintf("q %.2f 0 0 %.2f 0 0 cm /Im Do Q", w, h)
		if i < len(hidden) && hidden[i] != "" {
			content += "\nBT 3 Tr /F 8 Tf 9.5 TL 50 790 Td"
			for _, line := range strings.Split(hidden[i], "\n") {
				content += " (" + strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(line) + ") Tj T*"
			}
			content += " ET"
		}
		n := len(objects) + 1
		fmt.Fprintf(&kids, "%d 0 R ", n)
		objects = append(objects,
			fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 %.2f %.2f]/Contents %d 0 R/Resources<</XObject<</Im %d 0 R>>/Font<</F 3 0 R>>>>>>", w, h, n+1, n+2),
			fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content),
			fmt.Sprintf("<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode/Length %d>>\nstream\n%s\nendstream",
				img.Rect.Dx(), img.Rect.Dy(), b.Len(), b.Bytes()))
	}
	objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d>>", kids.String(), len(pages))
	var out bytes.Buffer
	out.WriteString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&out, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return out.Bytes(), nil
}
