package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"signpost.internal/services/doc-processor/internal/samplepost"
)

// sample is one file and the truth about it.
type sample struct {
	name           string // with its extension
	data           []byte
	pages          []string
	cells, numbers []string
}

// maker makes the samples of one kind.
type maker struct {
	name string
	make func() ([]sample, error)
}

// printed are the documents that the samples are made of.
type printed struct {
	ctx     context.Context
	dir     string
	letters []samplepost.Document
	bills   []samplepost.Document
	cards   []samplepost.Document
	leaflet []samplepost.Document
}

func makers(ctx context.Context, dir, markdown string, manualPages int) ([]maker, error) {
	p := printed{ctx: ctx, dir: dir}
	for _, set := range []struct {
		to   *[]samplepost.Document
		make func() ([]samplepost.Document, error)
	}{{&p.letters, samplepost.Letters}, {&p.bills, samplepost.Bills}, {&p.cards, samplepost.Statements}, {&p.leaflet, samplepost.Leaflets}} {
		made, err := set.make()
		if err != nil {
			return nil, err
		}
		*set.to = made
	}
	text := func(docs []samplepost.Document) func() ([]sample, error) {
		return func() ([]sample, error) {
			var all []sample
			for _, d := range docs {
				all = append(all, sample{d.Name + ".pdf", d.PDF, d.Pages, d.Cells, d.Numbers})
			}
			return all, nil
		}
	}
	scan := func(dpi int, docs []samplepost.Document, damages ...samplepost.Damage) func() ([]sample, error) {
		return func() ([]sample, error) { return p.scans(dpi, docs, damages...) }
	}
	some := append(slices.Clip(p.letters), p.bills...)
	skews := func() ([]sample, error) {
		var all []sample
		for i, degrees := range []float64{1, -2, 3, -5} {
			made, err := p.scans(200, some[i:i+1], samplepost.Skewed(degrees), samplepost.Scanned)
			if err != nil {
				return nil, err
			}
			all = append(all, made...)
		}
		return all, nil
	}
	turns := func() ([]sample, error) {
		var all []sample
		for quarters := 1; quarters <= 3; quarters++ {
			made, err := p.scans(200, some[quarters:quarters+1], samplepost.Scanned, samplepost.Turned(quarters))
			if err != nil {
				return nil, err
			}
			all = append(all, made...)
		}
		return all, nil
	}
	photos := func() ([]sample, error) {
		var all []sample
		for i, d := range some {
			made, err := p.photos(190, d, samplepost.Photographed(uint64(i+1)))
			if err != nil {
				return nil, err
			}
			all = append(all, made)
		}
		return all, nil
	}
	shaded := func() ([]sample, error) {
		one, err := p.photos(170, some[0], samplepost.Skewed(1.4), samplepost.Shaded)
		if err != nil {
			return nil, err
		}
		two, err := p.photos(170, some[2], samplepost.Skewed(-0.8), samplepost.Shaded)
		return []sample{one, two}, err
	}
	return []maker{
		{"letter", text(p.letters)},
		{"bill", text(p.bills)},
		{"statement", text(p.cards)},
		{"two columns", text(p.leaflet)},
		{"manual", func() ([]sample, error) {
			d, err := samplepost.Manual(markdown, manualPages)
			return []sample{{"manual.pdf", d.PDF, d.Pages, d.Cells, d.Numbers}}, err
		}},
		{"scan 100 dpi", scan(100, some[:3], samplepost.Scanned)},
		{"scan 200 dpi", scan(200, some, samplepost.Scanned)},
		{"scan 300 dpi", scan(300, some[1:3], samplepost.Scanned)},
		{"scan statement", scan(200, p.cards, samplepost.Scanned)},
		{"scan columns", scan(200, p.leaflet, samplepost.Scanned)},
		{"stamped", scan(200, some[:1], samplepost.Stamped)},
		{"skewed", skews},
		{"skewed statement", scan(200, p.cards, samplepost.Skewed(2.2), samplepost.Scanned)},
		{"skewed columns", scan(200, p.leaflet, samplepost.Skewed(-3), samplepost.Scanned)},
		{"rotated", turns},
		{"rotated and skewed", scan(200, some[:2], samplepost.Skewed(2), samplepost.Scanned, samplepost.Turned(1))},
		{"noisy", scan(200, some[:2], samplepost.Noisy(24, 0.012))},
		{"very noisy", scan(200, some[2:], samplepost.Noisy(45, 0.05))},
		{"noisy and skewed", scan(200, some[:2], samplepost.Skewed(2.5), samplepost.Noisy(30, 0.02))},
		{"faint", scan(200, some[:2], samplepost.Faint)},
		{"fax", scan(150, some[:2], samplepost.Faxed)},
		{"photo", photos},
		{"shadow", shaded},
		{"bad text layer", p.badLayers},
		{"bundle", func() ([]sample, error) { return p.bundle(8) }},
	}, nil
}

// drawn draws a document's pages as a printer would.
func (p *printed) drawn(dpi int, d samplepost.Document) ([]*image.Gray, error) {
	base := filepath.Join(p.dir, "draw")
	if err := os.WriteFile(base+".pdf", d.PDF, 0o600); err != nil {
		return nil, err
	}
	command := exec.CommandContext(p.ctx, "pdftoppm", "-r", fmt.Sprint(dpi), "-gray", "-png", base+".pdf", base)
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pdftoppm: %w\n%s", err, out)
	}
	paths, err := filepath.Glob(base + "-*.png")
	if err != nil {
		return nil, err
	}
	var pages []*image.Gray
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		gray := image.NewGray(img.Bounds())
		draw.Draw(gray, gray.Rect, img, gray.Rect.Min, draw.Src)
		pages = append(pages, gray)
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

func (p *printed) scans(dpi int, docs []samplepost.Document, damages ...samplepost.Damage) ([]sample, error) {
	var all []sample
	for _, d := range docs {
		pages, err := p.drawn(dpi, d)
		if err != nil {
			return nil, err
		}
		for i := range pages {
			pages[i] = samplepost.Apply(pages[i], damages...)
		}
		pdf, err := samplepost.ScanPDF(pages, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, sample{d.Name + ".pdf", pdf, d.Pages, d.Cells, d.Numbers})
	}
	return all, nil
}

// photos makes a JPEG file in colour of a document's first page.
func (p *printed) photos(dpi int, d samplepost.Document, damages ...samplepost.Damage) (sample, error) {
	pages, err := p.drawn(dpi, d)
	if err != nil {
		return sample{}, err
	}
	gray := samplepost.Apply(pages[0], damages...)
	img := image.NewRGBA(gray.Rect)
	for i, v := range gray.Pix {
		x, y := i%gray.Stride, i/gray.Stride
		img.SetRGBA(x, y, color.RGBA{v, uint8(float64(v) * 0.97), uint8(float64(v) * 0.88), 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 75}); err != nil {
		return sample{}, err
	}
	return sample{d.Name + ".jpg", b.Bytes(), d.Pages[:1], d.Cells, d.Numbers}, nil
}

// badLayers makes scans under which a bad OCR program left its words.
func (p *printed) badLayers() ([]sample, error) {
	var all []sample
	for n, d := range []samplepost.Document{p.letters[0], p.bills[0]} {
		pages, err := p.drawn(200, d)
		if err != nil {
			return nil, err
		}
		var hidden []string
		for i := range pages {
			pages[i] = samplepost.Scanned(pages[i])
			hidden = append(hidden, misread(d.Pages[i], n))
		}
		pdf, err := samplepost.ScanPDF(pages, hidden)
		if err != nil {
			return nil, err
		}
		all = append(all, sample{d.Name + ".pdf", pdf, d.Pages, d.Cells, d.Numbers})
	}
	return all, nil
}

// misread is what a bad OCR program read: letters taken for others, or for signs.
func misread(text string, n int) string {
	bad := strings.NewReplacer("e", "c", "o", "0", "l", "1", "i", "!", "a", "n", "m", "rn", "£", "E", "t", "f", "\t", "  ")
	if n > 0 {
		bad = strings.NewReplacer("th", "lh", "h", "li", "rn", "m", "w", "vv", "u", "ii", "s", "5", "e", "~", "£", "f", "\t", " ", "B", "8")
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r > 126 && r != '\n' {
			return '?'
		}
		return r
	}, bad.Replace(text)), "?")
}

// bundle is one PDF of scanned pages, for throughput on all cores.
func (p *printed) bundle(pages int) ([]sample, error) {
	var (
		images []*image.Gray
		s      = sample{name: "bundle.pdf"}
	)
	for _, d := range append(slices.Clip(p.letters), p.bills...) {
		drawn, err := p.drawn(200, d)
		if err != nil {
			return nil, err
		}
		images = append(images, samplepost.Scanned(drawn[0]))
		s.pages = append(s.pages, d.Pages[0])
		s.numbers = append(s.numbers, d.Numbers...)
	}
	for len(images) < pages {
		images, s.pages = append(images, images...), append(s.pages, s.pages...)
	}
	var err error
	s.data, err = samplepost.ScanPDF(images[:pages], nil)
	s.pages = s.pages[:pages]
	return []sample{s}, err
}
