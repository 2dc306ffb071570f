package apikey

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Add makes a key, appends its line to the file and returns the key, which is
// kept nowhere. A new file may be read by its owner only; one that is there
// keeps its owner and mode, or is not changed. A reader finds the file as it was
// or as it is, never between.
func Add(path, name, scopeList string) (key string, err error) {
	k, err := newKey(name, scopeList)
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved // the file is replaced, not the link to it
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	var former fs.FileInfo // nil for none
	content, err := os.ReadFile(path)
	switch {
	case err == nil:
		if former, err = os.Stat(path); err != nil {
			return "", err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if len(bytes.TrimSpace(content)) > 0 {
		keys, err := Parse(content)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if slices.ContainsFunc(keys, func(other Key) bool { return other.Name == name }) {
			return "", fmt.Errorf("%s: there is a key of the name %s: choose another, and remove that line once nobody uses it", path, name)
		}
		content = append(bytes.TrimRight(content, "\n"), '\n')
	}
	key = generate()
	k.hash = sha256.Sum256([]byte(key))
	content = append(append(content, k.line()...), '\n')
	if _, err := Parse(content); err != nil {
		return "", err
	}
	return key, replace(path, content, former)
}

// lock keeps others who add keys in the folder waiting.
func lock(dir string) (unlock func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		folder.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { folder.Close() }, nil // closing unlocks
}

// replace puts the content in the place of the file at once, with the owner and
// mode of the former one: else a service that could read that could not read it.
func replace(path string, content []byte, former fs.FileInfo) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".api-keys-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			temporary.Close()
			_ = os.Remove(temporary.Name()) // of no use, but the first error matters
		}
	}()
	if _, err = temporary.Write(content); err != nil {
		return err
	}
	if former != nil {
		if owner, ok := former.Sys().(*syscall.Stat_t); ok {
			if err = temporary.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return fmt.Errorf("%s belongs to somebody else: run this as its owner (%w)", path, err)
			}
		}
		if err = temporary.Chmod(former.Mode().Perm()); err != nil {
			return err
		}
	}
	if err = temporary.Sync(); err != nil {
		return err
	}
	if err = temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
