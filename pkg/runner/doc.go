// Package runner starts Signpost's services on one machine, from one terminal,
// and stops them together. It is a small supervisor: a service that dies is
// started again, a service that cannot start stops everything with its reason,
// and no process outlives the runner, however it ends.
//
// Each service runs in a process group of its own, so that Ctrl-C reaches the
// runner only and the services are stopped in order. Their logs go to files;
// the terminal shows what a person needs.
package runner
