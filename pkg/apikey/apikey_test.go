package apikey_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/apikey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// add makes a key in the file.
func add(t *testing.T, path, name, scopes string) string {
	t.Helper()
	key, err := apikey.Add(path, name, scopes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t *testing.T, path string, perMinute int) *apikey.Keys {
	t.Helper()
	keys, err := apikey.Open(path, perMinute, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestAdd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "keys")
	first := add(t, path, "screen", "read")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	second := add(t, path, "manuals", "read,write")
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("the operator's mode became %v", info.Mode())
	}
	content, _ := os.ReadFile(path)
	if first == second || bytes.Contains(content, []byte(first)) || bytes.Contains(content, []byte(second)) {
		t.Errorf("the keys stand in the file:\n%s", content)
	}
	for _, bad := range [][2]string{{"screen", "read"}, {"a b", "read"}, {"", "read"}, {"x", ""}, {"x", "root"}, {"x", "read,read"}, {"x", "read, write"}} {
		if _, err := apikey.Add(path, bad[0], bad[1]); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, content) {
		t.Errorf("what was refused changed the file:\n%s", after)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
	keys := open(t, path, 0)
	for sent, want := range map[string]string{first: "screen", second: "manuals"} {
		got, ok := keys.Find(sent)
		if !ok || got.Name != want || !got.Allows(apikey.Read) || got.Allows(apikey.Admin) || got.Allows(apikey.Write) != (want == "manuals") {
			t.Errorf("%s is %+v, %v", want, got, ok)
		}
	}
}

// Whoever adds a key, the service that could read the file still can, and a link
// to the file stays one.
func TestAddKeepsOwnerAndLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "keys"), filepath.Join(dir, "link")
	add(t, path, "screen", "read")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	const service = 10001
	owner := os.Getuid()
	if owner == 0 {
		owner = service
		if err := os.Chown(path, service, service); err != nil {
			t.Fatal(err)
		}
	}
	add(t, link, "manuals", "read")
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := int(info.Sys().(*syscall.Stat_t).Uid); got != owner {
		t.Errorf("the owner %d became %d", owner, got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link became %v, %v", info, err)
	}
	content, _ := os.ReadFile(path)
	if n := bytes.Count(content, []byte("\n")); n != 2 {
		t.Errorf("%d keys in the file", n)
	}
}

// Two who add keys at the same time lose neither.
func TestAddAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	const n = 20
	made := make(chan string, n)
	for i := range n {
		go func() {
			key, err := apikey.Add(path, fmt.Sprint("user-", i), "read")
			if err != nil {
				t.Error(err)
			}
			made <- key
		}()
	}
	var sent []string
	for range n {
		sent = append(sent, <-made)
	}
	keys := open(t, path, 0)
	for _, key := range sent {
		if _, ok := keys.Find(key); !ok {
			t.Error("a key was lost")
		}
	}
}

const hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		content string
		fault   string // empty for none
	}{
		"whole":       {"# who\n\n screen read,write\t" + hash + "\r\n", ""},
		"empty":       {"# nobody\n", "no key"},
		"half a line": {"screen read " + hash[:40] + "\n", "line 1"},
		"no hash":     {"\nscreen read\n", "line 2"},
		"a key":       {"screen read signpost_AAAA\n", "line 1"},
		"same name":   {"a read " + hash + "\na read " + hash[:70] + "9\n", "another key"},
		"same key":    {"a read " + hash + "\nb read " + hash + "\n", "another name"},
		"a long line": {"a read " + strings.Repeat("x", 1<<17), "line 1"},
	} {
		_, err := apikey.Parse([]byte(tc.content))
		if (err == nil) != (tc.fault == "") || err != nil && (!strings.Contains(err.Error(), tc.fault) || strings.Contains(err.Error(), "9f86d0")) {
			t.Errorf("%s: %v, want %q", name, err, tc.fault)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("screen read " + hash))
	f.Add([]byte("a admin,read " + hash + "\n#\nb write sha256:00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		keys, err := apikey.Parse(content)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
		for _, k := range keys {
			if k.Name == "" || len(k.Scopes) == 0 || len(k.Scopes) > 3 {
				t.Fatalf("accepted %+v", k)
			}
		}
	})
}

func TestSent(t *testing.T) {
	for name, tc := range map[string]struct {
		header http.Header
		want   string
	}{
		"none":           {http.Header{}, ""},
		"bearer":         {http.Header{"Authorization": {"Bearer abc"}}, "abc"},
		"lower case":     {http.Header{"Authorization": {"bearer  abc "}}, "abc"},
		"own header":     {http.Header{"X-Api-Key": {"abc"}}, "abc"},
		"a proxy's":      {http.Header{"Authorization": {"Basic abc"}, "X-Api-Key": {"def"}}, "def"},
		"no scheme":      {http.Header{"Authorization": {"abc"}}, ""},
		"twice":          {http.Header{"Authorization": {"Bearer abc", "Bearer def"}}, ""},
		"own twice":      {http.Header{"X-Api-Key": {"abc", "def"}}, ""},
		"bearer, no key": {http.Header{"Authorization": {"Bearer"}, "X-Api-Key": {"def"}}, ""},
	} {
		if got := apikey.Sent(tc.header); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func FuzzSent(f *testing.F) {
	f.Add("Bearer abc", "def")
	f.Add("Basic abc", "")
	path := filepath.Join(f.TempDir(), "keys")
	key, err := apikey.Add(path, "screen", "read")
	if err != nil {
		f.Fatal(err)
	}
	keys, err := apikey.Open(path, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization, own string) {
		sent := apikey.Sent(http.Header{"Authorization": {authorization}, "X-Api-Key": {own}})
		if _, ok := keys.Find(sent); ok != (sent == key) {
			t.Fatalf("%q is let in", sent)
		}
	})
}

// record is a log that is written and read at the same time.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// A change is in force within a second or two; a broken one, an empty one and
// the file's end change nothing and are said once.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	former := add(t, path, "screen", "read")
	synctest.Test(t, func(t *testing.T) {
		var log record
		keys, err := apikey.Open(path, 0, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go keys.Watch(ctx)
		settle := func() { time.Sleep(3 * time.Second); synctest.Wait() }
		in := func(key string) bool { _, ok := keys.Find(key); return ok }

		next, err := apikey.Add(path, "screen-2", "read")
		if err != nil {
			t.Fatal(err)
		}
		settle()
		if !in(former) || !in(next) {
			t.Error("a key that was added is not in force")
		}
		lines, _ := os.ReadFile(path)
		_, last, _ := bytes.Cut(lines, []byte("\n"))
		if err := os.WriteFile(path, last, 0o600); err != nil {
			t.Fatal(err)
		}
		settle()
		if in(former) || !in(next) {
			t.Error("a key that was taken away is still in force, or the other is not")
		}
		for name, change := range map[string]func() error{
			"broken": func() error { return os.WriteFile(path, []byte("screen-3 read sha256:12"), 0o600) },
			"empty":  func() error { return os.WriteFile(path, nil, 0o600) },
			"gone":   func() error { return os.Remove(path) },
		} {
			before := len(log.String())
			if err := change(); err != nil {
				t.Fatal(err)
			}
			settle()
			if !in(next) || strings.Count(log.String()[before:], "refused") != 1 {
				t.Errorf("%s: let in %v, log:\n%s", name, in(next), log.String()[before:])
			}
			if err := os.WriteFile(path, last, 0o600); err != nil {
				t.Fatal(err)
			}
			settle()
		}
		cancel()
		synctest.Wait()
	})
}

func TestLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	one, two := add(t, path, "one", "read"), add(t, path, "two", "read")
	synctest.Test(t, func(t *testing.T) {
		keys := open(t, path, 60) // bursts of 10
		first, _ := keys.Find(one)
		second, _ := keys.Find(two)
		for range 10 {
			if wait := keys.Take(first); wait != 0 {
				t.Fatalf("made to wait %v", wait)
			}
		}
		if wait := keys.Take(first); wait <= 0 || wait > time.Second {
			t.Errorf("the eleventh waits %v", wait)
		}
		if wait := keys.Take(second); wait != 0 {
			t.Errorf("another key is made to wait %v", wait)
		}
		time.Sleep(time.Second)
		if wait := keys.Take(first); wait != 0 {
			t.Errorf("a second later it waits %v", wait)
		}
	})
}

func TestFailuresOfAnAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	add(t, path, "one", "read")
	keys := open(t, path, 0)
	told := 0
	for i := range 100 {
		// Another port, or another host of the same IPv6 network, is no other address.
		if keys.Failed(fmt.Sprintf("[2001:db8::%x]:%d", i, 4000+i)) > 0 {
			told++
		}
	}
	if told < 79 || told > 80 { // a token may have come back meanwhile
		t.Errorf("%d of 100 failures were told to wait", told)
	}
	if wait := keys.Failed("192.0.2.1:1"); wait > 0 {
		t.Errorf("another address waits %v", wait)
	}
}

// BenchmarkFind is what a wrong key costs where there are many right ones.
func BenchmarkFind(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys")
	var key string
	for i := range 100 {
		var err error
		if key, err = apikey.Add(path, fmt.Sprint("user-", i), "read"); err != nil {
			b.Fatal(err)
		}
	}
	keys, err := apikey.Open(path, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	wrong := key[:len(key)-1] + "!"
	for name, sent := range map[string]string{"right": key, "wrong": wrong, "none": ""} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				keys.Find(sent)
			}
		})
	}
}
