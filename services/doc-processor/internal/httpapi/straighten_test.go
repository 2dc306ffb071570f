package httpapi_test

import (
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"math"
	"net/http"
	"testing"

	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/straighten"
)

// skew returns the page with lines that rise to the right by so many degrees.
func skew(page *image.Gray, degrees float64) *image.Gray {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	w, h := float64(page.Rect.Dx())/2, float64(page.Rect.Dy())/2
	out := image.NewGray(page.Rect)
	for y := range page.Rect.Dy() {
		for x := range page.Rect.Dx() {
			dx, dy := float64(x)-w, float64(y)-h
			fx, fy := w+dx*cos-dy*sin, h+dx*sin+dy*cos
			left, top := math.Floor(fx), math.Floor(fy)
			level := 0.0
			for _, near := range []struct{ x, y, share float64 }{
				{left, top, (1 - fx + left) * (1 - fy + top)},
				{left + 1, top, (fx - left) * (1 - fy + top)},
				{left, top + 1, (1 - fx + left) * (fy - top)},
				{left + 1, top + 1, (fx - left) * (fy - top)},
			} {
				v := uint8(255) // beside the page
				if at := image.Pt(int(near.x), int(near.y)); at.In(page.Rect) {
					v = page.GrayAt(at.X, at.Y).Y
				}
				level += near.share * float64(v)
			}
			out.Pix[y*out.Stride+x] = uint8(level)
		}
	}
	return out
}

// A page on its side, upside down or askew is read as well as a level one, and
// says what was done.
func TestTurnedScanIsRead(t *testing.T) {
	want, data := manual(t, samplemanuals.Text)
	h := newServer(t, nil)
	at := post(h, formTo(t, "/jobs", file{"file", "a.pdf", data})).Header().Get("Location")
	drawn, err := png.Decode(request(t, h, http.MethodGet, at+"/pages/2.png", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	page := image.NewGray(drawn.Bounds())
	draw.Draw(page, page.Rect, drawn, page.Rect.Min, draw.Src)
	for name, turned := range map[string]*image.Gray{
		"left":                  straighten.Turn(page, 1),
		"upside down":           straighten.Turn(page, 2),
		"right":                 straighten.Turn(page, 3),
		"askew":                 skew(page, 4),
		"askew and upside down": straighten.Turn(skew(page, -7), 2),
	} {
		var encoded bytes.Buffer
		if err := png.Encode(&encoded, turned); err != nil {
			t.Fatal(err)
		}
		got := process(t, h, file{"file", "a.png", encoded.Bytes()})
		// The picture has 115 dpi.
		if rate := errorRate(want.Pages[1:2], got); rate > 0.10 {
			t.Errorf("%s: word error rate %.3f", name, rate)
		}
		if len(got.PageResults[0].Prepared) == 0 {
			t.Errorf("%s: nothing said", name)
		}
	}
}
