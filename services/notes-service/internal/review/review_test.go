package review_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/paper"
	"signpost.internal/services/notes-service/internal/review"
)

func open(t *testing.T, dir string) *review.Store {
	t.Helper()
	s, err := review.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func draft(id, client, words string) review.Draft {
	return review.Draft{
		ID: id, Created: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC), Client: client, Template: "t", Method: "rules", Notes: "notes " + words,
		Answer: []byte(`{"full_text": "` + words + `"}`), Letter: paper.Letter{Markdown: "letter " + words, Label: "DRAFT"}, Key: "front-desk",
	}
}

// recorder is what the store and the ledger have in common.
type recorder interface {
	Save(ctx context.Context, d review.Draft) error
	Decide(ctx context.Context, id string, d review.Decision) (review.Draft, error)
}

// Both records let the same decisions through.
func TestDecisions(t *testing.T) {
	accept, edit, reject := review.Decision{Action: review.Accept}, review.Decision{Action: review.Edit, Text: "new"}, review.Decision{Action: review.Reject, Reason: "wrong"}
	anyway := review.Decision{Action: review.Accept, Unproved: true}
	for name, tc := range map[string]struct {
		unproved string
		before   []review.Decision
		last     review.Decision
		kind     fault.Kind
		state    review.State
	}{
		"accept":              {last: accept, state: review.Accepted},
		"reject":              {last: reject, state: review.Rejected},
		"edit":                {last: edit, state: review.Edited},
		"edit again":          {before: []review.Decision{edit}, last: edit, state: review.Edited},
		"unproved":            {unproved: "why", last: accept, kind: fault.Conflict},
		"unproved, all same":  {unproved: "why", last: anyway, state: review.Accepted},
		"an edit is unproved": {before: []review.Decision{edit}, last: accept, kind: fault.Conflict},
		"an edit, all same":   {before: []review.Decision{edit}, last: anyway, state: review.Accepted},
		"too late":            {before: []review.Decision{accept}, last: edit, kind: fault.Conflict},
		"after a rejection":   {before: []review.Decision{reject}, last: anyway, kind: fault.Conflict},
		"no reason":           {last: review.Decision{Action: review.Reject, Reason: " "}, kind: fault.Invalid},
		"no text":             {last: review.Decision{Action: review.Edit}, kind: fault.Invalid},
		"text too much":       {last: review.Decision{Action: review.Accept, Text: "x"}, kind: fault.Invalid},
		"no such action":      {last: review.Decision{Action: "burn"}, kind: fault.Invalid},
		"a long reason":       {last: review.Decision{Action: review.Reject, Reason: strings.Repeat("x", 2001)}, kind: fault.Invalid},
	} {
		for kind, r := range map[string]recorder{"store": open(t, t.TempDir()), "ledger": review.NewLedger()} {
			t.Run(name+" "+kind, func(t *testing.T) {
				d := draft("D", "Ms Okoye", "x")
				d.Unproved = tc.unproved
				if err := r.Save(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				for _, one := range tc.before {
					if _, err := r.Decide(t.Context(), "D", one); err != nil {
						t.Fatal(err)
					}
				}
				got, err := r.Decide(t.Context(), "D", tc.last)
				if tc.state != "" && (err != nil || got.State != tc.state) || tc.state == "" && fault.KindOf(err) != tc.kind {
					t.Errorf("%+v, %v", got.State, err)
				}
				if _, err := r.Decide(t.Context(), "other", accept); fault.KindOf(err) != fault.NotFound {
					t.Errorf("another: %v", err)
				}
			})
		}
	}
}

func TestAnEditIsKeptWithItsDiff(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Save(t.Context(), draft("D", "Ms Okoye", "£340")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Decide(t.Context(), "D", review.Decision{Action: review.Edit, Text: "letter £304", Key: "anna"}); err != nil {
		t.Fatal(err)
	}
	// A draft that comes again, as from a batch that was cut off, changes nothing.
	if err := s.Save(t.Context(), draft("D", "Ms Okoye", "again")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	d, decisions, err := open(t, dir).Get(t.Context(), "D")
	if err != nil || len(decisions) != 1 {
		t.Fatal(decisions, err)
	}
	if got := decisions[0]; !strings.Contains(got.Diff, "-letter £340\n+letter £304") || got.Text != "letter £304" || got.Key != "anna" || got.At.IsZero() {
		t.Errorf("%+v", got)
	}
	if d.Letter.Markdown != "letter £304" || d.State != review.Edited || d.Unproved != review.EditedText || d.Notes != "notes £340" || d.Client != "Ms Okoye" || d.Letter.Label != "DRAFT" {
		t.Errorf("%+v", d)
	}
}

// What is deleted is in no file any more, and what is not stays.
func TestDeletionProvesItself(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i, d := range []review.Draft{
		draft("A", "Ms Okoye", "zebra crossing "+strings.Repeat("long zebra text ", 2000)), draft("B", "  MS  OKOYE ", "zebra"), draft("C", "Mr Bevan", "giraffe"),
	} {
		if err := s.Save(t.Context(), d); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, one := range []review.Decision{{Action: review.Edit, Text: "zebra edited"}, {Action: review.Reject, Reason: "zebra reason"}} {
		if _, err := s.Decide(t.Context(), "A", one); err != nil {
			t.Fatal(err)
		}
	}
	if hits(t, dir, "zebra") == 0 || hits(t, dir, "koye") == 0 {
		t.Fatal("the files are searched in vain even before")
	}
	r, err := s.DeleteClient(t.Context(), "ms okoye")
	if err != nil || r.Drafts != 2 || r.Decisions != 2 || r.Remaining != 0 || len(r.SHA256) != 2 || r.Bytes < 30_000 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, word := range []string{"zebra", "koye", "KOYE"} {
		if n := hits(t, dir, word); n > 0 {
			t.Errorf("%q is still %d times in the files", word, n)
		}
	}
	if _, _, err := s.Get(t.Context(), "A"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	if left, err := s.List(t.Context(), "", 10); err != nil || len(left) != 1 || left[0].ID != "C" {
		t.Errorf("%+v, %v", left, err)
	}
	if hits(t, dir, "giraffe") == 0 {
		t.Error("another client's draft is gone")
	}
	again, err := s.DeleteClient(t.Context(), "Ms Okoye")
	if err != nil || again.Drafts != 0 {
		t.Errorf("%+v, %v", again, err)
	}
	if r, err := s.Delete(t.Context(), "C"); err != nil || r.Drafts != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.Delete(t.Context(), "C"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("twice: %v", err)
	}
	if n := hits(t, dir, "giraffe"); n > 0 {
		t.Errorf("still %d times", n)
	}
}

// hits counts a word in all files of a folder.
func hits(t *testing.T, dir, word string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(data, []byte(word))
	}
	return n
}

func TestFileIsItsOwnersOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Save(t.Context(), draft("A", "x", "y")); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}

func TestASecondProgramIsTold(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Save(t.Context(), draft("A", "x", "y")); err != nil {
		t.Fatal(err)
	}
	other, err := review.OpenStore(t.Context(), dir)
	if err == nil {
		other.Close()
		t.Fatal("two programs have one file")
	}
	if !strings.Contains(err.Error(), "another notes-service") {
		t.Error(err)
	}
}

func TestTogether(t *testing.T) {
	s := open(t, t.TempDir())
	var work sync.WaitGroup
	for i := range 20 {
		work.Go(func() {
			id := string(rune('a' + i))
			if err := s.Save(t.Context(), draft(id, "c"+id, "w")); err != nil {
				t.Error(err)
			}
			if _, err := s.Decide(t.Context(), id, review.Decision{Action: review.Accept}); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if r, err := s.DeleteClient(t.Context(), "C"+id); err != nil || r.Drafts != 1 {
					t.Errorf("%+v, %v", r, err)
				}
			}
		})
	}
	work.Wait()
	if left, err := s.List(t.Context(), review.Accepted, 100); err != nil || len(left) != 10 {
		t.Errorf("%d, %v", len(left), err)
	}
}

func TestLedgerForgetsTheOldest(t *testing.T) {
	l := review.NewLedger()
	for i := range 10_001 {
		if err := l.Save(t.Context(), review.Draft{ID: time.Unix(int64(i), 0).String()}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range map[int]bool{0: false, 1: true, 10_000: true} {
		if _, err := l.Decide(t.Context(), time.Unix(int64(i), 0).String(), review.Decision{Action: review.Accept}); (err == nil) != want {
			t.Errorf("%d: %v", i, err)
		}
	}
}
