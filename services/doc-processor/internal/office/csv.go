package office

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"signpost.internal/services/doc-processor/internal/document"
)

// readCSV reads a table of values separated by commas, semicolons, tabs or bars.
func readCSV(data []byte) ([]document.PageText, error) {
	text, notice, err := decoded(data)
	if err != nil {
		return nil, damaged(err, "CSV file")
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = delimiter(text), -1, true
	var rows [][]string
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, damaged(err, "CSV file")
		}
		rows = append(rows, row)
	}
	return []document.PageText{{Text: table(rows), Notice: notice}}, nil
}

// decoded returns the text in UTF-8: what has no mark and is none is taken to be
// what Windows programs write in Britain.
func decoded(data []byte) (text []byte, notice string, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return data[3:], "", nil
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		text, err = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data)
		return text, "", err
	case utf8.Valid(data):
		return data, "", nil
	default:
		text, err = charmap.Windows1252.NewDecoder().Bytes(data)
		return text, "was taken to be in Windows-1252, as it does not say its encoding", err
	}
}

// sampleRecords is how many records show what separates the values.
const sampleRecords = 20

// delimiter finds what separates the values: what splits the first records most
// evenly into the most parts.
func delimiter(text []byte) rune {
	best, score := ',', 0
	for _, candidate := range []rune{',', ';', '\t', '|'} {
		r := csv.NewReader(bytes.NewReader(text))
		r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = candidate, -1, true, true
		fields := map[int]int{}
		for range sampleRecords {
			row, err := r.Read()
			if err != nil {
				break
			}
			fields[len(row)]++
		}
		for width, records := range fields {
			if s := (width - 1) * records * records; s > score {
				best, score = candidate, s
			}
		}
	}
	return best
}
