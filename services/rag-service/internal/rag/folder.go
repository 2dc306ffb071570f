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
		".txt": true, ".md": true,
	}
}

// FolderReport is what became of the manuals folder.
type FolderReport struct {
	Outcomes []Outcome // every file, in alphabetical order
	// Missing lists documents that came from the folder and are no longer in it.
	// They stay in the index.
	Missing []string
}

// IngestFolder stores all documents of the manuals folder and its subfolders.
// It fails with NotFound when there is no folder or nothing in it to ingest.
func (s *Service) IngestFolder(ctx context.Context) (FolderReport, error) {
	if s.manualsPath == "" {
		return FolderReport{}, fault.New(fault.NotFound, "No folder of manuals is configured: set MANUALS_PATH to one.")
	}
	root, err := os.OpenRoot(s.manualsPath)
	if errors.Is(err, fs.ErrNotExist) {
		return FolderReport{}, fault.Wrap(fault.NotFound, err, "The folder that MANUALS_PATH names does not exist.")
	}
	if err != nil {
		return FolderReport{}, fault.Wrap(fault.NotFound, err, "The folder that MANUALS_PATH names cannot be opened.")
	}
	defer func() { _ = root.Close() }() // it was only read from
	items, skipped, err := s.walk(ctx, root)
	if err != nil {
		return FolderReport{}, err
	}
	if len(items) == 0 {
		return FolderReport{}, fault.New(fault.NotFound, "There are no documents in the folder that MANUALS_PATH names. "+
			"PDF, PNG, JPEG, TIFF, WebP, BMP, text (.txt) and Markdown (.md) files are ingested.")
	}
	outcomes, err := s.ingest(ctx, items)
	if err != nil {
		return FolderReport{}, err
	}
	report := FolderReport{Outcomes: append(outcomes, skipped...)}
	slices.SortStableFunc(report.Outcomes, func(a, b Outcome) int { return strings.Compare(a.Source, b.Source) })
	report.Missing, err = s.missing(ctx, report.Outcomes)
	if len(report.Missing) > 0 {
		s.logger.WarnContext(ctx, "documents of the index are no longer in the manuals folder", "documents", report.Missing)
	}
	return report, err
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
		text, known := kinds()[strings.ToLower(path.Ext(name))]
		info, statErr := root.Stat(name)
		switch {
		case checkSource(name) != nil:
			skip(strings.ToValidUTF8(name, "\uFFFD"), "The file's name is not plain UTF-8.")
		case !known || strings.HasPrefix(entry.Name(), "."):
			skip(name, "Not a document that is ingested: PDF, PNG, JPEG, TIFF, WebP, BMP, .txt and .md are.")
		case statErr != nil && entry.Type()&fs.ModeSymlink != 0:
			skip(name, "A link that leads out of the folder, or nowhere.")
		case statErr != nil:
			skip(name, "The file cannot be read.")
		case !info.Mode().IsRegular():
			skip(name, "Not a regular file.")
		default:
			items = append(items, item{Key: Key{DefaultCollection, name}, folder: true, text: text, load: func() ([]byte, error) { return s.loadFile(root, name) }})
		}
		return nil
	})
	return items, skipped, err
}

func (s *Service) loadFile(root *os.Root, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "The file cannot be opened.")
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, s.maxFile+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The file cannot be read.")
	}
	if int64(len(data)) > s.maxFile {
		return nil, fault.Newf(fault.TooLarge, "The file is larger than the %d MiB that are accepted.", s.maxFile>>20)
	}
	return data, nil
}

func (s *Service) missing(ctx context.Context, outcomes []Outcome) ([]string, error) {
	present := map[string]bool{}
	for _, o := range outcomes {
		present[o.Source] = o.Status != Skipped
	}
	documents, err := s.index.Documents(ctx, DefaultCollection)
	if err != nil {
		return nil, fmt.Errorf("listing documents: %w", err)
	}
	var missing []string
	for _, d := range documents {
		if d.Folder && !present[d.Source] {
			missing = append(missing, d.Source)
		}
	}
	return missing, nil
}
