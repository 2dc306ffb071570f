package migration_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/samplemanuals"
)

// The manual that the services are given, in pages of a PDF and as a text.
const (
	manualTitle = "Breathing space"
	manual      = "## 1. How long\n\nA standard breathing space lasts for 60 days from the day after the application is registered.\n\n" +
		"## 2. How often\n\nA client may have a standard breathing space once in any period of 12 months.\n"
	manualText = "# Breathing space\n\nA standard breathing space lasts for 60 days from the day after the application is registered.\n\n" +
		"A client may have a standard breathing space once in any period of 12 months.\n"
)

// pdf makes the manual's PDF.
func pdf(t *testing.T, form samplemanuals.Form) []byte {
	t.Helper()
	_, data, err := samplemanuals.Render("---\ntitle: "+manualTitle+"\nedition: 1\neffective: 1 May 2026\nstated: 1 May 2026\n"+
		"jurisdiction: England and Wales\nform: "+string(form)+"\n---\n\n"+manual, form)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

type cited struct {
	Answer    string
	Mode      string
	Refused   bool
	Notice    string
	Provider  string
	Citations []struct {
		Document, Quote string
		Page            *int
		Boxes           [][4]float64
	}
}

const howLong = "How long does a standard breathing space last?"

// ragService: documents in, a cited answer out, through rag-service and
// doc-processor as processes of their own.
func ragService(t *testing.T, s *showing) {
	first, _ := engines()
	// The second sentence is invented: no passage has its figure.
	up := stub(t, first, "It lasts for 60 days [1]. It costs £12 [1].")
	reader := start(t, docs, map[string]string{"LLM_PROVIDER": "none", "OCR_LANGUAGES": "eng"})
	environ := up.Environ()
	environ["DOC_PROCESSOR_URL"] = reader.url
	p := start(t, rag, environ)

	p.json(t, "/query", map[string]any{"question": howLong}).problem(t, http.StatusServiceUnavailable)
	var ingested struct {
		Success bool
		Chunks  int `json:"chunks_created"`
	}
	if p.upload(t, "/ingest-pdf", "breathing-space.pdf", pdf(t, samplemanuals.Text)).into(t, http.StatusOK, &ingested); !ingested.Success || ingested.Chunks == 0 {
		t.Fatalf("ingested %+v", ingested)
	}

	var got cited
	a := p.json(t, "/query", map[string]any{"question": howLong, "top_k": 1})
	a.into(t, http.StatusOK, &got)
	if got.Mode != "generated" || !strings.Contains(got.Answer, "60 days") || got.Provider != first {
		t.Errorf("answer %s", a.body)
	}
	if strings.Contains(got.Answer, "£12") || got.Notice == "" {
		t.Errorf("what no passage proves is in the answer, or nothing is said of it: %s", a.body)
	}
	if len(got.Citations) != 1 || got.Citations[0].Document != "breathing-space.pdf" || got.Citations[0].Page == nil || *got.Citations[0].Page != 1 ||
		!strings.Contains(got.Citations[0].Quote, "60 days") {
		t.Errorf("citations %+v", got.Citations)
	}
	for _, c := range got.Citations {
		if len(c.Boxes) < 2 || slices.ContainsFunc(c.Boxes, func(b [4]float64) bool { return b[0] < 0 || b[0] >= b[2] || b[1] >= b[3] || b[3] > 1 }) {
			t.Errorf("%s stands at %v", c.Document, c.Boxes)
		}
	}
	var other cited
	if p.json(t, "/query", map[string]any{"question": "Which orchid compost suits a north-facing windowsill?"}).into(t, http.StatusOK, &other); !other.Refused {
		t.Errorf("not refused: %+v", other)
	}
	if len(chats(up, "orchid")) > 0 {
		t.Error("the model was asked what the manuals do not cover")
	}
	s.shows("over HTTP a PDF is ingested through doc-processor and a question answered by %s with the page cited; an invented figure is cut; what the manuals lack is refused and no model asked", first)

	up.Close()
	var without cited
	a = p.json(t, "/query", map[string]any{"question": howLong})
	a.into(t, http.StatusOK, &without)
	if without.Mode != "passages" || len(without.Citations) == 0 || !strings.Contains(without.Answer, "60 days") {
		t.Errorf("without a model: %s", a.body)
	}
	s.shows("with the model gone the passage itself is the answer")
}

// The notes that the services are given, and the draft of a good model.
const (
	arrears   = "with Northtown Homes"
	notesText = "Rent arrears of £1,240 " + arrears + ".\nClient to send her tenancy agreement by 5 June 2026.\nI will ring the landlord."
	draft     = `{"matters_discussed": [{"text": "You have rent arrears of £1,240 with Northtown Homes.", "lines": [1]}],` +
		` "our_actions": [{"text": "We will ring the landlord.", "lines": [3]}],` +
		` "your_actions": [{"text": "Please send us your tenancy agreement by 5 June 2026.", "lines": [2]}]}`
)

type letter struct {
	Matters  string `json:"matters_discussed"`
	Ours     string `json:"our_actions"`
	Yours    string `json:"your_actions"`
	Full     string `json:"full_text"`
	Method   string
	Provider string
	Notice   string
}

func (p *program) convert(t *testing.T) answer {
	t.Helper()
	return p.json(t, "/convert", map[string]any{"notes": notesText, "client_name": "Ms Example"})
}

// notesService: notes in, a letter out; with the model down no letter, where
// one is required.
func notesService(t *testing.T, s *showing) {
	first, _ := engines()
	up := stub(t, first, draft)
	environ := up.Environ()
	environ["NOTES_REQUIRE_MODEL"] = "true"
	p := start(t, notes, environ)

	var got letter
	a := p.convert(t)
	a.into(t, http.StatusOK, &got)
	if by, model, _ := a.by(); got.Method != "model" || by != first || model != modelOf(first) {
		t.Errorf("by %s %s: %s", by, model, a.body)
	}
	for section, want := range map[string]string{got.Matters: "£1,240", got.Yours: "5 June 2026", got.Ours: "ring the landlord", got.Full: "Dear Ms Example"} {
		if !strings.Contains(section, want) {
			t.Errorf("%q lacks %q", section, want)
		}
	}
	up.SetReply(strings.Replace(draft, "£1,240", "£1,420", 1))
	if p.convert(t).into(t, http.StatusOK, &got); strings.Contains(got.Full, "£1,420") || !strings.Contains(got.Full, "£1,240") || got.Notice == "" {
		t.Errorf("the model's wrong figure: %+v", got)
	}
	s.shows("over HTTP notes become a letter by %s, each item in its section; a figure that the model swaps is not in the letter", first)

	up.Fail(http.StatusInternalServerError)
	a = p.convert(t)
	detail := a.problem(t, http.StatusServiceUnavailable).Detail
	if !strings.Contains(detail, "NOTES_REQUIRE_MODEL") || bytes.Contains(a.body, []byte("Dear")) || bytes.Contains(a.body, []byte("full_text")) {
		t.Errorf("a letter in place of an error, or no reason: %s", a.body)
	}
	if by, model, _ := a.by(); by == first || model != "" {
		t.Errorf("the headers name %s %s", by, model)
	}
	up.SetReply(draft)
	up.Fail(0)
	if p.convert(t).into(t, http.StatusOK, &got); got.Method != "model" {
		t.Errorf("the model is back and not used: %+v", got)
	}
	s.shows("with the model down and NOTES_REQUIRE_MODEL=true: 503 and no letter; with it back: letters again, without a restart")

	up.Close()
	delete(environ, "NOTES_REQUIRE_MODEL")
	a = start(t, notes, environ).convert(t)
	a.into(t, http.StatusOK, &got)
	if by, _, _ := a.by(); by != provider.None || got.Method != "rules" || got.Notice == "" || !strings.Contains(got.Full, "without a language model") {
		t.Errorf("not marked as made by rule: %s", a.body)
	}
	s.shows("where none is required: a letter by rule that says so")
}

type document struct {
	Markdown string
	Method   string
	Pages    int
	Success  bool
	Warnings []string
	Results  []struct {
		Page       int
		Method     string
		Confidence *float64
		Text       string
		Vision     *struct {
			Description, Provider, Model string
			Machine                      bool `json:"machine_described"`
		}
	} `json:"page_results"`
}

// docProcessor: a text layer is read, a scan is read by OCR, and what is no
// document or too large is refused.
func docProcessor(t *testing.T, s *showing) {
	p := start(t, docs, map[string]string{"LLM_PROVIDER": "none", "OCR_LANGUAGES": "eng", "MAX_UPLOAD_MB": "1"})
	for _, tc := range []struct {
		form   samplemanuals.Form
		method string
	}{{samplemanuals.Text, "text_layer"}, {samplemanuals.Scan, "tesseract"}} {
		var got document
		p.upload(t, "/process", "manual.pdf", pdf(t, tc.form)).into(t, http.StatusOK, &got)
		text := strings.Join(strings.Fields(got.Markdown), " ")
		if !got.Success || got.Method != tc.method || got.Pages != 1 || !strings.Contains(text, "lasts for 60 days from the day after") || !strings.Contains(text, "12 months") {
			t.Errorf("%s: %+v", tc.form, got)
		}
		if sure := got.Results[0].Confidence; tc.form == samplemanuals.Scan && (sure == nil || *sure < 0.8) {
			t.Errorf("the scan's confidence: %v", sure)
		}
	}
	unsupported := p.upload(t, "/process", "letter.pdf", []byte("PK\x03\x04 a zip file, whatever its name")).problem(t, http.StatusUnsupportedMediaType)
	if !strings.Contains(unsupported.Detail, "PDF") {
		t.Errorf("what is accepted is not said: %s", unsupported.Detail)
	}
	broken := p.upload(t, "/process", "letter.pdf", samplemanuals.OddTruncated(pdf(t, samplemanuals.Text)))
	broken.problem(t, http.StatusUnprocessableEntity)
	p.upload(t, "/process", "letter.txt", slices.Repeat([]byte("word "), 1<<20)).problem(t, http.StatusRequestEntityTooLarge)
	s.shows("over HTTP a PDF's text layer is read, a scan by Tesseract with its confidence; another type 415, a cut file 422, too large 413, each with the reason and none as a success")
}
