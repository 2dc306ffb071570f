// Package enginetest starts real model servers for tests: Ollama, with the
// models of package tinymodels, and a simulator of vLLM's API. Each listens
// on a free loopback port, keeps its files in the test's own temporary folder
// and is stopped with everything it started when the test ends.
//
// The servers are the tools that scripts/engines builds. Where one is
// missing, the test is skipped and says so; with REQUIRE_ENGINES=1 it fails
// instead, so that a gate cannot pass by skipping.
//
// Ollama is up with its models in about a second. Tests that can share one
// start it in a test above them:
//
//	func TestEngines(t *testing.T) {
//		ollama := enginetest.StartOllama(t)
//		t.Run("chat", func(t *testing.T) { … ollama.URL … })
//	}
package enginetest
