// Package drafting makes drafts of letters: it has the notes read and the letter
// written and proved, puts it into its template, and writes it in the form that
// is asked for. It knows nothing of HTTP.
package drafting

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/docx"
	"signpost.internal/services/notes-service/internal/note"
	"signpost.internal/services/notes-service/internal/office"
	"signpost.internal/services/notes-service/internal/paper"
	"signpost.internal/services/notes-service/internal/plainpdf"
	"signpost.internal/services/notes-service/internal/template"
)

// Format is a form of a draft.
type Format string

// The formats.
const (
	JSON     Format = "json"
	Markdown Format = "markdown"
	DOCX     Format = "docx"
	PDF      Format = "pdf"
)

// Formats returns all formats, the default first.
func Formats() []Format { return []Format{JSON, Markdown, DOCX, PDF} }

// MediaType returns the format's media type.
func (f Format) MediaType() string {
	switch f {
	case Markdown:
		return "text/markdown"
	case DOCX:
		return docx.MediaType
	case PDF:
		return plainpdf.MediaType
	default:
		return "application/json"
	}
}

// Request is what a letter is made from.
type Request struct {
	ID        string // of the draft; empty for a new one
	Notes     string
	Client    string   // as a caller gave it; empty for none
	Address   []string // of the client, in lines
	Reference string   // the agency's own
	Date      string   // of the letter, as it is to stand there
	Template  string   // its name; empty for the default
}

// Draft is a letter that nobody has decided about yet.
type Draft struct {
	ID       string
	Note     *note.Letter
	Template *template.Template
	Letter   paper.Letter
	// Unproved is why it is not ready, in a sentence without words of the notes;
	// empty when it is.
	Unproved string
}

// Ready reports whether nothing is known to be wrong with it.
func (d *Draft) Ready() bool { return d.Unproved == "" }

// Converter writes letters from notes.
type Converter interface {
	Convert(ctx context.Context, notes, clientName string) (*note.Letter, error)
}

// Tagger makes tagged PDFs of Word files.
type Tagger interface {
	PDF(ctx context.Context, docx []byte) ([]byte, error)
}

// Options are what a [Writer] is made of.
type Options struct {
	Notes     Converter
	Templates *template.Set
	// Office is LibreOffice, nil where there is none.
	Office Tagger
	// NewID names a draft; nil for random names.
	NewID func() string
}

// Writer makes drafts. It is safe for use by many goroutines.
type Writer struct{ o Options }

// New returns a Writer.
func New(o Options) *Writer {
	if o.NewID == nil {
		o.NewID = NewID
	}
	return &Writer{o}
}

// NewID returns a name that nobody can guess.
func NewID() string { return rand.Text() }

// Templates returns the templates.
func (w *Writer) Templates() *template.Set { return w.o.Templates }

// Tagged reports whether PDFs are tagged.
func (w *Writer) Tagged() bool { return w.o.Office != nil }

// Draft writes a letter. It fails as [template.Set.Find] and the converter do.
func (w *Writer) Draft(ctx context.Context, r Request) (*Draft, error) {
	t, err := w.o.Templates.Find(r.Template)
	if err != nil {
		return nil, err
	}
	client := r.Client
	if client == "" {
		client = note.DefaultClient
	}
	letter, err := w.o.Notes.Convert(ctx, r.Notes, client)
	if err != nil {
		return nil, err
	}
	id := r.ID
	if id == "" {
		id = w.o.NewID()
	}
	d := &Draft{ID: id, Note: letter, Template: t, Unproved: letter.Unproved}
	content := template.Content{
		Reference: r.Reference, Date: r.Date,
		Matters: section(letter.Matters, note.NoMatters), Ours: section(letter.Ours, note.NoOurs), Yours: section(letter.Yours, note.NoYours),
		Model: letter.Method == note.Model, Unproved: d.Unproved,
	}
	if !strings.EqualFold(client, note.DefaultClient) {
		content.Client = client
	}
	if len(r.Address) > 0 {
		content.Addressee = r.Address
		if content.Client != "" {
			content.Addressee = append([]string{content.Client}, r.Address...)
		}
	}
	d.Letter = t.Fill(content)
	letter.FullText = letter.Mark + "\n\n" + d.Letter.Text()
	return d, nil
}

// section is a section's text, or none where the notes record nothing for it.
func section(text, none string) string {
	if text == none {
		return ""
	}
	return text
}

// Method says how a PDF was made.
type Method string

// The methods.
const (
	Tagged Method = "tagged" // by LibreOffice, with the structure that screen readers need
	Plain  Method = "plain"  // by the service itself, without
)

// File is a letter in a format.
type File struct {
	Format Format
	Data   []byte
	Method Method // of a PDF
	Notice string // what there is to know about it; empty for nothing
}

// Write writes a letter in a format other than JSON. A PDF that LibreOffice cannot
// make is made plain, and says why; only the caller's own end stops it.
func (w *Writer) Write(ctx context.Context, l paper.Letter, f Format) (*File, error) {
	switch f {
	case Markdown:
		return &File{Format: f, Data: []byte(l.Marked())}, nil
	case DOCX:
		data, err := docx.Write(l)
		return &File{Format: f, Data: data}, err
	case PDF:
		return w.pdf(ctx, l)
	default:
		return nil, fault.Newf(fault.Invalid, "A letter is not written as %s.", f)
	}
}

func (w *Writer) pdf(ctx context.Context, l paper.Letter) (*File, error) {
	why := office.ErrMissing.Error() + " here"
	if w.o.Office != nil {
		word, err := docx.Write(l)
		if err != nil {
			return nil, err
		}
		data, err := w.o.Office.PDF(ctx, word)
		if err == nil {
			return &File{Format: PDF, Data: data, Method: Tagged}, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		why = strings.TrimSuffix(fault.DetailOf(err), ".")
	}
	data, missing, err := plainpdf.Write(l)
	if err != nil {
		return nil, err
	}
	notice := "The PDF has no tags for screen readers: " + why + "."
	if len(missing) > 0 {
		codes := make([]string, len(missing))
		for i, r := range missing {
			codes[i] = fmt.Sprintf("U+%04X", r)
		}
		notice += " Characters that its fonts do not have stand in it by their numbers: " + strings.Join(codes, ", ") + "."
	}
	return &File{Format: PDF, Data: data, Method: Plain, Notice: notice}, nil
}

// Open finds LibreOffice for [Options].Office. The nil Tagger says that there is
// none.
func Open(o office.Options) (tagger Tagger, closeOffice func() error, err error) {
	if o.Program == "" || o.Program == "none" {
		return nil, func() error { return nil }, nil
	}
	c, err := office.Open(o)
	switch {
	case errors.Is(err, office.ErrMissing):
		return nil, func() error { return nil }, nil
	case err != nil:
		return nil, nil, err
	}
	return c, c.Close, nil
}
