package pdftext_test

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"

	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/layout"
	"signpost.internal/services/doc-processor/internal/pdftext"
	"signpost.internal/services/doc-processor/internal/workertest"
)

// theMachine is set once by TestMain.
var theMachine workertest.Machine

func TestMain(m *testing.M) {
	// The cache is filled by a program without the race detector, which would
	// take a minute over it.
	machine, remove, err := workertest.Prepare()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	theMachine = machine
	code := m.Run()
	remove()
	os.Exit(code)
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// made is a PDF with one page made by draw, in a standard font.
func made(t *testing.T, draw func(*fpdf.Fpdf)) string {
	t.Helper()
	pdf := fpdf.New("P", "pt", "A4", "")
	pdf.AddPage()
	pdf.SetFont("Helvetica", "", 11)
	draw(pdf)
	path := filepath.Join(t.TempDir(), "file")
	if err := pdf.OutputFileAndClose(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func rendered(t *testing.T, form samplemanuals.Form) string {
	t.Helper()
	markdown, err := os.ReadFile("../../../../docs/manuals/bankruptcy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, data, err := samplemanuals.Render(string(markdown), form)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, data)
}

func textOf(t *testing.T, r pdftext.Reader, path string) string {
	t.Helper()
	d, err := r.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	glyphs, err := d.Glyphs(0)
	if err != nil {
		t.Fatal(err)
	}
	return layout.Text(glyphs)
}

// runSuite is what every reader has to do. except lists the cases that a
// reader is known not to manage.
func runSuite(t *testing.T, r pdftext.Reader, except ...string) {
	cases := map[string]func(t *testing.T){
		"words and lines": func(t *testing.T) {
			got := textOf(t, r, made(t, func(p *fpdf.Fpdf) {
				p.MultiCell(300, 14, "The client owes £1,500.50 to three creditors and has been sent a notice of enforcement that gives seven clear days.", "", "L", false)
			}))
			want := "The client owes £1,500.50 to three creditors and has been sent a notice of enforcement that gives seven clear days."
			if strings.ReplaceAll(got, "Â", "") != want {
				t.Errorf("got %q", got)
			}
		},
		"two columns": func(t *testing.T) {
			got := textOf(t, r, made(t, func(p *fpdf.Fpdf) {
				for column, word := range []string{"left", "right"} {
					for i := range 8 {
						p.Text(50+250*float64(column), 100+14*float64(i), fmt.Sprintf("the %s column at line %d", word, i))
					}
				}
			}))
			if at := strings.Index(got, "right"); at < 0 || strings.Contains(got[at:], "left") || strings.Count(got, "column") != 16 {
				t.Errorf("got %q", got)
			}
		},
		"hyphen": func(t *testing.T) {
			got := textOf(t, r, made(t, func(p *fpdf.Fpdf) {
				p.Text(50, 100, "the terms of the repay-")
				p.Text(50, 114, "ment have been agreed")
			}))
			if got != "the terms of the repay\u00adment have been agreed" {
				t.Errorf("got %q", got)
			}
		},
		"order by place": func(t *testing.T) {
			got := textOf(t, r, made(t, func(p *fpdf.Fpdf) {
				p.Text(50, 114, "comes second here")
				p.Text(50, 100, "What was drawn last")
			}))
			if got != "What was drawn last comes second here" {
				t.Errorf("got %q", got)
			}
		},
		"turned text": func(t *testing.T) {
			got := textOf(t, r, made(t, func(p *fpdf.Fpdf) {
				p.TransformBegin()
				p.TransformRotate(90, 300, 400)
				p.Text(200, 400, "What lies on its side")
				p.Text(200, 414, "still reads in order")
				p.TransformEnd()
			}))
			if got != "What lies on its side still reads in order" {
				t.Errorf("got %q", got)
			}
		},
		"lost ligatures": func(t *testing.T) {
			got := textOf(t, r, rendered(t, samplemanuals.Ligatures))
			if !strings.Contains(got, "o\ufffdcial") {
				t.Errorf("no mark in %q", got)
			}
		},
		"no text layer": func(t *testing.T) {
			if got := textOf(t, r, rendered(t, samplemanuals.Scan)); got != "" {
				t.Errorf("got %q", got)
			}
		},
		"encrypted": func(t *testing.T) {
			data, err := samplemanuals.OddEncrypted("secret")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Open(write(t, data)); !errors.Is(err, pdftext.ErrEncrypted) {
				t.Errorf("got %v, want ErrEncrypted", err)
			}
		},
		"damaged": func(t *testing.T) {
			if _, err := r.Open(write(t, []byte("%PDF-1.7\nnothing\n%%EOF\n"))); !errors.Is(err, pdftext.ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		},
	}
	for name, run := range cases {
		if !slices.Contains(except, name) {
			t.Run(name, run)
		}
	}
}

func TestPDFium(t *testing.T) {
	r, err := pdftext.OpenPDFium(t.Context(), theMachine.CacheDir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	runSuite(t, r)
}

func TestLedongthuc(t *testing.T) {
	runSuite(t, pdftext.Ledongthuc{}, "turned text")
}

func TestRenderAndPictured(t *testing.T) {
	r, err := pdftext.OpenPDFium(t.Context(), theMachine.CacheDir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for form, pictured := range map[samplemanuals.Form]bool{samplemanuals.Scan: true, samplemanuals.Text: false} {
		d, err := r.OpenDocument(rendered(t, form))
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Artwork(0)
		if err != nil || got.Pictured() != pictured || got.Figures() != pictured {
			t.Errorf("%s: %+v, %v", form, got, err)
		}
		img, dpi, err := d.Render(0, 300, 1_000_000)
		if err != nil || dpi >= 300 || img.Rect.Dx()*img.Rect.Dy() > 1_020_000 {
			t.Errorf("%s: %v at %d dpi, %v", form, img.Rect, dpi, err)
		}
		picture, err := d.Picture(0, 500)
		if err != nil || picture.Rect.Dy() > 500 || picture.Rect.Dy() < 480 {
			t.Errorf("%s: a picture of %v, %v", form, picture.Rect, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Links lead to addresses, not to scripts; words have their places on the page as it
// is shown.
func TestLinksAndFrame(t *testing.T) {
	r, err := pdftext.OpenPDFium(t.Context(), theMachine.CacheDir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d, err := r.OpenDocument(made(t, func(p *fpdf.Fpdf) {
		p.Text(59.5, 84.2, "Ask the charity")
		p.LinkString(59, 70, 100, 20, "https://a.example/help")
		p.LinkString(59, 170, 100, 20, "javascript:alert(1)")
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	links, err := d.Links(0)
	if err != nil || len(links) != 1 || links[0].URL != "https://a.example/help" || links[0].Right-links[0].Left < 99 {
		t.Errorf("%+v, %v", links, err)
	}
	glyphs, err := d.Glyphs(0)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := d.Frame(0)
	if err != nil {
		t.Fatal(err)
	}
	words := layout.GlyphWords(glyphs)
	if len(words) != 3 || words[2].Text != "charity" {
		t.Fatalf("%+v", words)
	}
	if x, y := frame.Shown(words[0].Left, words[0].Bottom); x < 0.09 || x > 0.11 || y < 0.09 || y > 0.11 {
		t.Errorf("the first word stands at %.3f, %.3f", x, y)
	}
}

// Pictures have the page's colours.
func TestPictureColours(t *testing.T) {
	r, err := pdftext.OpenPDFium(t.Context(), theMachine.CacheDir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d, err := r.OpenDocument(made(t, func(p *fpdf.Fpdf) {
		p.SetFillColor(200, 30, 10)
		p.Rect(0, 0, 300, 842, "F")
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	picture, err := d.Picture(0, 842)
	if err != nil {
		t.Fatal(err)
	}
	left, right := picture.RGBAAt(100, 400), picture.RGBAAt(500, 400)
	if left != (color.RGBA{200, 30, 10, 255}) || right != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("%v at the left, %v at the right", left, right)
	}
}

// Pictures of the largest and the smallest pages keep to their side.
func TestPictureSides(t *testing.T) {
	r, err := pdftext.OpenPDFium(t.Context(), theMachine.CacheDir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for points, least := range map[int]int{3: 8, 842: 1300, 14400: 1000} {
		d, err := r.OpenDocument(write(t, samplemanuals.OddPageSize(points)))
		if err != nil {
			t.Fatal(err)
		}
		picture, err := d.Picture(0, 1344)
		if err != nil {
			t.Fatal(err)
		}
		if longest := max(picture.Rect.Dx(), picture.Rect.Dy()); longest > 1344 || longest < least {
			t.Errorf("%d points: %v", points, picture.Rect)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
