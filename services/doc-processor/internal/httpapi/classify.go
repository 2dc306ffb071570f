package httpapi

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/understand"
)

// classified is what a document is and asks for, with how it was read.
type classified struct {
	understand.Result
	Method   document.Method `json:"method"` // none for text that was sent as such
	Pages    int             `json:"pages"`
	Warnings []string        `json:"warnings"`
}

// classifyText is the body of POST /classify in JSON: a text, or its pages.
type classifyText struct {
	Text          string   `json:"text"`
	Pages         []string `json:"pages"`
	ExistingNames []string `json:"existing_names"`
}

// classify says what a document is, and proposes: it changes nothing.
func (a *API) classify(c *gin.Context) error {
	if mediaType, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type")); mediaType == "application/json" {
		return a.classifyText(c)
	}
	upload, err := a.options.Documents.Receive()
	if err != nil {
		return err
	}
	// The file is in the spool only, which is emptied at the next start too.
	defer func() { _ = upload.Close() }()
	form, err := httpserver.ReadForm(c, "file", &capped{w: upload, limit: a.options.MaxUpload})
	if err != nil {
		return err
	}
	file := document.File{Name: form.FileName, Password: form.Get("password")}
	if file.Cloud, err = a.inCloud(form); err != nil {
		return err
	}
	result, err := upload.Read(c.Request.Context(), file)
	if err != nil {
		return err
	}
	answered(c, result.Pages)
	c.JSON(http.StatusOK, classified{
		Result: understood(result, namesOf(form)), Method: result.Method,
		Pages: len(result.Pages), Warnings: append([]string{}, result.Warnings...),
	})
	return nil
}

func (a *API) classifyText(c *gin.Context) error {
	var body classifyText
	if err := httpserver.BindJSON(c, &body); err != nil {
		return err
	}
	pages := body.Pages
	if body.Text != "" {
		pages = append([]string{body.Text}, pages...)
	}
	if len(pages) == 0 || len(pages) > a.options.MaxPages {
		return &fault.Error{Kind: fault.Invalid, Detail: "There is nothing to classify, or too much.", Fields: []fault.Field{
			{Name: "text", Detail: "a document's text, or in pages that of its pages, at most " + strconv.Itoa(a.options.MaxPages)},
		}}
	}
	doc := understand.Document{Kind: document.Text, Taken: body.ExistingNames}
	for i, text := range pages {
		doc.Pages = append(doc.Pages, understand.Page{Number: i + 1, Text: text})
	}
	c.JSON(http.StatusOK, classified{Result: understand.Understand(doc), Method: document.None, Pages: len(pages), Warnings: []string{}})
	return nil
}

// understood reads what was read of a document.
func understood(r *document.Result, taken []string) understand.Result {
	doc := understand.Document{Kind: r.Kind, Taken: taken}
	for _, p := range r.Pages {
		page := understand.Page{Number: p.Number, Text: p.Text, Attachment: p.Attachment, Margin: p.Header + "\n" + p.Footer}
		for _, d := range p.Doubts {
			page.Doubts = append(page.Doubts, d.Text)
		}
		for _, w := range p.Words {
			b := w.Rounded()
			page.Words = append(page.Words, understand.Word{Text: w.Text, Box: [4]float64{b.Left, b.Top, b.Right, b.Bottom}})
		}
		doc.Pages = append(doc.Pages, page)
	}
	return understand.Understand(doc)
}

// namesOf are the file names that are taken, one a line of the form's field.
func namesOf(form httpserver.Form) []string {
	return strings.FieldsFunc(form.Get("existing_names"), func(r rune) bool { return r == '\n' || r == '\r' })
}

// asked reads a yes or no among a form's fields.
func asked(form httpserver.Form, field string) (bool, error) {
	value := form.Get(field)
	if value == "" {
		return false, nil
	}
	yes, err := strconv.ParseBool(value)
	if err != nil {
		return false, &fault.Error{Kind: fault.Invalid, Detail: "A field of the form is not as it may be.", Fields: []fault.Field{{Name: field, Detail: "true or false"}}}
	}
	return yes, nil
}
