package httpserver_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
)

func TestReadForm(t *testing.T) {
	for name, tc := range map[string]struct {
		fields [][2]string
		kind   fault.Kind
	}{
		"fields":     {[][2]string{{"password", "s£cret"}, {"parser", ""}}, 0},
		"long field": {[][2]string{{"password", strings.Repeat("x", 5000)}}, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			var body bytes.Buffer
			w := multipart.NewWriter(&body)
			for _, f := range tc.fields {
				if err := w.WriteField(f[0], f[1]); err != nil {
					t.Fatal(err)
				}
			}
			part, err := w.CreateFormFile("file", "a.txt")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := part.Write([]byte("words")); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			c, _ := gin.CreateTestContext(httptest.NewRecorder())
			c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", &body)
			c.Request.Header.Set("Content-Type", w.FormDataContentType())
			var file bytes.Buffer
			form, err := httpserver.ReadForm(c, "file", &file)
			if tc.kind != 0 {
				if fault.KindOf(err) != tc.kind {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || form.FileName != "a.txt" || file.String() != "words" || form.Get("password") != "s£cret" || form.Get("absent") != "" {
				t.Errorf("%+v %q %v", form, file.String(), err)
			}
		})
	}
}
