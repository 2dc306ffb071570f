// Package jobfolder keeps jobs as folders of small JSON files, so that whatever
// ends a program, the next run goes on where it was: a file is there whole or not
// at all, one program at a time owns a folder, and what is deleted is counted.
package jobfolder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"signpost.internal/pkg/fault"
)

// Arriving is the pattern of the names of folders that are being filled: nobody
// was told of them, so the next run removes them.
const Arriving = ".arriving-*"

// Lock keeps a second program from working on the jobs of a folder until the file
// is closed. Program names it in the error.
func Lock(dir, program string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("DATA_DIR: another %s works on %s: stop it, or give this one a folder of its own (%w)", program, dir, err)
	}
	return f, nil
}

// Clear removes the folders that were still being filled.
func Clear(dir string) error {
	cut, err := filepath.Glob(filepath.Join(dir, Arriving))
	if err != nil {
		return err
	}
	for _, folder := range cut {
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("empty the folder of jobs: %w", err)
		}
	}
	return nil
}

// Save puts the value in the place of the file, at once and for good.
func Save(path string, value any) error {
	if err := Write(path, value); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Write is Save without the last step: the file's bytes last, its name once
// [SyncDir] was called for its folder.
func Write(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return os.Rename(temporary, path)
}

// Load reads what Save wrote.
func Load(path string, value any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, value)
}

// SyncDir makes the names in a folder last.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Removed is what Remove deleted.
type Removed struct {
	Files int
	Bytes int64
	Left  int // files that are still there: 0
}

// Remove deletes a folder, and says what was in it and how many files still are.
func Remove(dir string) (r Removed, err error) {
	count := func() (files int, bytes int64) {
		_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				files++
				if info, err := e.Info(); err == nil {
					bytes += info.Size()
				}
			}
			return nil
		})
		return files, bytes
	}
	r.Files, r.Bytes = count()
	if err := os.RemoveAll(dir); err != nil {
		return r, Storage(err)
	}
	if err := SyncDir(filepath.Dir(dir)); err != nil {
		return r, Storage(err)
	}
	r.Left, _ = count()
	return r, nil
}

// Storage turns a failure of the disk into one that names the remedy.
func Storage(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(fault.Unavailable, err, "The disk that holds DATA_DIR is full: make room, then send it again.")
	}
	return fault.Wrap(fault.Unavailable, err, "The job could not be stored: look at the folder DATA_DIR and its rights.")
}
