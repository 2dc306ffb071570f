package office

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/xuri/excelize/v2"

	"signpost.internal/services/doc-processor/internal/document"
)

const (
	// maxCells bounds the cells of one sheet, empty ones within its rows among them.
	maxCells = 500_000
	// maxFormulaCells is up to what number of cells a sheet is searched for
	// formulas without a result, for which all of it is held in memory.
	maxFormulaCells = 20_000
)

// workbookOptions keep all in memory, so that no part of the file is left in a
// temporary folder, and show dates in the British way where the file leaves it
// to the country.
func workbookOptions() excelize.Options {
	return excelize.Options{
		UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxUnpacked,
		ShortDatePattern: "dd/mm/yyyy", LongDatePattern: "dd mmmm yyyy", LongTimePattern: "hh:mm:ss",
	}
}

// readWorkbook reads a workbook, a page for each sheet, hidden ones included.
func readWorkbook(data []byte) ([]document.PageText, error) {
	// Counted first, as the library's own limit is on what the file declares.
	if _, err := openZip(data, "workbook"); err != nil {
		return nil, err
	}
	f, err := excelize.OpenReader(bytes.NewReader(data), workbookOptions())
	if err != nil {
		return nil, damaged(err, "workbook")
	}
	defer func() { _ = f.Close() }() // nothing of it is on the disk
	var pages []document.PageText
	for _, name := range f.GetSheetList() {
		page, err := readSheet(f, name)
		if err != nil {
			return nil, damaged(err, "workbook")
		}
		pages = append(pages, page)
	}
	if len(pages) == 0 {
		return nil, damaged(errors.New("no sheets"), "workbook")
	}
	return pages, nil
}

func readSheet(f *excelize.File, name string) (document.PageText, error) {
	page := document.PageText{Text: "## " + strings.Join(strings.Fields(name), " ")}
	if visible, err := f.GetSheetVisible(name); err == nil && !visible {
		page.Notice = "is a hidden sheet"
	}
	rows, err := f.Rows(name)
	if err != nil {
		var none excelize.ErrSheetNotExist
		if errors.As(err, &none) { // a chart has a sheet of its own without cells
			page.Notice = joined(page.Notice, "is a sheet without cells")
			return page, nil
		}
		return page, err
	}
	defer func() { _ = rows.Close() }()
	var all [][]string
	cells := 0
	for rows.Next() {
		row, err := rows.Columns()
		if err != nil {
			return page, err
		}
		if cells += max(1, len(row)); cells > maxCells {
			page.Notice = joined(page.Notice, fmt.Sprintf("is cut off after %d rows: of one sheet %d cells are read", len(all), maxCells))
			break
		}
		all = append(all, row)
	}
	if err := rows.Error(); err != nil {
		return page, err
	}
	if cells <= maxFormulaCells {
		if uncounted := fillFormulas(f, name, all); uncounted > 0 {
			page.Notice = joined(page.Notice, fmt.Sprintf("has %d formulas whose results are not in the file; they are shown as formulas", uncounted))
		}
	}
	if text := table(all); text != "" {
		page.Text += "\n\n" + text
	}
	return page, nil
}

// fillFormulas puts formulas into the cells whose result the file does not hold.
func fillFormulas(f *excelize.File, sheet string, rows [][]string) (count int) {
	for y, row := range rows {
		for x, value := range row {
			if value != "" {
				continue
			}
			cell, err := excelize.CoordinatesToCellName(x+1, y+1)
			if err != nil {
				continue
			}
			if formula, err := f.GetCellFormula(sheet, cell); err == nil && formula != "" {
				row[x] = "=" + strings.TrimPrefix(formula, "=")
				count++
			}
		}
	}
	return count
}
