package jobs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// every is how often replicas look whether another one died.
const every = 5 * time.Second

// lease says to the other replicas that this process lives: a lock of Postgres,
// which frees it when the connection ends, however that comes.
type lease struct {
	q    *Queue
	mu   sync.Mutex
	conn *sql.Conn
	stop chan struct{}
	wait sync.WaitGroup
}

func takeLease(ctx context.Context, q *Queue) (*lease, error) {
	l := &lease{q: q, stop: make(chan struct{})}
	return l, l.take(ctx)
}

// take locks, on a connection of its own.
func (l *lease) take(ctx context.Context) error {
	conn, err := l.q.db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", number(l.q.client.ID())); err != nil {
		_ = conn.Close() // the first error counts
		return err
	}
	l.conn = conn
	return nil
}

// number is the lock of a replica.
func number(id string) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any 64 bits will do
}

// watch takes up the jobs of replicas that died, until the end.
func (l *lease) watch() {
	l.wait.Go(func() {
		complaint := ""
		for {
			ctx, cancel := context.WithTimeout(context.Background(), every)
			err := l.look(ctx)
			cancel()
			if err != nil && err.Error() != complaint {
				complaint = err.Error()
				l.q.o.Logger.WarnContext(ctx, "jobs of other replicas cannot be looked at", "error", err)
			} else if err == nil {
				complaint = ""
			}
			select {
			case <-time.After(every):
			case <-l.stop:
				return
			}
		}
	})
}

func (l *lease) look(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.PingContext(ctx); err != nil { // the connection broke, and with it the lock
		_ = l.conn.Close() // it is broken
		if err := l.take(ctx); err != nil {
			return fmt.Errorf("the lock of this replica: %w", err)
		}
	}
	rows, err := l.conn.QueryContext(ctx, "SELECT DISTINCT attempted_by[array_upper(attempted_by, 1)] FROM river_job WHERE state = 'running' AND attempted_by IS NOT NULL")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if id != l.q.client.ID() {
			ids = append(ids, id)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, id := range ids {
		if err := l.inherit(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// inherit takes up the jobs of a replica if it is dead.
func (l *lease) inherit(ctx context.Context, id string) error {
	var dead bool
	if err := l.conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", number(id)).Scan(&dead); err != nil || !dead {
		return err
	}
	err := l.q.takeUp(ctx, "attempted_by[array_upper(attempted_by, 1)] = $1", id)
	if _, unlockErr := l.conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", number(id)); err == nil {
		err = unlockErr
	}
	return err
}

// end frees the lock.
func (l *lease) end() {
	close(l.stop)
	l.wait.Wait()
	_ = l.conn.Close() // the pool ends next, and the lock with it
}
