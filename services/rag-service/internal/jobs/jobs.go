// Package jobs keeps what is to be ingested until it is done, whatever ends the
// process: River's jobs in a SQLite file, or in Postgres for several replicas.
//
// A crash loses no job and finishes none twice: a job is done when its document
// is in the index, and a document that is there already is no work. Jobs that ran
// in a process that died are taken up at once: on SQLite when the file is opened,
// which only one process at a time can; on Postgres by the other replicas, as soon
// as the lock that the dead one held is free (see lease.go).
package jobs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// Options say where the jobs are and how they are done.
type Options struct {
	Dir         string         // of the SQLite file; not used with a DatabaseURL
	DatabaseURL string         // of Postgres; empty for the SQLite file
	Dialer      *egress.Dialer // of Postgres
	Logger      *slog.Logger
	Workers     int           // jobs that run at a time in this process
	Most        int           // jobs that may be unfinished
	Timeout     time.Duration // that a job may run
}

// Queue is a [rag.Queue].
type Queue struct {
	o      Options
	db     *sql.DB
	client *river.Client[*sql.Tx]
	work   rag.Worker
	lease  *lease // nil on SQLite

	events      sync.WaitGroup
	unsubscribe func()
	closing     sync.Once

	adding sync.Mutex // one Add at a time

	mu      sync.Mutex
	steps   map[int64]rag.JobStep
	changed chan struct{}
}

// Open opens the queue, making its tables if they are not there. Jobs wait until
// [Queue.Start].
func Open(ctx context.Context, o Options) (*Queue, error) {
	q := &Queue{o: o, steps: map[int64]rag.JobStep{}, changed: make(chan struct{})}
	var err error
	if o.DatabaseURL == "" {
		q.db, err = openSQLite(o.Dir)
	} else {
		q.db, err = openPostgres(o)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the jobs: %w", err)
	}
	if err := q.prepare(ctx); err != nil {
		return nil, errors.Join(q.explain(err), q.db.Close())
	}
	return q, nil
}

func openPostgres(o Options) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(o.DatabaseURL)
	if err != nil {
		return nil, errors.New("DATABASE_URL: it cannot be read as an address such as postgres://user:password@host:5432/name") // the error shows it
	}
	o.Dialer.Allow(&url.URL{Scheme: "postgres", Host: net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))})
	cfg.DialFunc = o.Dialer.DialContext
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // the dialler does
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(o.Workers + connections)
	return db, nil
}

// connections are those of Postgres besides the workers'.
const connections = 8

func openSQLite(dir string) (*sql.DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR %s cannot be made: %w", dir, err)
	}
	pragmas := url.Values{"_pragma": {
		// What is deleted is overwritten; see Scrub.
		"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)", "busy_timeout(2000)",
	}, "_txlock": {"immediate"}}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(filepath.Join(dir, "jobs.db")), RawQuery: pragmas.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err == nil {
		db.SetMaxOpenConns(1) // exclusive locking
	}
	return db, err
}

func (q *Queue) prepare(ctx context.Context) error {
	var driver riverdriver.Driver[*sql.Tx] = riversqlite.New(q.db)
	if q.o.DatabaseURL != "" {
		driver = riverdatabasesql.New(q.db)
	}
	quiet := slog.New(severe{q.o.Logger.Handler()})
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if _, err := q.db.ExecContext(ctx, "CREATE INDEX IF NOT EXISTS signpost_job_document ON river_job ((args->>'key'))"); err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{q: q})
	q.client, err = river.NewClient(driver, &river.Config{
		ID:     "rag-" + rand.Text(),
		Logger: quiet,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: q.o.Workers}},
		// Between two looks for work. River's default would bound small documents to a
		// few a second.
		FetchCooldown:               10 * time.Millisecond,
		Workers:                     workers,
		MaxAttempts:                 1, // what may go away lets a job wait instead
		JobTimeout:                  q.o.Timeout,
		RescueStuckJobsAfter:        q.o.Timeout + time.Hour,
		CompletedJobRetentionPeriod: 24 * time.Hour,
		CancelledJobRetentionPeriod: 24 * time.Hour,
		DiscardedJobRetentionPeriod: -1, // dead until somebody sees to them
	})
	if err != nil {
		return err
	}
	if q.o.DatabaseURL != "" {
		q.lease, err = takeLease(ctx, q)
		return err
	}
	return q.takeUp(ctx, "TRUE")
}

// Start does the jobs by calling work, until Stop.
func (q *Queue) Start(ctx context.Context, work rag.Worker) error {
	q.work = work
	events, unsubscribe := q.client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled, river.EventKindJobSnoozed)
	q.events.Go(func() {
		for range events {
			q.change()
		}
	})
	q.unsubscribe = unsubscribe
	// The end of ctx is no order to drop the work: Stop is.
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		return q.explain(err)
	}
	if q.lease != nil {
		q.lease.watch()
	}
	return nil
}

// Stop ends the work, if it has been started; running jobs go back to the queue.
func (q *Queue) Stop(ctx context.Context) error {
	if q.work == nil {
		return nil
	}
	err := q.client.StopAndCancel(ctx)
	q.unsubscribe()
	q.events.Wait()
	return err
}

// Close lets the storage go. It may be called again.
func (q *Queue) Close() error {
	q.closing.Do(func() {
		if q.lease != nil {
			q.lease.end()
		}
	})
	return q.db.Close()
}

// mostCrashes is after how many processes that died during a job it is taken for
// the cause.
const mostCrashes = 25

// takeUp queues running jobs again that meet a condition: nobody works on them.
func (q *Queue) takeUp(ctx context.Context, condition string, arguments ...any) error {
	rows, err := q.db.QueryContext(ctx, "SELECT id, metadata->>'cancel_attempted_at' IS NOT NULL, attempt FROM river_job WHERE state = 'running' AND ("+condition+")", arguments...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	type left struct {
		id        int64
		cancelled bool
		attempt   int
	}
	var jobs []left
	for rows.Next() {
		var l left
		if err := rows.Scan(&l.id, &l.cancelled, &l.attempt); err != nil {
			return err
		}
		jobs = append(jobs, l)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	for _, l := range jobs {
		state, finalized := "available", "NULL"
		switch {
		case l.cancelled:
			state, finalized = "cancelled", q.now()
		case l.attempt > mostCrashes:
			state, finalized = "discarded", q.now()
		}
		query := fmt.Sprintf("UPDATE river_job SET state = '%s', finalized_at = %s, max_attempts = attempt + 1 WHERE id = $1 AND state = 'running'", state, finalized)
		if _, err := q.db.ExecContext(ctx, query, l.id); err != nil {
			return err
		}
		q.o.Logger.WarnContext(ctx, "a job was cut short and is taken up", "job", l.id, "state", state)
	}
	return nil
}

// now is the present moment in the database's words.
func (q *Queue) now() string {
	if q.o.DatabaseURL != "" {
		return "now()"
	}
	return "datetime('now', 'subsec')"
}

// Ping implements [rag.Queue].
func (q *Queue) Ping(ctx context.Context) error {
	var n int
	return q.explain(q.db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM river_job LIMIT 1) AS found").Scan(&n))
}

// Scrub implements [rag.Queue].
func (q *Queue) Scrub(ctx context.Context) (string, error) {
	if q.o.DatabaseURL != "" {
		_, err := q.db.ExecContext(ctx, "VACUUM river_job")
		return "Postgres keeps removed rows in its write-ahead log, and in backups, until those are recycled.", q.explain(err)
	}
	_, err := q.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return "", q.explain(err)
}

// Changed implements [rag.Queue].
func (q *Queue) Changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

func (q *Queue) change() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

// explain translates the databases' errors.
func (q *Queue) explain(err error) error {
	var known *fault.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case q.o.DatabaseURL != "":
		return fault.Wrap(fault.Unavailable, err, "The database of the jobs does not answer as it should: see to the Postgres that DATABASE_URL names.")
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	var detail string
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		detail = "The disk that holds DATA_DIR is full: free some space, then try again. Nothing of what was stored before is lost."
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		detail = "The jobs in DATA_DIR cannot be written: give this service's user the right to write there, then try again."
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		detail = "Another process uses the jobs in DATA_DIR: stop it, or give each process a DATA_DIR of its own."
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		detail = "The jobs in DATA_DIR are damaged: move the file jobs.db away and start the service again. The index keeps its documents; what was still to be ingested must be sent again."
	case sqlite3.SQLITE_IOERR:
		detail = "The disk that holds DATA_DIR does not work as it should: see to the disk, then try again."
	default:
		return err
	}
	return fault.Wrap(fault.Unavailable, err, detail)
}

// severe lets only errors of River through: what becomes of a job we log
// ourselves, without what could be a document's words.
type severe struct{ slog.Handler }

func (s severe) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && s.Handler.Enabled(ctx, l)
}

func (s severe) WithAttrs(a []slog.Attr) slog.Handler { return severe{s.Handler.WithAttrs(a)} }
func (s severe) WithGroup(n string) slog.Handler      { return severe{s.Handler.WithGroup(n)} }
