#!/usr/bin/env bash
# Runs every test under the race detector: as root, and those that touch the kernel once more without root. What is
# compiled stays the caller's; only the test programs run as somebody else.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$(pwd)
PATH=$PATH:/usr/sbin:/sbin # where iptables is

say() { printf '\n== %s\n' "$*"; }
tests() { go test -race -count=1 -timeout 10m "$@"; }

say 'vet'
go vet ./...

mapfile -t all < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | grep .)
mapfile -t parts < <(printf '%s\n' "${all[@]}" | grep -v '/e2e\(/\|$\)')

root=()
if [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo -v; }; then
  root=(-exec "$here/scripts/as-root.sh")
  say 'packages, as root'
  tests "${root[@]}" "${parts[@]}"
elif [ -n "${CI-}" ]; then
  echo 'test: CI must run as root, or with sudo' >&2
  exit 3
else
  say 'packages, as root: skipped, sudo is not to be had'
fi

if "$here/scripts/as-user.sh" true 2>/dev/null; then
  say 'packages, as an ordinary user in user namespaces'
  tests -exec "$here/scripts/as-user.sh" "${parts[@]}"
else
  say 'packages, as an ordinary user: skipped, user namespaces are not allowed here'
fi

# Last and alone: these look at the whole machine, where other tests must not be at work.
export ENILAB_BIN=$here/bin/enilab
say 'end to end, with bin/enilab, as root and as nobody'
tests "${root[@]}" enilab/e2e
say 'end to end, the report in a browser'
tests enilab/e2e/report
say 'end to end, with bin/enilab, the AWS CLI and the AWS SDK'
go test -count=1 -timeout 20m "${root[@]}" enilab/e2e/aws # without the race detector: it would be that of the SDK
