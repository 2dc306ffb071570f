package httpserver_test

import (
	"net/http"
	"testing"

	"signpost.internal/pkg/httpserver"
)

func TestAbsent(t *testing.T) {
	s, _ := newServer(t)
	httpserver.Absent(s.Router(), []httpserver.Absence{
		httpserver.Planned(http.MethodPost, "/later", "It is coming; use /now."),
		httpserver.Dropped(http.MethodGet, "/never/:what", "It will not come; use /now."),
	})
	for _, tc := range []struct {
		method, path string
		status       int
		kind, detail string
	}{
		{"POST", "/later", 501, "not_implemented", "It is coming; use /now."},
		{"GET", "/never/this", 410, "gone", "It will not come; use /now."},
		{"GET", "/later", 405, "not_allowed", "This address does not answer GET. The Allow header lists what it answers."},
		{"GET", "/openapi.json", 501, "not_implemented", "The API's machine-readable description is not built yet; until it is, GET / lists what this service answers."},
		{"GET", "/docs", 501, "not_implemented", "The API's machine-readable description is not built yet; until it is, GET / lists what this service answers."},
		{"GET", "/redoc", 410, "gone", "There is no such page here; GET / lists what this service answers."},
	} {
		for range 2 { // the second is like the first
			w := do(t, s, tc.method, tc.path, "", "")
			doc := document(t, w)
			if w.Code != tc.status || doc.Type != "urn:signpost:problem:"+tc.kind || doc.Detail != tc.detail {
				t.Errorf("%s %s: %d %+v", tc.method, tc.path, w.Code, doc)
			}
		}
	}
}
