package samplepost

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"codeberg.org/go-fonts/liberation/liberationserifbold"
	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"codeberg.org/go-pdf/fpdf"
)

// Document is a document as it is printed.
type Document struct {
	Name string
	PDF  []byte
	// Pages holds the words of each page in reading order: a line for each
	// paragraph and table row.
	Pages []string
	// Cells are the cells of its tables, Numbers the amounts, dates and
	// references that an adviser looks for.
	Cells, Numbers []string
}

// The size of a page and its margins, in points.
const (
	pageWidth, pageHeight = 595.28, 841.89
	left, right           = 62.0, 533.0
	bottom                = 780.0
)

// The fonts, by role.
const (
	serif     = "serif"
	serifBold = "serifbold"
	sans      = "sans"
	sansBold  = "sansbold"
)

// setter sets a document line by line, and keeps what it set.
type setter struct {
	pdf  *fpdf.Fpdf
	doc  Document
	said []string
	y    float64
	body string
	size float64
}

func newSetter(name, body string, size float64) *setter {
	pdf := fpdf.New("P", "pt", "A4", "")
	made := time.Date(2026, time.November, 1, 9, 0, 0, 0, time.UTC)
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetCatalogSort(true)
	pdf.SetCreationDate(made)
	pdf.SetModificationDate(made)
	for family, ttf := range map[string][]byte{
		serif: liberationserifregular.TTF, serifBold: liberationserifbold.TTF,
		sans: liberationsansregular.TTF, sansBold: liberationsansbold.TTF,
	} {
		pdf.AddUTF8FontFromBytes(family, "", bytes.Clone(ttf)) // fpdf changes the bytes it is given
	}
	pdf.SetDrawColor(120, 120, 120)
	pdf.SetFillColor(228, 232, 238)
	pdf.SetLineWidth(0.6)
	s := &setter{pdf: pdf, doc: Document{Name: name}, body: body, size: size}
	s.turnPage()
	return s
}

func (s *setter) turnPage() {
	if s.pdf.PageNo() > 0 {
		s.doc.Pages = append(s.doc.Pages, strings.Join(s.said, "\n"))
	}
	s.pdf.AddPage()
	s.said, s.y = nil, 64
}

func (s *setter) done() (Document, error) {
	s.doc.Pages = append(s.doc.Pages, strings.Join(s.said, "\n"))
	var out bytes.Buffer
	if err := s.pdf.Output(&out); err != nil {
		return Document{}, fmt.Errorf("set %s: %w", s.doc.Name, err)
	}
	s.doc.PDF = out.Bytes()
	return s.doc, nil
}

func (s *setter) bold() string { return s.body + "bold" }

func (s *setter) say(text string) { s.said = append(s.said, text) }

// at puts a text on the line s.y; a negative x counts from the right edge.
func (s *setter) at(x float64, font string, size float64, text string) {
	s.pdf.SetFont(font, "", size)
	if x < 0 {
		x = pageWidth + x - s.pdf.GetStringWidth(text)
	}
	s.pdf.Text(x, s.y, text)
}

// line sets one line of its own.
func (s *setter) line(x float64, font string, size float64, text string) {
	s.at(x, font, size, text)
	s.say(text)
	s.y += size * 1.3
}

func (s *setter) lines(x float64, texts ...string) {
	for _, t := range texts {
		s.line(x, s.body, s.size, t)
	}
	s.y += s.size * 0.6
}

func (s *setter) heading(text string) {
	s.y += s.size * 0.5
	s.line(left, s.bold(), s.size*1.25, text)
	s.y += s.size * 0.2
}

// para sets a paragraph across the page.
func (s *setter) para(text string) { s.block(left, right-left, s.size, text) }

func (s *setter) block(x, width, size float64, text string) {
	s.pdf.SetFont(s.body, "", size)
	for _, l := range s.pdf.SplitText(text, width) {
		s.pdf.Text(x, s.y, strings.TrimSpace(l))
		s.y += size * 1.28
	}
	s.say(text)
	s.y += size * 0.7
}

// table sets rows of cells; columns whose width is negative are flush right.
func (s *setter) table(ruled bool, widths []float64, rows ...[]string) {
	high := s.size * 1.55
	for n, row := range rows {
		x, font := left, s.body
		if n == 0 {
			font = s.bold()
		}
		if ruled && n == 0 {
			full := 0.0
			for _, w := range widths {
				full += max(w, -w)
			}
			s.pdf.Rect(x, s.y-s.size*1.1, full, high, "F")
		}
		s.pdf.SetFont(font, "", s.size)
		for i, cell := range row {
			w := max(widths[i], -widths[i])
			if ruled {
				s.pdf.Rect(x, s.y-s.size*1.1, w, high, "D")
			}
			if widths[i] < 0 {
				s.pdf.Text(x+w-4-s.pdf.GetStringWidth(cell), s.y, cell)
			} else {
				s.pdf.Text(x+4, s.y, cell)
			}
			x += w
		}
		s.doc.Cells = append(s.doc.Cells, row...)
		s.say(strings.Join(row, "\t"))
		s.y += high
	}
	s.y += s.size
}

func (s *setter) numbers(n ...string) { s.doc.Numbers = append(s.doc.Numbers, n...) }
