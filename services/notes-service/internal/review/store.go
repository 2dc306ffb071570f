package review

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	udiff "github.com/aymanbagabas/go-udiff"
	_ "modernc.org/sqlite" // the driver

	"signpost.internal/pkg/fault"
)

// schemaVersion is kept in the file's user_version.
const schemaVersion = 1

const schema = `
CREATE TABLE drafts (
	id         TEXT PRIMARY KEY,
	created    INTEGER NOT NULL,
	client     TEXT NOT NULL,
	client_key TEXT NOT NULL,
	template   TEXT NOT NULL,
	method     TEXT NOT NULL,
	unproved   TEXT NOT NULL,
	notes      TEXT NOT NULL,
	answer     BLOB NOT NULL,
	letter     BLOB NOT NULL,
	state      TEXT NOT NULL,
	key        TEXT NOT NULL
) STRICT;
CREATE INDEX drafts_client ON drafts (client_key);
CREATE INDEX drafts_created ON drafts (created);
CREATE TABLE decisions (
	draft  TEXT NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
	at     INTEGER NOT NULL,
	action TEXT NOT NULL,
	reason TEXT NOT NULL,
	text   TEXT NOT NULL,
	diff   TEXT NOT NULL,
	key    TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_draft ON decisions (draft);
`

// Store keeps drafts and decisions in one file, which one process opens at a time.
// It is safe for use by many goroutines.
type Store struct {
	db    *sql.DB
	write sync.Mutex
}

// OpenStore opens the file in dir, making both if they are not there.
func OpenStore(ctx context.Context, dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR %s cannot be made: %w", dir, err)
	}
	path := filepath.Join(dir, "reviews.db")
	// The file is made here, so that only its owner may read it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %s cannot be opened: %w", path, err)
	}
	f.Close()
	pragmas := url.Values{"_pragma": {
		"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(2000)",
		// What is deleted is overwritten, and no copy goes to another file.
		"secure_delete(1)", "temp_store(2)",
	}, "_txlock": {"immediate"}}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: pragmas.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	s := &Store{db: db}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s cannot be used: is another notes-service working on it, or is it damaged? (%w)", path, err), db.Close())
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	var version int
	if err := s.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
		return s.change(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, schema); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
			return err
		})
	default:
		return fmt.Errorf("it was written by another version of the service (format %d, this one knows %d)", version, schemaVersion)
	}
}

// Close closes the file.
func (s *Store) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.db.Close()
}

// change runs a transaction.
func (s *Store) change(ctx context.Context, do func(*sql.Tx) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return storage(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; before, the first error counts
	if err := do(tx); err != nil {
		return storage(err)
	}
	return storage(tx.Commit())
}

// storage turns an error of the database into a fault.
func storage(err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The review record could not be read or written: look at the folder DATA_DIR, its rights and the room on its disk.")
}

// Save keeps a draft. One that is there already stays as it is.
func (s *Store) Save(ctx context.Context, d Draft) error {
	letter, err := json.Marshal(d.Letter)
	if err != nil {
		return err
	}
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO drafts (id, created, client, client_key, template, method, unproved, notes, answer, letter, state, key) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING",
			d.ID, d.Created.UnixMilli(), d.Client, ClientKey(d.Client), d.Template, d.Method, d.Unproved, d.Notes, orEmpty(d.Answer), letter, string(Open), d.Key)
		return err
	})
}

// orEmpty is never nil, which a column that is NOT NULL would refuse.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

const columns = "id, created, client, template, method, unproved, notes, answer, letter, state, key"

type row interface{ Scan(...any) error }

func scan(r row) (Draft, error) {
	var d Draft
	var created int64
	var letter []byte
	if err := r.Scan(&d.ID, &created, &d.Client, &d.Template, &d.Method, &d.Unproved, &d.Notes, &d.Answer, &letter, &d.State, &d.Key); err != nil {
		return Draft{}, err
	}
	d.Created = time.UnixMilli(created).UTC()
	return d, json.Unmarshal(letter, &d.Letter)
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func find(ctx context.Context, q querier, id string) (Draft, error) {
	d, err := scan(q.QueryRowContext(ctx, "SELECT "+columns+" FROM drafts WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Draft{}, notFound()
	}
	return d, storage(err)
}

// Get returns a draft as it stands, and its decisions, the first first.
func (s *Store) Get(ctx context.Context, id string) (Draft, []Decision, error) {
	d, err := find(ctx, s.db, id)
	if err != nil {
		return Draft{}, nil, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT at, action, reason, text, diff, key FROM decisions WHERE draft = ? ORDER BY rowid", id)
	if err != nil {
		return Draft{}, nil, storage(err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var all []Decision
	for rows.Next() {
		var one Decision
		var at int64
		if err := rows.Scan(&at, &one.Action, &one.Reason, &one.Text, &one.Diff, &one.Key); err != nil {
			return Draft{}, nil, storage(err)
		}
		one.At = time.UnixMilli(at).UTC()
		all = append(all, one)
	}
	return d, all, storage(rows.Err())
}

// Summary is a line of a list of drafts.
type Summary struct {
	ID       string
	Created  time.Time
	Client   string
	Template string
	State    State
	Unproved string
}

// List returns the newest drafts of a state, or of all for the empty one.
func (s *Store) List(ctx context.Context, state State, limit int) ([]Summary, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, created, client, template, state, unproved FROM drafts WHERE ?1 = '' OR state = ?1 ORDER BY created DESC, id LIMIT ?2", string(state), limit)
	if err != nil {
		return nil, storage(err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	all := []Summary{}
	for rows.Next() {
		var one Summary
		var created int64
		if err := rows.Scan(&one.ID, &created, &one.Client, &one.Template, &one.State, &one.Unproved); err != nil {
			return nil, storage(err)
		}
		one.Created = time.UnixMilli(created).UTC()
		all = append(all, one)
	}
	return all, storage(rows.Err())
}

// Decide records a decision, and returns the draft as it then stands. Of an edit
// it keeps the text and what it changed. It fails with NotFound, with Invalid for a
// decision that cannot be one, and with Conflict for one that comes too late or
// accepts what is not proved.
func (s *Store) Decide(ctx context.Context, id string, d Decision) (Draft, error) {
	if err := d.Check(); err != nil {
		return Draft{}, err
	}
	var draft Draft
	err := s.change(ctx, func(tx *sql.Tx) error {
		var err error
		if draft, err = find(ctx, tx, id); err != nil {
			return err
		}
		if draft.State, err = next(draft.State, draft.Unproved, d); err != nil {
			return err
		}
		if d.Action == Edit {
			d.Diff = udiff.Unified("draft", "edited", draft.Letter.Markdown+"\n", d.Text+"\n")
			draft.Letter.Markdown, draft.Unproved = d.Text, EditedText
		}
		letter, err := json.Marshal(draft.Letter)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE drafts SET state = ?, unproved = ?, letter = ? WHERE id = ?", string(draft.State), draft.Unproved, letter, id); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO decisions (draft, at, action, reason, text, diff, key) VALUES (?,?,?,?,?,?,?)",
			id, time.Now().UnixMilli(), string(d.Action), d.Reason, d.Text, d.Diff, d.Key)
		return err
	})
	if err != nil {
		return Draft{}, err
	}
	return draft, nil
}

// Receipt is what was deleted. It holds nothing of the content.
type Receipt struct {
	Drafts, Decisions int
	Bytes             int64
	SHA256            []string // of each draft's notes and letter, in hex
	// Remaining is how many drafts a new query finds afterwards: 0.
	Remaining int
}

// DeleteClient deletes all drafts of a client and the decisions about them, so that
// their bytes are in no file of the store any more.
func (s *Store) DeleteClient(ctx context.Context, client string) (Receipt, error) {
	return s.remove(ctx, "client_key", ClientKey(client))
}

// Delete deletes one draft in the same way.
func (s *Store) Delete(ctx context.Context, id string) (Receipt, error) {
	r, err := s.remove(ctx, "id", id)
	if err == nil && r.Drafts == 0 {
		return r, notFound()
	}
	return r, err
}

// remove deletes the drafts whose column, which is no foreign text, has the value.
func (s *Store) remove(ctx context.Context, column, value string) (Receipt, error) {
	r := Receipt{SHA256: []string{}}
	err := s.change(ctx, func(tx *sql.Tx) error {
		if err := hashes(ctx, tx, column, value, &r); err != nil {
			return err
		}
		row := tx.QueryRowContext(ctx, "SELECT count(*) FROM decisions JOIN drafts ON drafts.id = decisions.draft WHERE drafts."+column+" = ?", value)
		if err := row.Scan(&r.Decisions); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM drafts WHERE "+column+" = ?", value)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	if err := s.scrub(ctx); err != nil {
		return r, fault.Wrap(fault.Unavailable, err, "The drafts are deleted, but their bytes may still be in the file: make room on the disk of DATA_DIR and delete again.")
	}
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM drafts WHERE "+column+" = ?", value).Scan(&r.Remaining); err != nil {
		return r, storage(err)
	}
	return r, nil
}

func hashes(ctx context.Context, tx *sql.Tx, column, value string, r *Receipt) error {
	rows, err := tx.QueryContext(ctx, "SELECT notes, letter, length(answer) FROM drafts WHERE "+column+" = ? ORDER BY created", value)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var notes string
		var letter []byte
		var answer int64
		if err := rows.Scan(&notes, &letter, &answer); err != nil {
			return err
		}
		sum := sha256.Sum256(append([]byte(notes), letter...))
		r.Drafts++
		r.Bytes += int64(len(notes)) + int64(len(letter)) + answer
		r.SHA256 = append(r.SHA256, hex.EncodeToString(sum[:]))
	}
	return rows.Err()
}

// scrub writes the file anew without what was deleted, and empties the log beside
// it.
func (s *Store) scrub(ctx context.Context) error {
	s.write.Lock()
	defer s.write.Unlock()
	if _, err := s.db.ExecContext(ctx, "VACUUM"); err != nil {
		return err
	}
	var busy, log, moved int
	if err := s.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("the write-ahead log could not be emptied")
	}
	return nil
}
