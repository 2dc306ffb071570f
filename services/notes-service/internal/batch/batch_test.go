package batch_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/batch"
	"signpost.internal/services/notes-service/internal/drafting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a maker of letters that counts them. Notes that say "stick" wait for
// their end, "busy" finds the model busy twice, "fail" and "panic" do so.
type desk struct {
	mu   sync.Mutex
	made map[string]int // by draft
	busy int
	most int // at a time
	now  int
}

func (d *desk) make(ctx context.Context, item batch.Item, _ string) (*batch.Result, error) {
	d.mu.Lock()
	if d.made == nil {
		d.made = map[string]int{}
	}
	d.now++
	d.most = max(d.most, d.now)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.now--
		d.mu.Unlock()
	}()
	switch item.Request.Notes {
	case "stick":
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case "busy":
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.busy++; d.busy < 3 {
			return nil, &fault.Error{Kind: fault.Busy, RetryAfter: time.Second}
		}
	case "fail":
		return nil, fault.New(fault.Unavailable, "No model.")
	case "panic":
		panic("poison")
	default:
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	d.made[item.Draft]++
	return &batch.Result{State: batch.Done, Draft: json.RawMessage(`{"notes":"` + item.Request.Notes + `"}`), Format: item.Format}, nil
}

func open(t *testing.T, dir string, d *desk, change func(*batch.Options)) *batch.Manager {
	t.Helper()
	o := batch.Options{Dir: dir, Make: d.make, Parallel: 2, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	m, err := batch.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func items(notes ...string) []batch.Item {
	var out []batch.Item
	for i, n := range notes {
		out = append(out, batch.Item{Ref: "r" + strconv.Itoa(i+1), Request: drafting.Request{Notes: n, Client: "Ms " + n}, Format: drafting.PDF})
	}
	return out
}

func submit(t *testing.T, m *batch.Manager, notes ...string) string {
	t.Helper()
	j, err := m.Submit(items(notes...), "front-desk")
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

func finished(t *testing.T, m *batch.Manager, id string) batch.Job {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		j, err := m.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State.Finished() {
			return j
		}
		if time.Now().After(deadline) {
			t.Fatalf("not finished: %+v", j)
		}
	}
}

// Each item has its own end, and its own result.
func TestResults(t *testing.T) {
	d := &desk{}
	m := open(t, t.TempDir(), d, nil)
	defer m.Close()
	all := items("a", "fail", "panic", "b", "c", "d")
	all = append(all, batch.Item{Refused: nil, Request: drafting.Request{Notes: "e"}})
	j, err := m.Submit(all, "")
	if err != nil || j.Items != 7 {
		t.Fatal(j, err)
	}
	got := finished(t, m, j.ID)
	if got.State != batch.Done || got.Counts[batch.Done] != 5 || got.Counts[batch.Failed] != 2 {
		t.Errorf("%+v", got)
	}
	for number, want := range map[int]batch.State{1: batch.Done, 2: batch.Failed, 3: batch.Failed, 4: batch.Done} {
		ref, r, err := m.Result(j.ID, number)
		if err != nil || r.State != want || ref != "r"+strconv.Itoa(number) || (r.Problem != nil) != (want == batch.Failed) || (r.Draft != nil) != (want == batch.Done) {
			t.Errorf("%d: %q %+v %v", number, ref, r, err)
		}
	}
	for _, number := range []int{0, 8} {
		if _, _, err := m.Result(j.ID, number); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%d: %v", number, err)
		}
	}
	if d.most > 2 {
		t.Errorf("%d letters at a time", d.most)
	}
	if _, err := m.Cancel(t.Context(), j.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("cancelling at the end: %v", err)
	}
}

func TestBusyIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		m := open(t, dir, d, nil)
		id := submit(t, m, "busy")
		time.Sleep(time.Minute)
		synctest.Wait()
		if j, err := m.Get(id); err != nil || j.Counts[batch.Done] != 1 || d.busy != 3 {
			t.Errorf("%+v, %v, %d tries", j, err, d.busy)
		}
		m.Close()
	})
}

// A stop in good order leaves what is not done for the next run, and nothing is
// done twice.
func TestStopAndGoOn(t *testing.T) {
	dir, d := t.TempDir(), &desk{}
	m := open(t, dir, d, nil)
	id := submit(t, m, "a", "b", "stick", "stick", "c", "d")
	until(t, func() bool { j, _ := m.Get(id); return j.Counts[batch.Done] == 2 && j.Counts[batch.Running] == 2 })
	m.Close()
	// The notes that stuck are made to end.
	for _, n := range []string{"0003", "0004"} {
		path := filepath.Join(dir, id, n+".item.json")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), "stick", "free")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m = open(t, dir, d, nil)
	defer m.Close()
	if j := finished(t, m, id); j.Counts[batch.Done] != 6 {
		t.Errorf("%+v", j)
	}
	for draft, times := range d.made {
		if times != 1 {
			t.Errorf("%s was made %d times", draft, times)
		}
	}
	if len(d.made) != 6 {
		t.Errorf("%d letters", len(d.made))
	}
}

func until(t *testing.T, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// An item that the program was lost on three times is given up; the others are not.
func TestPoison(t *testing.T) {
	dir, d := t.TempDir(), &desk{}
	m := open(t, dir, d, nil)
	id := submit(t, m, "stick", "stick")
	until(t, func() bool { j, _ := m.Get(id); return j.Counts[batch.Running] == 2 })
	m.Close()
	if err := os.WriteFile(filepath.Join(dir, id, "0001.starts"), []byte("3"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, id, "0002.item.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), "stick", "free")), 0o600); err != nil {
		t.Fatal(err)
	}
	m = open(t, dir, d, nil)
	defer m.Close()
	finished(t, m, id)
	_, r, err := m.Result(id, 1)
	if err != nil || r.State != batch.Failed || !strings.Contains(r.Problem.Detail, "3 times") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, r, err := m.Result(id, 2); err != nil || r.State != batch.Done {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCancelKeepsWhatIsDone(t *testing.T) {
	dir, d := t.TempDir(), &desk{}
	m := open(t, dir, d, nil)
	id := submit(t, m, "a", "stick", "stick", "b")
	until(t, func() bool { j, _ := m.Get(id); return j.Counts[batch.Done] == 1 && j.Counts[batch.Running] == 2 })
	j, err := m.Cancel(t.Context(), id)
	if err != nil || j.State != batch.Canceled || j.Counts[batch.Done] != 1 || j.Finished.IsZero() {
		t.Errorf("%+v, %v", j, err)
	}
	m.Close()
	m = open(t, dir, d, nil)
	defer m.Close()
	if j, err := m.Get(id); err != nil || j.State != batch.Canceled || j.Counts[batch.Done] != 1 {
		t.Errorf("after a start: %+v, %v", j, err)
	}
	if _, r, err := m.Result(id, 1); err != nil || r.State != batch.Done {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestDeletionLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &desk{}, nil)
	defer m.Close()
	done, stuck := submit(t, m, "a"), submit(t, m, "stick", "stick", "stick")
	finished(t, m, done)
	for id, stopped := range map[string]bool{done: false, stuck: true} {
		r, err := m.Delete(t.Context(), id)
		if err != nil || r.Stopped != stopped || r.Left != 0 || r.Files < 3 {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := m.Get(id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("afterwards: %v", err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "[^.]*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAClientIsDeleted(t *testing.T) {
	dir, d := t.TempDir(), &desk{}
	m := open(t, dir, d, nil)
	one, other := submit(t, m, "okoye", "bevan", "okoye"), submit(t, m, "bevan")
	stuck := submit(t, m, "stick")
	finished(t, m, one)
	finished(t, m, other)
	if _, err := m.DeleteClient("Ms stick"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a batch that goes on: %v", err)
	}
	r, err := m.DeleteClient("ms  OKOYE")
	if err != nil || r.Items != 2 || r.Remaining != 0 || r.Files != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, again := range []bool{false, true} {
		if again {
			m.Close()
			m = open(t, dir, d, nil)
		}
		j, err := m.Get(one)
		if err != nil || j.Counts[batch.Deleted] != 2 || j.Counts[batch.Done] != 1 {
			t.Errorf("%+v, %v", j, err)
		}
		if _, r, err := m.Result(one, 1); err != nil || r.State != batch.Deleted || r.Draft != nil {
			t.Errorf("%+v, %v", r, err)
		}
		if _, r, err := m.Result(one, 2); err != nil || r.State != batch.Done {
			t.Errorf("%+v, %v", r, err)
		}
	}
	m.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, file := range files {
		if data, _ := os.ReadFile(file); strings.Contains(string(data), "okoye") {
			t.Errorf("%s names the client", file)
		}
	}
	_ = stuck
}

func TestQueueIsBounded(t *testing.T) {
	m := open(t, t.TempDir(), &desk{}, nil)
	defer m.Close()
	var first string
	for i := range 16 {
		if id := submit(t, m, "stick"); i == 0 {
			first = id
		}
	}
	_, err := m.Submit(items("a"), "")
	var known *fault.Error
	if !errors.As(err, &known) || known.Kind != fault.Busy || known.RetryAfter == 0 {
		t.Errorf("the seventeenth: %v", err)
	}
	if _, err := m.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	submit(t, m, "a")
}

func TestTwoProgramsOnOneFolder(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &desk{}, nil)
	defer m.Close()
	if _, err := batch.Open(t.Context(), batch.Options{Dir: dir, Parallel: 1}); err == nil || !strings.Contains(err.Error(), "another notes-service") {
		t.Errorf("got %v", err)
	}
}

func TestBatchesExpire(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := open(t, dir, &desk{}, func(o *batch.Options) { o.ResultTTL = time.Hour })
		defer m.Close()
		id := submit(t, m, "a")
		synctest.Wait()
		time.Sleep(59 * time.Minute)
		if j, err := m.Get(id); err != nil || j.State != batch.Done {
			t.Errorf("after 59 minutes: %+v, %v", j, err)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if _, err := m.Get(id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after 62 minutes: %v", err)
		}
	})
	if left, _ := filepath.Glob(filepath.Join(dir, "[^.]*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
