package document

import (
	"context"
	"errors"
	"fmt"
	"os"

	"signpost.internal/pkg/fault"
)

// Limits of files in files.
const (
	maxNesting = 3   // mails in mails
	maxLeaves  = 200 // files of one document
)

// leaf is a file of a document: the file itself, or an attachment.
type leaf struct {
	src   Source
	pages int
	// attachment is its name, with those of the attachments that it is in; empty
	// for the file itself.
	attachment string
}

// binder takes a document apart into files. Close it in any case.
type binder struct {
	processor *Processor
	// turn does work on a worker when it is the document's turn.
	turn    func(ctx context.Context, work func()) error
	found   []*leaf
	pages   int
	dirs    []string
	notices []string
}

// leaves returns the file itself, with at least one page, and the attachments in
// it that can be read. What cannot be is told in the notices.
func (b *binder) leaves(ctx context.Context, src Source) ([]*leaf, error) {
	if err := b.add(ctx, src, "", 0); err != nil {
		return nil, err
	}
	return b.found, nil
}

func (b *binder) add(ctx context.Context, src Source, attachment string, depth int) error {
	if src.Kind == Locked {
		parts, err := b.unpack(ctx, src)
		if err != nil {
			return err
		}
		if len(parts) != 1 {
			return fault.New(fault.Invalid, "The encrypted file holds no document.")
		}
		src.Path = parts[0].Path
		if src.Kind, err = KindOf(src.Path, ""); err != nil {
			return err
		}
	}
	pages, err := work(ctx, b, func() (int, error) { return b.processor.options.Engine.Open(ctx, src) })
	limit := b.processor.options.MaxPages
	switch {
	case err != nil:
		return err
	case pages == 0:
		return fault.New(fault.Invalid, "The document has no pages.")
	case b.pages+pages > limit:
		return fault.Newf(fault.Invalid, "The document has %d pages; at most %d are accepted. Split it.", b.pages+pages, limit)
	}
	b.pages += pages
	b.found = append(b.found, &leaf{src: src, pages: pages, attachment: attachment})
	if src.Kind != EML {
		return nil
	}
	parts, err := b.unpack(ctx, src)
	if err != nil {
		return err
	}
	for _, part := range parts {
		name := part.Name
		if attachment != "" {
			name = attachment + " / " + name
		}
		if err := b.attach(ctx, part, src.Password, name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// attach adds an attachment, or a notice where it cannot be read: its faults are
// not the mail's.
func (b *binder) attach(ctx context.Context, part Part, password, name string, depth int) error {
	err := func() error {
		if len(b.found) >= maxLeaves {
			return fault.Newf(fault.Invalid, "More than %d files in one are not read.", maxLeaves)
		}
		kind, err := KindOf(part.Path, part.Name)
		if err != nil {
			return err
		}
		if depth > maxNesting {
			return fault.Newf(fault.Invalid, "Mails in mails are read to a depth of %d.", maxNesting)
		}
		return b.add(ctx, Source{Path: part.Path, Kind: kind, Password: password}, name, depth)
	}()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		b.notices = append(b.notices, fmt.Sprintf("the attachment %q was not read: %s", name, attachmentReason(err)))
	}
	return nil
}

func attachmentReason(err error) string {
	if text, ok := lost(err); ok {
		return text
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Detail
	}
	return "it could not be stored"
}

// unpack has a worker write the files in a file into a folder.
func (b *binder) unpack(ctx context.Context, src Source) ([]Part, error) {
	dir, err := os.MkdirTemp(b.processor.options.SpoolDir, spooled)
	if err != nil {
		return nil, fmt.Errorf("unpack into the spool: %w", err)
	}
	b.dirs = append(b.dirs, dir)
	return work(ctx, b, func() ([]Part, error) { return b.processor.options.Engine.Unpack(ctx, src, dir) })
}

// work does something on a worker, when it is the document's turn.
func work[T any](ctx context.Context, b *binder, do func() (T, error)) (result T, err error) {
	busy := b.turn(ctx, func() { result, err = retried(ctx, do) })
	if busy != nil {
		return result, busy
	}
	return result, err
}

// close removes what was unpacked. What it cannot remove, the next start does.
func (b *binder) close() {
	for _, dir := range b.dirs {
		_ = os.RemoveAll(dir)
	}
}
