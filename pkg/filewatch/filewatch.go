// Package filewatch tells of files that changed, by reading them again. The
// files are small, and so it works wherever they lie: bind mounts, links that
// are replaced and network folders included.
package filewatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"
)

const (
	every   = time.Second
	maxSize = 1 << 20
)

// Read returns the files' content, in order. A file over 1 MiB is an error.
func Read(paths ...string) ([][]byte, error) {
	contents := make([][]byte, len(paths))
	for i, path := range paths {
		content, err := read(path)
		if err != nil {
			return nil, err
		}
		contents[i] = content
	}
	return contents, nil
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	switch {
	case err != nil:
		return nil, unreadable(path, err)
	case len(content) > maxSize:
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxSize)
	}
	return content, nil
}

// unreadable says that a file cannot be read without naming the system's call.
func unreadable(path string, err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("%s cannot be read (%w); make it a file that this service may read", path, err)
}

// Watch looks at the files each second until ctx ends and gives apply what they
// hold once it is no longer what last says. What cannot be read, or what apply
// refuses, is logged once and changes nothing.
func Watch(ctx context.Context, logger *slog.Logger, paths []string, last [][]byte, apply func([][]byte) error) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	complaint := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now, err := Read(paths...)
		if err == nil {
			if slices.EqualFunc(now, last, bytes.Equal) {
				complaint = ""
				continue
			}
			if err = apply(now); err == nil {
				last, complaint = now, ""
				logger.InfoContext(ctx, "files were read again", "files", paths)
				continue
			}
		}
		if err.Error() != complaint {
			complaint = err.Error()
			logger.WarnContext(ctx, "changed files refused, the former content stays in force", "files", paths, "error", complaint)
		}
	}
}
