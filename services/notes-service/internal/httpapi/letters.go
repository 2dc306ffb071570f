package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/munnerz/goautoneg"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/modelapi"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/paper"
)

// Bounds of what a letter has beside the notes.
const (
	maxAddressLines = 8
	maxLine         = 200 // characters
)

// The headers of an answer that is a letter.
const (
	draftHeader     = "X-Draft-ID"
	readyHeader     = "X-Draft-Ready"      // true or false
	pdfMethodHeader = "X-PDF-Method"       // tagged or plain
	noticeHeader    = "X-Document-Notice"  // what there is to know about the file
	unprovedHeader  = "X-Draft-Not-Proved" // why it is not ready
)

// order is what a letter is made from, as callers send it.
type order struct {
	Notes      *string `json:"notes" binding:"required"`
	ClientName *string `json:"client_name"`
	Address    *string `json:"client_address"` // lines
	Reference  *string `json:"our_reference"`
	Date       *string `json:"letter_date"`
	Template   *string `json:"template"`
	Format     *string `json:"format"`
}

// request checks what was sent. Notes must be there.
func (o order) request() (drafting.Request, error) {
	r := drafting.Request{
		Notes: *o.Notes, Client: trimmed(o.ClientName), Reference: trimmed(o.Reference),
		Date: trimmed(o.Date), Template: trimmed(o.Template),
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(trimmed(o.Address), "\r\n", "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			r.Address = append(r.Address, line)
		}
	}
	fields := check(r.Notes, r.Client)
	for _, one := range []struct{ name, value string }{{"our_reference", r.Reference}, {"letter_date", r.Date}} {
		fields = append(fields, checkLine(one.name, one.value)...)
	}
	for _, line := range r.Address {
		if bad := checkLine("client_address", line); bad != nil {
			fields = append(fields, bad...)
			break
		}
	}
	if len(r.Address) > maxAddressLines {
		fields = append(fields, fault.Field{Name: "client_address", Detail: "has more than the 8 lines that are accepted"})
	}
	return r, invalid(fields)
}

func trimmed(s *string) string {
	if s == nil {
		return ""
	}
	return strings.TrimSpace(*s)
}

// checkLine refuses what is not one line of text.
func checkLine(name, value string) []fault.Field {
	switch {
	case utf8.RuneCountInString(value) > maxLine:
		return []fault.Field{{Name: name, Detail: "is longer than the 200 characters of a line that are accepted"}}
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return []fault.Field{{Name: name, Detail: "holds control characters: lines of plain text are accepted"}}
	}
	return nil
}

func invalid(fields []fault.Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: fields}
}

// formatOf returns the form of the answer: what the request names, else what its
// Accept header prefers.
func formatOf(c *gin.Context, named string) (drafting.Format, error) {
	if named == "" {
		named = c.Query("format")
	}
	if named != "" {
		return parseFormat(named)
	}
	formats := drafting.Formats()
	offers := make([]string, len(formats))
	for i, f := range formats {
		offers[i] = f.MediaType()
	}
	chosen, err := httpserver.Negotiate(c.Request.Header.Values("Accept"), offers...)
	if err != nil {
		return "", err
	}
	return formats[slices.Index(offers, chosen)], nil
}

// parseFormat reads a format's name, none for JSON.
func parseFormat(named string) (drafting.Format, error) {
	if named == "" {
		return drafting.JSON, nil
	}
	if f := drafting.Format(named); slices.Contains(drafting.Formats(), f) {
		return f, nil
	}
	return "", invalid([]fault.Field{{Name: "format", Detail: "is not one of: json, markdown, docx, pdf"}})
}

// namesJSON reports whether the caller asks for JSON by name.
func namesJSON(c *gin.Context) bool {
	for _, clause := range goautoneg.ParseAccept(strings.Join(c.Request.Header.Values("Accept"), ",")) {
		if clause.Type == "application" && clause.SubType == "json" && clause.Q > 0 {
			return true
		}
	}
	return false
}

// document is a letter's file within JSON.
type document struct {
	Format    drafting.Format `json:"format"`
	MediaType string          `json:"media_type"`
	Method    drafting.Method `json:"method,omitempty"` // of a PDF: tagged or plain
	Notice    string          `json:"notice"`
	Data      []byte          `json:"data"` // base64
}

func toDocument(f *drafting.File) *document {
	return &document{Format: f.Format, MediaType: f.Format.MediaType(), Method: f.Method, Notice: f.Notice, Data: f.Data}
}

// answer sends a draft in the form that was asked for.
func (a *API) answer(c *gin.Context, d *drafting.Draft, format drafting.Format) error {
	if d.Note.Answered {
		modelapi.Answered(c, d.Note.Provider, d.Note.Model, d.Note.Fallback)
	} else {
		modelapi.Answered(c, provider.None, "", "")
	}
	body := wire(d)
	if format == drafting.JSON {
		about(c, d.ID, d.Unproved)
		c.JSON(http.StatusOK, body)
		return nil
	}
	file, err := a.options.Drafts.Write(c.Request.Context(), d.Letter, format)
	if err != nil {
		return err
	}
	about(c, d.ID, d.Unproved)
	if namesJSON(c) {
		body.Document = toDocument(file)
		describe(c, file)
		c.JSON(http.StatusOK, body)
		return nil
	}
	sendFile(c, file, d.Letter)
	return nil
}

// about tells in headers which draft it is and how it stands.
func about(c *gin.Context, id, unproved string) {
	c.Header(draftHeader, id)
	c.Header(readyHeader, strconv.FormatBool(unproved == ""))
	if unproved != "" {
		c.Header(unprovedHeader, unproved)
	}
}

func describe(c *gin.Context, f *drafting.File) {
	if f.Method != "" {
		c.Header(pdfMethodHeader, string(f.Method))
	}
	if f.Notice != "" {
		c.Header(noticeHeader, f.Notice)
	}
}

// sendFile answers with a file. Its name says nothing of the client.
func sendFile(c *gin.Context, f *drafting.File, l paper.Letter) {
	describe(c, f)
	c.Header("Content-Language", l.Language)
	c.Header("Cache-Control", "no-store")
	name := map[drafting.Format]string{drafting.Markdown: "letter.md", drafting.DOCX: "letter.docx", drafting.PDF: "letter.pdf"}[f.Format]
	c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	kind := f.Format.MediaType()
	if f.Format == drafting.Markdown {
		kind += "; charset=utf-8"
	}
	c.Data(http.StatusOK, kind, f.Data)
}

type templateBody struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Language string `json:"language"`
	Default  bool   `json:"default"`
	Builtin  bool   `json:"built_in"`
	// Checked says that a person who speaks the language has read the fixed text.
	Checked bool   `json:"checked"`
	Notice  string `json:"notice"`
	// Approved are the paragraphs that a letter has from its template and not from
	// the notes.
	Approved []string `json:"approved"`
}

const unchecked = "The fixed text of this template was not yet read by a person who speaks its language: have it checked before a letter goes out."

// templates lists what a letter may be put into.
func (a *API) templates(c *gin.Context) error {
	set := a.options.Drafts.Templates()
	standard, err := set.Find("")
	if err != nil {
		return err
	}
	list := []templateBody{}
	for _, t := range set.List() {
		b := templateBody{Name: t.Name, Title: t.Title, Language: t.Language, Default: t == standard, Builtin: t.Builtin, Checked: t.Checked, Approved: t.Fixed()}
		if !t.Checked {
			b.Notice = unchecked
		}
		list = append(list, b)
	}
	c.JSON(http.StatusOK, gin.H{"templates": list})
	return nil
}

// warnings are the note's, and what there is to say about the template.
func warnings(d *drafting.Draft) []string {
	out := append([]string{}, d.Note.Warnings...)
	if !d.Template.Checked {
		out = append(out, unchecked)
	}
	return out
}
