package samplepost_test

import (
	"bytes"
	"image"
	"strings"
	"testing"

	"signpost.internal/services/doc-processor/internal/samplepost"
)

// Every document comes out the same twice, and its numbers and cells are in its words.
func TestDocuments(t *testing.T) {
	for name, make := range map[string]func() ([]samplepost.Document, error){
		"letters": samplepost.Letters, "bills": samplepost.Bills, "statements": samplepost.Statements, "leaflets": samplepost.Leaflets,
	} {
		first, err := make()
		if err != nil {
			t.Fatal(err)
		}
		second, err := make()
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range first {
			if !bytes.Equal(d.PDF, second[i].PDF) || !bytes.HasPrefix(d.PDF, []byte("%PDF-")) {
				t.Errorf("%s: %s comes out differently", name, d.Name)
			}
			words := strings.Join(d.Pages, "\n")
			for _, part := range append(append([]string{}, d.Cells...), d.Numbers...) {
				if !strings.Contains(words, part) {
					t.Errorf("%s: %q is not in its words", d.Name, part)
				}
			}
		}
	}
}

func TestManualPages(t *testing.T) {
	d, err := samplepost.Manual("# One\n\nSome words.\n", 3)
	if err != nil || len(d.Pages) == 0 {
		t.Fatalf("%d pages, %v", len(d.Pages), err)
	}
}

func TestDamagesAndScan(t *testing.T) {
	page := image.NewGray(image.Rect(0, 0, 120, 170))
	for i := range page.Pix {
		page.Pix[i] = 255
	}
	for name, d := range map[string]samplepost.Damage{
		"scan": samplepost.Scanned, "skew": samplepost.Skewed(3), "turn": samplepost.Turned(1), "noise": samplepost.Noisy(20, 0.01), "faint": samplepost.Faint,
		"fax": samplepost.Faxed, "photo": samplepost.Photographed(3), "shadow": samplepost.Shaded, "stamp": samplepost.Stamped,
	} {
		got, again := samplepost.Apply(page, d), samplepost.Apply(page, d)
		if !bytes.Equal(got.Pix, again.Pix) {
			t.Errorf("%s comes out differently", name)
		}
		pdf, err := samplepost.ScanPDF([]*image.Gray{got}, []string{"hidden (words)"})
		if err != nil || !bytes.Contains(pdf, []byte(`hidden \(words\)`)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
