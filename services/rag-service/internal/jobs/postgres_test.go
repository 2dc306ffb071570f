package jobs_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/jobs"
	"signpost.internal/services/rag-service/internal/rag"
)

// server is a Postgres of the tests' own.
type server struct {
	dir     string
	command *exec.Cmd
	port    int
}

var (
	postgres  = sync.OnceValues(startPostgres)
	running   atomic.Pointer[server]
	databases atomic.Int32
)

// binary finds a program of Postgres, which Debian keeps off the path.
func binary(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is not there: run scripts/setup test", name)
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}

// unprivileged makes a command run as another user where we are root, as which
// Postgres does not run.
func unprivileged(command *exec.Cmd, dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		return err
	}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	command.Dir = dir
	return os.Chown(dir, int(uid), int(gid))
}

func startPostgres() (*server, error) {
	initdb, err := binary("initdb")
	if err != nil {
		return nil, err
	}
	program, err := binary("postgres")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	data := filepath.Join(dir, "data")
	command := exec.Command(initdb, "-D", data, "-U", "signpost", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync") //nolint:gosec,noctx // it ends with the tests
	if err := unprivileged(command, dir); err != nil {
		return nil, err
	}
	if said, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, said)
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	s.command = exec.Command(program, "-D", data, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), //nolint:gosec,noctx // it ends with the tests
		"-c", "unix_socket_directories=", "-c", "fsync=off")
	if err := unprivileged(s.command, dir); err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	running.Store(s)
	return s, s.ready()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://signpost@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

func (s *server) ready() error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err = db.Ping(); err == nil || time.Now().After(deadline) { //nolint:noctx // bounded
			return err
		}
	}
}

// stopPostgres ends the server, if one was started.
func stopPostgres() {
	s := running.Load()
	if s == nil {
		return
	}
	_ = s.command.Process.Signal(syscall.SIGQUIT) // at once; nothing is to be kept
	_ = s.command.Wait()
	_ = os.RemoveAll(s.dir)
}

// newDatabase makes an empty database and returns its URL.
func newDatabase(t *testing.T) string {
	t.Helper()
	s, err := postgres()
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	name := fmt.Sprintf("test%d", databases.Add(1))
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

// TestReplicas lets two replicas share the work, and one die during it.
func TestReplicas(t *testing.T) {
	url := newDatabase(t)
	replica := func(application string) *jobs.Queue {
		return open(t, jobs.Options{DatabaseURL: url + "&application_name=" + application, Dialer: egress.New(egress.Config{}, nil)}, nil)
	}
	one, two := replica("one"), replica("two")
	began := make(chan struct{}, 10)
	hang := func(ctx context.Context, _ rag.Job, _ func(rag.JobStep)) (rag.Outcome, error) {
		began <- struct{}{}
		<-ctx.Done()
		return rag.Outcome{}, ctx.Err()
	}
	start(t, one, hang)
	ids := add(t, two, task("a", "1"), task("b", "2"))
	<-began
	<-began

	// While it lives, nobody takes its jobs.
	start(t, two, succeed)
	time.Sleep(6 * time.Second)
	for _, id := range ids {
		if j, err := two.Job(t.Context(), id); err != nil || j.State != rag.Running {
			t.Errorf("a job of a living replica is %+v, %v", j, err)
		}
	}
	// It dies: Postgres sees its connections end, and it never gets to say more.
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for {
			_, _ = db.ExecContext(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'one'")
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	defer killer.Wait()
	defer close(stop)
	for _, id := range ids {
		if j := until(t, two, id, rag.Done); j.Outcome.Status != rag.Success {
			t.Errorf("taken over: %+v", j)
		}
	}
}

func TestPostgresThatIsNotThere(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	o := jobs.Options{DatabaseURL: fmt.Sprintf("postgres://me:word@127.0.0.1:%d/db", port), Dialer: egress.New(egress.Config{}, nil), Logger: slog.New(slog.DiscardHandler), Workers: 1, Most: 1, Timeout: time.Minute}
	_, err = jobs.Open(t.Context(), o)
	if err == nil || fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "DATABASE_URL") || strings.Contains(err.Error(), "word") {
		t.Errorf("no server: %v", err)
	}
	o.DatabaseURL = "postgres://me:word@host:port/db"
	if _, err = jobs.Open(t.Context(), o); err == nil || strings.Contains(err.Error(), "me:word") {
		t.Errorf("no address: %v", err)
	}
	var blocked *egress.BlockedError
	o.DatabaseURL = fmt.Sprintf("postgres://me:word@127.0.0.1:%d/db", port)
	o.Dialer = egress.New(egress.Config{Allow: []string{"localhost:1"}}, nil)
	if _, err = jobs.Open(t.Context(), o); !errors.As(err, &blocked) {
		t.Errorf("an address that EGRESS_ALLOW does not list: %v", err)
	}
}
