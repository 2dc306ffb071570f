// Package provider talks to the language models that the operator chose: on
// Ollama (LLM_PROVIDER=ollama), on vLLM (vllm), on whichever is ready (auto) or
// none at all (none).
//
// [Open] returns one concrete [Client] for every engine. What must hold for any
// engine lives once, in the Client: model names, timeouts, batching, the checks
// on answers and vectors, the classification of errors. Below it stand two
// small unexported drivers that know a wire protocol each; package providertest
// has a stub server for both, and one contract suite runs on both.
//
// # Routes
//
// Text, embeddings and images have a route each: tiers in the order of choice,
// and in a tier the replicas of one engine. A call tries the servers in order:
// within a tier those first that did not fail just now, and of these the one
// with the fewest calls. The next server is asked when one cannot be reached,
// is slow to its first token, full, broken or without the model; not when the
// request itself is at fault, and not when the caller left (see why in
// upstream.go, which has the whole list). An answer says in Fallback what
// happened. When all failed and one of them only in passing, all are asked once
// more, within a budget; nothing else repeats a call.
//
// A server that fails in the middle of a streamed answer is not hidden: the next
// begins anew after a [Seam]. Nothing is spliced.
//
// A breaker for each model on a server keeps calls away for a while after
// repeated failures. Each server has so many places (LLM_CONCURRENCY) and so
// long a queue (LLM_QUEUE); beyond, calls are refused with fault.Busy.
//
// Embeddings do not fall back to another model: vectors of two models cannot be
// compared. Replicas must reproduce the same [EmbeddingIdentity]. Texts and
// questions are embedded each after the prefix that the model was trained with.
//
// # Switching
//
// [Client.Switch] and an edit of PROVIDER_FILE put another provider in force for
// the calls that begin afterwards; calls under way end where they began. The
// latest change wins. After a restart PROVIDER_FILE wins over the environment.
//
// # Readiness
//
// [Client.Status] asks: is the model listed, and did it answer since it last
// failed? One that did not is asked for one token; while that takes its time, as
// a cold model does, it is loading. [Client.Warm] asks at the start of a service,
// also for embeddings and images where the service needs them.
//
// A model that Ollama does not have is fetched in the background where
// OLLAMA_AUTO_PULL allows it, once at a time, and later each time that it fails;
// meanwhile calls fail over, or fail and say how far it is. Otherwise the error
// names the command that fetches it.
//
// # An answer is whole or it is an error
//
// Both client libraries report success in cases where there is none: a stream
// that was cut, an empty 503, a 200 that holds an error. Here a call succeeds
// only when the engine said why it stopped and when there is text. A prompt
// that does not fit the context is a [ContextError] with both numbers and never
// shortened, as Ollama would do by default. The engine counts: nobody else knows
// the model's tokens. Only what cannot fit whatever its words are is not sent.
// Ollama ends an answer that fills the context, with FinishLength; vLLM refuses a
// prompt that leaves no room for MaxTokens. Temperature 0 is sent as 0. Reasoning text is
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
// are never logged and in no span (see Options.TracerProvider), and model servers
// are sent no trace headers.
package provider
