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
// keeps its mode. A reader finds the file as it was or as it is, never between.
func Add(path, name, scopeList string) (key string, err error) {
	k, err := newKey(name, scopeList)
	if err != nil {
		return "", err
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
	mode := fs.FileMode(0o600)
	content, err := os.ReadFile(path)
	switch {
	case err == nil:
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		mode = info.Mode().Perm()
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
	return key, replace(path, content, mode)
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

// replace puts the content in the place of the file at once.
func replace(path string, content []byte, mode fs.FileMode) (err error) {
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
	if err = temporary.Chmod(mode); err != nil {
		return err
	}
	if err = temporary.Sync(); err != nil {
		return err
	}
	if err = temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
