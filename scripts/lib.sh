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

# Tests of a real Qdrant, which scripts/test-qdrant runs.
qdrant_tests='^TestQdrant'

# Tools that are not the machine's own live outside the clone, one folder a version.
tools="${SIGNPOST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/signpost/tools}"

# find_compose sets compose to the command that runs Compose v2: COMPOSE if it
# is set, or the plugin, or the binary. v1 cannot read our files.
find_compose() {
  local candidate
  for candidate in "${COMPOSE:-}" "docker compose" docker-compose; do
    read -ra compose <<<"$candidate"
    [ ${#compose[@]} -gt 0 ] && [[ $("${compose[@]}" version --short 2>/dev/null) =~ ^v?([2-9]|[1-9][0-9])\. ]] && return
  done
  stop "Docker Compose v2 is not installed, as plugin or as docker-compose. Install it, or name it: COMPOSE=/path/to/docker-compose"
}
