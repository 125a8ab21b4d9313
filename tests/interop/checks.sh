# What every shell suite here shares: `check NAME COMMAND…` prints `ok NAME` or `FAIL NAME: why`.
#
# Source it; end the suite with `finish`. The runner (run.ts) sets BOOTSTRAP, HTTP, CACHE and LIBS.
set -u
BOOTSTRAP=${BOOTSTRAP:-127.0.0.1:9092}
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORK=$(mktemp -d)
FAILED=0
trap 'rm -rf "$WORK"' EXIT

# Runs a command or function as one check, with a deadline of its own where it sets one (`timeout`).
check() {
  local name=$1
  shift
  if "$@" >"$WORK/output" 2>&1; then
    echo "ok $name"
  else
    FAILED=1
    echo "FAIL $name: exit $?: $(tr '\n' ' ' <"$WORK/output" | cut -c 1-600)"
  fi
}

# same EXPECTED_FILE ACTUAL_FILE: succeeds when they are equal, else shows the first differences.
same() {
  cmp -s "$1" "$2" && return 0
  echo "expected $(wc -l <"$1") lines, got $(wc -l <"$2")"
  diff -a "$1" "$2" | head -n 6
  return 1
}

finish() {
  exit "$FAILED"
}
