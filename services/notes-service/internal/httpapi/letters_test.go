package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTemplates(t *testing.T) {
	h, _ := router(t, nil)
	golden(t, "templates", send(t, h, "GET", "/templates", "").Body.Bytes())
}

// A letter is to be had in each format, by the field, the query or Accept.
func TestFormats(t *testing.T) {
	h, _ := router(t, nil)
	const word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	for name, tc := range map[string]struct {
		body, query, accept string
		kind, begins        string
		status              int
	}{
		"nothing":           {kind: "application/json; charset=utf-8", begins: `{"id":`},
		"anything":          {accept: "*/*", kind: "application/json; charset=utf-8", begins: `{"id":`},
		"markdown by field": {body: `, "format": "markdown"`, kind: "text/markdown; charset=utf-8", begins: "**DRAFT – not proved: "},
		"markdown by query": {query: "?format=markdown", kind: "text/markdown; charset=utf-8", begins: "**DRAFT"},
		"docx by accept":    {accept: word, kind: word, begins: "PK"},
		"pdf by accept":     {accept: "text/html;q=0.5, application/pdf", kind: "application/pdf", begins: "%PDF-"},
		"the field wins":    {body: `, "format": "docx"`, accept: "application/pdf", kind: word, begins: "PK"},
		"no such format":    {body: `, "format": "odt"`, status: 422, kind: "application/problem+json"},
		"no such template":  {body: `, "template": "odt"`, status: 422, kind: "application/problem+json"},
		"not to be had":     {accept: "image/png", status: 406, kind: "application/problem+json"},
		"a long reference":  {body: `, "our_reference": "` + strings.Repeat("x", 201) + `"`, status: 422, kind: "application/problem+json"},
		"a long address":    {body: `, "client_address": "` + strings.Repeat(`x\n`, 9) + `"`, status: 422, kind: "application/problem+json"},
		"a broken date":     {body: `, "letter_date": "1 May\n2026"`, status: 422, kind: "application/problem+json"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/convert"+tc.query, strings.NewReader(`{"notes": "`+notes+`\nWill ring Cabot."`+tc.body+`}`))
			r.Header.Set("Content-Type", "application/json")
			if tc.accept != "" {
				r.Header.Set("Accept", tc.accept)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if tc.status == 0 {
				tc.status = 200
			}
			if w.Code != tc.status || w.Header().Get("Content-Type") != tc.kind || !bytes.HasPrefix(w.Body.Bytes(), []byte(tc.begins)) {
				t.Fatalf("%d %v %.80q", w.Code, w.Header(), w.Body)
			}
			if tc.status == 200 && (w.Header().Get("X-Draft-ID") != "TESTDRAFT" || w.Header().Get("X-Draft-Ready") != "false" || w.Header().Get("X-Draft-Not-Proved") == "") {
				t.Errorf("%v", w.Header())
			}
			if tc.kind == "application/pdf" && (w.Header().Get("X-PDF-Method") != "plain" || !strings.Contains(w.Header().Get("X-Document-Notice"), "LibreOffice is not installed")) {
				t.Errorf("%v", w.Header())
			}
		})
	}
}

// Who asks for JSON by name gets the file within it.
func TestFileWithinJSON(t *testing.T) {
	h, _ := router(t, nil)
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/convert", strings.NewReader(`{"notes": "rent £5", "client_name": "Mr Bevan", "template": "cadarnhad-o-gyngor", "format": "pdf",
		"client_address": "12 Stryd y Bont\nCaerdydd", "our_reference": "A/1", "letter_date": "1 Mai 2026"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var body struct {
		FullText string `json:"full_text"`
		Template string
		Ready    bool
		Warnings []string
		Document struct {
			Format, Method, Notice string
			MediaType              string `json:"media_type"`
			Data                   []byte
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	d := body.Document
	if !body.Ready || body.Template != "cadarnhad-o-gyngor" || d.Format != "pdf" || d.Method != "plain" || d.Notice == "" || d.MediaType != "application/pdf" || !bytes.HasPrefix(d.Data, []byte("%PDF-")) {
		t.Errorf("%+v", body)
	}
	for _, want := range []string{"Mr Bevan\n12 Stryd y Bont\nCaerdydd\n\n1 Mai 2026\n\nEin cyfeirnod: A/1\n\nAnnwyl Mr Bevan,", "Yn gywir"} {
		if !strings.Contains(body.FullText, want) {
			t.Errorf("the text lacks %q:\n%s", want, body.FullText)
		}
	}
	if len(body.Warnings) != 1 || !strings.Contains(body.Warnings[0], "read by a person") {
		t.Errorf("warnings: %q", body.Warnings)
	}
}
