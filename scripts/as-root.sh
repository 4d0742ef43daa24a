#!/usr/bin/env bash
# Runs a program as root: for go test -exec, so that what is compiled stays the caller's.
set -euo pipefail
if [ "$(id -u)" -eq 0 ]; then exec "$@"; fi
exec sudo -- env PATH="$PATH" CI="${CI-}" GORACE="${GORACE-}" ENILAB_BIN="${ENILAB_BIN-}" ENILAB_THOROUGH="${ENILAB_THOROUGH-}" "$@"
