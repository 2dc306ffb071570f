package httpapi_test

import (
	"bufio"
	"encoding/json"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/worker"
)

func request(t *testing.T, h http.Handler, method, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.Header.Set("X-Request-ID", "test")
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return post(h, r)
}

type event struct {
	Event string
	Data  map[string]any
}

// events reads both forms of a stream.
func events(t *testing.T, w *httptest.ResponseRecorder) []event {
	t.Helper()
	var all []event
	var name string
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		e := event{Event: name}
		switch {
		case strings.HasPrefix(line, "{"):
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(line, "event:"):
			name = strings.TrimPrefix(line, "event:")
			continue
		case strings.HasPrefix(line, "data:"):
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data:")), &e.Data); err != nil {
				t.Fatal(err)
			}
		default:
			continue
		}
		all = append(all, e)
	}
	return all
}

// A job says where it is, ends with what /process answers, shows its pages, and
// goes without a trace.
func TestJob(t *testing.T) {
	_, data := manual(t, samplemanuals.Text)
	h := newServer(t, nil)
	w := post(h, formTo(t, "/jobs", file{"file", "letter.pdf", data}))
	if w.Code != http.StatusAccepted {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	at := w.Header().Get("Location")
	told := events(t, request(t, h, http.MethodGet, at+"/events", ""))
	pages := 0
	for _, e := range told {
		if e.Event == "page" {
			pages++
			if e.Data["method"] != "text_layer" {
				t.Errorf("%+v", e)
			}
		}
	}
	last := told[len(told)-1]
	if pages != 5 || last.Event != "job" || last.Data["state"] != "done" || last.Data["name"] != "letter.pdf" {
		t.Errorf("%d pages told, then %+v", pages, last)
	}
	var job map[string]any
	if err := json.Unmarshal(request(t, h, http.MethodGet, at, "").Body.Bytes(), &job); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(last.Data, job); diff != "" {
		t.Error(diff)
	}

	direct := process(t, h, file{"file", "letter.pdf", data})
	var result answer
	if err := json.Unmarshal(request(t, h, http.MethodGet, at+"/result", "").Body.Bytes(), &result); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(direct, result); diff != "" {
		t.Error(diff)
	}

	plain, err := png.Decode(request(t, h, http.MethodGet, at+"/pages/1.png", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	marked, err := png.Decode(request(t, h, http.MethodGet, at+"/pages/1.png?box=0.1,0.1,0.2,0.2&box=0.5,0.5,1,1", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	b := plain.Bounds()
	for _, point := range []struct {
		x, y   float64
		marked bool
	}{{0.15, 0.15, true}, {0.75, 0.75, true}, {0.3, 0.3, false}, {0.05, 0.15, false}} {
		x, y := int(point.x*float64(b.Dx())), int(point.y*float64(b.Dy()))
		if same := plain.At(x, y) == marked.At(x, y); same == point.marked {
			t.Errorf("at %v: marked %v", point, !same)
		}
	}

	w = request(t, h, http.MethodDelete, at, "")
	var receipt map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &receipt); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK || receipt["files_deleted"] != 3.0 || receipt["files_left"] != 0.0 || receipt["stopped"] != false {
		t.Errorf("%d %v", w.Code, receipt)
	}
	golden(t, "job_gone", request(t, h, http.MethodGet, at, ""))
}

func TestJobProblems(t *testing.T) {
	_, data := manual(t, samplemanuals.Text)
	h := newServer(t, nil)
	at := post(h, formTo(t, "/jobs", file{"file", "letter.pdf", data})).Header().Get("Location")
	events(t, request(t, h, http.MethodGet, at+"/events", "application/x-ndjson"))
	for name, path := range map[string]string{
		"job_page_none":    "/pages/6.png",
		"job_page_zero":    "/pages/0.png",
		"job_page_no_png":  "/pages/1",
		"job_box_few":      "/pages/1.png?box=0.1,0.2",
		"job_box_outside":  "/pages/1.png?box=0.1,0.2,0.3,7",
		"job_box_nan":      "/pages/1.png?box=NaN,0.2,0.3,0.4",
		"job_box_reversed": "/pages/1.png?box=0.5,0.5,0.1,0.1",
	} {
		golden(t, name, request(t, h, http.MethodGet, at+path, ""))
	}
	golden(t, "job_events_html", request(t, h, http.MethodGet, at+"/events", "text/html"))
	golden(t, "job_events_unknown", request(t, h, http.MethodGet, "/jobs/nobody/events", ""))
	golden(t, "job_empty", post(h, formTo(t, "/jobs", file{"file", "a.pdf", nil})))

	text := post(h, formTo(t, "/jobs", file{"file", "a.txt", []byte("Some words.")})).Header().Get("Location")
	golden(t, "job_page_of_text", request(t, h, http.MethodGet, text+"/pages/1.png", ""))

	at = post(h, formTo(t, "/jobs", file{"file", "a.pdf", samplemanuals.OddEmptyPages(0)})).Header().Get("Location")
	told := events(t, request(t, h, http.MethodGet, at+"/events", ""))
	if last := told[len(told)-1]; last.Data["state"] != "failed" || last.Data["problem"] == nil {
		t.Errorf("%+v", last)
	}
	golden(t, "job_failed_result", request(t, h, http.MethodGet, at+"/result", ""))
}

// /process as a stream tells each page, then the result that it gives as JSON.
func TestProcessStream(t *testing.T) {
	_, data := manual(t, samplemanuals.Text)
	h := newServer(t, nil)
	want := process(t, h, file{"file", "letter.pdf", data})
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		r := form(t, file{"file", "letter.pdf", data})
		r.Header.Set("Accept", accept)
		w := post(h, r)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, accept) {
			t.Errorf("content type %q, want %q", got, accept)
		}
		told := events(t, w)
		pages := 0
		for _, e := range told {
			if e.Event == "page" {
				pages++
			}
		}
		last := told[len(told)-1]
		text, err := json.Marshal(last.Data)
		if err != nil {
			t.Fatal(err)
		}
		var got answer
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); last.Event != "result" || pages != 5 || diff != "" {
			t.Errorf("%s: %d pages, then %s: %s", accept, pages, last.Event, diff)
		}
	}
}

// What is refused at once has its own status; what fails later is an event.
func TestProcessStreamFails(t *testing.T) {
	h := newServer(t, nil)
	r := form(t, file{"file", "a.pdf", samplemanuals.OddEmptyPages(0)})
	r.Header.Set("Accept", "text/event-stream")
	if w := post(h, r); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h = newServer(t, func(_ *worker.Options, d *document.Options) {
		d.Engine = fragile{lost: map[int]error{0: document.ErrCrashed, 1: document.ErrCrashed, 2: document.ErrCrashed}}
	})
	r = form(t, file{"file", "a.pdf", []byte("%PDF-1.7\n%%EOF\n")})
	r.Header.Set("Accept", "text/event-stream")
	told := events(t, post(h, r))
	if last := told[len(told)-1]; last.Event != "error" || !strings.Contains(last.Data["detail"].(string), "crashed") {
		t.Errorf("%+v", last)
	}
}
