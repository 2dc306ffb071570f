# Shared by the scripts: strict mode, the repository's root, a way to stop.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# stop MESSAGE: say what is wrong and what to do, and end.
stop() {
  printf '\n%s\n' "$1" >&2
  exit 1
}

# The four modules' folders.
modules=(pkg services/doc-processor services/notes-service services/rag-service)

# Tests of real model servers, which scripts/test-engines runs.
engine_tests='^Test(Real|VisionOnAReal|Sim|Ollama)'

# Tools that are not the machine's own live outside the clone, one folder a version.
tools="${SIGNPOST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/signpost/tools}"
