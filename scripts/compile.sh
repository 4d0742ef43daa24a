#!/usr/bin/env bash
# Runs `CGO_ENABLED=0 go build -trimpath <arguments>` and shows that it goes on: the first time it compiles a few hundred
# packages, which takes a minute or more; after that, what has changed.
#
#   scripts/compile.sh [go build's flags] -o FILE PACKAGE
set -euo pipefail
export CGO_ENABLED=0

package=${*: -1}
file=$package
while [ $# -gt 1 ]; do
  if [ "$1" = -o ]; then file=$2; fi
  flags+=("$1")
  shift
done

every=100 # packages a line, where no terminal shows a line that grows
if [ -t 2 ]; then every=1; fi

echo "build: $file" >&2
# go build -v names each package that it compiles, one a line; what else it says is passed on.
go build -v -trimpath "${flags[@]}" "$package" 2>&1 |
  awk -v file="$file" -v every="$every" -v total="$(go list -deps "$package" | wc -l)" '
    NF == 1 {
      if (++n % every == 0 || n == 1) printf "%sbuild: %s: %d of at most %d packages compiled%s", every == 1 ? "\r" : "", file, n, total, every == 1 ? "" : "\n"
      fflush()
      next
    }
    { if (n && every == 1) print ""; print; fflush() }
    END { if (n && every == 1) print "" }' >&2
