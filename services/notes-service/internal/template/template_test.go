package template

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/paper"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const full = `---
name: house
title: House letter
language: en-GB
checked: yes
font: Georgia
size: 12
agency: Northtown Advice
agency_address:
  1 High Street
  Northtown
hours: Mon to Fri
greeting_unknown: client
opening_rules: By rule.
opening_model: By model.
says_the_client: It means you.
no_matters: No matters.
no_ours: Nothing for us.
no_yours: Nothing for you.
draft: DRAFT
page: Page
of: of
---
` + body

const body = "```sender\n{{agency}}\n{{agency_address}}\n```\n\nRef {{our_reference}}\n\nDear {{client}},\n\n{{opening}}\n\n{{matters_discussed}}\n\n{{our_actions}}\n\n{{your_actions}}\n\nWe are open {{hours}}.\n\nAn approved paragraph.\n"

func TestBuiltIn(t *testing.T) {
	s, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	for _, tpl := range s.List() {
		if !tpl.Builtin || tpl.Checked != (tpl.Language == "en-GB") {
			t.Errorf("%s: %+v", tpl.Name, tpl)
		}
		l := tpl.Fill(Content{
			Client: "Ms Okoye", Addressee: []string{"Ms Okoye", "12 Bridge St"}, Reference: "A/1", Date: "1 May 2026",
			Matters: "Housing:\n- You owe £304.\n- You said *no* to the client's offer.", Yours: "- 1. Send it.", Unproved: "two reasons",
		})
		file := filepath.Join("testdata", tpl.Name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(l.Marked()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), l.Marked()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tpl.Name, diff)
		}
	}
	for _, name := range []string{"", Default, "cadarnhad-o-gyngor"} {
		if _, err := s.Find(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := s.Find("letter"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestOwnTemplate(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "house.md", full)
	write(t, dir, "default.md", strings.Replace(full, "name: house", "name: "+Default, 1))
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := s.Find("house")
	if err != nil {
		t.Fatal(err)
	}
	l := tpl.Fill(Content{Model: true})
	want := "Northtown Advice\n1 High Street\nNorthtown\n\nDear client,\n\nBy model.\n\nNo matters.\n\nNothing for us.\n\nNothing for you.\n\nWe are open Mon to Fri.\n\nAn approved paragraph."
	if diff := cmp.Diff(want, l.Text()); diff != "" {
		t.Error(diff)
	}
	if l.Font != "Georgia" || l.Size != 12 || l.Author != "Northtown Advice" || l.Mark != "" {
		t.Errorf("%+v", l)
	}
	if !slices.Contains(tpl.Fixed(), "An approved paragraph.") || slices.ContainsFunc(tpl.Fixed(), func(s string) bool { return strings.Contains(s, "{{") }) {
		t.Errorf("fixed: %q", tpl.Fixed())
	}
	if d, _ := s.Find(""); d.Builtin {
		t.Error("the folder's default did not take the place of the built-in one")
	}
}

func TestFaultsNameFileAndLine(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, want string }{
		"no head":        {"---\nname", "name", "a.md:1: a template begins"},
		"no end of head": {"of: of\n---", "of: of", "the head has no end"},
		"no name":        {"name: house\n", "", "a.md:1: the head lacks the field name"},
		"empty title":    {"title: House letter", "title:", "a.md:3: the field title is empty"},
		"bad name":       {"name: house", "name: House 1", "a.md:2: name:"},
		"bad language":   {"en-GB", "English please", "a.md:4: language:"},
		"bad checked":    {"checked: yes", "checked: maybe", "a.md:5: checked:"},
		"bad size":       {"size: 12", "size: huge", "a.md:7: size:"},
		"bad font":       {"font: Georgia", `font: "x"`, "a.md:6: font:"},
		"twice":          {"hours: Mon", "agency: Other\nhours: Mon", "a.md:12: the field agency is given a second time; the first is in line 8"},
		"not a field":    {"hours: Mon", "Opening hours are Mon\nhours: Mon", "a.md:12:"},
		"reserved":       {"hours: Mon", "client: Bob\nhours: Mon", "a.md:12: the field client is filled by the service"},
		"loose line":     {"title: House letter", "\n  loose\ntitle: House letter", "a.md:4: a line that begins with a space"},
		"unknown field":  {"{{client}}", "{{cleint}}", "a.md:31: nothing fills the field {{cleint}}"},
		"broken field":   {"Dear {{client}}", "Dear {{client", "a.md:31: a field is written"},
		"section lost":   {"{{our_actions}}\n", "", "the letter lacks the field {{our_actions}}"},
		"section twice":  {"{{our_actions}}\n", "{{our_actions}}\n\n{{our_actions}}\n", "a.md:39: the field {{our_actions}} is there a second time; the first is in line 37"},
		"section inline": {"{{our_actions}}", "We: {{our_actions}}", "a.md:37: the field {{our_actions}} is a list"},
		"not UTF-8":      {"House letter", "House \xff", "a.md:1: the file is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(full, tc.from, tc.to, 1)
			if changed == full {
				t.Fatal("nothing changed")
			}
			dir := t.TempDir()
			write(t, dir, "a.md", changed)
			_, err := Open(dir)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestFaultsAreToldTogether(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.md", strings.Replace(full, "size: 12", "size: 900", 1))
	write(t, dir, "b.md", strings.Replace(full, "{{client}}", "{{x}}", 1))
	_, err := Open(dir)
	if err == nil || !strings.Contains(err.Error(), "a.md:7:") || !strings.Contains(err.Error(), "b.md:31:") {
		t.Errorf("got %v", err)
	}
	write(t, dir, "a.md", full)
	write(t, dir, "b.md", full)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "a.md too") {
		t.Errorf("two of one name: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "TEMPLATES_DIR") {
		t.Errorf("no folder: %v", err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whatever a client is called and the notes say stands in the letter as that text
// and changes nothing around it.
func FuzzFill(f *testing.F) {
	for _, s := range []string{"Ms Okoye", "# x", "- a", "1. b", "```", "~~~\nx", "<script>alert(1)</script>", "*a* _b_ [c](d) `e`", "| a | b |", "&amp;", `\`, "a\\", "{{client}}", "===", ": x", "![p](q)", "Tab\tx", "\u2028"} {
		f.Add(s)
	}
	s, err := Open("")
	if err != nil {
		f.Fatal(err)
	}
	tpl, err := s.Find("")
	if err != nil {
		f.Fatal(err)
	}
	plain := len(paper.Parse(tpl.Fill(Content{Client: "x", Addressee: []string{"x"}, Matters: "- x", Ours: "- x", Yours: "- x"}).Markdown))
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")), " ")
		if text == "" {
			return
		}
		if strings.Contains(strings.ToLower(text), "the client") {
			return
		}
		l := tpl.Fill(Content{Client: text, Addressee: []string{text}, Matters: "- " + text, Ours: "- x", Yours: "- x"})
		blocks := l.Blocks()
		if len(blocks) != plain {
			t.Fatalf("%d blocks, not %d:\n%s", len(blocks), plain, l.Markdown)
		}
		for _, b := range blocks {
			if b.Kind == paper.List {
				if got := paper.Plain(b.Items[0][0].Runs); got != text {
					t.Errorf("%q became %q", text, got)
				}
				break
			}
		}
		if !strings.Contains(l.Text(), "Dear "+text+",") {
			t.Errorf("%q is not greeted:\n%s", text, l.Text())
		}
	})
}
