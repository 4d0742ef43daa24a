#!/usr/bin/env bash
# Runs a program as root on what looks like a machine of its own: in network, mount and pid namespaces with nothing in /run,
# /tmp and /var/lib but what the program puts there. For go test -exec, with tests that look at the whole machine while
# others are at work. The checkout and the program are where they are, the program in /mnt.
set -euo pipefail
top=$(cd "$(dirname "$0")" && pwd -P)
if [ "$(id -u)" -ne 0 ]; then exec "$top/as-root.sh" "$top/${0##*/}" "$@"; fi

program=$(realpath "$(type -P "$1")")
export program
# shellcheck disable=SC2016 # expanded inside
exec unshare --net --mount --pid --fork --mount-proc --kill-child bash -euc '
  ip link set lo up
  mount -t tmpfs -o mode=755 enilab-test /mnt
  mkdir /mnt/program
  mount --bind "${program%/*}" /mnt/program
  for dir in /run /var/lib; do mount -t tmpfs -o mode=755 enilab-test "$dir"; done
  mount -t tmpfs -o mode=1777 enilab-test /tmp
  exec "$@"
' bash "/mnt/program/${program##*/}" "${@:2}"
