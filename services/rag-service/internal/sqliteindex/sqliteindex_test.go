package sqliteindex_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/indextest"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// childFlag makes the test binary the process that is killed.
const childFlag = "-ingest-for-ever-into="

func TestMain(m *testing.M) {
	if last := os.Args[len(os.Args)-1]; strings.HasPrefix(last, childFlag) {
		ingestForEver(strings.TrimPrefix(last, childFlag))
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, dir string) *sqliteindex.Index {
	t.Helper()
	x, err := sqliteindex.Open(t.Context(), dir)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return x
}

func closeIndex(t *testing.T, x *sqliteindex.Index) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestContract(t *testing.T) {
	indextest.Run(t, func(t *testing.T, place string) (rag.Index, func()) {
		x := open(t, place)
		return x, func() { closeIndex(t, x) }
	})
}

// edition is a document of which every chunk names the edition.
func edition(document, n int) rag.Document {
	texts := make([]string, 30)
	for i := range texts {
		texts[i] = fmt.Sprintf("document%d edition%d chunk%d", document, n, i)
	}
	return indextest.Document(fmt.Sprintf("%d.pdf", document), fmt.Sprint(n), texts...)
}

// ingestForEver replaces five documents in turn and says on standard output what
// is stored.
func ingestForEver(dir string) {
	ctx := context.Background()
	x, err := sqliteindex.Open(ctx, dir)
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	for n := 0; ; n++ {
		for document := range 5 {
			if err := x.Put(ctx, edition(document, n)); err != nil {
				fmt.Println("failed", err)
				os.Exit(1)
			}
			fmt.Println("stored", document, n)
		}
	}
}

// A process killed at any moment of an ingest leaves whole documents: each the
// edition that was acknowledged last, or the one after it.
func TestKilledDuringIngest(t *testing.T) {
	dir := t.TempDir()
	for round := range 12 {
		acknowledged := killAfter(t, dir, 5+round, rand.N(12*time.Millisecond))
		x := open(t, dir)
		for document, last := range acknowledged {
			hits, total, err := x.Chunks(t.Context(), rag.DefaultCollection, fmt.Sprintf("%d.pdf", document), 0, 100)
			if err != nil || total != 30 {
				t.Fatalf("round %d: document %d has %d chunks, %v", round, document, total, err)
			}
			var got int
			if _, err := fmt.Sscanf(hits[0].Chunk.Text, fmt.Sprintf("document%d edition%%d", document), &got); err != nil || got < last || got > last+1 {
				t.Fatalf("round %d: document %d is edition %d (%v), want %d or the next", round, document, got, err, last)
			}
			for _, h := range hits {
				if want := fmt.Sprintf("edition%d chunk%d", got, h.Chunk.Position); !strings.HasSuffix(h.Chunk.Text, want) {
					t.Fatalf("round %d: %q among edition %d", round, h.Chunk.Text, got)
				}
			}
		}
		closeIndex(t, x)
	}
}

// killAfter runs a process that ingests, kills it a moment after it has
// acknowledged some documents, and returns the last edition of each.
func killAfter(t *testing.T, dir string, documents int, moment time.Duration) map[int]int {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], childFlag+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last := map[int]int{}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var document, number int
		if _, err := fmt.Sscanf(lines.Text(), "stored %d %d", &document, &number); err != nil {
			t.Fatalf("the process says %q", lines.Text())
		}
		last[document] = number
		if n == documents {
			time.AfterFunc(moment, func() { _ = child.Process.Kill() })
		}
	}
	_ = child.Wait() // it was killed
	return last
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	defer closeIndex(t, x)
	_, err := sqliteindex.Open(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "Another process uses the index in DATA_DIR") {
		t.Errorf("opening the index twice: %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "index.db"), []byte(strings.Repeat("not a database ", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, want string }{
		{"damaged", damaged, "is damaged: move the file index.db away"},
		{"not a folder", file, "cannot be made"},
	} {
		x, err := sqliteindex.Open(t.Context(), tt.dir)
		if err == nil {
			closeIndex(t, x)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestFailedWriteChangesNothing(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	if err := x.Put(t.Context(), edition(1, 1)); err != nil {
		t.Fatal(err)
	}
	x.LimitPages(t.Context(), t)
	var big []string
	for i := range 400 {
		big = append(big, strings.Repeat(fmt.Sprintf("filling%d ", i), 300))
	}
	err := x.Put(t.Context(), indextest.Document("1.pdf", "2", big...))
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.DetailOf(err), "is full: free some space") {
		t.Errorf("Put on a full disk: %v", err)
	}
	if state, _, _ := x.State(t.Context(), rag.Key{Collection: rag.DefaultCollection, Source: "1.pdf"}); state.Hash != "1" || state.Chunks != 30 {
		t.Errorf("after the failure the index has %+v", state)
	}
	closeIndex(t, x)
	again := open(t, dir)
	defer closeIndex(t, again)
	if state, _, _ := again.State(t.Context(), rag.Key{Collection: rag.DefaultCollection, Source: "1.pdf"}); state.Hash != "1" || state.Chunks != 30 {
		t.Errorf("after the failure the file has %+v", state)
	}
}

func TestNewerFormat(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	x.SetFormat(t.Context(), t, 99)
	closeIndex(t, x)
	_, err := sqliteindex.Open(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("opening a newer format: %v", err)
	}
}
