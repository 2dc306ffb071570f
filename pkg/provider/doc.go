// Package provider talks to the language model that the operator chose: Ollama
// (LLM_PROVIDER=ollama), vLLM (vllm) or none at all (none).
//
// [Open] returns one concrete [Client] for every engine. What must hold for any
// engine lives once, in the Client: model names, timeouts, batching, the checks
// on answers and vectors, the classification of errors. Below it stand two
// small unexported drivers that know a wire protocol each; package providertest
// has a stub server for both, and one contract suite runs on both.
//
// # An answer is whole or it is an error
//
// Both client libraries report success in cases where there is none: a stream
// that was cut, an empty 503, a 200 that holds an error. Here a call succeeds
// only when the engine said why it stopped and when there is text. A prompt
// that does not fit the context is a [ContextError] and never shortened, as the
// engines would do by default. Temperature 0 is sent as 0. Reasoning text is
// kept apart from the answer.
//
// # Time
//
// A model may take minutes to load and long to write, so the length of a call
// is the caller's to bound, by its context. The Client watches progress: how
// long the first token takes (LLM_FIRST_TOKEN_TIMEOUT) and how long a stream
// pauses (LLM_IDLE_TIMEOUT). Chat streams under the hood to be able to. When a
// context ends, the connection is closed, which stops the engine's work.
//
// # Privacy
//
// Requests go to the configured address and nowhere else: proxies from the
// environment are not used and redirects are not followed. Prompts and answers
// are never logged.
package provider
