package rag

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/chunk"
)

// minCharacters is how much text a document must hold to be a document.
const minCharacters = 50

// store brings a task's document into the index, unless it is there already.
func (s *Service) store(ctx context.Context, t Task, load func() ([]byte, error), report func(JobStep)) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	o, same, err := s.same(ctx, t)
	if err != nil || same {
		return o, err
	}
	data, err := load()
	if err != nil {
		return Outcome{}, err
	}
	report(JobStep{Stage: StageReading})
	reading, err := s.read(ctx, t, data)
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
	report(JobStep{Stage: StageCutting})
	before, _, err := s.index.State(ctx, t.Key)
	if err != nil {
		return Outcome{}, err
	}
	// What is known of the place a document is from holds for its next edition too;
	// the edition and its dates do not.
	t.Jurisdiction = either(t.Jurisdiction, before.Jurisdiction)
	d := s.document(t, reading.Pages)
	d.Hash, d.Characters, d.Folder = t.Hash, characters, t.Folder
	if err := s.put(ctx, d, report); err != nil {
		return Outcome{}, err
	}
	o = Outcome{Source: t.Source, Status: Success, Characters: characters, Chunks: len(d.Chunks)}
	if len(reading.Empty) > 0 {
		o.Reason = "Nothing could be read on " + pageList(reading.Empty) + "."
	}
	return o, nil
}

// put stores a document with its vectors, or without where they cannot be made
// now: those that are missing are filled in later.
func (s *Service) put(ctx context.Context, d Document, report func(JobStep)) error {
	if err := s.embedDocument(ctx, &d, report); err != nil {
		return err
	}
	report(JobStep{Stage: StageStoring})
	err := s.index.Put(ctx, d)
	if d.Embedding != nil && fault.KindOf(err) == fault.Conflict { // the model changed meanwhile
		d.Embedding = nil
		for i := range d.Chunks {
			d.Chunks[i].Dense = nil
		}
		err = s.index.Put(ctx, d)
	}
	return err
}

// embedDocument adds the vectors of a document's passages, if its collection has
// any and the model that made them is there.
func (s *Service) embedDocument(ctx context.Context, d *Document, report func(JobStep)) error {
	if s.embedder == nil {
		return nil
	}
	c, err := s.collection(ctx, d.Collection)
	if err != nil || c.Embedding == nil {
		return err
	}
	id, err := s.embedder.EmbeddingIdentity(ctx)
	if err != nil || c.Embedding.Check(id) != nil {
		return ctx.Err()
	}
	var at []int
	var texts []string
	for i, c := range d.Chunks {
		if len(c.Sparse.IDs) > 0 {
			at, texts = append(at, i), append(texts, EmbeddingText(d.Title, c.Headings, c.Text))
		}
	}
	done := 0
	for batch := range slices.Chunk(texts, embedBatch) {
		report(JobStep{Stage: StageEmbedding, Done: done, Total: len(texts)})
		vectors, err := s.embed(ctx, batch)
		if err != nil {
			s.logger.WarnContext(ctx, "passages are stored without vectors for now", "fault", fault.KindOf(err).String(), "error", err)
			break
		}
		for i, v := range vectors {
			d.Chunks[at[done+i]].Dense = v
		}
		done += len(batch)
	}
	if done > 0 {
		d.Embedding = &id
	}
	return ctx.Err()
}

// embedBatch is how many passages are embedded in one call.
const embedBatch = 32

// embed returns the vectors of passages, of length 1; nil for one that the model
// cannot take.
func (s *Service) embed(ctx context.Context, texts []string) ([][]float32, error) {
	response, err := s.embedder.Embed(ctx, provider.Document, texts)
	var tooLong *provider.ContextError
	switch {
	case err == nil:
		for _, v := range response.Vectors {
			unit(v)
		}
		return response.Vectors, nil
	case !errors.As(err, &tooLong):
		return nil, err
	case len(texts) == 1:
		// Nothing is cut without saying so: the first half of the passage stands for all
		// of it in the search by meaning, and all of it is found by words.
		text := []rune(texts[0])
		if len(text) < 2 {
			return nil, err
		}
		return s.embed(ctx, []string{string(text[:len(text)/2])})
	}
	var out [][]float32
	for _, half := range [][]string{texts[:len(texts)/2], texts[len(texts)/2:]} {
		vectors, err := s.embed(ctx, half)
		if err != nil {
			return nil, err
		}
		out = append(out, vectors...)
	}
	return out, nil
}

// unit gives a vector the length 1.
func unit(v []float32) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	by := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= by
	}
}

// read turns a document's bytes into pages.
func (s *Service) read(ctx context.Context, t Task, data []byte) (Reading, error) {
	if !t.Text {
		return s.reader.Read(ctx, path.Base(t.Source), data)
	}
	if !utf8.Valid(data) {
		return Reading{}, fault.New(fault.Malformed, "The text is not valid UTF-8: save it as UTF-8 and send it again.")
	}
	return Reading{Pages: []chunk.Page{{Text: string(data)}}}, nil
}

// document cuts pages into a document with its sparse vectors.
func (s *Service) document(t Task, pages []chunk.Page) Document {
	cut := chunk.Split(pages)
	d := Document{Key: t.Key, Metadata: t.Metadata, Version: Version}
	d.Title = either(d.Title, cut.Title)
	named := fileWords(t.Source)
	for _, p := range pages {
		d.Pages = max(d.Pages, p.Number)
	}
	known := abbreviations(cut.Passages)
	for i, p := range cut.Passages {
		c := Chunk{Position: i, Page: p.Page, Boxes: p.Boxes, Headings: p.Headings, Text: p.Text, Contents: p.Contents}
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

// either returns the first of two that is not empty.
func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
