package samplemanuals

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Manual is a manual as built.
type Manual struct {
	File  string // name of the PDF, no folder
	Title string
	Form  Form
	// Pages holds each page's text in reading order, header and footer
	// included: a line for each paragraph, list item and table row (cells are
	// separated by tabs). Words cut by the end of a page stay cut.
	Pages []string
}

// Build makes a PDF in the folder dst of each Markdown manual in the folder
// src (README.md is not one) and returns them in order of file name. dst is
// made when missing; a PDF appears there whole or not at all.
func Build(src, dst string) ([]Manual, error) {
	paths, err := filepath.Glob(filepath.Join(src, "*.md"))
	if err != nil {
		return nil, fmt.Errorf("list manuals: %w", err)
	}
	if err := os.MkdirAll(dst, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for manuals: %w", err)
	}
	var manuals []Manual
	for _, path := range paths {
		name := filepath.Base(path)
		if name == "README.md" {
			continue
		}
		m, err := buildFile(path, dst)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		manuals = append(manuals, m)
	}
	if len(manuals) == 0 {
		return nil, fmt.Errorf("no Markdown manuals in %s", src)
	}
	return manuals, nil
}

func buildFile(path, dst string) (Manual, error) {
	markdown, err := os.ReadFile(path)
	if err != nil {
		return Manual{}, fmt.Errorf("read manual: %w", err)
	}
	src, err := Parse(string(markdown))
	if err != nil {
		return Manual{}, err
	}
	m, pdf, err := render(src)
	if err != nil {
		return Manual{}, err
	}
	m.File = strings.TrimSuffix(filepath.Base(path), ".md") + ".pdf"
	target := filepath.Join(dst, m.File)
	if err := os.WriteFile(target+".part", pdf, 0o644); err != nil {
		return Manual{}, fmt.Errorf("write manual: %w", err)
	}
	if err := os.Rename(target+".part", target); err != nil {
		return Manual{}, fmt.Errorf("finish manual: %w", err)
	}
	return m, nil
}

// Render makes one PDF of a Markdown text in the given form, whatever form its
// front matter names. The manual's File is empty.
func Render(markdown string, form Form) (Manual, []byte, error) {
	if err := form.check(); err != nil {
		return Manual{}, nil, err
	}
	src, err := Parse(markdown)
	if err != nil {
		return Manual{}, nil, err
	}
	src.Form = form
	return render(src)
}

func render(src Source) (Manual, []byte, error) {
	faces, err := openTypeface(src.Form)
	if err != nil {
		return Manual{}, nil, err
	}
	sheets, err := typeset(src, faces)
	if err != nil {
		return Manual{}, nil, err
	}
	m := Manual{Title: src.Title, Form: src.Form}
	for _, s := range sheets {
		m.Pages = append(m.Pages, strings.Join(s.text, "\n"))
	}
	paint := drawText
	if src.Form == Scan {
		paint = drawScan
	}
	pdf, err := paint(src, sheets, faces)
	return m, pdf, err
}
