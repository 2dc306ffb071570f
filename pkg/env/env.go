// Package env loads a service's configuration from environment variables that
// are declared once, as tagged fields of a struct:
//
//	type Config struct {
//		Port int `env:"NOTES_SERVICE_PORT" envDefault:"8100" doc:"Port to listen on."`
//		HTTP httpserver.Config
//	}
//
// [Load] reports every fault at once, [Describe] lists the variables for the
// reference documentation, and [Secret] keeps credentials out of logs. An empty
// variable counts as unset, as Compose files pass unset variables on as empty.
package env

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	parser "github.com/caarlos0/env/v11"
)

// Environ returns the process environment. It is the one place that reads it.
func Environ() map[string]string { return parser.ToMap(os.Environ()) }

// Secret is a credential. Everything that prints, logs or marshals it shows
// only that it is set.
type Secret string

// Reveal returns the credential itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", or nothing when the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString keeps %#v from printing the credential.
func (s Secret) GoString() string { return s.String() }

// MarshalText keeps encoders from printing the credential.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// validator is implemented by configuration structs that check more than types.
// Each error reads "NAME: what was given: what is accepted".
type validator interface{ Validate() []error }

// Load fills the struct that cfg points at from environ, then validates it and
// every nested struct. The error lists all faults, one a line, each naming its
// variable; nil means that the configuration is whole.
func Load(cfg any, environ map[string]string) error {
	given := make(map[string]string, len(environ))
	for name, value := range environ {
		if value != "" {
			given[name] = value
		}
	}
	var faults []error
	fields, err := walk(cfg)
	if err != nil {
		return err
	}
	broken := map[string]bool{}
	if err := parser.ParseWithOptions(cfg, parser.Options{Environment: given}); err != nil {
		faults = append(faults, explain(err, fields, given, broken)...)
	}
	for _, v := range validators(reflect.ValueOf(cfg).Elem()) {
		for _, fault := range v.Validate() {
			if name, _, ok := strings.Cut(fault.Error(), ":"); ok && broken[name] {
				continue // its value could not be read: already said
			}
			faults = append(faults, fault)
		}
	}
	return errors.Join(faults...)
}

// explain turns the parser's errors into lines that name the variable, the
// value (never a secret's) and the accepted form.
func explain(err error, fields []field, given map[string]string, broken map[string]bool) []error {
	var all parser.AggregateError
	if !errors.As(err, &all) {
		return []error{err}
	}
	var faults []error
	for _, one := range all.Errors {
		var parse parser.ParseError
		if !errors.As(one, &parse) {
			faults = append(faults, one)
			continue
		}
		for _, f := range fields {
			if f.goName != parse.Name || f.goType != parse.Type || given[f.Name] == "" || !unreadable(f, given[f.Name]) {
				continue
			}
			broken[f.Name] = true
			shown := fmt.Sprintf("%q", given[f.Name])
			if f.Secret {
				shown = Secret(given[f.Name]).String()
			}
			faults = append(faults, fmt.Errorf("%s: %s is not %s", f.Name, shown, f.Type))
		}
	}
	return faults
}

// unreadable reports whether the value cannot be parsed as the field's type. It
// tells apart two variables whose Go fields share a name and a type.
func unreadable(f field, value string) bool {
	probe := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value", Type: f.goType, Tag: `env:"VALUE"`,
	}}))
	return parser.ParseWithOptions(probe.Interface(), parser.Options{Environment: map[string]string{"VALUE": value}}) != nil
}

// Variable describes one environment variable.
type Variable struct {
	Name    string
	Default string
	Doc     string
	// Type is the accepted form in words: "a whole number", "a duration such as 30s".
	Type   string
	Secret bool
}

// field is a Variable with the Go field that holds it.
type field struct {
	Variable
	goName string
	goType reflect.Type
}

// Describe lists the variables of cfg (a pointer to a struct) in the order of
// their declaration. A variable without a doc tag is an error.
func Describe(cfg any) ([]Variable, error) {
	fields, err := walk(cfg)
	if err != nil {
		return nil, err
	}
	variables := make([]Variable, len(fields))
	for i, f := range fields {
		if f.Doc == "" {
			return nil, fmt.Errorf("env: %s has no doc tag", f.Name)
		}
		variables[i] = f.Variable
	}
	return variables, nil
}

func walk(cfg any) ([]field, error) {
	v := reflect.ValueOf(cfg)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("env: %T is not a pointer to a struct", cfg)
	}
	return fieldsOf(v.Elem().Type()), nil
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("env")
		if !tagged {
			if f.Type.Kind() == reflect.Struct {
				fields = append(fields, fieldsOf(f.Type)...)
			}
			continue
		}
		name, _, _ := strings.Cut(tag, ",")
		fields = append(fields, field{
			Variable: Variable{
				Name:    name,
				Default: f.Tag.Get("envDefault"),
				Doc:     f.Tag.Get("doc"),
				Type:    form(f.Type),
				Secret:  f.Type == reflect.TypeFor[Secret](),
			},
			goName: f.Name,
			goType: f.Type,
		})
	}
	return fields
}

// form says in words what values of a type look like.
func form(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Secret]():
		return "a secret"
	case t.PkgPath() == "time" && t.Name() == "Duration":
		return "a duration such as 30s or 5m"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a comma-separated list"
	}
	return "text"
}

// validators returns v's struct and all structs nested in it that check themselves.
func validators(v reflect.Value) []validator {
	var found []validator
	if c, ok := v.Addr().Interface().(validator); ok {
		found = append(found, c)
	}
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Struct && v.Type().Field(i).IsExported() {
			found = append(found, validators(f)...)
		}
	}
	return found
}
