package httpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/go-playground/validator/v10"

	"signpost.internal/pkg/fault"
)

var validate = newValidator()

// newValidator returns a validator of `binding` tags that calls fields by their JSON names.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.SetTagName("binding")
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	return v
}

// BindJSON reads the request's JSON body into the struct that into points at.
// It fails with Unsupported (not sent as application/json), TooLarge, Malformed
// (broken JSON, invalid UTF-8, anything after the value) or Invalid, naming the
// fields (wrong types, broken `binding` rules). Unknown fields are ignored.
func BindJSON(c *gin.Context, into any) error {
	if mediaType, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type")); mediaType != "application/json" {
		return fault.New(fault.Unsupported, "The body must be JSON, sent with the header Content-Type: application/json.")
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return BodyError(c.Request.Context(), err)
	}
	if !utf8.Valid(body) {
		return fault.New(fault.Malformed, "The body is not valid UTF-8.")
	}
	if err := decode(body, into); err != nil {
		return err
	}
	return checkRules(into)
}

func decode(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	err := decoder.Decode(into)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field == "":
		return fault.Newf(fault.Invalid, "The body is a JSON %s; an object is accepted.", wrongType.Value)
	case errors.As(err, &wrongType):
		return &fault.Error{
			Kind:   fault.Invalid,
			Detail: "A field has the wrong type.",
			Fields: []fault.Field{{Name: wrongType.Field, Detail: fmt.Sprintf("is %s; %s is accepted", wrongType.Value, jsonType(wrongType.Type))}},
		}
	case err != nil:
		return fault.Newf(fault.Malformed, "The body is not valid JSON (near byte %d).", decoder.InputOffset())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Malformed, "There is something after the JSON value.")
	}
	return nil
}

// jsonType names the JSON type that a Go type is read from.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem()) + " or null"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "an array"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "an object"
	}
}

func checkRules(into any) error {
	err := validate.Struct(into)
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		return err
	}
	fields := make([]fault.Field, len(broken))
	for i, b := range broken {
		// The namespace begins with the Go name of the struct.
		_, name, _ := strings.Cut(b.Namespace(), ".")
		fields[i] = fault.Field{Name: name, Detail: rule(b)}
	}
	return &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: fields}
}

// rule says in words which rule a field broke.
func rule(b validator.FieldError) string {
	unit := map[reflect.Kind]string{reflect.String: " characters", reflect.Slice: " entries"}[b.Kind()]
	switch b.Tag() {
	case "required":
		return "is required"
	case "min", "gte":
		return "must be at least " + b.Param() + unit
	case "max", "lte":
		return "must be at most " + b.Param() + unit
	case "oneof":
		return "must be one of: " + strings.ReplaceAll(b.Param(), " ", ", ")
	default:
		return "breaks the rule " + b.Tag()
	}
}

// BodyError classifies an error met while a request's body was read: TooLarge,
// Timeout, Canceled, or Malformed for a body that broke off.
func BodyError(ctx context.Context, err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fault.Wrap(fault.TooLarge, err, fmt.Sprintf("The request is larger than the %s that are accepted here.", size(tooLarge.Limit)))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(fault.Timeout, err, "The request's body did not arrive in time.")
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fault.Wrap(fault.Malformed, err, "The request's body broke off or is not what its headers say.")
}

// size prints a number of bytes in the largest unit that keeps it whole.
func size(bytes int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= u.bytes && bytes%u.bytes == 0 {
			return fmt.Sprintf("%d %s", bytes/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// ReadUpload streams the one file of a multipart request, in the named field,
// into dst and returns the file's name as the client sent it. Other fields are
// skipped. It fails with Malformed (not multipart, broken, a name that is a
// path, no name), Invalid (no file, or more than one), TooLarge, or dst's error.
func ReadUpload(c *gin.Context, field string, dst io.Writer) (name string, err error) {
	form, err := ReadForm(c, field, dst)
	return form.FileName, err
}

// Form is what came beside a file in a multipart request.
type Form struct {
	FileName string
	values   map[string]string
}

// Get returns the value of a field, empty where the form has none.
func (f Form) Get(field string) string { return f.values[field] }

// Limits of the fields beside a file.
const (
	maxFields     = 32
	maxFieldValue = 4096
)

// ReadForm is [ReadUpload] with the values of the other fields. It fails with
// Invalid where there are too many or one is too long.
func ReadForm(c *gin.Context, field string, dst io.Writer) (Form, error) {
	ctx := c.Request.Context()
	form := Form{values: map[string]string{}}
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return form, fault.Wrap(fault.Malformed, err, fmt.Sprintf("The body must be multipart/form-data with one file in the field %q.", field))
	}
	found := false
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return form, BodyError(ctx, err)
		}
		if part.FormName() != field {
			if err := form.take(ctx, part); err != nil {
				return form, err
			}
			continue
		}
		if found {
			return form, fault.Newf(fault.Invalid, "There is more than one file in the field %q; send one a request.", field)
		}
		found = true
		if form.FileName, err = uploadName(part); err != nil {
			return form, err
		}
		if err := copyPart(ctx, dst, part); err != nil {
			return form, err
		}
	}
	if !found {
		return form, fault.Newf(fault.Invalid, "There is no file in the field %q.", field)
	}
	return form, nil
}

// take keeps the value of a field; files in other fields are skipped.
func (f *Form) take(ctx context.Context, part *multipart.Part) error {
	name := part.FormName()
	if name == "" || part.FileName() != "" {
		return nil
	}
	value, err := io.ReadAll(io.LimitReader(part, maxFieldValue+1))
	switch {
	case err != nil:
		return BodyError(ctx, err)
	case len(f.values) >= maxFields:
		return fault.Newf(fault.Invalid, "The form has more than %d fields beside the file.", maxFields)
	case len(value) > maxFieldValue:
		return &fault.Error{Kind: fault.Invalid, Detail: "A field of the form is too long.", Fields: []fault.Field{{Name: name, Detail: fmt.Sprintf("at most %d bytes", maxFieldValue)}}}
	}
	f.values[name] = string(value)
	return nil
}

// copyPart copies part to dst and tells apart whose fault a failure is.
func copyPart(ctx context.Context, dst io.Writer, part io.Reader) error {
	w := &errWriter{w: dst}
	_, err := io.Copy(w, part)
	switch {
	case w.err != nil:
		return fmt.Errorf("storing the upload: %w", w.err)
	case err != nil:
		return BodyError(ctx, err)
	}
	return nil
}

// errWriter remembers the error of the writer below it.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) Write(p []byte) (int, error) {
	n, err := e.w.Write(p)
	e.err = err
	return n, err
}

// uploadName returns the file name of a part. [multipart.Part.FileName] would
// quietly cut a path down to its last element; a path here is an attempt at
// something and is refused.
func uploadName(part *multipart.Part) (string, error) {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return "", fault.Wrap(fault.Malformed, err, "The file's Content-Disposition header cannot be read.")
	}
	name, sent := params["filename"]
	if !sent || name == "" {
		return "", fault.Newf(fault.Malformed, "The field %q holds no file: its part has no file name.", part.FormName())
	}
	if err := CheckFileName(name); err != nil {
		return "", err
	}
	return name, nil
}

// CheckFileName fails with Malformed for a name that is not a plain file name:
// one with a slash, a backslash or a control character, ".", "..", longer than
// 255 bytes, or not UTF-8.
func CheckFileName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fault.New(fault.Malformed, "The file name is not valid UTF-8.")
	case len(name) > 255:
		return fault.New(fault.Malformed, "The file name is longer than 255 bytes.")
	case name == "" || name == "." || name == "..", strings.ContainsAny(name, `/\`):
		return fault.New(fault.Malformed, "The file name must be a plain name, not a path.")
	case strings.ContainsFunc(name, unicode.IsControl):
		return fault.New(fault.Malformed, "The file name has control characters in it.")
	}
	return nil
}
