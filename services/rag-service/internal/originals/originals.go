// Package originals keeps the files that documents were read from, so that a
// citation can be opened and a document read again. A file is kept under the
// SHA-256 of its content: the same file sent twice is kept once, and a file that
// is not what it was is noticed.
package originals

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

const (
	files   = "files/"   // and the hash
	deleted = "deleted/" // and the digest of a document's key: see [Store.Remember]
)

// Store is a [rag.Originals] in a bucket. Its methods may be called at the same
// time.
type Store struct {
	bucket *blob.Bucket
	spool  string // folder of what is being received
	local  string // folder of the bucket; empty when it is elsewhere
}

// Open opens the bucket of a URL such as file:///srv/originals; an empty one is
// the folder originals in dir, and mem:// is for tests. What is being received waits in dir too, until its
// hash is known.
func Open(dir, bucketURL string) (*Store, error) {
	s := &Store{spool: filepath.Join(dir, "incoming")}
	if err := os.RemoveAll(s.spool); err != nil { // what a crash left
		return nil, fmt.Errorf("DATA_DIR: %s cannot be emptied: %w", s.spool, err)
	}
	if err := os.MkdirAll(s.spool, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %s cannot be made: %w", s.spool, err)
	}
	where, err := url.Parse(bucketURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ORIGINALS_URL: %w", err)
	case bucketURL == "":
		s.local = filepath.Join(dir, "originals")
	case where.Scheme == fileblob.Scheme && where.Host == "" && where.Path != "" && where.RawQuery == "":
		s.local = filepath.FromSlash(where.Path)
	case bucketURL != memblob.Scheme+"://":
		return nil, fmt.Errorf("ORIGINALS_URL: %q: a folder such as file:///srv/originals", bucketURL)
	}
	if s.local == "" {
		s.bucket = memblob.OpenBucket(nil)
		return s, nil
	}
	s.bucket, err = fileblob.OpenBucket(s.local, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("the folder of the originals cannot be opened (ORIGINALS_URL): %w", err)
	}
	if err := s.sweep(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// sweep removes the halves of files that a crash left in a local bucket.
func (s *Store) sweep() error {
	halves, err := filepath.Glob(filepath.Join(s.local, "*", "*.tmp"))
	if err != nil {
		return err
	}
	for _, name := range halves {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("DATA_DIR: %s cannot be removed: %w", name, err)
		}
	}
	return nil
}

// Close lets the bucket go.
func (s *Store) Close() error { return s.bucket.Close() }

// Put implements [rag.Originals].
func (s *Store) Put(ctx context.Context, r io.Reader, most int64) (hash string, size int64, err error) {
	spool, err := os.CreateTemp(s.spool, "file-")
	if err != nil {
		return "", 0, explain(err)
	}
	defer func() {
		_ = spool.Close() // it is thrown away
		err = errors.Join(err, os.Remove(spool.Name()))
	}()
	sum := sha256.New()
	from := &reading{r: io.LimitReader(r, most+1)}
	size, err = io.Copy(io.MultiWriter(spool, sum), from)
	switch {
	case from.err != nil:
		return "", 0, from.err
	case err != nil:
		return "", 0, explain(err)
	case size > most:
		return "", 0, fault.Newf(fault.TooLarge, "The file is larger than the %d MiB that are accepted.", most>>20)
	}
	hash = hex.EncodeToString(sum.Sum(nil))
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return "", 0, explain(err)
	}
	// It is written again even when it is there: then it is whole, and young, for
	// those who look for files that nothing refers to.
	if err := s.bucket.Upload(ctx, files+hash, spool, &blob.WriterOptions{ContentType: "application/octet-stream"}); err != nil {
		return "", 0, explain(err)
	}
	return hash, size, s.sync(files + hash)
}

// reading remembers the error of the reader below it.
type reading struct {
	r   io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// sync makes a file of a local bucket outlast a power cut.
func (s *Store) sync(key string) error {
	if s.local == "" {
		return nil
	}
	name := filepath.Join(s.local, filepath.FromSlash(key))
	for _, name := range []string{name, filepath.Dir(name)} {
		file, err := os.Open(name)
		if err != nil {
			return explain(err)
		}
		err = file.Sync()
		_ = file.Close() // it was not written to
		if err != nil {
			return explain(err)
		}
	}
	return nil
}

// Get implements [rag.Originals].
func (s *Store) Get(ctx context.Context, hash string) ([]byte, error) {
	data, err := s.bucket.ReadAll(ctx, files+hash)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, fault.Wrap(fault.NotFound, err, "The file that the document was read from is not there: send the document again.")
	}
	if err != nil {
		return nil, explain(err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != hash {
		return nil, fault.New(fault.NotFound, "The file that the document was read from is damaged: send the document again.")
	}
	return data, nil
}

// Delete implements [rag.Originals].
func (s *Store) Delete(ctx context.Context, hash string) (bool, error) {
	return s.remove(ctx, files+hash)
}

func (s *Store) remove(ctx context.Context, key string) (bool, error) {
	err := s.bucket.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return false, nil
	}
	if err != nil {
		return false, explain(err)
	}
	return true, nil
}

// Exists implements [rag.Originals].
func (s *Store) Exists(ctx context.Context, hash string) (bool, error) {
	there, err := s.bucket.Exists(ctx, files+hash)
	return there, explain(err)
}

// Older implements [rag.Originals].
func (s *Store) Older(ctx context.Context, than time.Time) ([]string, error) {
	var hashes []string
	list := s.bucket.List(&blob.ListOptions{Prefix: files})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return hashes, nil
		}
		if err != nil {
			return nil, explain(err)
		}
		if o.ModTime.Before(than) {
			hashes = append(hashes, path.Base(o.Key))
		}
	}
}

// Remember implements [rag.Originals].
func (s *Store) Remember(ctx context.Context, k rag.Key, hash string) error {
	key := deleted + k.Digest()
	if err := s.bucket.Upload(ctx, key, strings.NewReader(hash), &blob.WriterOptions{ContentType: "text/plain"}); err != nil {
		return explain(err)
	}
	return s.sync(key)
}

// Remembered implements [rag.Originals].
func (s *Store) Remembered(ctx context.Context, k rag.Key) (string, error) {
	var hash bytes.Buffer
	err := s.bucket.Download(ctx, deleted+k.Digest(), &hash, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return "", nil
	}
	return hash.String(), explain(err)
}

// Forget implements [rag.Originals].
func (s *Store) Forget(ctx context.Context, k rag.Key) error {
	_, err := s.remove(ctx, deleted+k.Digest())
	return err
}

// Ping implements [rag.Originals].
func (s *Store) Ping(ctx context.Context) error {
	there, err := s.bucket.IsAccessible(ctx)
	if err == nil && !there {
		err = fs.ErrNotExist
	}
	return explain(err)
}

// explain translates the errors of the storage.
func explain(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Unavailable, err, "The disk that holds the originals is full: free some space, then try again. Nothing of what was stored before is lost.")
	case errors.Is(err, fs.ErrPermission), gcerrors.Code(err) == gcerrors.PermissionDenied:
		return fault.Wrap(fault.Unavailable, err, "The originals cannot be written: give this service the right to write in DATA_DIR, or in the place that ORIGINALS_URL names.")
	}
	return fault.Wrap(fault.Unavailable, err, "The place of the originals does not answer as it should: see to the disk of DATA_DIR, or to the place that ORIGINALS_URL names.")
}
