package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A batch is sent as JSON or as lines; each item has its own end and form.
func TestBatch(t *testing.T) {
	h, log := router(t, nil)
	const good = `{"ref": "a", "notes": "CT owes Lowell £304.", "client_name": "Ms Okoye", "format": "pdf"}`
	for name, tc := range map[string]struct{ kind, body string }{
		"lines": {"application/x-ndjson", good + "\n\n" + `{"notes": " ", "client_name": "Mr Bevan"}` + "\n" + `{"ref": "c", "notes": 5}` + "\n" + `{"ref": "d", "notes": "x", "template": "none"}` + "\n"},
		"array": {"application/json", "[" + good + `, {"notes": ""}, 7, {"notes": "x", "template": "none"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/batches", strings.NewReader(tc.body))
			r.Header.Set("Content-Type", tc.kind)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			at := w.Header().Get("Location")
			if w.Code != 202 || !strings.HasPrefix(at, "/batches/") {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			var job map[string]any
			for deadline := time.Now().Add(time.Minute); job["state"] != "done"; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal(job)
				}
				job = answer(t, h, "GET", at, "", 200)
			}
			if counts := job["counts"].(map[string]any); counts["done"] != 1.0 || counts["failed"] != 3.0 || job["items"] != 4.0 || job["finished"] == nil {
				t.Errorf("%v", job)
			}
			lines := bytes.Split(bytes.TrimSpace(send(t, h, "GET", at+"/results", "").Body.Bytes()), []byte("\n"))
			if len(lines) != 4 {
				t.Fatalf("%s", lines)
			}
			for i, line := range lines {
				var item struct {
					Item    int
					Ref     string
					State   string
					Draft   map[string]any
					Problem map[string]any
				}
				if err := json.Unmarshal(line, &item); err != nil {
					t.Fatal(err)
				}
				if item.Item != i+1 || (item.Draft != nil) != (i == 0) || (item.Problem != nil) != (i > 0) {
					t.Errorf("%s", line)
				}
				if i == 0 && (item.Ref != "a" || !strings.Contains(item.Draft["full_text"].(string), "Dear Ms Okoye,")) {
					t.Errorf("%s", line)
				}
			}
			if w := send(t, h, "GET", at+"/items/1", ""); w.Header().Get("X-PDF-Method") != "plain" || !bytes.HasPrefix(w.Body.Bytes(), []byte("%PDF-")) {
				t.Errorf("%v %.80q", w.Header(), w.Body)
			}
			if w := send(t, h, "GET", at+"/items/1?format=docx", ""); !bytes.HasPrefix(w.Body.Bytes(), []byte("PK")) {
				t.Errorf("%v %.80q", w.Header(), w.Body)
			}
			if got := answer(t, h, "GET", at+"/items/2", "", 200); got["state"] != "failed" || got["problem"].(map[string]any)["status"] != 422.0 {
				t.Errorf("%v", got)
			}
			answer(t, h, "GET", at+"/items/9", "", 404)
			answer(t, h, "POST", at+"/cancel", "", 409)
			if receipt := answer(t, h, "POST", "/deletions", `{"client_name": "MS OKOYE"}`, 200); receipt["batch_items_deleted"] != 1.0 || receipt["batch_items_remaining"] != 0.0 {
				t.Errorf("%v", receipt)
			}
			if got := answer(t, h, "GET", at+"/items/1", "", 200); got["state"] != "deleted" {
				t.Errorf("%v", got)
			}
			if receipt := answer(t, h, "DELETE", at, "", 200); receipt["files_left"] != 0.0 {
				t.Errorf("%v", receipt)
			}
			answer(t, h, "GET", at, "", 404)
		})
	}
	for _, secret := range []string{"koye", "Lowell", "Bevan"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
}

func TestBatchesThatAreNone(t *testing.T) {
	h, _ := router(t, nil)
	for name, tc := range map[string]struct {
		kind, body string
		status     int
	}{
		"empty":        {"application/json", "[]", 422},
		"no lines":     {"application/x-ndjson", "\n", 422},
		"an object":    {"application/json", `{"notes": "a"}`, 422},
		"broken":       {"application/json", `[{"notes": "a"`, 400},
		"broken line":  {"application/x-ndjson", `{"notes": "a"}` + "\n{", 400},
		"not UTF-8":    {"application/json", "[\"\xff\"]", 400},
		"another type": {"text/csv", "notes\na", 415},
		"too many":     {"application/json", "[" + strings.Repeat("1,", 1000) + "1]", 422},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/batches", strings.NewReader(tc.body))
		r.Header.Set("Content-Type", tc.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tc.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
