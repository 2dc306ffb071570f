package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if err := run(t.Context(), []string{dir}); err != nil {
		t.Fatal(err)
	}
	compiled := 0
	err := filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			compiled++
		}
		return err
	})
	if err != nil || compiled == 0 {
		t.Errorf("%d compiled files, %v", compiled, err)
	}
	if err := run(t.Context(), nil); err == nil {
		t.Error("no folder: no error")
	}
}
