package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signpost.internal/services/notes-service/internal/review"
)

func keepingRouter(t *testing.T) (h http.Handler, log *bytes.Buffer, dir string) {
	t.Helper()
	dir = t.TempDir()
	store, err := review.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	h, log = routerWith(t, nil, store)
	return h, log, dir
}

func answer(t *testing.T, h http.Handler, method, path, body string, status int) map[string]any {
	t.Helper()
	w := send(t, h, method, path, body)
	if w.Code != status {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return out
}

// A draft is kept, edited, accepted, to be had as it stands, and gone when its
// client is deleted; each step has its line in the log, without content.
func TestReview(t *testing.T) {
	h, log, dir := keepingRouter(t)
	answer(t, h, "POST", "/convert", `{"notes": "`+notes+`\nWill ring Cabot.", "client_name": "Ms Okoye"}`, 200)
	if list := answer(t, h, "GET", "/drafts?state=open", "", 200)["drafts"].([]any); len(list) != 1 {
		t.Fatalf("%v", list)
	}
	answer(t, h, "GET", "/drafts?state=lost", "", 422)
	d := answer(t, h, "GET", "/drafts/TESTDRAFT", "", 200)
	if d["client_name"] != "Ms Okoye" || d["state"] != "open" || !strings.Contains(d["notes"].(string), "Lowell") || d["draft"].(map[string]any)["id"] != "TESTDRAFT" {
		t.Errorf("%v", d)
	}
	if w := send(t, h, "GET", "/drafts/TESTDRAFT?format=markdown", ""); !strings.HasPrefix(w.Body.String(), "**DRAFT – not proved: 1 point of the notes") || w.Header().Get("X-Draft-Ready") != "false" {
		t.Errorf("%s", w.Body)
	}
	answer(t, h, "POST", "/drafts/TESTDRAFT/decision", `{"decision": "reject"}`, 422)
	answer(t, h, "POST", "/drafts/TESTDRAFT/decision", `{"decision": "accept"}`, 409)
	answer(t, h, "POST", "/drafts/OTHER/decision", `{"decision": "accept"}`, 404)
	edited := answer(t, h, "POST", "/drafts/TESTDRAFT/decision", `{"decision": "edit", "text": "Dear Ms Okoye,\n\nYou owe Lowell **£304**."}`, 200)
	if edited["state"] != "edited" || edited["ready"] != false || edited["kept"] != true {
		t.Errorf("%v", edited)
	}
	accepted := answer(t, h, "POST", "/drafts/TESTDRAFT/decision", `{"decision": "accept", "accept_unproved": true}`, 200)
	if accepted["state"] != "accepted" {
		t.Errorf("%v", accepted)
	}
	d = answer(t, h, "GET", "/drafts/TESTDRAFT", "", 200)
	if decisions := d["decisions"].([]any); len(decisions) != 2 || !strings.Contains(decisions[0].(map[string]any)["diff"].(string), "+You owe Lowell **£304**.") {
		t.Errorf("%v", d["decisions"])
	}
	if w := send(t, h, "GET", "/drafts/TESTDRAFT?format=markdown", ""); w.Body.String() != "Dear Ms Okoye,\n\nYou owe Lowell **£304**.\n" || w.Header().Get("X-Draft-Ready") != "true" {
		t.Errorf("%s", w.Body)
	}
	if w := send(t, h, "GET", "/drafts/TESTDRAFT?format=docx", ""); !bytes.HasPrefix(w.Body.Bytes(), []byte("PK")) {
		t.Errorf("%.80q", w.Body)
	}
	answer(t, h, "POST", "/deletions", `{"client_name": " "}`, 422)
	receipt := answer(t, h, "POST", "/deletions", `{"client_name": "ms okoye"}`, 200)
	if receipt["drafts_deleted"] != 1.0 || receipt["decisions_deleted"] != 2.0 || receipt["drafts_remaining"] != 0.0 || len(receipt["sha256"].([]any)) != 1 {
		t.Errorf("%v", receipt)
	}
	answer(t, h, "GET", "/drafts/TESTDRAFT", "", 404)
	answer(t, h, "DELETE", "/drafts/TESTDRAFT", "", 404)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("koye")) || bytes.Contains(data, []byte("Lowell")) {
			t.Errorf("%s still holds the client's words", filepath.Base(file))
		}
	}
	for _, event := range []string{"drafted", "edit", "accept", "client_deleted"} {
		if !strings.Contains(log.String(), `"msg":"audit","event":"`+event+`"`) {
			t.Errorf("no line of %s:\n%s", event, log)
		}
	}
	for _, secret := range []string{"koye", "Lowell", "£304", "304.00", "zebra"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
}

// Without a record decisions have their line in the log, and nothing is kept.
func TestNothingIsKept(t *testing.T) {
	h, log := router(t, nil)
	answer(t, h, "POST", "/convert", `{"notes": "rent £5", "client_name": "Ms Okoye"}`, 200)
	got := answer(t, h, "POST", "/drafts/TESTDRAFT/decision", `{"decision": "accept"}`, 200)
	if got["kept"] != false || got["state"] != "accepted" || got["ready"] != true {
		t.Errorf("%v", got)
	}
	for _, path := range []string{"/drafts", "/drafts/TESTDRAFT"} {
		if got := answer(t, h, "GET", path, "", 404); !strings.Contains(got["detail"].(string), "NOTES_KEEP") {
			t.Errorf("%v", got)
		}
	}
	if got := answer(t, h, "POST", "/deletions", `{"client_name": "Ms Okoye"}`, 200); got["record_kept"] != false || got["drafts_deleted"] != 0.0 {
		t.Errorf("%v", got)
	}
	if !strings.Contains(log.String(), `"event":"accept","draft":"TESTDRAFT"`) {
		t.Errorf("%s", log)
	}
}
