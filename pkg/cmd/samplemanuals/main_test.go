package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestRun(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "new")
	if err := os.WriteFile(filepath.Join(src, "one.md"), []byte("# One\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	if err := run([]string{src, dst}, &stdout); err != nil {
		t.Fatal(err)
	}
	if got, want := stdout.String(), "one.pdf: 1 pages (text)\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(dst, "one.pdf")); err != nil {
		t.Error(err)
	}
	if err := run([]string{src}, &stdout); err == nil {
		t.Error("one argument was accepted")
	}
}
