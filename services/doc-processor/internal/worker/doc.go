// Package worker runs the reading of files in processes of their own.
//
// A [Pool] starts the program again as workers, which call [Serve]. They take
// requests in frames on standard input and answer on standard output. A worker
// limits its own memory before it touches a file. One that crashes, hangs or
// is no longer wanted is killed and costs only the page it was reading.
package worker
