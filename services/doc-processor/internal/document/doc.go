// Package document turns a file into pages of text.
//
// [Processor] decides page by page: a usable text layer is taken as it is, any
// other page is drawn and read by OCR, a blank page stays empty. It never
// parses a file itself: that is the work of an [Engine], whose worker
// processes may crash or hang without harm here. The text of the pages is then
// mended with the document's own words: ligatures that lost their characters
// and words that were broken at a line's end. No digit is ever changed.
package document
