#!/usr/bin/env bash
# Runs a program as root on what looks like a machine of its own: in network, mount and pid namespaces with nothing in /run,
# /tmp and /var/lib but what the program puts there. For go test -exec, with tests that look at the whole machine while
# others are at work. The checkout and the program are in /mnt there.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd -P)
if [ "$(id -u)" -ne 0 ]; then exec "$top/scripts/as-root.sh" "$top/scripts/${0##*/}" "$@"; fi

program=$(realpath "$(type -P "$1")")
package=$(pwd -P)
package=${package#"$top"}
if [[ ${ENILAB_BIN-} == "$top"/* ]]; then export ENILAB_BIN=/mnt/top${ENILAB_BIN#"$top"}; fi
export program top package
# shellcheck disable=SC2016 # expanded inside
exec unshare --net --mount --pid --fork --mount-proc --kill-child bash -euc '
  ip link set lo up
  mount -t tmpfs -o mode=755 enilab-test /mnt
  mkdir /mnt/top /mnt/program
  mount --bind "$top" /mnt/top
  mount --bind "${program%/*}" /mnt/program
  for dir in /run /var/lib; do mount -t tmpfs -o mode=755 enilab-test "$dir"; done
  mount -t tmpfs -o mode=1777 enilab-test /tmp
  cd "/mnt/top$package"
  status=0
  "$@" || status=$? # bash stays, as the first process, and reaps orphans
  exit "$status"
' bash "/mnt/program/${program##*/}" "${@:2}"
