// Package tinymodels writes language models of a few hundred kilobytes that a
// real Ollama loads and runs, so that the code that talks to Ollama can be
// tested against it on any machine, in seconds and without a download.
//
// The models know nothing. Their weights are set by hand, so that what each
// says is known before it is asked:
//
//   - [Chat] says one fixed reply whatever the prompt; with Loop set it says
//     it over and over. Asked for JSON by a schema, it says its JSON reply
//     where the schema allows that, and otherwise the smallest document the
//     schema accepts.
//   - [Embed] turns a text into the weighted mean of its words' vectors:
//     texts that share words are close, others are nearly at right angles.
//   - [Vision] is a [Chat] with an image tower in front: it takes an image,
//     spends four tokens on it and says its reply.
//
// The same value always gives the same bytes. [Write] puts the files and a
// Modelfile for each model into a folder, for `ollama create`.
package tinymodels
