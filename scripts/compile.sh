#!/usr/bin/env bash
# Runs `CGO_ENABLED=0 go build -trimpath <arguments>`, says how much there is to compile, and shows that it goes on: the first
# time it is a few hundred packages, which takes a minute or two; after that, what has changed.
#
#   scripts/compile.sh [go build's flags] -o FILE PACKAGE
set -euo pipefail
export CGO_ENABLED=0

package=${*: -1}
file=$package
flags=(-trimpath) listed=(-trimpath) # go list takes go build's flags, but for -o
while [ $# -gt 1 ]; do
  flags+=("$1")
  if [ "$1" = -o ]; then
    file=$2
    flags+=("$2")
    shift
  else
    listed+=("$1")
  fi
  shift
done

every=100 # packages a line, where no terminal shows a line that grows
if [ -t 2 ]; then every=1; fi

echo "build: $file" >&2
# What go build cannot take from its cache. This compiles nothing, and takes a quarter of a second. Of a program that is only to
# be linked again go says that it is stale, too. What is wrong with the code is go build's to say.
cached='not installed but available in build cache'
stale="{{if and .Stale (ne .StaleReason \"$cached\")}}{{.ImportPath}}{{end}}"
total=$(go list -e -deps "${listed[@]}" -f "$stale" "$package" | grep -c . || true)
if [ "$total" -ge 100 ]; then # 300 took 60 s on two slow processors that had nothing else to do
  echo "build: $file: up to $total packages to compile, as the first time; it takes a minute or two, or more on a busy machine" >&2
fi
# go build -v names each package that it compiles, one a line; what else it says is passed on.
go build -v "${flags[@]}" "$package" 2>&1 |
  awk -v file="$file" -v every="$every" -v total="$total" '
    BEGIN { first = every == 1 ? "\r" : ""; last = every == 1 ? "" : "\n" }
    NF == 1 && /^[a-z]/ {
      if (++n > total) total = n
      if (n % every == 0 || n == 1) printf "%sbuild: %s: %d of at most %d packages compiled%s", first, file, n, total, last
      fflush()
      next
    }
    { if (n && every == 1) print ""; print; fflush() }
    END { if (n && every == 1) print "" }' >&2
