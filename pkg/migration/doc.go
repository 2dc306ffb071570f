// Package migration holds tests only. They show, case by case and under its
// own names, what the migration test of RMA-Demo claimed of the move from
// Ollama to vLLM: on package provider, and on the three services' programs,
// built and started as an operator starts them, which talk to stub model
// servers and, where they are built, to real ones.
//
// The engine of LLM_PROVIDER, ollama or vllm, is the first choice, and the
// other one the second.
//
// The tests also compare docs/migration.md with the programs.
package migration
