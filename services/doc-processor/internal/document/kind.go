package document

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"
	"unicode/utf8"
)

// Kind is a file format, told by its content.
type Kind string

// The formats that are read.
const (
	PDF  Kind = "application/pdf"
	PNG  Kind = "image/png"
	JPEG Kind = "image/jpeg"
	TIFF Kind = "image/tiff"
	WebP Kind = "image/webp"
	BMP  Kind = "image/bmp"
	Text Kind = "text/plain" // also Markdown, which is read as it stands
)

// Accepted lists the formats in words.
const Accepted = "PDF, PNG, JPEG, TIFF, WebP, BMP, and plain text or Markdown in UTF-8"

// Kinds lists the formats.
func Kinds() []Kind { return []Kind{PDF, PNG, JPEG, TIFF, WebP, BMP, Text} }

// SniffLength is how many of a file's first bytes [Sniff] wants to see.
const SniffLength = 1024

// Sniff tells the format from a file's first bytes, whatever its name. What
// has no signature but may be text is Text; whether all of it is, is known
// only once all of it has been read.
func Sniff(head []byte) (Kind, bool) {
	switch {
	case isPDF(head):
		return PDF, true
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return PNG, true
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return JPEG, true
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")):
		return TIFF, true
	case len(head) >= 12 && bytes.HasPrefix(head, []byte("RIFF")) && string(head[8:12]) == "WEBP":
		return WebP, true
	case isBMP(head):
		return BMP, true
	case len(head) > 0 && maybeText(head):
		return Text, true
	default:
		return "", false
	}
}

// isBMP looks at the two headers: the letters "BM" alone may begin a text.
func isBMP(head []byte) bool {
	if len(head) < 18 || !bytes.HasPrefix(head, []byte("BM")) || !bytes.Equal(head[6:10], make([]byte, 4)) {
		return false
	}
	switch binary.LittleEndian.Uint32(head[14:]) {
	case 12, 40, 52, 56, 64, 108, 124: // the sizes of the second header that there are
		return true
	}
	return false
}

// isPDF finds the header at the start, or on a later line among the first
// kilobyte: some programs put lines of their own before it.
func isPDF(head []byte) bool {
	head = head[:min(len(head), SniffLength)]
	start := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), "\x00\t\n\f\r ")
	return bytes.HasPrefix(start, []byte("%PDF-")) || bytes.Contains(head, []byte("\n%PDF-")) || bytes.Contains(head, []byte("\r%PDF-"))
}

// maybeText reports whether the bytes are UTF-8 without control characters,
// but for a character cut off at the end.
func maybeText(head []byte) bool {
	for len(head) > 0 {
		r, size := utf8.DecodeRune(head)
		if r == utf8.RuneError && size == 1 {
			return !utf8.FullRune(head)
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != '\x1b' {
			return false
		}
		head = head[size:]
	}
	return true
}

// mayNameText reports whether a file of that name may be plain text. Text has
// no signature, so a name that claims another format makes it doubtful: it may
// be a broken PDF, or a format such as HTML whose signs are not its words.
func mayNameText(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case "", ".txt", ".text", ".md", ".markdown":
		return true
	}
	return false
}
