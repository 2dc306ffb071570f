package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	var out bytes.Buffer
	if err := run([]string{dir}, &out); err != nil {
		t.Fatal(err)
	}
	want := "ollama create llava:7b -f " + filepath.Join(dir, "llava-7b.Modelfile")
	if !strings.Contains(out.String(), want) {
		t.Errorf("printed:\n%swant a line with: %s", out.String(), want)
	}
	for _, args := range [][]string{nil, {"a", "b"}, {filepath.Join(dir, "llava-7b.Modelfile")}} {
		if err := run(args, &out); err == nil {
			t.Errorf("run(%q) succeeded", args)
		}
	}
}
