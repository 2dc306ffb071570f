package rag

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"signpost.internal/pkg/fault"
)

// kinds are the endings of file names that are documents, and whether they are
// plain text.
func kinds() map[string]bool {
	return map[string]bool{
		".pdf": false, ".png": false, ".jpg": false, ".jpeg": false, ".tif": false, ".tiff": false, ".webp": false, ".bmp": false,
		".docx": false, ".xlsx": false, ".html": false, ".htm": false, ".eml": false, ".csv": false,
		".txt": true, ".md": true,
	}
}

// KindNames says what is ingested, for people.
const KindNames = "PDF, PNG, JPEG, TIFF, WebP, BMP, Word (.docx), Excel (.xlsx), HTML, mail (.eml), CSV, text (.txt) and Markdown (.md)"

// KindOf tells from a file's name whether it is a document, and whether it is
// plain text.
func KindOf(name string) (text, known bool) {
	text, known = kinds()[strings.ToLower(path.Ext(name))]
	return text, known
}

// FolderReport is what became of the manuals folder.
type FolderReport struct {
	Outcomes []Outcome // every file, in alphabetical order; of submitted ones those without a job
	Jobs     []Job     // of submitted files
	// Missing lists documents that came from the folder and are no longer in it.
	// They stay in the index.
	Missing []string
}

// IngestFolder stores all documents of the manuals folder and its subfolders, and
// returns when that is done. It fails with NotFound when there is no folder or
// nothing in it to ingest.
func (s *Service) IngestFolder(ctx context.Context) (FolderReport, error) {
	return s.withFolder(ctx, func(string) bool { return true }, s.ingest)
}

// SubmitFolder makes jobs of the documents of the manuals folder that are new or
// changed and among those that wanted names, and does not wait for them. The
// report names what needed no job.
func (s *Service) SubmitFolder(ctx context.Context, wanted func(name string) bool) (FolderReport, error) {
	var jobs []Job
	report, err := s.withFolder(ctx, wanted, func(ctx context.Context, items []item) ([]Outcome, error) {
		submissions, err := s.submit(ctx, items)
		var outcomes []Outcome
		for _, sub := range submissions {
			if sub.Job == nil {
				outcomes = append(outcomes, sub.Outcome)
			} else {
				jobs = append(jobs, *sub.Job)
			}
		}
		return outcomes, err
	})
	report.Jobs = jobs
	return report, err
}

// withFolder gives the wanted documents of the folder to ingest and adds up what
// came of them.
func (s *Service) withFolder(ctx context.Context, wanted func(string) bool, ingest func(context.Context, []item) ([]Outcome, error)) (FolderReport, error) {
	root, err := s.openFolder()
	if err != nil {
		return FolderReport{}, err
	}
	defer func() { _ = root.Close() }() // it was only read from
	items, skipped, err := s.walk(ctx, root)
	if err != nil {
		return FolderReport{}, err
	}
	if len(items) == 0 {
		return FolderReport{}, fault.New(fault.NotFound, "There are no documents in the folder that MANUALS_PATH names. "+
			KindNames+" files are ingested.")
	}
	faulty := s.tellApart(ctx, root, items)
	present := map[Key]bool{}
	for _, it := range items {
		present[it.Key] = true
	}
	report := FolderReport{Outcomes: append(skipped, faulty...)}
	items = slices.DeleteFunc(items, func(it item) bool { return !wanted(it.Source) })
	outcomes, err := ingest(ctx, items)
	if err != nil {
		return FolderReport{}, err
	}
	report.Outcomes = append(report.Outcomes, outcomes...)
	slices.SortStableFunc(report.Outcomes, func(a, b Outcome) int { return strings.Compare(a.Source, b.Source) })
	report.Missing, err = s.missing(ctx, present)
	if len(report.Missing) > 0 {
		s.logger.WarnContext(ctx, "documents of the index are no longer in the manuals folder", "documents", len(report.Missing))
	}
	return report, err
}

func (s *Service) openFolder() (*os.Root, error) {
	if s.manualsPath == "" {
		return nil, fault.New(fault.NotFound, "No folder of manuals is configured: set MANUALS_PATH to one.")
	}
	root, err := os.OpenRoot(s.manualsPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.NotFound, err, "The folder that MANUALS_PATH names does not exist.")
	}
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "The folder that MANUALS_PATH names cannot be opened.")
	}
	return root, nil
}

// walk lists the documents below root, and what is not one with the reason.
// Links are followed to files below root only.
func (s *Service) walk(ctx context.Context, root *os.Root) (items []item, skipped []Outcome, err error) {
	skip := func(name, reason string) {
		skipped = append(skipped, Outcome{Source: name, Status: Skipped, Reason: reason})
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case err != nil && name == ".":
			return fault.Wrap(fault.NotFound, err, "The folder that MANUALS_PATH names cannot be read.")
		case err != nil:
			skip(name, "The folder cannot be read.")
			return fs.SkipDir
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			skip(name, "Hidden folders are not read.")
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		text, known := KindOf(name)
		info, statErr := root.Stat(name)
		switch {
		case checkSource(name) != nil:
			skip(strings.ToValidUTF8(name, "\uFFFD"), "The file's name is not plain UTF-8.")
		case name == ListName:
			skip(name, "It says what the documents are.")
		case !known || strings.HasPrefix(entry.Name(), "."):
			skip(name, "Not a document that is ingested: "+KindNames+" are.")
		case statErr != nil && entry.Type()&fs.ModeSymlink != 0:
			skip(name, "A link that leads out of the folder, or nowhere.")
		case statErr != nil:
			skip(name, "The file cannot be read.")
		case !info.Mode().IsRegular():
			skip(name, "Not a regular file.")
		default:
			items = append(items, item{
				Upload: Upload{Key: Key{DefaultCollection, name}, Text: text}, folder: true,
				open: func() (io.ReadCloser, error) { return openFile(root, name) },
			})
		}
		return nil
	})
	return items, skipped, err
}

func openFile(root *os.Root, name string) (io.ReadCloser, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "The file cannot be opened.")
	}
	return fileReader{file}, nil
}

// fileReader translates the errors of a file's reading.
type fileReader struct{ *os.File }

func (f fileReader) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fault.Wrap(fault.Unavailable, err, "The file cannot be read.")
	}
	return n, err
}

// missing lists the documents that came from the folder and are not among those
// present.
func (s *Service) missing(ctx context.Context, present map[Key]bool) ([]string, error) {
	collections, err := s.index.Collections(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing collections: %w", err)
	}
	var missing []string
	for _, c := range collections {
		documents, err := s.index.Documents(ctx, c.Name)
		if err != nil {
			return nil, fmt.Errorf("listing documents: %w", err)
		}
		for _, d := range documents {
			if d.Folder && !present[d.Key] {
				missing = append(missing, d.Source)
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}
