// Package template holds the letters' fixed text: house style, the agency's
// details and the paragraphs that were approved once for all letters. A template
// is a Markdown file with fields, see the README of the service.
package template

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/paper"
)

//go:embed builtin/*.md
var builtin embed.FS

// Default is the name of the template that is used where none is named.
const Default = "confirmation-of-advice"

// Template is one letter's fixed text. It is safe for use by many goroutines.
type Template struct {
	Name     string
	Title    string
	Language string // a BCP 47 tag
	// Checked says that a person who speaks the language has read the fixed text.
	Checked bool
	// Builtin says that it came with the program.
	Builtin bool

	values map[string]string // of the head
	body   []string          // lines
	font   string
	size   float64
}

// maxFile bounds a template in bytes.
const maxFile = 256 << 10

// Keys of the head that the service itself uses. All others are the agency's own
// fields.
var (
	required = []string{"name", "title", "language"}
	words    = []string{
		"greeting_unknown", "opening_rules", "opening_model", "says_the_client",
		"no_matters", "no_ours", "no_yours", "draft", "page", "of",
	}
	settings = []string{"checked", "font", "size"}
)

// Fields of the body that the service fills.
const (
	mattersField = "matters_discussed"
	oursField    = "our_actions"
	yoursField   = "your_actions"
)

var (
	sections = []string{mattersField, oursField, yoursField}
	given    = []string{"client", "addressee", "our_reference", "letter_date", "opening", "says_the_client"}
)

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9]+(?:-[a-z0-9]+)*$`)
	keyForm   = regexp.MustCompile(`^([a-z][a-z0-9_]*):(?:\s+(.*))?$`)
	fieldForm = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)
)

// parse reads a template. It returns all faults, each with file and line.
func parse(file string, data []byte) (*Template, error) {
	var faults []error
	bad := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...)))
	}
	if len(data) > maxFile {
		bad(1, "the file is larger than the %d KiB of a template", maxFile>>10)
		return nil, errors.Join(faults...)
	}
	if !utf8.Valid(data) {
		bad(1, "the file is not UTF-8: save it as UTF-8 text")
		return nil, errors.Join(faults...)
	}
	t := &Template{values: map[string]string{}, font: "Arial", size: 11}
	lines := strings.Split(strings.TrimPrefix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\uFEFF"), "\n")
	where, start := t.head(lines, bad)
	if start > 0 {
		t.settings(where, bad)
		t.body = lines[start:]
		t.checkBody(start, bad)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return t, nil
}

// head reads the lines between the two marks. It returns the line of each key and
// the index of the first line after the head, or 0.
func (t *Template) head(lines []string, bad func(int, string, ...any)) (where map[string]int, start int) {
	where = map[string]int{}
	if strings.TrimSpace(lines[0]) != "---" {
		bad(1, "a template begins with a line ---, then the fields of its head, then a line ---")
		return where, 0
	}
	key := ""
	for i, line := range lines[1:] {
		number := i + 2
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "---":
			return where, number
		case trimmed == "" || strings.HasPrefix(line, "#"):
			key = ""
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
			if key == "" {
				bad(number, "a line that begins with a space goes on with the field above it, and there is none")
				continue
			}
			t.values[key] = strings.TrimPrefix(t.values[key]+"\n"+trimmed, "\n")
		default:
			m := keyForm.FindStringSubmatch(strings.TrimRight(line, " \t"))
			if m == nil {
				bad(number, "%q is not of the form name: value, the name in small letters, digits and _", cut(line))
				key = ""
				continue
			}
			key = m[1]
			if first, twice := where[key]; twice {
				bad(number, "the field %s is given a second time; the first is in line %d", key, first)
			}
			if slices.Contains(sections, key) || slices.Contains(given, key) && !slices.Contains(words, key) {
				bad(number, "the field %s is filled by the service, so the head cannot set it", key)
			}
			where[key], t.values[key] = number, m[2]
		}
	}
	bad(len(lines), "the head has no end: a line --- after its fields")
	return where, 0
}

func cut(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// settings reads the keys that are not text of the letter.
func (t *Template) settings(where map[string]int, bad func(int, string, ...any)) {
	for _, key := range slices.Concat(required, words) {
		if _, ok := where[key]; !ok {
			bad(1, "the head lacks the field %s", key)
		} else if strings.TrimSpace(t.values[key]) == "" {
			bad(where[key], "the field %s is empty", key)
		}
	}
	t.Name, t.Title, t.Language = t.values["name"], t.values["title"], t.values["language"]
	if t.Name != "" && !nameForm.MatchString(t.Name) {
		bad(where["name"], "name: %q: small letters and digits, joined by -", t.Name)
	}
	if _, err := language.Parse(t.Language); t.Language != "" && err != nil {
		bad(where["language"], "language: %q: a language tag such as en-GB or cy-GB", t.Language)
	}
	switch v := t.values["checked"]; v {
	case "yes":
		t.Checked = true
	case "no", "":
	default:
		bad(where["checked"], "checked: %q: yes or no", v)
	}
	if v, ok := t.values["font"]; ok {
		if t.font = strings.TrimSpace(v); t.font == "" || strings.ContainsAny(v, "\"<>&\n;") {
			bad(where["font"], "font: %q: the name of a font, such as Arial", v)
		}
	}
	if v, ok := t.values["size"]; ok {
		size, err := strconv.ParseFloat(v, 64)
		if err != nil || size < 8 || size > 20 {
			bad(where["size"], "size: %q: points from 8 to 20", v)
		}
		t.size = size
	}
}

// checkBody finds fields that nobody fills and sections that are missing.
func (t *Template) checkBody(start int, bad func(int, string, ...any)) {
	seen := map[string]int{}
	for i, line := range t.body {
		number := start + i + 1
		for _, m := range fieldForm.FindAllStringSubmatch(line, -1) {
			field := m[1]
			_, own := t.values[field]
			switch {
			case slices.Contains(sections, field):
				if first, twice := seen[field]; twice {
					bad(number, "the field {{%s}} is there a second time; the first is in line %d", field, first)
				}
				seen[field] = number
				if strings.TrimSpace(line) != m[0] {
					bad(number, "the field {{%s}} is a list and stands alone in its line", field)
				}
			case slices.Contains(given, field) || own && !slices.Contains(slices.Concat(words, settings), field):
			default:
				bad(number, "nothing fills the field {{%s}}: the service fills %s, and the head of the file its own", field, strings.Join(slices.Concat(sections, given), ", "))
			}
		}
		if rest := fieldForm.ReplaceAllString(line, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
			bad(number, "a field is written {{name}}, in one line")
		}
	}
	for _, field := range sections {
		if seen[field] == 0 {
			bad(start+len(t.body), "the letter lacks the field {{%s}}: without it a part of the notes would be lost", field)
		}
	}
}

// Fixed returns the approved paragraphs of the letter, in plain text: those
// without a field, and what the head may put in a field's place.
func (t *Template) Fixed() []string {
	var out []string
	for _, key := range words {
		if !slices.Contains([]string{"greeting_unknown", "draft", "page", "of"}, key) {
			out = append(out, t.values[key])
		}
	}
	for _, b := range paper.Parse(strings.Join(t.body, "\n")) {
		if text := paper.Plain(b.Runs); text != "" && !strings.Contains(text, "{{") {
			out = append(out, text)
		}
	}
	return out
}

// Set is the templates that can be named.
type Set struct {
	all map[string]*Template
}

// Open reads the built-in templates and those of a folder (files that end in
// .md), whose names take precedence; dir may be empty. It fails with all faults
// of all files, each with its file and line.
func Open(dir string) (*Set, error) {
	s := &Set{all: map[string]*Template{}}
	inside, err := fs.Sub(builtin, "builtin")
	if err != nil {
		return nil, err
	}
	if err := s.add(inside, "", true); err != nil {
		return nil, err
	}
	if dir == "" {
		return s, nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("TEMPLATES_DIR: %s: a folder of templates that exists", dir)
	}
	return s, s.add(os.DirFS(dir), dir, false)
}

func (s *Set) add(files fs.FS, dir string, own bool) error {
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return err
	}
	var faults []error
	from := map[string]string{}
	for _, name := range names {
		shown := path.Join(dir, name)
		data, err := fs.ReadFile(files, name)
		if err != nil {
			faults = append(faults, fmt.Errorf("TEMPLATES_DIR: %w", err))
			continue
		}
		t, err := parse(shown, data)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if other := from[t.Name]; other != "" {
			faults = append(faults, fmt.Errorf("%s:1: the name %s is that of %s too", shown, t.Name, other))
		}
		from[t.Name], t.Builtin = shown, own
		s.all[t.Name] = t
	}
	return errors.Join(faults...)
}

// List returns the templates by name.
func (s *Set) List() []*Template {
	out := make([]*Template, 0, len(s.all))
	for _, t := range s.all {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *Template) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Find returns the template of a name, the default for the empty name. It fails
// with Invalid, naming the field and those that there are.
func (s *Set) Find(name string) (*Template, error) {
	if name == "" {
		name = Default
	}
	if t := s.all[name]; t != nil {
		return t, nil
	}
	names := make([]string, 0, len(s.all))
	for _, t := range s.List() {
		names = append(names, t.Name)
	}
	return nil, &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: []fault.Field{{
		Name: "template", Detail: "is not one of: " + strings.Join(names, ", "),
	}}}
}

// Content is what a letter says beyond its template.
type Content struct {
	Client    string   // the name, or empty where it is not known
	Addressee []string // lines: where the letter goes
	Reference string
	Date      string
	// Matters, Ours and Yours are the sections: items that begin with "- ", and the
	// headings between them; empty where the notes record nothing.
	Matters, Ours, Yours string
	// Model says that a model worded some of it.
	Model bool
	// Unproved is why the letter is not ready; empty when it is.
	Unproved string
}

// Fill writes the letter.
func (t *Template) Fill(c Content) paper.Letter {
	values := map[string]string{}
	for key, value := range t.values {
		if !slices.Contains(words, key) {
			values[key] = value
		}
	}
	values["client"] = c.Client
	if c.Client == "" {
		values["client"] = t.values["greeting_unknown"]
	}
	values["addressee"], values["our_reference"], values["letter_date"] = strings.Join(c.Addressee, "\n"), c.Reference, c.Date
	values["opening"] = t.values["opening_rules"]
	if c.Model {
		values["opening"] = t.values["opening_model"]
	}
	if strings.Contains(strings.ToLower(c.Matters+c.Ours+c.Yours), "the client") {
		values["says_the_client"] = t.values["says_the_client"]
	}
	section := map[string]string{
		mattersField: list(c.Matters, t.values["no_matters"]),
		oursField:    list(c.Ours, t.values["no_ours"]),
		yoursField:   list(c.Yours, t.values["no_yours"]),
	}
	var out []string
	fence := ""
	for _, line := range t.body {
		if mark, ok := fenceOf(line); ok {
			switch {
			case fence == "":
				fence = mark
			case strings.HasPrefix(mark, fence) && strings.TrimSpace(line) == mark:
				fence = ""
				if _, opens := fenceOf(out[len(out)-1]); opens { // nothing is in it
					out = out[:len(out)-1]
					continue
				}
			}
		}
		if m := fieldForm.FindStringSubmatch(line); m != nil && section[m[1]] != "" {
			out = append(out, section[m[1]])
			continue
		}
		if filled, ok := fill(line, values, fence != ""); ok {
			out = append(out, filled)
		}
	}
	l := paper.Letter{
		Markdown: squeeze(out), Title: t.Title, Author: t.values["agency"], Language: t.Language,
		Label: t.values["draft"], Page: t.values["page"], Of: t.values["of"], Font: t.font, Size: t.size,
	}
	return l.NotProved(c.Unproved)
}

// fenceOf returns the mark that begins or ends a fenced block.
func fenceOf(line string) (string, bool) {
	trimmed := strings.TrimLeft(line, " ")
	for _, mark := range []string{"`", "~"} {
		if rest := strings.TrimLeft(trimmed, mark); len(trimmed)-len(rest) >= 3 {
			return trimmed[:len(trimmed)-len(rest)], true
		}
	}
	return "", false
}

// fill puts the values into a line; ok is false when the line has fields and all
// are empty. In a fenced block text is as it is, elsewhere it is Markdown.
func fill(line string, values map[string]string, fenced bool) (filled string, ok bool) {
	matches := fieldForm.FindAllStringSubmatchIndex(line, -1)
	if matches == nil {
		return line, true
	}
	var b strings.Builder
	at := 0
	for _, m := range matches {
		value := values[line[m[2]:m[3]]]
		ok = ok || strings.TrimSpace(value) != ""
		if fenced {
			value = strings.NewReplacer("`", "'", "~~~", "---").Replace(value)
		} else {
			parts := strings.Split(value, "\n")
			for i := range parts {
				parts[i] = paper.Escape(parts[i])
			}
			value = strings.Join(parts, "\\\n")
		}
		b.WriteString(line[at:m[0]] + value)
		at = m[1]
	}
	b.WriteString(line[at:])
	if fenced {
		return b.String(), ok
	}
	return strings.TrimRight(b.String(), " "), ok
}

// list writes a section as Markdown.
func list(section, none string) string {
	if strings.TrimSpace(section) == "" {
		return paper.Escape(none)
	}
	var out []string
	scanner := bufio.NewScanner(strings.NewReader(section))
	scanner.Buffer(nil, len(section)+1)
	for scanner.Scan() {
		line := strings.TrimSpace(scanner.Text())
		item, isItem := strings.CutPrefix(line, "- ")
		switch {
		case line == "":
			out = append(out, "")
		case isItem:
			out = append(out, "- "+paper.Escape(item))
		default:
			out = append(out, "", "### "+paper.Escape(line), "")
		}
	}
	return squeeze(out)
}

// squeeze joins lines, with no more than one empty one between two.
func squeeze(lines []string) string {
	var out []string
	for _, part := range lines {
		for line := range strings.SplitSeq(part, "\n") {
			if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
				continue
			}
			out = append(out, line)
		}
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}
