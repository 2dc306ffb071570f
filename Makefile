# Each target is one script; read scripts/ for what it does.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-engines test-qdrant test-faults test-switching test-migration test-compose test-office verify-offline eval switch key lint vuln bench bench-docs build manuals clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## install what building and testing needs, by package name
	@scripts/setup test

run: ## start the three services here; Ctrl-C stops them (MANUALS_PATH=/folder for your own manuals)
	@scripts/run

test: ## run all tests
	@scripts/test

test-engines: ## run the tests of model servers against real ones
	@scripts/test-engines

test-qdrant: ## run the tests of the index on a real Qdrant (QDRANT_TEST_URL=http://localhost:6334)
	@scripts/test-qdrant

test-kill: ## kill the rag-service 100 times during an ingest, and compare the index with an undisturbed one
	@cd services/rag-service && go test ./internal/app -run '^TestKill$$' -count 1 -v -timeout 30m -kills 100

test-faults: ## print what becomes of a call, for each way in which a model server fails
	@scripts/tables '^Test(FaultMatrix|BothDown)$$' signpost.internal/pkg/provider

test-switching: ## switch the provider 200 times in two minutes under 50 streams of real servers
	@SWITCH_FOR=2m scripts/test-engines '^TestRealSwitching$$'

test-migration: ## show the 13 cases of RMA-Demo's migration test (LLM_PROVIDER=vllm for vLLM first)
	@scripts/test-migration

test-compose: ## bring both stacks up in Docker and drive them (installs an engine where it may)
	@scripts/test-compose

test-office: ## open the letters with LibreOffice (installs it: 260 MB)
	@scripts/test-office

verify-offline: ## run the stack without a network, and prove that nothing tries to leave
	@scripts/verify-offline

switch: ## switch a running stack to another provider: make switch PROVIDER=ollama|vllm|auto|none
	@scripts/switch $(PROVIDER)

key: ## make an API key: make key NAME=front-desk SCOPES=read,write FILE=/path/of/keys
	@scripts/key "$(NAME)" "$(SCOPES)" "$(FILE)"

lint: ## run the linters
	@scripts/lint

vuln: ## look for known vulnerabilities that our code reaches
	@scripts/vuln

bench: ## measure speed, memory and size, beside pdftotext and tesseract
	@scripts/bench

bench-docs: ## measure how well documents are read: characters, cells, figures (ARGS="-only 'skewed|noisy'" for some kinds)
	@scripts/bench-docs $(ARGS)

eval: ## measure what the search finds and refuses on the sample manuals, against the run before
	@scripts/eval

build: ## build the services and the runner into .signpost/bin
	@scripts/build

manuals: ## make the sample manuals' PDFs in .signpost/manuals
	@scripts/manuals

clean: ## remove what was built; the data stays
	@rm -rf .signpost/bin .signpost/manuals .signpost/log
