package jobfolder_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/jobfolder"
)

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "job.json")
	for _, want := range []string{"one", "two"} {
		if err := jobfolder.Save(path, want); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := jobfolder.Load(path, &got); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := jobfolder.Save(path, func() {}); err == nil {
		t.Error("saved what cannot be")
	}
	if err := jobfolder.Save(filepath.Join(path, "below"), "x"); err == nil {
		t.Error("saved where there is no folder")
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	held, err := jobfolder.Lock(dir, "the-service")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jobfolder.Lock(dir, "the-service"); err == nil || !strings.Contains(err.Error(), "another the-service") {
		t.Errorf("got %v", err)
	}
	held.Close()
	again, err := jobfolder.Lock(dir, "the-service")
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestRemoveAndClear(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"job/a", "job/in/b", ".arriving-1/c"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := jobfolder.Clear(dir); err != nil {
		t.Fatal(err)
	}
	got, err := jobfolder.Remove(filepath.Join(dir, "job"))
	if want := (jobfolder.Removed{Files: 2, Bytes: 10}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestStorage(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{{syscall.ENOSPC, "full"}, {errors.New("x"), "rights"}} {
		if err := jobfolder.Storage(tc.err); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.DetailOf(err), tc.want) || !errors.Is(err, tc.err) {
			t.Errorf("%v", err)
		}
	}
}
