package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// open are the states of jobs that change by themselves.
func open() []rag.JobState { return []rag.JobState{rag.Queued, rag.Running, rag.Waiting} }

// Add implements [rag.Queue].
func (q *Queue) Add(ctx context.Context, t rag.Task) (rag.Job, error) {
	q.adding.Lock()
	defer q.adding.Unlock()
	before, err := q.Jobs(ctx, rag.JobFilter{Key: t.Key, States: open()})
	if err != nil {
		return rag.Job{}, err
	}
	if len(before) > 0 && before[0].Task == t {
		return before[0], nil
	}
	for _, j := range before {
		if j.State == rag.Running {
			continue // it ends before this one begins: see [rag.Service]
		}
		if _, err := q.client.JobCancel(ctx, j.ID); err != nil {
			return rag.Job{}, q.explain(err)
		}
	}
	var unfinished int
	if err := q.db.QueryRowContext(ctx, "SELECT count(*) FROM river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled')").Scan(&unfinished); err != nil {
		return rag.Job{}, q.explain(err)
	}
	if unfinished >= q.o.Most {
		return rag.Job{}, &fault.Error{
			Kind: fault.Busy, RetryAfter: 30 * time.Second,
			Detail: fmt.Sprintf("%d documents wait to be ingested, as many as INGEST_QUEUE allows: send this one again later.", unfinished),
		}
	}
	inserted, err := q.client.Insert(ctx, argumentsOf(t), nil)
	if err != nil {
		return rag.Job{}, q.explain(err)
	}
	q.change()
	j, err := q.jobOf(inserted.Job)
	if err != nil {
		return rag.Job{}, err
	}
	return j, q.supersede(ctx, j)
}

// Job implements [rag.Queue].
func (q *Queue) Job(ctx context.Context, id int64) (rag.Job, error) {
	row, err := q.client.JobGet(ctx, id)
	if err != nil {
		return rag.Job{}, q.lookedFor(id, err)
	}
	return q.jobOf(row)
}

// lookedFor explains why a job was not found.
func (q *Queue) lookedFor(id int64, err error) error {
	if errors.Is(err, rivertype.ErrNotFound) {
		return fault.Wrap(fault.NotFound, err, fmt.Sprintf("There is no job %d. Jobs that are done are kept for a day; what they stored is in GET /documents.", id))
	}
	return q.explain(err)
}

// mostListed is River's bound of a list.
const mostListed = 10_000

// Jobs implements [rag.Queue].
func (q *Queue) Jobs(ctx context.Context, f rag.JobFilter) ([]rag.Job, error) {
	limit := f.Limit
	if limit == 0 || limit > mostListed {
		limit = mostListed
	}
	var out []rag.Job
	for before := f.Before; ; {
		rows, err := q.page(ctx, f, before)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			j, err := q.jobOf(row)
			if err != nil {
				return nil, err
			}
			if len(f.States) == 0 || slices.Contains(f.States, j.State) {
				out = append(out, j)
			}
			if len(out) == limit && f.Limit != 0 {
				return out, nil
			}
			before = row.ID
		}
		if len(rows) < mostListed {
			return out, nil
		}
	}
}

// page lists rows below an ID, the newest first.
func (q *Queue) page(ctx context.Context, f rag.JobFilter, before int64) ([]*rivertype.JobRow, error) {
	p := river.NewJobListParams().First(mostListed).OrderBy(river.JobListOrderByID, river.SortOrderDesc)
	if len(f.States) > 0 {
		p = p.States(riverStates(f.States)...)
	}
	if before > 0 {
		p = p.Where("id < @before", river.NamedArgs{"before": before})
	}
	switch {
	case f.Key.Source != "":
		p = p.Where("args->>'key' = @key", river.NamedArgs{"key": f.Key.Digest()})
	case f.Key.Collection != "":
		p = p.Where("args->>'collection' = @collection", river.NamedArgs{"collection": f.Key.Collection})
	}
	found, err := q.client.JobList(ctx, p)
	if err != nil {
		return nil, q.explain(err)
	}
	return found.Jobs, nil
}

// Count implements [rag.Queue].
func (q *Queue) Count(ctx context.Context) (map[rag.JobState]int, error) {
	rows, err := q.db.QueryContext(ctx, "SELECT state, scheduled_at > "+q.now()+", count(*) FROM river_job GROUP BY 1, 2")
	if err != nil {
		return nil, q.explain(err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	counts := map[rag.JobState]int{}
	for rows.Next() {
		var state rivertype.JobState
		var later bool
		var n int
		if err := rows.Scan(&state, &later, &n); err != nil {
			return nil, q.explain(err)
		}
		row := rivertype.JobRow{State: state}
		if later {
			row.ScheduledAt = time.Now().Add(time.Hour)
		}
		counts[stateOf(&row)] += n
	}
	return counts, q.explain(rows.Err())
}

// Cancel implements [rag.Queue].
func (q *Queue) Cancel(ctx context.Context, id int64) (rag.Job, error) {
	row, err := q.client.JobCancel(ctx, id)
	if err != nil {
		return rag.Job{}, q.lookedFor(id, err)
	}
	q.change()
	return q.jobOf(row)
}

// Retry implements [rag.Queue].
func (q *Queue) Retry(ctx context.Context, id int64) (rag.Job, error) {
	j, err := q.Job(ctx, id)
	if err != nil {
		return rag.Job{}, err
	}
	if j.State != rag.Dead && j.State != rag.Cancelled {
		return rag.Job{}, fault.Newf(fault.Conflict, "Job %d is %s; a job that is dead or cancelled can be tried again.", id, j.State)
	}
	row, err := q.client.JobRetry(ctx, id)
	if err != nil {
		return rag.Job{}, q.lookedFor(id, err)
	}
	q.change()
	return q.jobOf(row)
}

// Remove implements [rag.Queue].
func (q *Queue) Remove(ctx context.Context, id int64) error {
	if _, err := q.client.JobDelete(ctx, id); err != nil {
		return q.lookedFor(id, err)
	}
	q.change()
	return nil
}

// patience is how long Forget waits for running jobs to stop.
const patience = 30 * time.Second

// Forget implements [rag.Queue].
func (q *Queue) Forget(ctx context.Context, k rag.Key) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		jobs, err := q.Jobs(ctx, rag.JobFilter{Key: k, States: open()})
		if err != nil {
			return 0, err
		}
		if len(jobs) == 0 {
			break
		}
		for _, j := range jobs {
			if _, err := q.client.JobCancel(ctx, j.ID); err != nil && !errors.Is(err, rivertype.ErrNotFound) {
				return 0, q.explain(err)
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return 0, fault.Wrap(fault.Busy, ctx.Err(), "The document is being ingested at the moment and does not stop: try again in a minute.")
		}
	}
	column, value := "key", k.Digest()
	if k.Source == "" {
		column, value = "collection", k.Collection
	}
	result, err := q.db.ExecContext(ctx, "DELETE FROM river_job WHERE args->>'"+column+"' = $1 AND state <> 'running'", value)
	if err != nil {
		return 0, q.explain(err)
	}
	n, err := result.RowsAffected()
	q.change()
	return int(n), q.explain(err)
}

// supersede removes the dead and cancelled jobs of a document that are older than
// a job: what they were about is past.
func (q *Queue) supersede(ctx context.Context, j rag.Job) error {
	_, err := q.db.ExecContext(ctx, "DELETE FROM river_job WHERE args->>'key' = $1 AND id < $2 AND state IN ('discarded', 'cancelled')", j.Digest(), j.ID)
	return q.explain(err)
}
