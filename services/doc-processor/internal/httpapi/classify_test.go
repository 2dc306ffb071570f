package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signpost.internal/services/doc-processor/internal/job"
)

const arrearsLetter = "Foxley Lettings Ltd\n88 High Street\nWexbridge WX1 1BB\n\n3 October 2025\n\nMs Hannah Doyle\nFlat 4, 19 Station Road\nWexbridge WX1 7HJ\n\nRef: FL/2207\n\nDear Ms Doyle\n\nRent arrears\n\nYour rent account is now £1,450.00 in arrears. Please clear the arrears by 17 October 2025.\n\nIf we do not receive payment, our client will serve notice seeking possession.\n"

func classifyJSON(t *testing.T, h http.Handler, body any) *httptest.ResponseRecorder {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/classify", strings.NewReader(string(data)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-ID", "test")
	return post(h, r)
}

func TestClassify(t *testing.T) {
	h := newServer(t, nil)
	golden(t, "classify_text", classifyJSON(t, h, map[string]any{"text": arrearsLetter, "existing_names": []string{"2025-10-03_Foxley-Lettings-Ltd_rent-arrears.txt"}}))
	golden(t, "classify_nothing", classifyJSON(t, h, map[string]any{"text": "Nothing that is known."}))
	golden(t, "classify_empty", classifyJSON(t, h, map[string]any{}))

	w := post(h, formTo(t, "/classify", file{"file", "a.txt", []byte(arrearsLetter)}))
	var got struct {
		Kind          string
		Method        string
		SuggestedName string `json:"suggested_name"`
		Parts         []struct{}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatal(err, w.Code, w.Body)
	}
	if got.Kind != "rent_arrears" || got.Method != "text_layer" || got.SuggestedName != "2025-10-03_Foxley-Lettings-Ltd_rent-arrears.txt" || len(got.Parts) != 1 {
		t.Errorf("%+v", got)
	}
}

// withField adds a plain field to a form.
func withField(t *testing.T, path, field, value string, f file) *http.Request {
	t.Helper()
	return withFields(t, path, map[string]string{field: value}, f)
}

func TestUnderstandingWhereItIsAskedFor(t *testing.T) {
	h := newServer(t, nil)
	f := file{"file", "a.txt", []byte(arrearsLetter)}
	understanding := func(w *httptest.ResponseRecorder) string {
		t.Helper()
		var got struct{ Understanding *struct{ Kind string } }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatal(err, w.Code, w.Body)
		}
		if got.Understanding == nil {
			return ""
		}
		return got.Understanding.Kind
	}
	if got := understanding(post(h, withField(t, "/process", "understand", "true", f))); got != "rent_arrears" {
		t.Errorf("asked for: %q", got)
	}
	if got := understanding(post(h, form(t, f))); got != "" {
		t.Errorf("not asked for: %q", got)
	}
	if w := post(h, withField(t, "/process", "understand", "perhaps", f)); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("perhaps: %d", w.Code)
	}
	for _, asked := range []string{"true", "false"} {
		var j struct{ ID string }
		if err := json.Unmarshal(post(h, withField(t, "/jobs", "understand", asked, f)).Body.Bytes(), &j); err != nil {
			t.Fatal(err)
		}
		if state := waitFor(t, h, j.ID); state != job.Done {
			t.Fatal(state)
		}
		get := func(query string) string {
			return understanding(post(h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jobs/"+j.ID+"/result"+query, nil)))
		}
		if got := get(""); (got != "") != (asked == "true") {
			t.Errorf("job, asked %s: %q", asked, got)
		}
		if got := get("?understand=true"); got != "rent_arrears" {
			t.Errorf("job, asked for afterwards: %q", got)
		}
	}
}
