package samplemanuals

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// made is the date in every PDF, so that the same source gives the same bytes.
var made = time.Date(2026, time.November, 1, 9, 0, 0, 0, time.UTC)

func newPDF(title string) *fpdf.Fpdf {
	pdf := fpdf.New("P", "pt", "A4", "")
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetCatalogSort(true)
	pdf.SetCreationDate(made)
	pdf.SetModificationDate(made)
	pdf.SetProducer("Signpost sample manuals", false)
	pdf.SetTitle(title, true)
	return pdf
}

// drawText makes a PDF with a text layer.
func drawText(src Source, sheets []*sheet, faces *typeface) ([]byte, error) {
	pdf := newPDF(src.Title)
	for i, ttf := range faces.ttf {
		// fpdf changes the bytes it is given.
		pdf.AddUTF8FontFromBytes(faceName(face(i)), "", bytes.Clone(ttf))
	}
	for _, s := range sheets {
		pdf.AddPage()
		pdf.SetFillColor(232, 236, 240)
		for _, b := range s.shades {
			pdf.Rect(b.x, b.y, b.w, b.h, "F")
		}
		pdf.SetDrawColor(110, 110, 110)
		pdf.SetLineWidth(0.6)
		for _, b := range s.rules {
			pdf.Line(b.x, b.y, b.x+b.w, b.y+b.h)
		}
		for _, r := range s.runs {
			pdf.SetFont(faceName(r.face), "", r.size)
			pdf.Text(r.x, r.y, r.text)
		}
	}
	out, err := output(pdf)
	if err != nil || src.Form != Ligatures {
		return out, err
	}
	return loseLigatures(out)
}

func faceName(f face) string { return fmt.Sprintf("face%d", f) }

// drawScan makes a PDF whose pages are pictures. It writes the objects itself,
// because fpdf puts pictures of one width in no fixed order.
func drawScan(_ Source, sheets []*sheet, faces *typeface) ([]byte, error) {
	rasteriser := newRasteriser(faces)
	var kids strings.Builder
	objects := []string{"<</Type/Catalog/Pages 2 0 R>>", ""}
	for i, s := range sheets {
		picture, err := rasteriser.draw(s, uint64(i))
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 60}); err != nil {
			return nil, fmt.Errorf("encode page %d: %w", i+1, err)
		}
		page := len(objects) + 1
		content := fmt.Sprintf("q %.2f 0 0 %.2f 0 0 cm /Scan Do Q", pageWidth, pageHeight)
		fmt.Fprintf(&kids, "%d 0 R ", page)
		objects = append(objects,
			fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 %.2f %.2f]/Contents %d 0 R/Resources<</XObject<</Scan %d 0 R>>>>>>",
				pageWidth, pageHeight, page+1, page+2),
			fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content),
			fmt.Sprintf("<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode/Length %d>>\nstream\n%s\nendstream",
				picture.Rect.Dx(), picture.Rect.Dy(), b.Len(), b.Bytes()))
	}
	objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d>>", kids.String(), len(sheets))
	return rawPDF(objects), nil
}

func output(pdf *fpdf.Fpdf) ([]byte, error) {
	var b bytes.Buffer
	if err := pdf.Output(&b); err != nil {
		return nil, fmt.Errorf("write PDF: %w", err)
	}
	return b.Bytes(), nil
}

// fpdfToUnicode ends the character map that fpdf gives each font: every code
// is its own character. The map is not compressed.
const fpdfToUnicode = "/CIDSystemInfo\n<</Registry (Adobe)\n/Ordering (UCS)\n/Supplement 0\n>> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n" +
	"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n1 beginbfrange\n<0000> <FFFF> <0000>\nendbfrange\n"

// lostToUnicode sends the five ligatures to U+FFFD and every other code to
// itself. It is shorter than the map it replaces.
const lostToUnicode = "/CMapName /Lost def\n/CMapType 2 def\n" +
	"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n3 beginbfrange\n<0000> <FAFF> <0000>\n" +
	"<FB00> <FB04> [<FFFD> <FFFD> <FFFD> <FFFD> <FFFD>]\n<FB05> <FFFF> <FB05>\nendbfrange\n"

// loseLigatures replaces the character maps with ones of the same length, so
// that the file's offsets stay right.
func loseLigatures(pdf []byte) ([]byte, error) {
	pad := len(fpdfToUnicode) - len(lostToUnicode)
	if !bytes.Contains(pdf, []byte(fpdfToUnicode)) || pad < 0 {
		return nil, fmt.Errorf("fpdf's character map is not as expected")
	}
	lost := append([]byte(lostToUnicode), bytes.Repeat([]byte("\n"), pad)...)
	return bytes.ReplaceAll(pdf, []byte(fpdfToUnicode), lost), nil
}
