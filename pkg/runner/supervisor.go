package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Service is one program to keep running.
type Service struct {
	Name string
	// Path of the executable.
	Path string
	// Env is its whole environment, as NAME=value.
	Env []string
	// Log receives its standard output.
	Log io.Writer
	// Errors receives its standard error: what it says before it gives up.
	Errors io.Writer
}

// Supervisor keeps services running until its context ends.
type Supervisor struct {
	// Services in the order they are started; they are stopped in reverse.
	Services []Service
	// Grace is how long a service may take to stop before it is killed.
	Grace time.Duration
	// Restart is the pause before the first restart of a service; it doubles
	// with each further one in a row, up to a minute.
	Restart time.Duration
	// Settled is how long a service must have run to count as started. One that
	// gives up earlier, at its very first start, stops everything; one that was
	// killed, or ends later, is started again.
	Settled time.Duration
	// Say tells the person at the terminal what happened.
	Say func(format string, args ...any)
}

// Run starts the services and returns when all have stopped: nil after ctx
// ended, an error when a service could not start.
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make([]chan struct{}, len(s.Services))
	stops := make([]context.CancelFunc, len(s.Services))
	for i, service := range s.Services {
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		stops[i], done[i] = stop, make(chan struct{})
		go func() {
			defer close(done[i])
			if err := s.keep(own, service); err != nil {
				cancel(err)
			}
		}()
	}
	<-ctx.Done()
	for i := len(s.Services) - 1; i >= 0; i-- {
		stops[i]()
		<-done[i]
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// keep runs one service, again and again, until ctx ends.
func (s *Supervisor) keep(ctx context.Context, service Service) error {
	// The kernel ties Pdeathsig to the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	pause := s.Restart
	for started := false; ; started = true {
		begin := time.Now()
		err := s.once(ctx, service)
		switch {
		case ctx.Err() != nil:
			return nil
		case time.Since(begin) >= s.Settled:
			pause = s.Restart
		case !started && gaveUp(err):
			return fmt.Errorf("%s could not start (%s)", service.Name, ending(err))
		}
		s.Say("%s stopped (%s); starting it again in %v", service.Name, ending(err), pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Minute)
	}
}

// gaveUp reports whether a service ended of its own will, or never began.
func gaveUp(err error) bool {
	var exit *exec.ExitError
	return !errors.As(err, &exit) || exit.Exited()
}

func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// once runs a service to its end. When ctx ends it is asked to stop, and killed
// with all its children once the grace is over.
func (s *Supervisor) once(ctx context.Context, service Service) error {
	cmd := exec.CommandContext(ctx, service.Path)
	cmd.Env, cmd.Stdout, cmd.Stderr = service.Env, service.Log, service.Errors
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = s.Grace
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Wait()
	// Whatever it left behind in its process group goes with it.
	if killErr := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
		s.Say("%s left processes behind that could not be ended: %v", service.Name, killErr)
	}
	return err
}
