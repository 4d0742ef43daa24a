#!/usr/bin/env bash
# Runs the tests, and says at the end what failed, what was skipped and why, and "N passed, N failed, N skipped".
#
#   scripts/test.sh          every test: as root, those that touch the kernel once more as an ordinary user, and the built
#                            program from end to end
#   scripts/test.sh quick    the pure tests and one kernel test a package
#
# With ENILAB_THOROUGH=1, as in CI, the packages' tests run under the race detector, what is to hold at any moment is tried
# at more of them, and tests that take long are not skipped.
#
# One failure keeps nothing else from running. What is compiled stays the caller's; only test programs run as somebody else.
# Exit codes: 0 all passed, 1 something failed, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$(pwd)
PATH=$PATH:/usr/sbin:/sbin # where iptables is

gotestsum=gotest.tools/gotestsum@v1.13.0

main() {
  case ${1-all} in
    all | quick) run "${1-all}" ;;
    events) shift && "$@" && exit "$failed" ;; # from gotestsum: prints go test's events
    total) echo "$((TESTS_TOTAL - TESTS_FAILED - TESTS_SKIPPED)) passed, $TESTS_FAILED failed, $TESTS_SKIPPED skipped" ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
  esac
}

# run has gotestsum read all events of all groups as one run.
run() {
  local status=0 hide=()
  if [ "$1" = quick ]; then hide=(--hide-summary skipped); fi # most of the kernel tests
  say 'vet'
  go vet ./... || status=1
  CGO_ENABLED=0 go run -trimpath "$gotestsum" --raw-command --ignore-non-json-output-lines --format pkgname --format-icons text \
    "${hide[@]}" --post-run-command "$here/scripts/test.sh total" -- "$here/scripts/test.sh" events "$1" || status=1
  exit "$status"
}

quick() {
  local parts root=()
  mapfile -t parts < <(packages_with_tests)
  if may_be_root; then root=(-exec "$here/scripts/as-root.sh"); fi
  tests as_is -short "${root[@]}" "${parts[@]}"
}

all() {
  local parts root=() race=() but=()
  if [ -n "${ENILAB_THOROUGH-}" ]; then
    race=(-race)
    export CGO_ENABLED=1 # what runs gotestsum needs none, and the race detector does
    export GORACE=atexit_sleep_ms=0 # else each program sleeps for a second at its end
  fi
  mapfile -t parts < <(packages_with_tests | longest_first)

  if may_be_root; then
    root=(-exec "$here/scripts/as-root.sh")
    say 'packages, as root'
    tests as_is -p "$at_once" "${race[@]}" "${root[@]}" "${parts[@]}"
    race=() but=(-skip "$same_for_everybody") # that has been seen
  elif [ -n "${CI-}" ]; then
    echo 'test: CI must run as root, or with sudo' >&2
    exit 3
  else
    skip 'packages, as root' 'sudo is not to be had'
  fi

  # What follows looks at the whole machine, where other tests must not be at work. A user in namespaces of its own is not
  # on it, nor is a browser: these go on beside.
  export ENILAB_BIN=$here/bin/enilab
  events=$(mktemp)
  trap 'end_beside' EXIT
  set -m # a process group of its own, to be ended as one
  beside "${race[@]}" "${but[@]}" >"$events" &
  others=$!
  set +m
  say 'end to end, with bin/enilab, as root and as nobody'
  tests as_is "${root[@]}" enilab/e2e
  say 'end to end, with bin/enilab, the AWS CLI and the AWS SDK'
  tests as_is -parallel "$at_once" "${root[@]}" enilab/e2e/aws
  wait "$others" || failed=1
  cat "$events"
}

# beside is what disturbs nobody.
beside() {
  say 'end to end, the report in a browser'
  tests as_is enilab/e2e/report
  if "$here/scripts/as-user.sh" true 2>/dev/null; then
    say 'packages, as an ordinary user in user namespaces'
    mapfile -t both < <(packages_that_ask_who_runs_them | longest_first)
    tests as_user -p "$at_once" "$@" -exec "$here/scripts/as-user.sh" "${both[@]}"
  else
    skip 'packages, as an ordinary user' 'user namespaces are not allowed here'
  fi
  exit "$failed"
}

events='' others='' # what they print, who they are
end_beside() {
  if [ -n "$others" ]; then kill -- -"$others" 2>/dev/null || true; fi
  rm -f "$events"
}

# The managed runtimes' programs, and what the AWS CLI understands.
same_for_everybody='^(TestJava|TestNode|TestNode24|TestPython|TestCLI)$'

# So many are tested at once: much of a test's time is spent in waiting.
at_once=$(($(nproc) * 3 / 2))

# tests prints the events of one go test, named by a filter. A go test that could not even begin has none.
failed=0
tests() {
  local name=$1
  shift
  go test -json -count=1 -timeout 30m "$@" | "$name" || failed=1
}

as_is() { cat; }
as_user() { sed -u 's|"Package":"enilab|"Package":"as a user: enilab|'; }

# skip prints the events of a group that cannot run here.
skip() {
  printf '{"Action":"run","Package":"enilab","Test":"%s"}\n' "$1"
  printf '{"Action":"output","Package":"enilab","Test":"%s","Output":"    %s\\n"}\n' "$1" "$2"
  printf '{"Action":"skip","Package":"enilab","Test":"%s"}\n' "$1"
}

# packages_with_tests leaves out those that run the built program.
packages_with_tests() { go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | grep . | grep -v '/e2e\(/\|$\)'; }

# packages_that_ask_who_runs_them lists those whose tests touch the kernel or look at the user. No others differ without
# root. What does so only through others of them is tried with ENILAB_THOROUGH alone; the example functions never: they ask
# only for a directory to be built in.
packages_that_ask_who_runs_them() {
  local elsewhere='/e2e\(/\|$\)\|/examples/'
  if [ -z "${ENILAB_THOROUGH-}" ]; then elsewhere+='\|/internal/\(api\|bench\|compare\|ec2\|lambda\|rollout\|wire\)$\|/scripts/'; fi
  grep -rlE --include='*_test.go' 'enilab/internal/nstest|os\.Gete?uid' . | xargs -n1 dirname | sort -u | xargs go list | grep -v "$elsewhere"
}

# longest_first begins with what takes longest, which must not be left for the end. go test goes by the order of its arguments.
longest_first() {
  awk -v first='internal/lambda internal/bench nat internal/realm sandbox netlab examples/functions internal/wire internal/api' '
    { all[NR] = $0; there[$0] = 1 }
    END {
      n = split(first, names, " ")
      for (i = 1; i <= n; i++) if (("enilab/" names[i]) in there) { print "enilab/" names[i]; delete there["enilab/" names[i]] }
      for (i = 1; i <= NR; i++) if (all[i] in there) print all[i]
    }'
}

may_be_root() { [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo -v; }; }

say() { printf '\n== %s\n' "$*"; } # to gotestsum, which passes on what is no event

main "$@"
