package document

import (
	"bytes"
	"encoding/binary"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf16"
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
	DOCX Kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	XLSX Kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	HTML Kind = "text/html"
	EML  Kind = "message/rfc822"
	CSV  Kind = "text/csv"
	Text Kind = "text/plain" // also Markdown, which is read as it stands
)

// Locked is an encrypted Office file. What it is shows once it is decrypted, so
// no result is of this kind.
const Locked Kind = "application/x-encrypted-office"

// Written reports whether the format holds characters and no images of them, so
// that there is nothing for OCR to do.
func (k Kind) Written() bool {
	switch k {
	case DOCX, XLSX, HTML, EML, CSV, Text:
		return true
	}
	return false
}

// Accepted lists the formats in words.
const Accepted = "PDF, PNG, JPEG, TIFF, WebP, BMP, Word (.docx), Excel (.xlsx), HTML, mail (.eml), CSV, and plain text or Markdown in UTF-8"

// Kinds lists the formats.
func Kinds() []Kind {
	return []Kind{PDF, PNG, JPEG, TIFF, WebP, BMP, DOCX, XLSX, HTML, EML, CSV, Text}
}

// Ending is what the names of files of the kind end in.
func Ending(k Kind) string {
	return map[Kind]string{
		PDF: ".pdf", PNG: ".png", JPEG: ".jpg", TIFF: ".tif", WebP: ".webp", BMP: ".bmp",
		DOCX: ".docx", XLSX: ".xlsx", HTML: ".html", EML: ".eml", CSV: ".csv", Text: ".txt",
	}[k]
}

// SniffLength is how many of a file's first bytes [Sniff] wants to see.
const SniffLength = 1024

// Sniff tells the format from a file's first bytes, whatever its name. What
// has no signature but may be text is Text; whether all of it is, is known
// only once all of it has been read. Of Office files the first bytes tell no
// more than how they are packed: see [KindOf].
func Sniff(head []byte) (Kind, bool) {
	switch {
	case bytes.HasPrefix(head, zipMark), bytes.HasPrefix(head, oleMark):
		return "", false
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
		switch {
		case isHTML(head):
			return HTML, true
		case isMail(head):
			return EML, true
		}
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

// How Office files are packed: in a ZIP file, and in the compound file of old
// when they are encrypted.
var (
	zipMark = []byte("PK\x03\x04")
	oleMark = []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
)

// isHTML finds the first tag of a web page behind white space and comments.
func isHTML(head []byte) bool {
	rest := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), "\t\n\f\r ")
	for {
		var skipped bool
		for _, mark := range []struct{ begin, end string }{{"<!--", "-->"}, {"<?xml", "?>"}} {
			if bytes.HasPrefix(rest, []byte(mark.begin)) {
				_, after, ok := bytes.Cut(rest, []byte(mark.end))
				if !ok {
					return false
				}
				rest, skipped = bytes.TrimLeft(after, "\t\n\f\r "), true
			}
		}
		if !skipped {
			break
		}
	}
	lower := bytes.ToLower(rest[:min(len(rest), 20)])
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body"} {
		after, ok := bytes.CutPrefix(lower, []byte(tag))
		if ok && (len(after) == 0 || bytes.ContainsAny(after[:1], "> \t\r\n")) {
			return true
		}
	}
	return false
}

// Fields of a mail's header. Of the first kind one is enough: no letter begins
// so. The others begin notes as well.
var (
	mailSigns  = []string{"return-path", "received", "delivered-to", "mime-version", "message-id", "dkim-signature", "x-mailer"}
	mailFields = append([]string{"from", "to", "cc", "subject", "date", "reply-to", "content-type", "content-transfer-encoding"}, mailSigns...)
)

// isMail reports whether the bytes begin with the header of a mail.
func isMail(head []byte) bool {
	fields, signs := header(head)
	return fields > 1 && signs > 0
}

// header counts the known fields of a mail's header, and those that are found
// in mails only.
func header(head []byte) (fields, signs int) {
	for n, line := range strings.Split(string(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if n > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			continue
		}
		name, _, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			break // the header is over, or it was none
		}
		name = strings.ToLower(name)
		if slices.Contains(mailFields, name) {
			fields++
		}
		if slices.Contains(mailSigns, name) {
			signs++
		}
	}
	return fields, signs
}

// named decides what text without a signature is by the name that it came with:
// a table, a mail saved without its journey, a piece of a web page. Where the
// name claims any other format the text is doubtful: it may be a broken PDF, or a
// format whose signs are not its words.
func named(head []byte, name string) (Kind, bool) {
	switch strings.ToLower(path.Ext(name)) {
	case "", ".txt", ".text", ".md", ".markdown":
		return Text, true
	case ".csv", ".tsv":
		return CSV, true
	case ".eml":
		fields, _ := header(head)
		return EML, fields > 0
	case ".html", ".htm":
		return HTML, bytes.HasPrefix(bytes.TrimLeft(head, "\t\n\f\r "), []byte("<"))
	}
	return "", false
}

// maybeCSV reports whether the bytes may be a table in another encoding than
// UTF-8: that of Windows, or UTF-16 that says so.
func maybeCSV(head []byte, name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".csv", ".tsv":
	default:
		return false
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return true
	}
	return !bytes.ContainsFunc(head, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r'
	}) && !bytes.HasPrefix(head, []byte("\x89PNG")) && !bytes.HasPrefix(head, []byte("\xff\xd8\xff"))
}

// officeTail is how much of the end of a file is searched for the names of an
// Office file's parts: the list of them is the last thing in a ZIP file.
const officeTail = 1 << 20

// officeKind tells Office files from others that are packed in the same way, by
// the names of their parts. Whether they are there is the reader's to find out.
func officeKind(file io.ReadSeeker, head []byte) (Kind, bool, error) {
	locked := bytes.HasPrefix(head, oleMark)
	if !locked && !bytes.HasPrefix(head, zipMark) {
		return "", false, nil
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", false, err
	}
	if _, err := file.Seek(max(0, size-officeTail), io.SeekStart); err != nil {
		return "", false, err
	}
	tail, err := io.ReadAll(io.LimitReader(file, officeTail))
	if err != nil {
		return "", false, err
	}
	if locked {
		if !bytes.Contains(tail, utf16le("EncryptedPackage")) {
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return "", false, err
			}
			if tail, err = io.ReadAll(io.LimitReader(file, officeTail)); err != nil {
				return "", false, err
			}
		}
		return Locked, bytes.Contains(tail, utf16le("EncryptedPackage")), nil
	}
	switch {
	case bytes.Contains(tail, []byte("word/document")):
		return DOCX, true, nil
	case bytes.Contains(tail, []byte("xl/workbook.xml")):
		return XLSX, true, nil
	}
	return "", false, nil
}

func utf16le(text string) []byte {
	var b []byte
	for _, r := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, r)
	}
	return b
}
