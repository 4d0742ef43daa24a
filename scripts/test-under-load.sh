#!/usr/bin/env bash
# Runs the whole test suite with four busy loops a processor beside it, three times in a row (or so often as is said): a
# test that fails here depends on how fast the machine is.
#
#   scripts/test-under-load.sh [TIMES] [quick]
#
# Exit codes: 0 every run passed, 1 one failed, and no further one was begun, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

times=${1:-3}
if [[ ! $times =~ ^[1-9][0-9]*$ ]] || [[ ${2-quick} != quick ]]; then sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2; fi

scripts/deps.sh test
make --no-print-directory build

loops=()
trap 'kill "${loops[@]}"' EXIT
trap 'exit 130' INT TERM HUP
for _ in $(seq $(($(nproc) * 4))); do
  (while :; do :; done) &
  loops+=($!)
done

for run in $(seq "$times"); do
  echo "== run $run of $times, with ${#loops[@]} busy loops"
  scripts/test.sh ${2+"$2"}
done
