package enginetest

import (
	"syscall"
	"testing"

	"signpost.internal/pkg/env"
)

// SimVersion is the version of llm-d-inference-sim that scripts/engines builds.
const SimVersion = "v0.10.2"

// SimModel is the model that the simulator serves.
const SimModel = "sim-8b"

// StartSim starts a simulator of vLLM's API for the rest of the test. It
// echoes the last message. Options such as "--time-to-first-token=50ms"
// override the defaults below.
//
// It is not vLLM. It serves embeddings of any model, of any length and not
// normalised; it ignores response_format; its full queue answers 429 where
// vLLM's answers 503, and to a stream 200 with the error in the stream; and it
// goes on writing for a caller who has left, whose place is not free until it
// is done.
func StartSim(t testing.TB, options ...string) *Server {
	t.Helper()
	port := freePort(t)
	s := &Server{
		URL:    "http://127.0.0.1:" + port,
		binary: tool(t, "llm-d-inference-sim", SimVersion),
		args: append([]string{
			"--port=" + port,
			"--model=" + SimModel,
			"--mode=echo",
			"--max-model-len=8192",
			"--max-num-seqs=16",
		}, options...),
		env:   []string{"PATH=" + env.Environ()["PATH"], "HOME=" + t.TempDir()},
		ready: "/health",
		stop:  syscall.SIGKILL, // else it first finishes the answers under way
	}
	s.run(t)
	return s
}
