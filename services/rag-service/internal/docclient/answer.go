package docclient

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"

	"signpost.internal/services/rag-service/internal/chunk"
	"signpost.internal/services/rag-service/internal/rag"
)

// processed is what is used of an answer.
type processed struct {
	success bool
	detail  string // why it could not be read
	media   string // the document's type
	reading rag.Reading
	words   int
}

type page struct {
	Page  int    `json:"page"`
	Text  string `json:"text"`
	Words []word `json:"words"` // of a doc-processor that knows of them
}

type word struct {
	Text string     `json:"text"`
	Box  [4]float64 `json:"box"` // left, top, right, bottom
}

// decode reads an answer, a page at a time.
func decode(r io.Reader) (processed, error) {
	var p processed
	d := json.NewDecoder(r)
	err := p.fields(d)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // between two tokens it is as unexpected as within one
	}
	if !paged(p.media) {
		p.reading.Empty = nil
		for i, page := range p.reading.Pages {
			p.reading.Pages[i] = chunk.Page{Text: page.Text}
		}
	}
	return p, err
}

func (p *processed) fields(d *json.Decoder) error {
	if some, err := open(d, '{'); err != nil || !some {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		switch name {
		case "success":
			err = d.Decode(&p.success)
		case "error":
			err = d.Decode(&p.detail) // null leaves it empty
		case "media_type":
			err = d.Decode(&p.media)
		case "page_results":
			err = p.pages(d)
		default:
			err = d.Decode(&json.RawMessage{})
		}
		if err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (p *processed) pages(d *json.Decoder) error {
	if some, err := open(d, '['); err != nil || !some {
		return err
	}
	for d.More() {
		var from page
		if err := d.Decode(&from); err != nil {
			return err
		}
		to := chunk.Page{Number: from.Page, Text: from.Text}
		if p.words += len(from.Words); p.words <= maxWords {
			for _, w := range from.Words {
				to.Words = append(to.Words, chunk.Word{Text: w.Text, Box: chunk.Box{Left: w.Box[0], Top: w.Box[1], Right: w.Box[2], Bottom: w.Box[3]}})
			}
		}
		p.reading.Pages = append(p.reading.Pages, to)
		if strings.TrimSpace(from.Text) == "" {
			p.reading.Empty = append(p.reading.Empty, from.Page)
		}
	}
	_, err := d.Token()
	return err
}

// paged reports whether a format has pages that somebody can open. The doc-processor
// numbers the sheets of a workbook and the parts of a mail too.
func paged(mediaType string) bool {
	return mediaType == "" || mediaType == "application/pdf" || strings.HasPrefix(mediaType, "image/")
}

// open reads the beginning of a list or an object; null is none.
func open(d *json.Decoder, begins json.Delim) (bool, error) {
	token, err := d.Token()
	switch {
	case err != nil || token == nil:
		return false, err
	case token != begins:
		return false, &json.UnmarshalTypeError{Value: "another value", Type: reflect.TypeFor[processed](), Offset: d.InputOffset()}
	}
	return true, nil
}
