package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"signpost.internal/pkg/problem"
)

func TestAbsentRoutesSayWhatToUseInstead(t *testing.T) {
	s := newService(t, none())
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/eligibility-check", 501},
		{"GET", "/thresholds", 501},
		{"GET", "/debug/thresholds", 501},
		{"POST", "/symbolic-query", 410},
		{"POST", "/decision-tree/check", 410},
		{"GET", "/decision-tree/visualize?topic=dro", 410},
		{"GET", "/decision-tree/rules", 410},
		{"GET", "/diagrams/mermaid/dro?show_near_misses=true", 410},
		{"GET", "/diagrams/graphviz/dro", 410},
		{"POST", "/diagrams/client-path", 410},
		{"POST", "/diagrams/advisor-package", 410},
		{"GET", "/diagrams/comparison?topics=dro,iva", 410},
	} {
		status, body := s.send(tc.method, tc.path, "application/json", strings.NewReader(`{"question": "Who can apply?"}`))
		var doc problem.Document
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatalf("%s %s: %v in %s", tc.method, tc.path, err, body)
		}
		if status != tc.status || doc.Status != tc.status || !strings.Contains(doc.Detail, "POST /query") {
			t.Errorf("%s %s: %d %+v", tc.method, tc.path, status, doc)
		}
	}
}
