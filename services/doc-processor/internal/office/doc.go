// Package office reads the files whose words are characters already: Word and
// Excel files, web pages, mails and CSV tables. It turns them into Markdown,
// with their headings, lists, tables and links, page by page where the format
// knows pages. It runs in worker processes, as all that parses foreign bytes.
//
// What a file could blow up to is bounded: the bytes that a ZIP file unpacks to,
// the Markdown that comes of it, the depth of nested tables, the attachments of a
// mail. Nothing that a file names is fetched.
package office

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// Limits of a file.
const (
	maxUnpacked = 256 << 20 // bytes that a ZIP file may unpack to
	maxMarkdown = 24 << 20  // bytes of Markdown, beyond which the rest is left out
	maxDepth    = 64        // of tables in tables
	maxEntries  = 10_000    // files in a ZIP file
)

// Read returns the pages of a file: those of a Word file as it was last laid
// out, the sheets of a workbook, one page otherwise. Its errors are faults of
// the file.
func Read(path string, kind document.Kind) ([]document.PageText, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the spooled file: %w", err)
	}
	return read(data, kind)
}

func read(data []byte, kind document.Kind) (pages []document.PageText, err error) {
	switch kind {
	case document.DOCX:
		pages, err = readWord(data)
	case document.XLSX:
		pages, err = readWorkbook(data)
	case document.HTML:
		pages, err = readWebPage(data)
	case document.EML:
		pages, err = readMail(data)
	case document.CSV:
		pages, err = readCSV(data)
	default:
		return nil, fault.Newf(fault.Unsupported, "Files of the kind %s have no words of their own.", kind)
	}
	if err != nil {
		return nil, err
	}
	return bounded(pages), nil
}

// bounded leaves out what is more than one answer can hold, and says so.
func bounded(pages []document.PageText) []document.PageText {
	room := maxMarkdown
	for i := range pages {
		p := &pages[i]
		p.Text = strings.ToValidUTF8(p.Text, string(utf8.RuneError))
		if len(p.Text) > room {
			p.Text = strings.ToValidUTF8(p.Text[:room], "")
			p.Notice = joined(p.Notice, fmt.Sprintf("is cut off: of one file %d MiB of text are read", maxMarkdown>>20))
		}
		room -= len(p.Text)
	}
	return pages
}

// joined adds to a page's notice.
func joined(notice, more string) string {
	if notice == "" {
		return more
	}
	return notice + ", and " + more
}

// damaged is the fault of a file that cannot be read.
func damaged(err error, what string) error {
	return fault.Wrap(fault.Invalid, err, "The "+what+" is damaged and cannot be read. Send a whole, valid file.")
}

// tooLarge is the fault of a file that unpacks to more than is read.
func tooLarge(what string) error {
	return fault.Newf(fault.Invalid, "The %s unpacks to more than the %d MiB that are read.", what, maxUnpacked>>20)
}

// table writes rows as a Markdown table with the first of them as its head. A
// table of one column is its cells, one a paragraph: somebody's way to place text.
func table(rows [][]string) string {
	// Empty rows, and empty columns on either side, only place the table.
	first, width := math.MaxInt, 0
	var kept [][]string
	for _, row := range rows {
		filled := func(cell string) bool { return strings.TrimSpace(cell) != "" }
		if begin := slices.IndexFunc(row, filled); begin >= 0 {
			end := len(row)
			for !filled(row[end-1]) {
				end--
			}
			kept, first, width = append(kept, row[:end]), min(first, begin), max(width, end)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	for i := range kept {
		kept[i] = kept[i][first:]
	}
	width -= first
	if width == 1 {
		var cells []string
		for _, row := range kept {
			cells = append(cells, strings.TrimSpace(row[0]))
		}
		return strings.Join(cells, "\n\n")
	}
	var b strings.Builder
	for n, row := range kept {
		for column := range width {
			cell := ""
			if column < len(row) {
				cell = strings.ReplaceAll(strings.Join(strings.Fields(row[column]), " "), "|", `\|`)
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			b.WriteString(strings.Repeat("| --- ", width) + "|\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
