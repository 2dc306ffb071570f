// Package samplemanuals makes the sample manuals: short Markdown sources,
// written by this project from public law, become PDFs of the kinds that an
// advice office keeps.
//
// A source has front matter (see [Parse]) and a small Markdown: headings,
// paragraphs, flat lists and tables. Its form decides what the PDF is like to
// read back:
//
//   - [Text]: a text layer, one column;
//   - [Columns]: two columns, so that reading order must be found;
//   - [Ligatures]: fi, ff, fl, ffi and ffl are single glyphs that the font maps
//     to U+FFFD, as printed web pages often do: "financial" looks right and is
//     read as "\ufffdnancial";
//   - [Scan]: each page is a picture of the page, with no text layer.
//
// One typesetter lays out every form, so the text of each page is known
// exactly, scans included: [Manual] carries it. The same source always gives
// the same bytes.
//
// The Odd functions make the broken and hostile PDFs that tests need.
package samplemanuals
