package originals_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/originals"
	"signpost.internal/services/rag-service/internal/rag"
)

func open(t *testing.T, dir, url string) *originals.Store {
	t.Helper()
	s, err := originals.Open(dir, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	for name, url := range map[string]string{"in DATA_DIR": "", "elsewhere": "file://" + filepath.Join(t.TempDir(), "kept"), "in memory": "mem://"} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := open(t, t.TempDir(), url)
			hash, size, err := s.Put(ctx, strings.NewReader("a manual"), 100)
			if err != nil || size != 8 || len(hash) != 64 {
				t.Fatalf("Put = %q, %d, %v", hash, size, err)
			}
			again, _, err := s.Put(ctx, strings.NewReader("a manual"), 100)
			if again != hash || err != nil {
				t.Errorf("the same again is %q, %v", again, err)
			}
			if data, err := s.Get(ctx, hash); string(data) != "a manual" || err != nil {
				t.Errorf("Get = %q, %v", data, err)
			}
			if listed, err := s.Older(ctx, time.Now().Add(time.Minute)); len(listed) != 1 || listed[0] != hash || err != nil {
				t.Errorf("Older = %v, %v", listed, err)
			}
			if listed, err := s.Older(ctx, time.Now().Add(-time.Minute)); len(listed) != 0 || err != nil {
				t.Errorf("Older than a minute = %v, %v", listed, err)
			}
			for _, want := range []bool{true, false} {
				if there, err := s.Exists(ctx, hash); there != want || err != nil {
					t.Errorf("Exists = %v, %v, want %v", there, err, want)
				}
				if there, err := s.Delete(ctx, hash); there != want || err != nil {
					t.Errorf("Delete = %v, %v, want %v", there, err, want)
				}
			}
			if _, err := s.Get(ctx, hash); fault.KindOf(err) != fault.NotFound {
				t.Errorf("Get of what was deleted: %v", err)
			}
			k := rag.Key{Collection: "manuals", Source: "a.pdf"}
			for _, want := range []string{"", hash} {
				if got, err := s.Remembered(ctx, k); got != want || err != nil {
					t.Errorf("Remembered = %q, %v, want %q", got, err, want)
				}
				if err := s.Remember(ctx, k, hash); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Forget(ctx, k); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Remembered(ctx, k); got != "" || err != nil {
				t.Errorf("Remembered after Forget = %q, %v", got, err)
			}
			if err := s.Ping(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestPutFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "")
	if _, _, err := s.Put(t.Context(), strings.NewReader("too long"), 7); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("too large: %v", err)
	}
	cut := errors.New("the client went away")
	if _, _, err := s.Put(t.Context(), io.MultiReader(strings.NewReader("half"), broken{cut}), 100); !errors.Is(err, cut) {
		t.Errorf("a body that breaks off: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Put(gone, strings.NewReader("x"), 100); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "incoming"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDamagedOriginal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "")
	hash, _, err := s.Put(t.Context(), bytes.NewReader([]byte("a manual")), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "originals", "files", hash), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), hash); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := originals.Open(dir, "s3://bucket"); err == nil {
		t.Error("a bucket that is not linked is accepted")
	}
}
