package straighten

import "image"

// Enlarge returns the image larger by a whole factor, smoothly.
func Enlarge(img *image.Gray, factor int) *image.Gray {
	if factor <= 1 {
		return img
	}
	wide, high := img.Rect.Dx(), img.Rect.Dy()
	out := image.NewGray(image.Rect(0, 0, wide*factor, high*factor))
	// Each pixel lies between two of the original, in steps of half a new pixel.
	step := 2 * factor
	for y := range out.Rect.Dy() {
		top, fy := between(2*y+1-factor, step, high)
		above, below := img.Pix[top*img.Stride:], img.Pix[min(top+1, high-1)*img.Stride:]
		row := out.Pix[y*out.Stride : (y+1)*out.Stride]
		for x := range row {
			left, fx := between(2*x+1-factor, step, wide)
			right := min(left+1, wide-1)
			a := int(above[left])*(step-fx) + int(above[right])*fx
			b := int(below[left])*(step-fx) + int(below[right])*fx
			row[x] = uint8((a*(step-fy) + b*fy) / (step * step))
		}
	}
	return out
}

// between is the pixel before a place given in steps, and how many steps after it
// the place is.
func between(at, step, size int) (pixel, after int) {
	if at <= 0 {
		return 0, 0
	}
	if at/step >= size-1 {
		return size - 1, 0
	}
	return at / step, at % step
}
