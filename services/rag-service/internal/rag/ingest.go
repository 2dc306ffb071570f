package rag

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/failsafe-go/failsafe-go"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/chunk"
)

// minCharacters is how much text a document must hold to be a document.
const minCharacters = 50

// inFlight is how many documents are read at a time.
const inFlight = 2

// Status says what became of a document.
type Status string

// What can become of a document.
const (
	Success   Status = "success"   // stored, in the place of an older one if there was one
	Unchanged Status = "unchanged" // it was there already; nothing was written
	Failed    Status = "failed"    // not stored; what was there before still is
	Skipped   Status = "skipped"   // not a document
)

// Outcome is what became of one document.
type Outcome struct {
	Source     string
	Status     Status
	Characters int // of text
	Chunks     int
	// Reason says why it failed or was skipped, or what is missing from a
	// document that was stored.
	Reason string
	err    error
}

// Err returns the failure of a document that failed.
func (o Outcome) Err() error { return o.err }

// Text is a document that was sent as text.
type Text struct{ Name, Text string }

// Progress is how far the ingest that is running has come.
type Progress struct {
	State   string `json:"state"` // idle or running
	Total   int    `json:"total"`
	Done    int    `json:"done"`
	Failed  int    `json:"failed"`
	Current string `json:"current"` // the document begun last; empty when idle
}

// item is a document that waits to be ingested.
type item struct {
	Key
	Metadata
	folder bool
	load   func() ([]byte, error)
	text   bool // its bytes are text
}

// IngestTexts stores documents that were sent as text. The outcomes are in the
// order of the documents. It fails with Malformed for names that are not plain
// relative paths; nothing is stored then.
func (s *Service) IngestTexts(ctx context.Context, collection string, texts []Text) ([]Outcome, error) {
	items := make([]item, len(texts))
	for i, t := range texts {
		if err := checkSource(t.Name); err != nil {
			return nil, err
		}
		items[i] = item{Key: Key{collection, t.Name}, text: true, load: func() ([]byte, error) { return []byte(t.Text), nil }}
	}
	return s.ingest(ctx, items)
}

// IngestFile stores a PDF.
func (s *Service) IngestFile(ctx context.Context, k Key, data []byte) (Outcome, error) {
	if err := checkSource(k.Source); err != nil {
		return Outcome{}, err
	}
	outcomes, err := s.ingest(ctx, []item{{Key: k, load: func() ([]byte, error) { return data, nil }}})
	if err != nil {
		return Outcome{}, err
	}
	return outcomes[0], outcomes[0].err
}

// Preview returns the beginning of a document's text, at most n characters.
func (s *Service) Preview(ctx context.Context, k Key, n int) (string, error) {
	hits, err := s.index.Around(ctx, k, 0, 200)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, h := range hits {
		if text.Len() > 4*n {
			break
		}
		text.WriteString(h.Chunk.Text)
		text.WriteByte('\n')
	}
	runes := []rune(strings.TrimSpace(text.String()))
	return string(runes[:min(n, len(runes))]), nil
}

// Progress returns how far the ingest that is running has come.
func (s *Service) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress
}

func (s *Service) update(change func(p *Progress)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.progress)
}

// checkSource fails with Malformed for a name that could be another place than
// it says.
func checkSource(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fault.New(fault.Malformed, "A file name is not valid UTF-8.")
	case len(name) > 1024:
		return fault.New(fault.Malformed, "A file name is longer than 1,024 bytes.")
	case strings.Contains(name, `\`), strings.ContainsFunc(name, unicode.IsControl), !fs.ValidPath(name), name == ".":
		return fault.New(fault.Malformed, `A file name must be a plain name, or a path like "folder/name.txt" without "..", backslashes or a slash in front.`)
	}
	return nil
}

// ingest stores the items, a few at a time, when it is this call's turn.
func (s *Service) ingest(ctx context.Context, items []item) ([]Outcome, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another ingest to end: %w", ctx.Err())
	}
	defer func() { <-s.turn }()
	s.update(func(p *Progress) { *p = Progress{State: "running", Total: len(items)} })
	defer s.update(func(p *Progress) { p.State, p.Current = "idle", "" })

	outcomes := make([]Outcome, len(items))
	var gaveUp atomic.Bool // the reader stayed away: do not wait for it again for each document
	slots := make(chan struct{}, inFlight)
	var wg sync.WaitGroup
	for i, it := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			s.update(func(p *Progress) { p.Current = it.Source })
			outcomes[i] = s.ingestOne(ctx, it, &gaveUp)
			s.update(func(p *Progress) {
				p.Done++
				if outcomes[i].Status == Failed {
					p.Failed++
				}
			})
		})
	}
	wg.Wait()
	return outcomes, ctx.Err()
}

func (s *Service) ingestOne(ctx context.Context, it item, gaveUp *atomic.Bool) Outcome {
	o, err := s.store(ctx, it, gaveUp)
	o.Source = it.Source
	if err != nil {
		o = Outcome{Source: it.Source, Status: Failed, Reason: fault.DetailOf(err), err: err}
		s.logger.WarnContext(ctx, "document not ingested", "document", it.Source, "fault", fault.KindOf(err).String(), "error", err)
		return o
	}
	s.logger.InfoContext(ctx, "document ingested", "document", it.Source, "status", string(o.Status), "chunks", o.Chunks)
	return o
}

func (s *Service) store(ctx context.Context, it item, gaveUp *atomic.Bool) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	data, err := it.load()
	if err != nil {
		return Outcome{}, err
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	before, there, err := s.index.State(ctx, it.Key)
	if err != nil {
		return Outcome{}, err
	}
	if there && before.Hash == hash && before.Version == Version && (before.Folder || !it.folder) {
		return Outcome{Status: Unchanged, Characters: before.Characters, Chunks: before.Chunks}, nil
	}
	reading, err := s.read(ctx, it, data, gaveUp)
	if err != nil {
		return Outcome{}, err
	}
	characters := 0
	for _, p := range reading.Pages {
		characters += utf8.RuneCountInString(strings.TrimSpace(p.Text))
	}
	if characters < minCharacters {
		return Outcome{}, fault.Newf(fault.Invalid, "Only %d characters of text could be read; a document needs at least %d. "+
			"If it is a scan, scan it again at 200 dpi or more.", characters, minCharacters)
	}
	d := s.document(it, reading.Pages)
	d.Hash, d.Characters, d.Folder = hash, characters, it.folder
	if err := s.index.Put(ctx, d); err != nil {
		return Outcome{}, err
	}
	o := Outcome{Status: Success, Characters: characters, Chunks: len(d.Chunks)}
	if len(reading.Empty) > 0 {
		o.Reason = "Nothing could be read on " + pageList(reading.Empty) + "."
	}
	return o, nil
}

// read turns an item's bytes into pages.
func (s *Service) read(ctx context.Context, it item, data []byte, gaveUp *atomic.Bool) (Reading, error) {
	if it.text {
		if !utf8.Valid(data) {
			return Reading{}, fault.New(fault.Malformed, "The text is not valid UTF-8: save it as UTF-8 and send it again.")
		}
		return Reading{Pages: []chunk.Page{{Text: string(data)}}}, nil
	}
	name := path.Base(it.Source)
	if gaveUp.Load() {
		return s.reader.Read(ctx, name, data)
	}
	reading, err := failsafe.With(s.retry()).WithContext(ctx).Get(func() (Reading, error) {
		return s.reader.Read(ctx, name, data)
	})
	if kind := fault.KindOf(err); err != nil && (kind == fault.Unavailable || kind == fault.Busy) {
		gaveUp.Store(true)
	}
	if cause := ctx.Err(); cause != nil && err != nil {
		return Reading{}, errors.Join(cause, err)
	}
	return reading, err
}

// document cuts pages into a document with its vectors.
func (s *Service) document(it item, pages []chunk.Page) Document {
	cut := chunk.Split(pages)
	d := Document{Key: it.Key, Metadata: it.Metadata, Version: Version}
	if d.Title == "" {
		d.Title = cut.Title
	}
	named := fileWords(it.Source)
	for _, p := range pages {
		d.Pages = max(d.Pages, p.Number)
	}
	known := abbreviations(cut.Passages)
	for i, p := range cut.Passages {
		c := Chunk{Position: i, Page: p.Page, Headings: p.Headings, Text: p.Text, Contents: p.Contents}
		if !c.Contents {
			c.Aliases = aliases(c.Text, known)
			c.Sparse = sparse(s.analyzer, d.Title+" "+named, c)
		}
		d.Chunks = append(d.Chunks, c)
	}
	return d
}

// fileWords returns the words of a file's name, which often say what the file is.
func fileWords(source string) string {
	name := path.Base(source)
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return ' '
		}
		return r
	}, strings.TrimSuffix(name, path.Ext(name)))
}

// pageList names pages in words: "page 3" or "pages 3, 4 and 9".
func pageList(pages []int) string {
	names := make([]string, len(pages))
	for i, p := range pages {
		names[i] = fmt.Sprint(p)
	}
	if len(names) == 1 {
		return "page " + names[0]
	}
	return "pages " + strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
