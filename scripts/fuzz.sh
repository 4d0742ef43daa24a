#!/usr/bin/env bash
# Runs each fuzz target for a number of inputs: scripts/fuzz.sh [100000x]. A time would do as well (20s), but then Go now and
# then reports its own deadline as a failure of the target.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rn --include='*_test.go' -E '^func Fuzz[A-Za-z0-9_]*\(' . | while IFS=: read -r file _ line; do
  name=${line#func }
  name=${name%%(*}
  echo "== $name in ${file%/*}"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "${1:-100000x}" "${file%/*}" </dev/null
done
