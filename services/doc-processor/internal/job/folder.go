package job

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

// The files of a job's folder.
const (
	fileName   = "file"
	recordName = "job.json"
	resultName = "result.json"
)

// arriving is the pattern of the folders of jobs that are being received.
const arriving = ".arriving-*"

// lock keeps a second program from working on the same jobs.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("DATA_DIR: another doc-processor works on %s: stop it, or give this one a folder of its own (%w)", dir, err)
	}
	return f, nil
}

// save puts the value in the place of the file, at once and for good.
func save(path string, value any) error {
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
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func load(path string, value any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, value)
}

// syncDir makes the names in a folder last.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// remove deletes a folder, and says what was in it and how many files still are.
func remove(dir string) (r Receipt, err error) {
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
		return r, storage(err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return r, storage(err)
	}
	r.Left, _ = count()
	return r, nil
}

// storage turns a failure of the disk into one that names the remedy.
func storage(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(fault.Unavailable, err, "The disk that holds DATA_DIR is full: make room, then send the document again.")
	}
	return fault.Wrap(fault.Unavailable, err, "The job could not be stored: look at the folder DATA_DIR and its rights.")
}
