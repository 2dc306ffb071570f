package eval

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"signpost.internal/pkg/samplemanuals"
)

// Document is a document's text, page by page.
type Document struct {
	Name  string // of the file that it stands for
	Pages []string
}

// ReadFolder reads the documents of a folder: Markdown manuals in the form of the
// sample manuals, as the pages that they are printed on, and texts (.txt) with a
// form feed between two pages. Either stands for the PDF of the same name.
func ReadFolder(dir string) ([]Document, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	var out []Document
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if e.IsDir() || ext != ".md" && ext != ".txt" || e.Name() == "README.md" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read document: %w", err)
		}
		d := Document{Name: strings.TrimSuffix(e.Name(), ext) + ".pdf"}
		if ext == ".txt" {
			d.Pages = strings.Split(string(raw), "\f")
		} else if d.Pages, err = printed(string(raw)); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		out = append(out, d)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no documents (.md or .txt) in %s", dir)
	}
	return out, nil
}

// printed returns the pages of a manual. Those of a scan are those of the text
// form, which is quicker to make; paragraphs are parted by blank lines, as the
// reader of PDFs does.
func printed(markdown string) ([]string, error) {
	source, err := samplemanuals.Parse(markdown)
	if err != nil {
		return nil, err
	}
	form := source.Form
	if form == samplemanuals.Scan {
		form = samplemanuals.Text
	}
	manual, _, err := samplemanuals.Render(markdown, form)
	if err != nil {
		return nil, err
	}
	pages := make([]string, len(manual.Pages))
	for i, p := range manual.Pages {
		pages[i] = strings.ReplaceAll(p, "\n", "\n\n")
	}
	return pages, nil
}
