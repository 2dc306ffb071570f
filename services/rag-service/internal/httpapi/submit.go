package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/services/rag-service/internal/rag"
)

// told is what is said of a document.
type told struct {
	Title        string `json:"title"`
	Edition      string `json:"edition"`
	From         string `json:"from"`
	Until        string `json:"until"`
	Jurisdiction string `json:"jurisdiction"`
}

func (m told) domain() rag.Metadata {
	return rag.Metadata{Title: m.Title, Edition: m.Edition, From: m.From, Until: m.Until, Jurisdiction: m.Jurisdiction}
}

func toldOf(m rag.Metadata) told {
	return told{Title: m.Title, Edition: m.Edition, From: m.From, Until: m.Until, Jurisdiction: m.Jurisdiction}
}

// saidIn collects the fields of a form or of a query.
func saidIn(field func(string) string) rag.Metadata {
	return rag.Metadata{
		Title: field("title"), Edition: field("edition"), From: field("from"), Until: field("until"), Jurisdiction: field("jurisdiction"),
	}
}

// collectionOf is the collection that a query names.
func collectionOf(c *gin.Context) string { return c.DefaultQuery("collection", rag.DefaultCollection) }

// respondAsync is the preference of RFC 7240 for an answer before the work is done.
const respondAsync = "respond-async"

// wantsAsync reports whether the client prefers an answer before the work is done.
func wantsAsync(c *gin.Context) bool {
	for _, header := range c.Request.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(header, ",") {
			name, _, _ := strings.Cut(preference, ";")
			if strings.EqualFold(strings.TrimSpace(name), respondAsync) {
				return true
			}
		}
	}
	return false
}

// submitted is what became of documents that were sent.
type submitted struct {
	Documents []submittedDocument `json:"documents"`
	first     error               // of those that failed
	jobs      int
	fine      int
}

type submittedDocument struct {
	Source   string `json:"source"`
	Status   string `json:"status"` // accepted, unchanged, skipped or failed
	Job      *int64 `json:"job"`    // null when there is none
	Location string `json:"location,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// add notes what became of one document, of the name.
func (s *submitted) add(sub rag.Submission, err error) func(name string) {
	return func(name string) {
		switch {
		case err != nil:
			if s.first == nil {
				s.first = err
			}
			s.Documents = append(s.Documents, submittedDocument{Source: name, Status: string(rag.Failed), Reason: fault.DetailOf(err)})
		case sub.Job != nil:
			s.jobs++
			s.Documents = append(s.Documents, submittedDocument{Source: name, Status: "accepted", Job: &sub.Job.ID, Location: location(sub.Job.ID)})
		default:
			if sub.Outcome.Status != rag.Failed {
				s.fine++
			}
			s.Documents = append(s.Documents, submittedDocument{Source: name, Status: string(sub.Outcome.Status), Reason: sub.Outcome.Reason})
		}
	}
}

func submittedFolder(report rag.FolderReport) *submitted {
	s := &submitted{}
	for _, j := range report.Jobs {
		s.add(rag.Submission{Job: &j}, nil)(j.Source)
	}
	for _, o := range report.Outcomes {
		s.add(rag.Submission{Outcome: o}, nil)(o.Source)
	}
	return s
}

func location(job int64) string { return fmt.Sprintf("/jobs/%d", job) }

// answer is 202 when something is being done, 200 when nothing is to be done, and
// the first failure's problem when all failed.
func (s *submitted) answer(c *gin.Context) error {
	if s.first != nil && s.jobs+s.fine == 0 {
		return s.first
	}
	if s.Documents == nil {
		s.Documents = []submittedDocument{}
	}
	if wantsAsync(c) {
		c.Header("Preference-Applied", respondAsync)
	}
	status := http.StatusOK
	if s.jobs > 0 {
		status = http.StatusAccepted
		c.Header("Location", "/jobs")
		if len(s.Documents) == 1 {
			c.Header("Location", s.Documents[0].Location)
		}
	}
	c.JSON(status, s)
	return nil
}

// The bounds of a form.
const (
	mostField  = 4 << 10 // bytes of a field that is no file
	mostFiles  = 10_000
	uploadSize = 20 // the largest form, in largest files
)

// sendDocuments takes files of a form, each as it comes. Fields say something of
// the files that follow them.
func (a *API) sendDocuments(c *gin.Context) error {
	ctx := c.Request.Context()
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return fault.Wrap(fault.Malformed, err, `The body must be multipart/form-data with files in fields named "file".`)
	}
	said := map[string]string{}
	for _, name := range []string{"collection", "title", "edition", "from", "until", "jurisdiction"} {
		said[name] = c.Query(name)
	}
	var sent submitted
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return httpserver.BodyError(ctx, err)
		}
		name, isFile, err := partName(part)
		if err != nil {
			return err
		}
		if !isFile {
			value, err := io.ReadAll(io.LimitReader(part, mostField+1))
			if err != nil {
				return httpserver.BodyError(ctx, err)
			}
			if _, known := said[part.FormName()]; known && len(value) <= mostField {
				said[part.FormName()] = string(value)
			}
			continue
		}
		if len(sent.Documents) == mostFiles {
			return fault.Newf(fault.TooLarge, "There are more than %d files; send them in several requests.", mostFiles)
		}
		sent.add(a.submit(c, name, said, part))(name)
	}
	if len(sent.Documents) == 0 {
		return fault.New(fault.Invalid, `There is no file in the form: send files in fields named "file".`)
	}
	return sent.answer(c)
}

func (a *API) submit(c *gin.Context, name string, said map[string]string, part io.Reader) (rag.Submission, error) {
	text, known := rag.KindOf(name)
	if !known {
		return rag.Submission{}, fault.New(fault.Unsupported, "Not a document that is ingested: "+rag.KindNames+" are.")
	}
	collection := said["collection"]
	if collection == "" {
		collection = rag.DefaultCollection
	}
	body := &bodyReader{part: part}
	sub, err := a.o.Service.Submit(c.Request.Context(), rag.Upload{
		Key: rag.Key{Collection: collection, Source: name}, Metadata: saidIn(func(field string) string { return said[field] }), Text: text,
	}, body)
	if body.err != nil {
		return rag.Submission{}, httpserver.BodyError(c.Request.Context(), body.err)
	}
	return sub, err
}

// bodyReader remembers the error of a request's body.
type bodyReader struct {
	part io.Reader
	err  error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.part.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// partName returns the name of a part that is a file: as browsers send files of a
// folder, a path with slashes.
func partName(part *multipart.Part) (name string, isFile bool, err error) {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return "", false, fault.Wrap(fault.Malformed, err, "A part's Content-Disposition header cannot be read.")
	}
	name, isFile = params["filename"]
	if isFile && name == "" {
		return "", false, fault.Newf(fault.Malformed, "The field %q holds no file: its part has no file name.", path.Base(part.FormName()))
	}
	return name, isFile, nil
}
