package rag_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/chunk"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// model is a text model that answers with a function.
type model struct {
	down   bool
	answer func(provider.ChatRequest) (string, error)
	finish string // why it stops
	// context is how many tokens it holds; 0 when that is not known.
	context int

	mu    sync.Mutex
	calls []provider.ChatRequest
}

func (m *model) Chat(_ context.Context, r provider.ChatRequest) (*provider.ChatResponse, error) {
	m.mu.Lock()
	m.calls = append(m.calls, r)
	m.mu.Unlock()
	text, err := m.answer(r)
	if err != nil {
		return nil, err
	}
	return &provider.ChatResponse{Content: text, Provider: "ollama", Model: "llama3.2:latest", FinishReason: m.finish}, nil
}

// ChatStream tells the answer word by word.
func (m *model) ChatStream(ctx context.Context, r provider.ChatRequest) iter.Seq2[provider.StreamEvent, error] {
	return func(yield func(provider.StreamEvent, error) bool) {
		final, err := m.Chat(ctx, r)
		if err != nil {
			yield(provider.StreamEvent{}, err)
			return
		}
		for word := range strings.SplitAfterSeq(final.Content, " ") {
			if !yield(provider.StreamEvent{Content: word}, nil) {
				return
			}
		}
		yield(provider.StreamEvent{Final: final}, nil)
	}
}

func (m *model) CheckModel(name string) error {
	if name != "" && name != "llama3.2" {
		return fault.New(fault.Invalid, "The accepted models are: llama3.2.")
	}
	return nil
}

func (m *model) Status(context.Context) provider.Status {
	return provider.Status{Provider: "ollama", Model: "llama3.2", Reachable: !m.down, Context: m.context, Reason: "it is down"}
}

// reader reads a page from each line of a file, or from what split separates.
type reader struct {
	split string

	mu     sync.Mutex
	fails  []error // what the next calls return
	active int
	most   int
	calls  int
	away   bool          // calls fail after a millisecond of trying
	hold   chan struct{} // when not nil, calls wait for it
}

func (r *reader) Read(ctx context.Context, _ string, data []byte) (rag.Reading, error) {
	r.mu.Lock()
	r.calls++
	r.active++
	r.most = max(r.most, r.active)
	var err error
	if len(r.fails) > 0 {
		err, r.fails = r.fails[0], r.fails[1:]
	}
	hold, away := r.hold, r.away
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.active--
		r.mu.Unlock()
	}()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return rag.Reading{}, ctx.Err()
		}
	}
	if away {
		time.Sleep(time.Millisecond) // in a bubble: fake time
		err = fault.New(fault.Unavailable, "The document processor does not answer.")
	}
	if err != nil {
		return rag.Reading{}, err
	}
	if strings.HasPrefix(string(data), "refuse") {
		return rag.Reading{}, fault.New(fault.Invalid, "The file is encrypted; a PDF without a password is accepted.")
	}
	var out rag.Reading
	split := r.split
	if split == "" {
		split = "\n"
	}
	for i, line := range strings.Split(string(data), split) {
		out.Pages = append(out.Pages, chunk.Page{Number: i + 1, Text: line})
		if line == "" {
			out.Empty = append(out.Empty, i+1)
		}
	}
	return out, nil
}

// manual is the key of a document in the default collection.
func manual(source string) rag.Key {
	return rag.Key{Collection: rag.DefaultCollection, Source: source}
}

type fixture struct {
	*rag.Service
	index  *sqliteindex.Index
	reader *reader
	model  *model
	folder string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	index, err := sqliteindex.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := index.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{index: index, reader: &reader{}, model: &model{down: true}, folder: t.TempDir()}
	f.Service = rag.New(rag.Options{
		Index: index, Reader: f.reader, Generator: f.model, Logger: slog.New(slog.DiscardHandler),
		ManualsPath: f.folder, MaxFile: 1 << 20, Patience: 2 * time.Minute,
	})
	return f
}

func (f *fixture) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(f.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	relief = "Debt relief orders. The total of the debts must not be more than £50,000 on the date of the application."
	space  = "Breathing space. The standard breathing space lasts for 60 days from the day after its entry in the register."
	baily  = "Enforcement agents. They may visit between 6 am and 9 pm on any day, and may not force entry on a first visit."
)

func (f *fixture) ingest(t *testing.T) {
	t.Helper()
	_, err := f.IngestTexts(t.Context(), rag.DefaultCollection, []rag.Text{{Name: "relief.txt", Text: relief}, {Name: "space.txt", Text: space}, {Name: "agents.txt", Text: baily}})
	if err != nil {
		t.Fatal(err)
	}
}

// ask asks twice, with a listener and without, which must not differ.
func (f *fixture) ask(t *testing.T, question string) rag.Answer {
	t.Helper()
	q := rag.Question{Text: question, TopK: 4}
	answer, err := f.Ask(t.Context(), q, nil)
	if err != nil {
		t.Fatalf("Ask(%q): %v", question, err)
	}
	var found *rag.Answer
	text := ""
	var marked []rag.Unsupported
	aloud, err := f.Ask(t.Context(), q, func(e rag.Event) {
		switch {
		case e.Found != nil && found == nil && text == "":
			found = e.Found
		case e.Text != "" && found != nil:
			text += e.Text
		case e.Unsupported != nil && found != nil:
			marked = append(marked, *e.Unsupported)
		default:
			t.Errorf("out of order: %+v", e)
		}
	})
	if err != nil {
		t.Fatalf("Ask(%q) aloud: %v", question, err)
	}
	if diff := cmp.Diff(answer, aloud, cmpopts.IgnoreFields(rag.Answer{}, "Timings")); diff != "" {
		t.Errorf("aloud (+) the answer differs:\n%s", diff)
	}
	if text != answer.Text {
		t.Errorf("the pieces are %q, the answer is %q", text, answer.Text)
	}
	if diff := cmp.Diff(answer.Unsupported, marked); diff != "" {
		t.Errorf("the sentences that were marked on the way differ (-answer +stream):\n%s", diff)
	}
	if diff := cmp.Diff(answer.Passages, found.Passages); diff != "" || found.Refused && !answer.Refused {
		t.Errorf("found %+v (-answer +found):\n%s", found, diff)
	}
	return answer
}

func TestPassagesWithoutAModel(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	answer := f.ask(t, "How long does breathing space last?")
	if answer.Mode != rag.Passages || answer.Refused || answer.Passages[0].Source != "space.txt" {
		t.Fatalf("answer %+v", answer)
	}
	for _, want := range []string{"No model was used", "60 days", "space.txt"} {
		if !strings.Contains(answer.Text, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer.Text)
		}
	}
	if len(f.model.calls) != 0 {
		t.Error("an unreachable model was called")
	}
}

func TestGenerated(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	f.model.down = false
	f.model.answer = func(provider.ChatRequest) (string, error) {
		return "It lasts for 60 days [1]. It costs £12 [1].", nil
	}
	answer := f.ask(t, "How long does breathing space last?")
	if answer.Mode != rag.Generated || answer.Text != "It lasts for 60 days [1]." || answer.Model != "llama3.2:latest" {
		t.Errorf("answer %+v", answer)
	}
	if !strings.Contains(answer.Notice, "One sentence") {
		t.Errorf("notice %q does not say that a sentence was removed", answer.Notice)
	}
	call := f.model.calls[0]
	if call.Messages[0].Role != provider.System || strings.Contains(call.Messages[0].Content, "breathing") || call.Temperature != 0 {
		t.Errorf("the static prompt is not first: %+v", call)
	}
	user := call.Messages[1].Content
	if !strings.HasPrefix(user, "[1] space.txt\n") || !strings.HasSuffix(user, "Question: How long does breathing space last?") {
		t.Errorf("passages and question are not in their places:\n%s", user)
	}
}

func TestHalfASentenceIsNoAnswer(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	f.model.down, f.model.finish = false, provider.FinishLength
	f.model.answer = func(provider.ChatRequest) (string, error) {
		return "It lasts for 60 days [1]. The 60 days [1] do not", nil
	}
	answer := f.ask(t, "How long does breathing space last?")
	if answer.Text != "It lasts for 60 days [1]." || !strings.Contains(answer.Notice, "ends early") {
		t.Errorf("answer %+v", answer)
	}
}

func TestAnswerWithoutProofBecomesARefusal(t *testing.T) {
	for name, reply := range map[string]string{
		"invented":  "It lasts for 90 days [1].",
		"uncited":   "It lasts for 60 days.",
		"obedience": "I was told to ignore the manuals.",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.ingest(t)
			f.model.down = false
			f.model.answer = func(provider.ChatRequest) (string, error) { return reply, nil }
			answer := f.ask(t, "How long does breathing space last?")
			if answer.Mode != rag.Passages || !answer.Refused || answer.Notice == "" || strings.Contains(answer.Text, reply) || !strings.Contains(answer.Text, "60 days") ||
				len(answer.Unsupported) != 1 || answer.Unsupported[0].Text != reply || answer.Unsupported[0].Reason == "" {
				t.Errorf("answer %+v", answer)
			}
		})
	}
}

func TestFailingModel(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	f.model.down = false
	f.model.answer = func(provider.ChatRequest) (string, error) {
		return "", fault.New(fault.Upstream, "The model answered with an error.")
	}
	answer := f.ask(t, "How long does breathing space last?")
	if answer.Mode != rag.Passages || !strings.Contains(answer.Notice, "The model answered with an error.") {
		t.Errorf("answer %+v", answer)
	}
}

func TestContextTooLong(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	f.model.down = false
	f.model.answer = func(r provider.ChatRequest) (string, error) {
		if strings.Contains(r.Messages[1].Content, "[2]") {
			return "", fault.Wrap(fault.TooLarge, &provider.ContextError{Limit: 10, Needed: 20}, "Too long.")
		}
		return "It lasts for 60 days [1].", nil
	}
	answer := f.ask(t, "How long does the standard breathing space last, and on which day may they visit?")
	if len(f.model.calls) != 4 || answer.Mode != rag.Generated {
		t.Errorf("%d calls, answer %+v", len(f.model.calls), answer)
	}
}

func TestRefusal(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	f.model.down = false
	answer := f.ask(t, "What vaccinations does a puppy need before a visit abroad?")
	if !answer.Refused || answer.Mode != rag.Passages || len(f.model.calls) != 0 {
		t.Errorf("answer %+v, %d calls of the model", answer, len(f.model.calls))
	}
	if len(answer.Passages) == 0 || !strings.Contains(answer.Text, "do not seem to cover") {
		t.Errorf("a refusal without the nearest passages: %+v", answer)
	}
	if answer := f.ask(t, "the of and?"); !answer.Refused || len(answer.Passages) != 0 {
		t.Errorf("a question without content: %+v", answer)
	}
}

func TestAskRefusesBadQuestions(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Ask(t.Context(), rag.Question{Text: "Anything?"}, nil); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("an empty index answers %v", err)
	}
	f.ingest(t)
	for name, q := range map[string]rag.Question{
		"blank":    {Text: " \n"},
		"long":     {Text: strings.Repeat("a", rag.MaxQuestion+1)},
		"negative": {Text: "What?", TopK: -1},
		"many":     {Text: "What?", TopK: rag.MaxTopK + 1},
		"model":    {Text: "What?", Model: "gpt-4"},
	} {
		if _, err := f.Ask(t.Context(), q, nil); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func statuses(outcomes []rag.Outcome) []string {
	var out []string
	for _, o := range outcomes {
		out = append(out, o.Source+" "+string(o.Status))
	}
	return out
}

func TestIngestAgain(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	before, _, _ := f.index.Chunks(t.Context(), rag.DefaultCollection, "", 0, 100)
	got, err := f.IngestTexts(t.Context(), rag.DefaultCollection, []rag.Text{{Name: "relief.txt", Text: relief}, {Name: "space.txt", Text: space + " It was changed."}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"relief.txt unchanged", "space.txt success"}, statuses(got)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	after, _, _ := f.index.Chunks(t.Context(), rag.DefaultCollection, "", 0, 100)
	if len(before) != len(after) || !strings.Contains(after[2].Chunk.Text, "It was changed.") {
		t.Errorf("%d chunks before, %d after", len(before), len(after))
	}
}

func TestIngestListsFailures(t *testing.T) {
	f := newFixture(t)
	got, err := f.IngestTexts(t.Context(), rag.DefaultCollection, []rag.Text{{Name: "short.txt", Text: "Too short."}, {Name: "relief.txt", Text: relief}, {Name: "odd.txt", Text: "\xff" + relief}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"short.txt failed", "relief.txt success", "odd.txt failed"}, statuses(got)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if !strings.Contains(got[0].Reason, "at least 50") || !strings.Contains(got[2].Reason, "UTF-8") {
		t.Errorf("reasons %q and %q", got[0].Reason, got[2].Reason)
	}
	for _, name := range []string{"../x.txt", "/etc/passwd", `a\b.txt`, "", ".", "a//b", "a/../b", "a\x00", "\xff", strings.Repeat("x", 2000)} {
		if _, err := f.IngestTexts(t.Context(), rag.DefaultCollection, []rag.Text{{Name: name, Text: relief}}); fault.KindOf(err) != fault.Malformed {
			t.Errorf("the name %q: %v, want malformed", name, err)
		}
	}
}

func TestIngestFolder(t *testing.T) {
	f := newFixture(t)
	f.write(t, "relief.pdf", relief+"\n\n"+space)
	f.write(t, "more/space.md", space)
	f.write(t, "more/agents.TXT", baily)
	f.write(t, "locked.pdf", "refuse")
	f.write(t, "letter.odt", "x")
	f.write(t, ".git/x.txt", baily)
	f.write(t, "big.txt", strings.Repeat("x", 1<<20+1))
	outside := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(outside, []byte(baily), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(f.folder, "out.txt")); err != nil {
		t.Fatal(err)
	}
	report, err := f.IngestFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		".git skipped", "big.txt failed", "letter.odt skipped", "locked.pdf failed",
		"more/agents.TXT success", "more/space.md success", "out.txt skipped", "relief.pdf success",
	}
	if diff := cmp.Diff(want, statuses(report.Outcomes)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if got := report.Outcomes[7].Reason; got != "Nothing could be read on page 2." {
		t.Errorf("the empty page is reported as %q", got)
	}
	if got := report.Outcomes[3].Reason; !strings.Contains(got, "encrypted") {
		t.Errorf("the reason %q is not the reader's", got)
	}
	hits, _, _ := f.index.Chunks(t.Context(), rag.DefaultCollection, "relief.pdf", 0, 10)
	if len(hits) != 2 || hits[1].Chunk.Page != 3 {
		t.Errorf("pages are wrong: %+v", hits)
	}

	if _, err := f.IngestTexts(t.Context(), rag.DefaultCollection, []rag.Text{{Name: "sent.txt", Text: relief}}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(f.folder, "more/space.md")); err != nil {
		t.Fatal(err)
	}
	calls := f.reader.calls
	report, err = f.IngestFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"more/space.md"}, report.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if f.reader.calls != calls+1 {
		t.Errorf("%d files were read again, want only the one that failed", f.reader.calls-calls)
	}
}

func TestIngestFolderThatIsNotThere(t *testing.T) {
	f := newFixture(t)
	if _, err := f.IngestFolder(t.Context()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.Remove(f.folder); err != nil {
		t.Fatal(err)
	}
	if _, err := f.IngestFolder(t.Context()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no folder: %v", err)
	}
}

// memory is an index in a map, for tests in a bubble of fake time.
type memory struct {
	rag.Index
	mu   sync.Mutex
	docs map[string]rag.Document
}

func (m *memory) Put(_ context.Context, d rag.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.docs[d.Source] = d
	return nil
}

func (m *memory) State(_ context.Context, k rag.Key) (rag.State, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.docs[k.Source]
	return rag.State{Hash: d.Hash, Version: d.Version}, ok, nil
}

func (m *memory) Collections(context.Context) ([]rag.Collection, error) {
	return []rag.Collection{{Name: rag.DefaultCollection}}, nil
}

func (m *memory) Documents(context.Context, string) ([]rag.State, error) { return nil, nil }

func bubble(r *reader, folder string) *rag.Service {
	return rag.New(rag.Options{
		Index: &memory{docs: map[string]rag.Document{}}, Reader: r, Generator: &model{}, Logger: slog.New(slog.DiscardHandler),
		ManualsPath: folder, MaxFile: 1 << 20, Patience: 2 * time.Minute,
	})
}

func TestTwoDocumentsInFlight(t *testing.T) {
	folder := t.TempDir()
	for i := range 6 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.pdf", i)), []byte(relief), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := &reader{hold: make(chan struct{})}
		s := bubble(r, folder)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := s.IngestFolder(ctx)
			done <- err
		}()
		synctest.Wait()
		if r.active != 2 {
			t.Errorf("%d documents in flight, want 2", r.active)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled ingest returns %v", err)
		}
	})
}

func TestPreview(t *testing.T) {
	f := newFixture(t)
	if _, err := f.IngestFile(t.Context(), manual("relief.pdf"), []byte(relief+"\n"+space)); err != nil {
		t.Fatal(err)
	}
	got, err := f.Preview(t.Context(), manual("relief.pdf"), 30)
	if diff := cmp.Diff("Debt relief orders. The total ", got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
