package migration_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSentencesOfTroubleshooting holds that the programs say what
// docs/troubleshooting.md says they say.
func TestSentencesOfTroubleshooting(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources := programText(t)
	found := regexp.MustCompile("(?m)^\\| (?:[a-z ]+)?`([A-Za-z][^`]* [^`]+)`").FindAllSubmatch(page, -1)
	if len(found) < 20 {
		t.Errorf("only %d sentences were found on the page", len(found))
	}
	for _, sentence := range found {
		if !strings.Contains(sources, string(sentence[1])) {
			t.Errorf("no program says %q", sentence[1])
		}
	}
}

// TestLinksOfTheDocumentation holds that every page that a page names is there.
func TestLinksOfTheDocumentation(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	pages := 0
	walk(t, func(path string) {
		if filepath.Ext(path) != ".md" || strings.Contains(path, "testdata") {
			return
		}
		pages++
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), string(found[1]))); err != nil {
				t.Errorf("%s: %s is not there", path, found[1])
			}
		}
	})
	if pages < 10 {
		t.Errorf("only %d pages were found", pages)
	}
}

// programText is the code of the programs and scripts, without its tests.
func programText(t *testing.T) string {
	var all strings.Builder
	walk(t, func(path string) {
		script := filepath.Base(filepath.Dir(path)) == "scripts"
		if !script && (filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go")) {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	})
	return all.String()
}

// walk visits the project's files, hidden folders left out.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.Type().IsRegular():
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
