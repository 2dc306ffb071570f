package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

func TestParseIncluded(t *testing.T) {
	for query, want := range map[string]included{
		"": {}, "include=words": {words: true}, "include=words,crops": {true, true}, "include=crops&include=words": {true, true}, "include=": {},
	} {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+query, nil)
		if got, err := parseIncluded(c); err != nil || got != want {
			t.Errorf("%s: %+v, %v", query, got, err)
		}
	}
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?include=everything", nil)
	if _, err := parseIncluded(c); fault.KindOf(err) != fault.Invalid {
		t.Errorf("unknown: %v", err)
	}
}

// Words and crops come when they are asked for, doubts always.
func TestDoubtsOnTheWire(t *testing.T) {
	word := document.Word{Text: "£1,2?9", Box: document.Box{Left: 0.1, Top: 0.2, Right: 0.3, Bottom: 0.25}, Confidence: 0.4321}
	result := &document.Result{Pages: []document.Page{{
		Number: 3, Method: document.Tesseract, Words: []document.Word{word},
		Doubts: []document.Doubt{{Word: word, Other: "£1,239", Crop: []byte("png")}},
	}}}
	for _, tc := range []struct {
		in   included
		job  string
		want string
	}{
		{included{}, "", `[{"text":"£1,2?9","box":[0.1,0.2,0.3,0.25],"confidence":0.432,"other":"£1,239"}]`},
		{included{crops: true}, "", `[{"text":"£1,2?9","box":[0.1,0.2,0.3,0.25],"confidence":0.432,"other":"£1,239","crop":"cG5n"}]`},
		{included{}, "/jobs/7", `[{"text":"£1,2?9","box":[0.1,0.2,0.3,0.25],"confidence":0.432,"other":"£1,239","picture":"/jobs/7/pages/3.png?box=0.1,0.2,0.3,0.25"}]`},
	} {
		page := toWire(result, time.Second, tc.in, tc.job).PageResults[0]
		got, err := json.Marshal(page.Doubts)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s, %v", got, err)
		}
		if page.Words != nil {
			t.Error("words that were not asked for")
		}
		_, query, _ := strings.Cut(strings.TrimSuffix(page.Doubts[0].Picture, `"`), "?box=")
		if _, err := parseBoxes(append([]string{}, strings.Fields(query)...)); err != nil {
			t.Errorf("the page's own box: %v", err)
		}
	}
	if words := toWire(result, time.Second, included{words: true}, "").PageResults[0].Words; len(words) != 1 || words[0].Text != "£1,2?9" {
		t.Errorf("%+v", words)
	}
}
