package drafting_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/note"
	"signpost.internal/services/notes-service/internal/office"
	"signpost.internal/services/notes-service/internal/paper"
	"signpost.internal/services/notes-service/internal/template"
)

// office is what stands in for LibreOffice.
type tagger func(ctx context.Context, docx []byte) ([]byte, error)

func (f tagger) PDF(ctx context.Context, docx []byte) ([]byte, error) { return f(ctx, docx) }

func writer(t *testing.T, office drafting.Tagger) *drafting.Writer {
	t.Helper()
	templates, err := template.Open("")
	if err != nil {
		t.Fatal(err)
	}
	return drafting.New(drafting.Options{Notes: note.New(note.Options{Chat: noModel{}, Timeout: time.Minute}), Templates: templates, Office: office})
}

// noModel is a language model that is not there.
type noModel struct{}

func (noModel) Chat(context.Context, provider.ChatRequest) (*provider.ChatResponse, error) {
	return nil, fault.New(fault.Unavailable, "There is no model.")
}
func (noModel) Provider() string { return "none" }
func (noModel) Model() string    { return "" }

func TestDraft(t *testing.T) {
	w := writer(t, nil)
	d, err := w.Draft(t.Context(), drafting.Request{Notes: "rent £650 pcm", Client: "Ms Okoye", Address: []string{"12 Bridge St"}, Template: "cadarnhad-o-gyngor"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Ms Okoye\n12 Bridge St", "Annwyl Ms Okoye", "£650", "Nid yw ein nodiadau’n cofnodi unrhyw beth i ni"} {
		if !strings.Contains(d.Note.FullText, want) {
			t.Errorf("the letter lacks %q:\n%s", want, d.Note.FullText)
		}
	}
	if strings.Contains(d.Note.FullText, note.NoOurs) {
		t.Error("the English for an empty section is in a Welsh letter")
	}
	if other, err := w.Draft(t.Context(), drafting.Request{Notes: "x"}); err != nil || other.ID == d.ID || len(other.ID) < 20 || !strings.Contains(other.Note.FullText, "Dear client,") {
		t.Errorf("%+v, %v", other, err)
	}
	if same, err := w.Draft(t.Context(), drafting.Request{ID: "mine", Notes: "x"}); err != nil || same.ID != "mine" {
		t.Errorf("%+v, %v", same, err)
	}
	if _, err := w.Draft(t.Context(), drafting.Request{Notes: "x", Template: "none"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

// The default template says what package note's own letter says.
func TestDefaultTemplateIsTheNotesLetter(t *testing.T) {
	for _, notes := range []string{"rent £650 pcm; CT to send statements. I'll ring the client's landlord.", "x"} {
		plain, err := note.New(note.Options{Chat: noModel{}, Timeout: time.Minute}).Convert(t.Context(), notes, "Ms Okoye")
		if err != nil {
			t.Fatal(err)
		}
		d, err := writer(t, nil).Draft(t.Context(), drafting.Request{Notes: notes, Client: "Ms Okoye"})
		if err != nil || d.Note.FullText != plain.FullText {
			t.Errorf("%v: %q, not %q", err, d.Note.FullText, plain.FullText)
		}
	}
}

func TestPDF(t *testing.T) {
	l := paper.Letter{Markdown: "Dear \U0001F642", Title: "T", Language: "en-GB", Page: "Page", Of: "of"}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		office drafting.Tagger
		ctx    context.Context //nolint:containedctx // a case of a table
		method drafting.Method
		notice string
		err    error
	}{
		"tagged": {office: tagger(func(_ context.Context, docx []byte) ([]byte, error) {
			if !bytes.HasPrefix(docx, []byte("PK")) {
				return nil, errors.New("not a Word file")
			}
			return []byte("%PDF-tagged"), nil
		}), method: drafting.Tagged},
		"not installed": {method: drafting.Plain, notice: "LibreOffice is not installed here. Characters that its fonts do not have stand in it by their numbers: U+1F642."},
		"it fails": {office: tagger(func(context.Context, []byte) ([]byte, error) {
			return nil, fault.New(fault.Upstream, "LibreOffice could not convert the letter.")
		}), method: drafting.Plain, notice: "LibreOffice could not convert the letter."},
		"the caller is gone": {office: tagger(func(ctx context.Context, _ []byte) ([]byte, error) { return nil, ctx.Err() }), ctx: canceled, err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			f, err := writer(t, tc.office).Write(ctx, l, drafting.PDF)
			if tc.err != nil {
				if !errors.Is(err, tc.err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || f.Method != tc.method || !strings.Contains(f.Notice, tc.notice) || (f.Notice == "") != (tc.notice == "") || !bytes.HasPrefix(f.Data, []byte("%PDF-")) {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}

func TestOtherFormats(t *testing.T) {
	w := writer(t, nil)
	l := paper.Letter{Markdown: "Dear x", Label: "DRAFT"}.NotProved("why")
	if f, err := w.Write(t.Context(), l, drafting.Markdown); err != nil || string(f.Data) != "**DRAFT: why**\n\nDear x\n" {
		t.Errorf("%q, %v", f.Data, err)
	}
	if _, err := w.Write(t.Context(), l, drafting.JSON); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestOpenWithoutLibreOffice(t *testing.T) {
	for _, program := range []string{"", "none", "no-such-office"} {
		got, closeOffice, err := drafting.Open(office.Options{Program: program, Dir: t.TempDir(), Parallel: 1})
		if got != nil || err != nil || closeOffice() != nil {
			t.Errorf("%q: %v, %v", program, got, err)
		}
	}
}
