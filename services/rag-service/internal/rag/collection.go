package rag

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"signpost.internal/pkg/fault"
)

var jurisdiction = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

// mostTitle is how long a title or the name of an edition may be, in characters.
const mostTitle = 300

// CheckMetadata fails with Invalid for what cannot be said of a document, naming
// the fields.
func CheckMetadata(m Metadata) error {
	var fields []fault.Field
	wrong := func(name, detail string) { fields = append(fields, fault.Field{Name: name, Detail: detail}) }
	for _, f := range []struct{ name, value string }{{"title", m.Title}, {"edition", m.Edition}} {
		if !utf8.ValidString(f.value) || utf8.RuneCountInString(f.value) > mostTitle {
			wrong(f.name, "must be UTF-8 of at most 300 characters")
		}
	}
	for _, f := range []struct{ name, value string }{{"from", m.From}, {"until", m.Until}} {
		if _, err := time.Parse(time.DateOnly, f.value); f.value != "" && err != nil {
			wrong(f.name, "must be a day such as 2026-04-06")
		}
	}
	if len(fields) == 0 && m.From != "" && m.Until != "" && m.Until < m.From {
		wrong("until", "must not be before the day in from")
	}
	if m.Jurisdiction != "" && (len(m.Jurisdiction) > 63 || !jurisdiction.MatchString(m.Jurisdiction)) {
		wrong("jurisdiction", "must be lower-case words with hyphens, such as england-wales or scotland")
	}
	if fields == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: fields}
}

// with returns what is known when more is said: empty fields say nothing.
func (m Metadata) with(more Metadata) Metadata {
	return Metadata{
		Title: either(more.Title, m.Title), Edition: either(more.Edition, m.Edition),
		From: either(more.From, m.From), Until: either(more.Until, m.Until),
		Jurisdiction: either(more.Jurisdiction, m.Jurisdiction),
	}
}

// collection returns a collection. One that is not there is NotFound, naming
// those that are.
func (s *Service) collection(ctx context.Context, name string) (Collection, error) {
	all, err := s.index.Collections(ctx)
	if err != nil {
		return Collection{}, err
	}
	names := make([]string, len(all))
	for i, c := range all {
		if c.Name == name {
			return c, nil
		}
		names[i] = c.Name
	}
	return Collection{}, fault.Newf(fault.NotFound, "There is no collection of that name. There are: %s. POST /collections makes another.", strings.Join(names, ", "))
}

// CheckCollection fails with NotFound, naming those that are there, for a
// collection that is not.
func (s *Service) CheckCollection(ctx context.Context, name string) error {
	_, err := s.collection(ctx, name)
	return err
}

// CollectionInfo is a collection with what it holds.
type CollectionInfo struct {
	Collection
	Size
	Embedded int // passages with a vector of the collection's identity
}

// Collections lists the collections.
func (s *Service) Collections(ctx context.Context) ([]CollectionInfo, error) {
	all, err := s.index.Collections(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]CollectionInfo, len(all))
	for i, c := range all {
		if out[i], err = s.describe(ctx, c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CollectionNamed returns one collection.
func (s *Service) CollectionNamed(ctx context.Context, name string) (CollectionInfo, error) {
	c, err := s.collection(ctx, name)
	if err != nil {
		return CollectionInfo{}, err
	}
	return s.describe(ctx, c)
}

func (s *Service) describe(ctx context.Context, c Collection) (CollectionInfo, error) {
	info := CollectionInfo{Collection: c}
	documents, err := s.index.Documents(ctx, c.Name)
	if err != nil {
		return info, err
	}
	info.Documents = len(documents)
	for _, d := range documents {
		info.Chunks += d.Chunks
		info.Embedded += d.Embedded
	}
	return info, nil
}

// CreateCollection makes an empty collection.
func (s *Service) CreateCollection(ctx context.Context, name, title string) (CollectionInfo, error) {
	if err := CheckCollection(name); err != nil {
		return CollectionInfo{}, err
	}
	if utf8.RuneCountInString(title) > mostTitle {
		return CollectionInfo{}, &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: []fault.Field{{
			Name: "title", Detail: "must be at most 300 characters",
		}}}
	}
	if err := s.index.Create(ctx, name, title); err != nil {
		return CollectionInfo{}, err
	}
	return s.CollectionNamed(ctx, name)
}

// DocumentInfo is a document with the job that may change it.
type DocumentInfo struct {
	State
	There bool // in the index; else there is only a job
	Job   *Job // the newest that is not done; nil where there is none
}

// Documents lists a collection's documents, and those that are being ingested.
func (s *Service) Documents(ctx context.Context, collection string) ([]DocumentInfo, error) {
	if err := s.CheckCollection(ctx, collection); err != nil {
		return nil, err
	}
	states, err := s.index.Documents(ctx, collection)
	if err != nil {
		return nil, err
	}
	out := make([]DocumentInfo, len(states))
	at := map[string]int{}
	for i, d := range states {
		out[i], at[d.Source] = DocumentInfo{State: d, There: true}, i
	}
	if s.queue == nil {
		return out, nil
	}
	jobs, err := s.queue.Jobs(ctx, JobFilter{Key: Key{Collection: collection}, States: []JobState{Queued, Running, Waiting, Dead}})
	if err != nil {
		return nil, err
	}
	for _, j := range jobs { // the newest first
		i, known := at[j.Source]
		if !known {
			i = len(out)
			at[j.Source] = i
			out = append(out, DocumentInfo{State: State{Key: j.Key, Metadata: j.Metadata, Hash: j.Hash, Folder: j.Folder}})
		}
		if out[i].Job == nil {
			out[i].Job = &j
		}
	}
	slices.SortFunc(out, func(a, b DocumentInfo) int { return strings.Compare(a.Source, b.Source) })
	return out, nil
}

// Document returns what is known of a document.
func (s *Service) Document(ctx context.Context, k Key) (DocumentInfo, error) {
	if err := s.CheckCollection(ctx, k.Collection); err != nil {
		return DocumentInfo{}, err
	}
	state, there, err := s.index.State(ctx, k)
	if err != nil {
		return DocumentInfo{}, err
	}
	info := DocumentInfo{State: state, There: there}
	if s.queue != nil {
		jobs, err := s.queue.Jobs(ctx, JobFilter{Key: k, States: []JobState{Queued, Running, Waiting, Dead}, Limit: 1})
		if err != nil {
			return DocumentInfo{}, err
		}
		if len(jobs) > 0 {
			info.Job = &jobs[0]
		}
	}
	if !there && info.Job == nil {
		return DocumentInfo{}, unknownDocument(k)
	}
	if !there {
		info.State = State{Key: k, Metadata: info.Job.Metadata, Hash: info.Job.Hash, Folder: info.Job.Folder}
	}
	return info, nil
}

func unknownDocument(k Key) error {
	return fault.Newf(fault.NotFound, "There is no such document in the collection %s. GET /documents lists those that are there.", k.Collection)
}

// Describe changes what is said of a document. Fields that are nil stay.
func (s *Service) Describe(ctx context.Context, k Key, change func(*Metadata)) (DocumentInfo, error) {
	if err := s.CheckCollection(ctx, k.Collection); err != nil {
		return DocumentInfo{}, err
	}
	unlock, err := s.documents.lock(ctx, k.Digest())
	if err != nil {
		return DocumentInfo{}, err
	}
	defer unlock()
	state, there, err := s.index.State(ctx, k)
	if err != nil {
		return DocumentInfo{}, err
	}
	if !there {
		return DocumentInfo{}, unknownDocument(k)
	}
	m := state.Metadata
	change(&m)
	if err := CheckMetadata(m); err != nil {
		return DocumentInfo{}, err
	}
	if _, err := s.index.Describe(ctx, k, m); err != nil {
		return DocumentInfo{}, err
	}
	return s.Document(ctx, k)
}

// Original returns the file that a document was read from.
func (s *Service) Original(ctx context.Context, k Key) ([]byte, error) {
	d, err := s.Document(ctx, k)
	if err != nil {
		return nil, err
	}
	return s.originals.Get(ctx, d.Hash)
}
