package rag

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"signpost.internal/pkg/fault"
)

// ListName is the file in the manuals folder that says what its documents are: a
// table with the columns of [listColumns], of which all but file may be left out.
// A row is about a file, or about all files of a folder when its name ends in a
// slash; a later row has the last word, and an empty cell says nothing.
const ListName = "manuals.csv"

func listColumns() []string {
	return []string{"file", "collection", "title", "edition", "from", "until", "jurisdiction"}
}

// mostList is the largest table in bytes.
const mostList = 4 << 20

// tellApart gives the folder's documents what its list says of them. Rows that
// cannot be read are returned as failures; the others hold.
func (s *Service) tellApart(ctx context.Context, root *os.Root, items []item) []Outcome {
	file, err := root.Open(ListName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	failed := func(line int, err error) Outcome {
		detail := fault.DetailOf(err)
		var known *fault.Error
		if errors.As(err, &known) {
			for _, f := range known.Fields {
				detail += fmt.Sprintf(" %s %s.", f.Name, f.Detail)
			}
		}
		return FailedOutcome(ListName, fault.Wrap(fault.Invalid, err, fmt.Sprintf("Line %d is left out. %s", line, detail)))
	}
	if err != nil {
		return []Outcome{failed(0, fault.Wrap(fault.Unavailable, err, "The file cannot be opened."))}
	}
	defer func() { _ = file.Close() }() // it was only read from
	rows, faults := readList(io.LimitReader(file, mostList))
	var out []Outcome
	for _, f := range faults {
		out = append(out, failed(f.line, f.err))
	}
	there := map[string]error{}
	for _, r := range rows {
		if r.collection != "" {
			if _, asked := there[r.collection]; !asked {
				there[r.collection] = s.provide(ctx, r.collection)
			}
			if err := there[r.collection]; err != nil {
				out = append(out, failed(r.line, err))
				continue
			}
		}
		for i := range items {
			it := &items[i]
			if it.Source != r.file && (!strings.HasSuffix(r.file, "/") || !strings.HasPrefix(it.Source, r.file)) {
				continue
			}
			it.Collection = either(r.collection, it.Collection)
			it.Metadata = it.with(r.Metadata)
		}
	}
	return out
}

// provide makes a collection unless it is there.
func (s *Service) provide(ctx context.Context, name string) error {
	if err := CheckCollection(name); err != nil {
		return err
	}
	err := s.index.Create(ctx, name, "")
	if fault.KindOf(err) == fault.Conflict {
		return nil
	}
	return err
}

// listRow is a row of the list.
type listRow struct {
	line             int
	file, collection string
	Metadata
}

// listFault is a line of the list that cannot be read.
type listFault struct {
	line int
	err  error
}

// readList reads a list. What follows a fault of its form cannot be read.
func readList(r io.Reader) (rows []listRow, faults []listFault) {
	reader := csv.NewReader(r)
	reader.TrimLeadingSpace = true
	head, err := reader.Read()
	if err != nil {
		return nil, []listFault{{1, fault.Wrap(fault.Malformed, err, "The first line must name the columns: "+strings.Join(listColumns(), ", ")+".")}}
	}
	head[0] = strings.TrimPrefix(head[0], "\uFEFF") // spreadsheets put it there
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
		if !slices.Contains(listColumns(), head[i]) {
			return nil, []listFault{{1, fault.New(fault.Malformed, "A column has another name than these: "+strings.Join(listColumns(), ", ")+".")}}
		}
	}
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, faults
		}
		line, _ := reader.FieldPos(0)
		var form *csv.ParseError
		if errors.As(err, &form) && !errors.Is(err, csv.ErrFieldCount) {
			return rows, append(faults, listFault{form.Line, fault.Wrap(fault.Malformed, err, "It is not in the form of a CSV file, and what follows is not read.")})
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) {
			return rows, append(faults, listFault{line, fault.Wrap(fault.Unavailable, err, "The file cannot be read.")})
		}
		if err != nil {
			faults = append(faults, listFault{line, fault.Wrap(fault.Malformed, err, "It has not as many cells as the first line.")})
			continue
		}
		row := listRow{line: line}
		for i, cell := range cells {
			*row.cell(head[i]) = strings.TrimSpace(cell)
		}
		if err := CheckMetadata(row.Metadata); err != nil {
			faults = append(faults, listFault{line, err})
			continue
		}
		if row.file != "" {
			rows = append(rows, row)
		}
	}
}

func (r *listRow) cell(column string) *string {
	switch column {
	case "collection":
		return &r.collection
	case "title":
		return &r.Title
	case "edition":
		return &r.Edition
	case "from":
		return &r.From
	case "until":
		return &r.Until
	case "jurisdiction":
		return &r.Jurisdiction
	}
	return &r.file
}
