// Package pdftext reads the text layer of PDF pages and makes page images.
//
// Two readers stand behind one seam, [Reader]: PDFium in its WebAssembly
// sandbox, and ledongthuc/pdf. Each only delivers positioned glyphs; the
// reading order, the lines and the paragraphs are found by the one
// this package, [Layout], so that both readers behave alike.
//
// Both parse foreign bytes: call them in a worker process only.
package pdftext
