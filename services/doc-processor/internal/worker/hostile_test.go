package worker_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/worker"
)

// rawPDF is a PDF of the objects given, numbered from 1, with a table of where they
// are; the first is the catalogue.
func rawPDF(objects ...string) []byte {
	var out bytes.Buffer
	out.WriteString("%PDF-1.7\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&out, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return out.Bytes()
}

func stream(dict, data string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data)
}

const (
	pages = "<</Type/Pages/Kids[3 0 R]/Count 1>>"
	font  = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
	words = "BT /F 12 Tf 50 700 Td (The client owes a debt) Tj ET"
)

// page is the page object; its contents are object 4 and its font object 5.
func page(more, resources string) string {
	return "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R" + more + "/Resources<</Font<</F 5 0 R>>" + resources + ">>>>"
}

// jpx is the start of a JPEG 2000 code stream of that many pixels a side.
func jpx(side uint32) string {
	number := func(n uint32) string { return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }
	return "\xff\x4f\xff\x51\x00\x29\x00\x00" + number(side) + number(side) + number(0) + number(0) + number(side) + number(side) +
		number(0) + number(0) + "\x00\x01\x07\x01\x01\xff\xd9"
}

// jbig2 is a page segment of that many pixels a side and a generic region that
// claims as much.
func jbig2(side uint32) string {
	number := func(n uint32) string { return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }
	return "\x00\x00\x00\x00\x30\x00\x01\x00\x00\x00\x13" + number(side) + number(side) + strings.Repeat("\x00", 8) + "\x00\x00\x00" +
		"\x00\x00\x00\x01\x26\x00\x01\x00\x00\x00\x20" + number(side) + number(side) + strings.Repeat("\x00", 24)
}

func image(width, height int, filter, data string) string {
	return stream(fmt.Sprintf("/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8%s", width, height, filter), data)
}

// What is made to exhaust, mislead or take over its reader ends within its time,
// with its text or with a reason, and costs the next document nothing.
func TestHostilePDFs(t *testing.T) {
	million := func() []byte {
		var out bytes.Buffer
		out.WriteString("%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj" + pages + "endobj\n3 0 obj" + page("", "") + "endobj\n4 0 obj\n" + stream("", words) + "\nendobj\n5 0 obj" + font + "endobj\n")
		for i := range 1_000_000 {
			fmt.Fprintf(&out, "%d 0 obj 0 endobj\n", i+6)
		}
		out.WriteString("trailer<</Root 1 0 R>>\n%%EOF\n")
		return out.Bytes()
	}
	catalog := func(more string) string { return "<</Type/Catalog/Pages 2 0 R" + more + ">>" }
	form := func(content string) string {
		return stream("/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</XObject<</A 6 0 R/B 7 0 R>>>>", content)
	}
	whole := func(side float64, img string) []byte {
		return rawPDF(catalog(""), pages, fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 %g %g]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>", side, side),
			stream("", fmt.Sprintf("q %g 0 0 %g 0 0 cm /I Do Q", side, side)), img)
	}
	for _, tc := range []struct {
		name string
		data []byte
		text bool // whether its words must be read
	}{
		{"a million objects", million(), false},
		{"a form in itself", rawPDF(catalog(""), pages, page("", "/XObject<</A 6 0 R>>"), stream("", words+" /A Do"), font, form("/A Do /A Do"), "null"), false},
		{"two forms in each other", rawPDF(catalog(""), pages, page("", "/XObject<</A 6 0 R>>"), stream("", words+" /A Do"), font, form("/B Do /B Do"), form("/A Do /A Do")), false},
		{"one pixel on A0", whole(3370, image(1, 1, "", "\x80")), false},
		{"a JBIG2 bomb", whole(595, image(60000, 60000, "/Filter/JBIG2Decode", jbig2(60000))), false},
		{"a JPEG 2000 bomb", whole(595, image(60000, 60000, "/Filter/JPXDecode", jpx(60000))), false},
		{"an image of no data", whole(595, image(30000, 30000, "", "")), false},
		{"a font of itself", rawPDF(catalog(""), pages, page("", ""), stream("", words),
			"<</Type/Font/Subtype/Type0/BaseFont/Loop/Encoding 5 0 R/DescendantFonts[5 0 R]/ToUnicode 5 0 R>>"), false},
		{"a glyph that writes itself", rawPDF(catalog(""), pages, page("", ""), stream("", words),
			"<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 84/LastChar 84/Widths[1]/Encoding<</Differences[84/T]>>/CharProcs<</T 6 0 R>>/Resources<</Font<</F 5 0 R>>>>>>",
			stream("", "1 0 d0 BT /F 1 Tf (T) Tj ET")), false},
		{"an XFA form", rawPDF(catalog("/AcroForm<</Fields[]/XFA 6 0 R>>"), pages, page("", ""), stream("", words), font,
			stream("", "<xdp:xdp xmlns:xdp=\"http://ns.adobe.com/xdp/\"><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>&b;</xdp:xdp>")), true},
		{"a script", rawPDF(catalog("/OpenAction<</S/JavaScript/JS(while(1){})>>"), pages, page("/AA<</O<</S/JavaScript/JS(app.alert(1))>>>>", ""), stream("", words), font), true},
		{"a stream said to be shorter", rawPDF(catalog(""), pages, page("", ""), "<</Length 5>>\nstream\n"+words+"\nendstream", font), false},
		{"a stream said to be longer", rawPDF(catalog(""), pages, page("", ""), "<</Length 999999999>>\nstream\n"+words+"\nendstream", font), false},
		{"pages without end", rawPDF(catalog(""), "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2147483647>>"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const limit = 30 * time.Second
			pool := theMachine.Pool(t, func(o *worker.Options) { o.Size, o.PageTimeout = 1, limit })
			src := spool(t, document.PDF, tc.data)
			start := time.Now()
			count, err := pool.Open(t.Context(), src)
			check := func(err error) {
				t.Helper()
				if err != nil && fault.KindOf(err) == fault.Internal && !errors.Is(err, document.ErrCrashed) && !errors.Is(err, document.ErrMemory) && !errors.Is(err, document.ErrDeadline) {
					t.Errorf("unclassified: %v", err)
				}
			}
			check(err)
			if err == nil && count > 0 {
				text, err := pool.Text(t.Context(), src, 0)
				check(err)
				if got := err == nil && strings.Contains(text.Text, "The client owes a debt"); tc.text && !got {
					t.Errorf("its words are lost: %q, %v", text.Text, err)
				}
				_, err = pool.Scan(t.Context(), src, 0)
				check(err)
			} else if tc.text {
				t.Errorf("%d pages, %v", count, err)
			}
			if took := time.Since(start); took > 4*limit {
				t.Errorf("it took %v", took)
			}
			if _, err := pool.Open(t.Context(), spool(t, document.Text, []byte("words"))); err != nil {
				t.Errorf("the next document: %v", err)
			}
		})
	}
}
