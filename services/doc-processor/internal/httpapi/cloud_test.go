package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/job"
	"signpost.internal/services/doc-processor/internal/worker"
)

// cloud is a service on the internet that counts what it is sent.
type cloud struct {
	sent int
	err  error
}

func (*cloud) Host() string { return "cloud.example" }

func (c *cloud) Parse(context.Context, document.Source) ([]document.CloudPage, error) {
	c.sent++
	return []document.CloudPage{{Text: "# From afar"}, {Failed: true}}, c.err
}

// Nothing is sent anywhere unless the operator allowed it and the request chose it.
func TestCloudParsing(t *testing.T) {
	pdf := file{"file", "a.pdf", samplemanuals.OddEmptyPages(2)}
	chosen := func(parser string) *http.Request { return withField(t, "/process", "parser", parser, pdf) }

	h := newServer(t, nil)
	golden(t, "cloud_not_allowed", post(h, chosen("llamaparse")))
	golden(t, "cloud_unknown", post(h, chosen("tesseract")))

	service := &cloud{}
	h = newServer(t, func(_ *worker.Options, d *document.Options) { d.Cloud = service })
	for _, r := range []*http.Request{form(t, pdf), chosen("local"), chosen("")} {
		if w := post(h, r); w.Code != http.StatusOK || service.sent != 0 {
			t.Errorf("%d, sent %d times", w.Code, service.sent)
		}
	}
	golden(t, "cloud", post(h, chosen("llamaparse")))
	for _, f := range []file{{"file", "a.txt", []byte("words")}, {"file", "a.pdf", []byte("%PDF-1.7\nbroken\n%%EOF\n")}} {
		if w := post(h, withField(t, "/process", "parser", "llamaparse", f)); w.Code < 400 || w.Code > 499 {
			t.Errorf("%s: %d", f.name, w.Code)
		}
	}
	if w := post(h, withFields(t, "/process", map[string]string{"parser": "llamaparse", "password": "x"}, pdf)); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("with a password: %d", w.Code)
	}
	if service.sent != 1 {
		t.Errorf("sent %d times", service.sent)
	}
	var j struct{ ID string }
	if err := json.Unmarshal(post(h, withField(t, "/jobs", "parser", "llamaparse", pdf)).Body.Bytes(), &j); err != nil {
		t.Fatal(err)
	}
	if state := waitFor(t, h, j.ID); state != job.Done || service.sent != 2 {
		t.Errorf("the job is %s, sent %d times", state, service.sent)
	}

	// What fails there is not read here in its place.
	service.err = fault.New(fault.Unavailable, "Down.")
	if w := post(h, chosen("llamaparse")); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "markdown") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
