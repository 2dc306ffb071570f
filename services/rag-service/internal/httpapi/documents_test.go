package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// field is a part of a form: a file when it has a name.
type field struct{ key, name, value string }

func (s *service) form(method, path string, fields ...field) (int, []byte) {
	s.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range fields {
		disposition := fmt.Sprintf(`form-data; name=%q`, f.key)
		if f.name != "" {
			disposition += fmt.Sprintf(`; filename=%q`, f.name)
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		if err == nil {
			_, err = io.WriteString(part, f.value)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	return s.send(method, path, w.FormDataContentType(), &body)
}

func (s *service) into(status, want int, body []byte, v any) {
	s.t.Helper()
	if status != want {
		s.t.Fatalf("status %d, want %d: %s", status, want, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		s.t.Fatalf("%v in %s", err, body)
	}
}

// stored waits until the ingest is over.
func (s *service) stored() {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var got struct{ Ingest struct{ State string } }
		status, body := s.get("/stats")
		if s.into(status, 200, body, &got); got.Ingest.State == "idle" {
			return
		}
	}
	s.t.Fatal("the ingest does not end")
}

type sentDocuments struct {
	Documents []struct {
		Source, Status, Location, Reason string
		Job                              *int64
	}
}

func TestDocumentsFromSendingToDeletion(t *testing.T) {
	s := newService(t, none())
	status, body := s.json("/collections", `{"name": "team-b", "title": "Team B"}`)
	if status != http.StatusCreated {
		t.Fatalf("a collection: %d %s", status, body)
	}
	var sent sentDocuments
	status, body = s.form(http.MethodPost, "/documents", field{"collection", "", "team-b"}, field{"edition", "", "6th"}, field{"from", "", "2026-04-06"},
		field{"file", "folder/space.txt", space}, field{"file", "relief.pdf", relief}, field{"file", "odd.exe", "x"})
	s.into(status, http.StatusAccepted, body, &sent)
	if len(sent.Documents) != 3 || sent.Documents[0].Status != "accepted" || sent.Documents[0].Location == "" || sent.Documents[2].Status != "failed" || sent.Documents[2].Reason == "" {
		t.Errorf("sent: %s", body)
	}
	status, body = s.get(sent.Documents[1].Location + "/events")
	if status != 200 || !bytes.Contains(body, []byte("event:job")) || !bytes.Contains(body, []byte(`"state":"done"`)) {
		t.Errorf("the job's events: %d %s", status, body)
	}
	if status, body = s.get("/ingest/events"); status != 200 || !bytes.Contains(body, []byte("event:progress")) || !bytes.Contains(body, []byte(`"state":"idle"`)) {
		t.Errorf("the ingest's events: %d %s", status, body)
	}

	var listed struct {
		Total     int
		Documents []struct{ Source, Edition, From, State, Original, Sha256 string }
	}
	status, body = s.get("/documents?collection=team-b")
	s.into(status, 200, body, &listed)
	if first := listed.Documents[0]; listed.Total != 2 || first.Source != "folder/space.txt" || first.Edition != "6th" || first.From != "2026-04-06" || first.State != "ready" {
		t.Errorf("listed: %s", body)
	}
	if status, body = s.get(listed.Documents[0].Original); status != 200 || string(body) != space {
		t.Errorf("the original: %d %q", status, body)
	}
	status, body = s.form(http.MethodPost, "/documents?collection=team-b", field{"file", "folder/space.txt", space})
	if s.into(status, 200, body, &sent); sent.Documents[0].Status != "unchanged" {
		t.Errorf("sent again: %s", body)
	}

	status, body = s.send(http.MethodPatch, "/documents/relief.pdf?collection=team-b", "application/json", strings.NewReader(`{"title": "Orders", "edition": "", "until": "2026-12-31"}`))
	var one struct{ Title, Edition, From, Until string }
	if s.into(status, 200, body, &one); one.Title != "Orders" || one.Edition != "" || one.From != "2026-04-06" || one.Until != "2026-12-31" {
		t.Errorf("described: %s", body)
	}

	var receipt struct {
		Proved bool
		Before struct{ Documents, Originals int }
		Checks []struct{ Found int }
	}
	status, body = s.send(http.MethodDelete, "/documents/relief.pdf?collection=team-b", "", nil)
	if s.into(status, 200, body, &receipt); !receipt.Proved || receipt.Before.Documents != 1 || receipt.Before.Originals != 1 || len(receipt.Checks) < 5 {
		t.Errorf("receipt: %s", body)
	}
	status, body = s.send(http.MethodDelete, "/collections/team-b", "", nil)
	if s.into(status, 200, body, &receipt); !receipt.Proved {
		t.Errorf("receipt: %s", body)
	}
	var names struct{ Collections []struct{ Name string } }
	status, body = s.get("/collections")
	if s.into(status, 200, body, &names); len(names.Collections) != 1 || names.Collections[0].Name != "manuals" {
		t.Errorf("collections: %s", body)
	}
}

func TestRespondAsync(t *testing.T) {
	s := newService(t, none())
	async := func(path, contentType, body string) (*http.Response, sentDocuments) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Prefer", "wait=1, respond-async")
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var got sentDocuments
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return response, got
	}
	response, got := async("/ingest", "application/json", marshal(t, map[string]any{"documents": []string{space}, "filenames": []string{"space.txt"}, "edition": "1st"}))
	if response.StatusCode != http.StatusAccepted || response.Header.Get("Location") != got.Documents[0].Location || response.Header.Get("Preference-Applied") != "respond-async" {
		t.Errorf("%d, %v, %+v", response.StatusCode, response.Header, got)
	}
	s.stored()
	if response, got = async("/ingest", "application/json", marshal(t, map[string]any{"documents": []string{space}, "filenames": []string{"space.txt"}})); response.StatusCode != http.StatusOK || got.Documents[0].Status != "unchanged" {
		t.Errorf("again: %d, %+v", response.StatusCode, got)
	}
}

func TestDeadJobs(t *testing.T) {
	s := newService(t, none())
	if status, body := s.upload("/ingest-pdf", "bad.pdf", "not a PDF"); status != http.StatusUnsupportedMediaType {
		t.Fatalf("%d %s", status, body)
	}
	var dead struct {
		Jobs []struct {
			ID             int64
			Reason, Source string
		}
		Counts map[string]int
	}
	status, body := s.get("/jobs?state=dead")
	if s.into(status, 200, body, &dead); len(dead.Jobs) != 1 || dead.Counts["dead"] != 1 || !strings.Contains(dead.Jobs[0].Reason, "not a PDF") {
		t.Fatalf("dead jobs: %s", body)
	}
	path := fmt.Sprintf("/jobs/%d", dead.Jobs[0].ID)
	if status, body = s.send(http.MethodPost, path+"/retry", "", nil); status != http.StatusAccepted {
		t.Errorf("retry: %d %s", status, body)
	}
	s.stored()
	if status, body = s.send(http.MethodPost, "/jobs/retry", "", nil); status != http.StatusAccepted || !bytes.Contains(body, []byte(`"retried":1`)) {
		t.Errorf("retry of all: %d %s", status, body)
	}
	s.stored()
	if status, body = s.send(http.MethodDelete, path, "", nil); status != http.StatusOK {
		t.Errorf("delete: %d %s", status, body)
	}
	if status, _ = s.get(path); status != http.StatusNotFound {
		t.Errorf("afterwards %d", status)
	}
}

func TestBadDocuments(t *testing.T) {
	s := newService(t, none())
	s.ingest()
	long := strings.Repeat("a", 1<<20)
	del := func(path string) (int, []byte) { return s.send(http.MethodDelete, path, "", nil) }
	patch := func(path, body string) (int, []byte) {
		return s.send(http.MethodPatch, path, "application/json", strings.NewReader(body))
	}
	for _, tt := range []struct {
		name string
		send func() (int, []byte)
		want int
		says string
	}{
		{"no such collection", func() (int, []byte) { return s.get("/documents?collection=nowhere") }, 404, "There are: manuals"},
		{"sending to no collection", func() (int, []byte) {
			return s.form("POST", "/documents?collection=nowhere", field{"file", "a.txt", relief})
		}, 404, "There are: manuals"},
		{"a date that is none", func() (int, []byte) {
			return s.form("POST", "/documents?from=2026-13-01", field{"file", "a.txt", relief})
		}, 422, `"field":"from"`},
		{"an end before the beginning", func() (int, []byte) {
			return patch("/documents/relief.pdf", `{"from": "2026-02-01", "until": "2026-01-01"}`)
		}, 422, `"field":"until"`},
		{"a jurisdiction of odd signs", func() (int, []byte) { return patch("/documents/relief.pdf", `{"jurisdiction": "England & Wales"}`) }, 422, `"field":"jurisdiction"`},
		{"a path upwards", func() (int, []byte) { return s.form("POST", "/documents", field{"file", "../a.txt", relief}) }, 400, "must be a plain name"},
		{"a file that is too large", func() (int, []byte) { return s.form("POST", "/documents", field{"file", "a.txt", long + "x"}) }, 413, "1 MiB"},
		{"no files", func() (int, []byte) { return s.form("POST", "/documents", field{"title", "", "x"}) }, 422, "no file"},
		{"no form", func() (int, []byte) { return s.json("/documents", `{}`) }, 400, "multipart"},
		{"a kind that is not ingested", func() (int, []byte) { return s.form("POST", "/documents", field{"file", "a.exe", "x"}) }, 415, "PDF, PNG"},
		{"no such document", func() (int, []byte) { return s.get("/documents/nothing.pdf") }, 404, "no such document"},
		{"the original of no document", func() (int, []byte) { return s.get("/documents/nothing.pdf/original") }, 404, "no such document"},
		{"deleting no document", func() (int, []byte) { return del("/documents/nothing.pdf") }, 404, "no such document"},
		{"deleting no collection", func() (int, []byte) { return del("/collections/nowhere") }, 404, "There are: manuals"},
		{"describing no document", func() (int, []byte) { return patch("/documents/nothing.pdf", `{}`) }, 404, "no such document"},
		{"a collection of an odd name", func() (int, []byte) { return s.json("/collections", `{"name": "Team B"}`) }, 422, "lower-case"},
		{"a collection without a name", func() (int, []byte) { return s.json("/collections", `{}`) }, 422, `"field":"name"`},
		{"a collection that is there", func() (int, []byte) { return s.json("/collections", `{"name": "manuals"}`) }, 409, "manuals"},
		{"embedding without a model", func() (int, []byte) { return s.json("/collections/manuals/embedding", `{}`) }, 503, "EMBEDDING"},
		{"no such job", func() (int, []byte) { return s.get("/jobs/4711") }, 404, "no job 4711"},
		{"a job that has no number", func() (int, []byte) { return s.get("/jobs/x") }, 404, "numbers"},
		{"the events of no job", func() (int, []byte) { return s.get("/jobs/4711/events") }, 404, "no job 4711"},
		{"cancelling no job", func() (int, []byte) { return del("/jobs/4711") }, 404, "no job 4711"},
		{"a state that is none", func() (int, []byte) { return s.get("/jobs?state=zombie") }, 422, `"field":"state"`},
		{"a limit that is none", func() (int, []byte) { return s.get("/jobs?limit=x") }, 422, `"field":"limit"`},
	} {
		status, body := tt.send()
		if status != tt.want || !strings.Contains(string(body), tt.says) || !strings.Contains(string(body), "urn:signpost:problem:") {
			t.Errorf("%s: %d %.300s, want %d with %q", tt.name, status, body, tt.want, tt.says)
		}
	}
}
