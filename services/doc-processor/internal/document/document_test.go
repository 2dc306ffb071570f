package document

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"
)

func listOf(words ...string) WordList {
	list := WordList{}
	for _, w := range words {
		list[w] = struct{}{}
	}
	return list
}

func TestMend(t *testing.T) {
	list := listOf("financial", "official", "benefit", "first", "flat", "fiat", "off", "repayment", "self", "employed", "efficient", "flow", "office")
	for _, tc := range []struct{ name, text, want string }{
		{"nothing lost", "plain words", "plain words"},
		{"fi", "\ufffdnancial", "financial"},
		{"ffi", "o\ufffdcial", "official"},
		{"ff at the end", "set o\ufffd.", "set off."},
		{"capital kept", "Bene\ufffdt", "Benefit"},
		{"possessive", "the o\ufffdce’s", "the office’s"},
		{"in quotes", "‘bene\ufffdt’", "‘benefit’"},
		{"ambiguous stays visible", "a \ufffdat", "a \ufffdat"},
		{"the document decides", "a \ufffdat, the flat", "a flat, the flat"},
		{"unknown stays visible", "Mr Ri\ufffdson", "Mr Ri\ufffdson"},
		{"never beside digits", "1\ufffdrst \ufffd50", "1\ufffdrst \ufffd50"},
		{"alone", "\ufffd", "\ufffd"},
		{"hyphen at a line end goes", "repay\u00adment", "repayment"},
		{"hyphen that belongs stays", "self\u00ademployed", "self-employed"},
		{"unknown hyphen stays", "Aber\u00adwyth", "Aber-wyth"},
		{"the document knows the word", "wyvern and wy\u00advern", "wyvern and wyvern"},
		{"both at once", "o\ufffd\u00adcial", "official"},
		{"hyphen beside digits stays", "section 4ZA\u00ad263", "section 4ZA-263"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := NewVocabulary(list, []string{tc.text}).Mend(tc.text); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// No digit is added, dropped, moved or changed, whatever the text.
func TestMendingKeepsDigits(t *testing.T) {
	list := listOf("financial", "first", "fit", "off", "flat")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("aflirst 0123456789£.,-’'\n\ufffd\u00ad\ufb01½²"))).Draw(t, "text")
		cleaned := clean(text)
		got := NewVocabulary(list, []string{cleaned}).Mend(cleaned)
		if digits(got) != digits(text) {
			t.Fatalf("%q became %q", text, got)
		}
		if strings.Count(got, "\ufffd") > strings.Count(text, "\ufffd") {
			t.Fatalf("%q lost more in %q", text, got)
		}
	})
}

func FuzzMend(f *testing.F) {
	f.Add("o\ufffdcial bene\ufffdt 50\ufffd")
	f.Add("self\u00ad\u00ad\ufffd\ufffd\ufffd\ufffd")
	f.Fuzz(func(t *testing.T, text string) {
		got := NewVocabulary(listOf("fit", "off"), []string{text}).Mend(text)
		if digits(got) != digits(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"\ufb01rst o\ufb03ce \ufb02at": "first office flat",
		"a\u00a0b\u2009c":              "a b c",
		"x\x00\x01\u200by":             "xy",
		"½ m² №5":                      "½ m² №5",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestUsable(t *testing.T) {
	prose := strings.Repeat("The words of a page. ", 20)
	for _, tc := range []struct {
		name     string
		text     string
		pictured bool
		want     bool
	}{
		{"prose", prose, false, true},
		{"prose over a picture", prose, true, true},
		{"title page", "Annual report", false, true},
		{"stamp on a scan", "Scanned 3 March, page 1 of 2", true, false},
		{"nothing", " \n ", false, false},
		{"rules only", "-----", false, false},
		{"lost glyphs", strings.Repeat("\ufffd\ufffda", 50), false, false},
		{"private use", strings.Repeat("\ue001b", 50), false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := usable(tc.text, tc.pictured); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestSniff(t *testing.T) {
	for _, tc := range []struct {
		name, head string
		want       Kind
	}{
		{"PDF", "%PDF-1.7\n", PDF},
		{"PDF after a byte order mark", "\xef\xbb\xbf%PDF-1.4", PDF},
		{"PDF after lines", "HTTP/1.1 200 OK\r\n\r\n%PDF-1.4", PDF},
		{"text about PDF", "A file starts with %PDF-1.7.", Text},
		{"PNG", "\x89PNG\r\n\x1a\n", PNG},
		{"JPEG", "\xff\xd8\xff\xe0", JPEG},
		{"TIFF little", "II*\x00", TIFF},
		{"TIFF big", "MM\x00*", TIFF},
		{"Markdown", "# Title\n\n- item", Text},
		{"Welsh", "Tŷ a chyngor", Text},
		{"cut character", "caf\xc3", Text},
		{"HTML", "\n<!-- saved -->\r\n<!DOCTYPE html>\n<p>", HTML},
		{"XHTML", "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<html xmlns=", HTML},
		{"text with a tag", "<b>Owes</b> £50", Text},
		{"an element of another name", "<header>", Text},
		{"mail", "Received: from a\r\n by b\r\nFrom: c@d.example\r\n\r\nHello", EML},
		{"notes like a mail", "From: Ann\nTo: Bob\nSubject: rent\n\nOwes", Text},
		{"notes with a sign", "Received: two letters\n\nOwes", Text},
		{"zip", "PK\x03\x04", ""},
		{"compound file", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ""},
		{"Latin-1", "caf\xe9 au lait", ""},
		{"zero byte", "a\x00b", ""},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := Sniff([]byte(tc.head))
			if got != tc.want || ok != (tc.want != "") {
				t.Errorf("got %q, %t", got, ok)
			}
		})
	}
}

// Text is what its name says among the kinds of text, and nothing else.
func TestKindOfTextByName(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		want       Kind
	}{
		{"a.txt", "a,b\n1,2\n", Text},
		{"a.csv", "a,b\n1,2\n", CSV},
		{"A.CSV", "caf\xe9;\xa35\n", CSV},
		{"a.csv", "\xff\xfea\x00,\x00b\x00", CSV},
		{"a.csv", "\x89PNG but not quite", ""},
		{"a.csv", "a\x00b", ""},
		{"a.txt", "caf\xe9 au lait", ""},
		{"a.eml", "Subject: rent\nFrom: a@b.example\n\nOwes", EML},
		{"a.eml", "no header at all", ""},
		{"a.html", "<p>Owes £50</p>", HTML},
		{"a.html", "no tag", ""},
		{"a.json", "{}", ""},
		{"a.pdf", "words", ""},
		{"a.docx", "words", ""},
		{"a.docx", "PK\x03\x04 nothing of an Office file", ""},
		{"a.txt", "PK\x03\x04 word/document.xml", DOCX},
		{"a.txt", "PK\x03\x04 xl/workbook.xml", XLSX},
		{"a.doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 W\x00o\x00r\x00d\x00", ""},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(tc.data), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := KindOf(path, tc.name)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s with %q: %q, %v", tc.name, tc.data, got, err)
		}
	}
}

func FuzzSniff(f *testing.F) {
	for _, seed := range []string{"%PDF-1.7", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "II*\x00", "text", "\xc3"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		kind, ok := Sniff(head)
		if ok == (kind == "") {
			t.Errorf("%q: %q, %t", head, kind, ok)
		}
	})
}

// shaky is an engine that loses its worker at the first call of each kind.
type shaky struct{ opens, texts int }

func (s *shaky) Open(context.Context, Source) (int, error) {
	if s.opens++; s.opens == 1 {
		return 0, ErrCrashed
	}
	return 1, nil
}

func (s *shaky) Text(context.Context, Source, int) (PageText, error) {
	if s.texts++; s.texts == 1 {
		return PageText{}, ErrMemory
	}
	return PageText{Text: "The words."}, nil
}

func (*shaky) Scan(context.Context, Source, int) (PageScan, error) {
	return PageScan{}, ErrDeadline
}

func (*shaky) Unpack(context.Context, Source, string) ([]Part, error) { return nil, ErrDeadline }

func (*shaky) Picture(context.Context, Source, int) ([]byte, error) { return nil, ErrDeadline }

func TestLostWorkerIsTriedOnceMore(t *testing.T) {
	engine := &shaky{}
	p, err := New(Options{Engine: engine, SpoolDir: t.TempDir(), Parallel: 1, MaxPages: 10, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	upload, err := p.Receive()
	if err != nil {
		t.Fatal(err)
	}
	defer upload.Close()
	if _, err := upload.Write([]byte("%PDF-1.7\n")); err != nil {
		t.Fatal(err)
	}
	result, err := upload.Read(t.Context(), File{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Markdown != "The words." || engine.opens != 2 || engine.texts != 2 {
		t.Errorf("%+v after %d opens and %d readings", result, engine.opens, engine.texts)
	}
}
