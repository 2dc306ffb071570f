package samplemanuals_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"signpost.internal/pkg/samplemanuals"
)

// pdfinfo reports what a reader that is not ours makes of a PDF.
func pdfinfo(t *testing.T, pdf []byte, args ...string) (string, error) {
	t.Helper()
	needs(t, "pdfinfo")
	path := filepath.Join(t.TempDir(), "odd.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "pdfinfo", append(args, path)...).CombinedOutput()
	return strings.Join(strings.Fields(string(out)), " "), err
}

func TestOddEncrypted(t *testing.T) {
	pdf, err := samplemanuals.OddEncrypted("sesame")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := pdfinfo(t, pdf); err == nil || !strings.Contains(info, "Incorrect password") {
		t.Errorf("without the password: %v, %s", err, info)
	}
	if info, err := pdfinfo(t, pdf, "-upw", "sesame"); err != nil || !strings.Contains(info, "Pages: 1") {
		t.Errorf("with the password: %v, %s", err, info)
	}
}

func TestOddPages(t *testing.T) {
	for name, c := range map[string]struct {
		pdf  []byte
		want string
	}{
		"none":     {samplemanuals.OddEmptyPages(0), "page count 0"},
		"many":     {samplemanuals.OddEmptyPages(10_000), "Pages: 10000"},
		"enormous": {samplemanuals.OddPageSize(20_000), "20000 x 20000 pts"},
	} {
		t.Run(name, func(t *testing.T) {
			if info, _ := pdfinfo(t, c.pdf); !strings.Contains(info, c.want) {
				t.Errorf("pdfinfo says %q, want %q", info, c.want)
			}
		})
	}
}

func TestOddBomb(t *testing.T) {
	const mebibytes = 70
	pdf, err := samplemanuals.OddBomb(mebibytes)
	if err != nil {
		t.Fatal(err)
	}
	if len(pdf) > mebibytes*2048 {
		t.Errorf("the bomb has %d bytes", len(pdf))
	}
	_, stream, _ := bytes.Cut(pdf, []byte("stream\n"))
	r, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil || n != mebibytes<<20 {
		t.Errorf("inflates to %d bytes, %v; want %d", n, err, mebibytes<<20)
	}
}

func TestOddTruncated(t *testing.T) {
	_, pdf, err := samplemanuals.Render("Text.", samplemanuals.Text)
	if err != nil {
		t.Fatal(err)
	}
	cut := samplemanuals.OddTruncated(pdf)
	if !bytes.HasPrefix(pdf, cut) || bytes.Contains(cut, []byte("%%EOF")) {
		t.Error("not the first part of the PDF")
	}
}
