package straighten

import (
	"image"
	"math"
)

// Enlarge returns the image larger by a whole factor, with edges as sharp as they
// were (R. Keys, "Cubic convolution interpolation", 1981).
func Enlarge(img *image.Gray, factor int) *image.Gray {
	if factor <= 1 {
		return img
	}
	wide, high := img.Rect.Dx(), img.Rect.Dy()
	taps := tapsOf(factor)
	across := image.NewGray(image.Rect(0, 0, wide*factor, high))
	for y := range high {
		from, to := img.Pix[y*img.Stride:y*img.Stride+wide], across.Pix[y*across.Stride:]
		for x := range wide {
			for phase, t := range taps {
				to[x*factor+phase] = t.of(func(n int) uint8 { return from[min(max(x+n, 0), wide-1)] })
			}
		}
	}
	out := image.NewGray(image.Rect(0, 0, wide*factor, high*factor))
	for y := range high {
		for phase, t := range taps {
			row := out.Pix[(y*factor+phase)*out.Stride:]
			for x := range across.Stride {
				row[x] = t.of(func(n int) uint8 { return across.Pix[min(max(y+n, 0), high-1)*across.Stride+x] })
			}
		}
	}
	return out
}

// taps are the weights, in 256ths, of the four pixels about a new one, of which the
// first is so many before the one it lies in.
type taps struct {
	first   int
	weights [4]int
}

func (t taps) of(pixel func(n int) uint8) uint8 {
	sum := 128
	for i, w := range t.weights {
		sum += w * int(pixel(t.first+i))
	}
	return uint8(max(0, min(255, sum>>8)))
}

// tapsOf returns the taps of each of the new pixels that one becomes.
func tapsOf(factor int) []taps {
	all := make([]taps, factor)
	for phase := range all {
		at := (float64(phase)+0.5)/float64(factor) - 0.5
		whole := math.Floor(at)
		all[phase].first = int(whole) - 1
		all[phase].weights = weightsAt(at - whole)
	}
	return all
}

// weightsAt are the weights, in 256ths, of the four pixels about a place that is so
// far from the second to the third.
func weightsAt(place float64) (weights [4]int) {
	for i := range weights {
		d := math.Abs(place + 1 - float64(i))
		w := 0.0
		switch {
		case d < 1:
			w = 1.5*d*d*d - 2.5*d*d + 1
		case d < 2:
			w = -0.5*d*d*d + 2.5*d*d - 4*d + 2
		}
		weights[i] = int(math.Round(256 * w))
	}
	return weights
}
