package samplemanuals

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"strings"

	"codeberg.org/go-pdf/fpdf"
)

// OddEncrypted returns a one-page PDF that opens only with the password.
func OddEncrypted(password string) ([]byte, error) {
	pdf := newPDF("Encrypted")
	pdf.SetProtection(fpdf.CnProtectPrint, password, password+" owner")
	pdf.AddPage()
	pdf.SetFont("Helvetica", "", 12)
	pdf.Text(left, top, notice)
	return output(pdf)
}

// OddEmptyPages returns a PDF of n pages with nothing on them; n may be nought.
func OddEmptyPages(n int) []byte {
	var kids strings.Builder
	objects := []string{"<</Type/Catalog/Pages 2 0 R>>", ""}
	for i := range n {
		fmt.Fprintf(&kids, "%d 0 R ", i+3)
		objects = append(objects, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>")
	}
	objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d>>", kids.String(), n)
	return rawPDF(objects)
}

// OddPageSize returns a PDF of one empty page, points wide and high.
func OddPageSize(points int) []byte {
	return rawPDF([]string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]>>", points, points),
	})
}

// bombBlock is the part of a bomb that is compressed once and repeated.
const bombBlock = 1 << 20

// OddBomb returns a small PDF whose one page has a content stream that inflates
// to the given number of mebibytes of spaces: about 1 KiB of file for each.
func OddBomb(mebibytes int) ([]byte, error) {
	var block bytes.Buffer
	w, err := flate.NewWriter(&block, flate.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("make bomb: %w", err)
	}
	if _, err := w.Write(bytes.Repeat([]byte(" "), bombBlock)); err != nil {
		return nil, fmt.Errorf("make bomb: %w", err)
	}
	// A flushed block ends on a byte and refers to nothing before it, so that
	// copies can follow each other.
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("make bomb: %w", err)
	}
	stream := []byte{0x78, 0xda} // zlib's header
	stream = append(stream, bytes.Repeat(block.Bytes(), mebibytes)...)
	stream = append(stream, 0x03, 0x00) // an empty last block
	stream = binary.BigEndian.AppendUint32(stream, adlerOfSpaces(uint64(mebibytes)*bombBlock))
	return rawPDF([]string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R>>",
		fmt.Sprintf("<</Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream", len(stream), stream),
	}), nil
}

// adlerOfSpaces is zlib's checksum (RFC 1950, section 8.2) of n spaces.
func adlerOfSpaces(n uint64) uint32 {
	const mod, space = 65521, 32
	pairs := n % (2 * mod) * ((n + 1) % (2 * mod)) / 2 % mod
	a := (1 + space*(n%mod)) % mod
	b := (n%mod + space*pairs) % mod
	return uint32(b<<16 | a)
}

// OddTruncated returns the first half of a PDF, as an upload cut short leaves it.
func OddTruncated(pdf []byte) []byte { return bytes.Clone(pdf[:len(pdf)/2]) }

// rawPDF writes numbered objects, the first of which is the catalogue.
func rawPDF(objects []string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}
