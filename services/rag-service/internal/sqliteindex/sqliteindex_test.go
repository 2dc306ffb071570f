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
	"signpost.internal/pkg/provider"
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

func put(t *testing.T, x *sqliteindex.Index, d rag.Document) {
	t.Helper()
	if err := x.Put(t.Context(), d); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func key(source string) rag.Key {
	return rag.Key{Collection: rag.DefaultCollection, Source: source}
}

// embed gives all chunks vectors of an identity: its first canary.
func embed(t *testing.T, x *sqliteindex.Index, id provider.EmbeddingIdentity) {
	t.Helper()
	if err := embedAll(t.Context(), x, id); err != nil {
		t.Fatalf("embedding: %v", err)
	}
}

func embedAll(ctx context.Context, x *sqliteindex.Index, id provider.EmbeddingIdentity) error {
	if err := x.Stage(ctx, rag.DefaultCollection, id); err != nil {
		return err
	}
	for {
		chunks, _, err := x.Unembedded(ctx, rag.DefaultCollection, 7)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			return x.Promote(ctx, rag.DefaultCollection)
		}
		var vectors []rag.Embedding
		for _, c := range chunks {
			vectors = append(vectors, rag.Embedding{Ref: c.Ref, Vector: id.Canary[0]})
		}
		if err := x.Embed(ctx, rag.DefaultCollection, id, vectors); err != nil {
			return err
		}
	}
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

// ingestForEver replaces five documents in turn, embeds them by one of two models
// in turn, and says on standard output what is stored.
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
		if err := embedAll(ctx, x, indextest.Identity(n%2, 4)); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
	}
}

// A process killed at any moment of an ingest leaves whole documents: each the
// edition that was acknowledged last, or the one after it. Its embeddings are all
// of the model that the collection names.
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
		embeddings(t, x)
		closeIndex(t, x)
	}
}

// embeddings fails when an embedding is not of the collection's model.
func embeddings(t *testing.T, x *sqliteindex.Index) {
	t.Helper()
	all, err := x.Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Embedding == nil {
		return
	}
	found, err := x.Search(t.Context(), rag.Query{Collection: rag.DefaultCollection, Dense: all[0].Embedding.Canary[0], Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	states, err := x.Documents(t.Context(), rag.DefaultCollection)
	if err != nil {
		t.Fatal(err)
	}
	embedded := 0
	for _, s := range states {
		embedded += s.Embedded
	}
	if len(found.Hits) != embedded {
		t.Errorf("%d of %d embeddings are of the collection's model", len(found.Hits), embedded)
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
	inside := t.TempDir()
	x := open(t, inside)
	for document := range 5 {
		put(t, x, edition(document, 1))
	}
	closeIndex(t, x)
	overwrite(t, filepath.Join(inside, "index.db"))
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "index.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, want string }{
		{"damaged", damaged, "is damaged: move the file index.db away"},
		{"damaged inside", inside, "is damaged: move the file index.db away"},
		{"a folder in its place", folder, "cannot be written: give this service's user the right"},
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

// At whatever write the disk is full, what was there stays; when there is space
// again the next change succeeds without opening the index anew.
func TestDiskFullAtAnyWrite(t *testing.T) {
	dir, id := t.TempDir(), indextest.Identity(0, 64)
	x := open(t, dir)
	put(t, x, edition(1, 1))
	embed(t, x, id)
	var big []string
	for i := range 40 {
		big = append(big, strings.Repeat(fmt.Sprintf("filling%d ", i), 100))
	}
	check := func(x *sqliteindex.Index, extra int) {
		t.Helper()
		state, _, err := x.State(t.Context(), key("1.pdf"))
		if err != nil || state.Hash != "1" || state.Chunks != 30 || state.Embedded != 30 {
			t.Fatalf("with %d pages left: after the failure the index has %+v, %v", extra, state, err)
		}
	}
	failed := 0
	for extra := 0; ; extra++ {
		x.LimitPages(t.Context(), t, extra)
		err := x.Put(t.Context(), indextest.Document("1.pdf", "2", big...))
		if err == nil {
			break
		}
		failed++
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.DetailOf(err), "is full: free some space") {
			t.Fatalf("with %d pages left: Put on a full disk: %v", extra, err)
		}
		check(x, extra)
		if extra%5 == 0 {
			closeIndex(t, x)
			x = open(t, dir)
			check(x, extra)
		}
	}
	if failed < 5 {
		t.Errorf("only %d writes failed", failed)
	}
	closeIndex(t, x)
	x = open(t, dir)
	defer closeIndex(t, x)
	if state, _, err := x.State(t.Context(), key("1.pdf")); err != nil || state.Hash != "2" || state.Chunks != 40 {
		t.Errorf("when there was space again: %+v, %v", state, err)
	}
}

// overwrite writes nonsense over the second half of a file.
func overwrite(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(raw) / 2; i < len(raw); i++ {
		raw[i] = byte(i * 7)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file of the format before keeps its documents, as those of the default
// collection, and need not be ingested again.
func TestFormat1(t *testing.T) {
	dir := t.TempDir()
	sqliteindex.WriteFormat1(t.Context(), t, filepath.Join(dir, "index.db"), edition(3, 1), edition(1, 2))
	for range 2 { // changed once, and opened once more
		x := open(t, dir)
		want := rag.State{Key: key("3.pdf"), Metadata: rag.Metadata{Title: "Title of 3.pdf"}, Hash: "1", Version: 7, Pages: 30, Characters: 300, Chunks: 30}
		if state, there, err := x.State(t.Context(), key("3.pdf")); !there || err != nil || state != want {
			t.Errorf("State = %+v, %v, %v", state, there, err)
		}
		found, err := x.Search(t.Context(), indextest.Query("document1 edition2 chunk7", 5))
		if err != nil || found.Total != 60 || found.Hits[0].Source != "1.pdf" || found.Hits[0].Chunk.Position != 7 {
			t.Errorf("found %+v, %v", found, err)
		}
		closeIndex(t, x)
	}
	x := open(t, dir)
	defer closeIndex(t, x)
	put(t, x, edition(3, 2))
	embed(t, x, indextest.Identity(0, 4))
	if size, err := x.Size(t.Context(), rag.DefaultCollection); err != nil || size != (rag.Size{Documents: 2, Chunks: 60}) {
		t.Errorf("Size = %+v, %v", size, err)
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
