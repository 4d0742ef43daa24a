#!/usr/bin/env bash
# Runs a program without root: as an ordinary user, inside user, network, mount and pid namespaces of its own, with a /run
# of its own to pin namespaces in. For go test -exec. If root calls, a user runs it whom nobody else is (the kernel counts
# by user, and the end-to-end tests run beside this as nobody), with a /tmp of its own, and sees the checkout and the
# program even if they lie in root's home: both are bound to where everybody can look, in a mount namespace that ends with
# the program.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where iptables is
inside=(
  unshare --user --map-root-user --net --mount --pid --fork --mount-proc --kill-child
  sh -c 'mount -t tmpfs -o mode=755 run /run && ip link set lo up && exec "$@"' sh
)
if [ "$(id -u)" -ne 0 ]; then exec "${inside[@]}" "$@"; fi

program=$(realpath "$(type -P "$1")")
top=$(cd "$(dirname "$0")/.." && pwd -P)
package=$(pwd -P)
package=${package#"$top"}
export program top package HOME=/tmp TMPDIR=/tmp
# shellcheck disable=SC2016 # expanded inside
exec unshare --mount bash -euc '
  mount -t tmpfs -o mode=755 enilab-test /mnt
  mkdir /mnt/top /mnt/program
  mount --bind "$top" /mnt/top
  mount --bind "${program%/*}" /mnt/program
  mount -t tmpfs -o mode=1777 enilab-test /tmp
  cd "/mnt/top$package"
  exec setpriv --reuid=65432 --regid=65432 --clear-groups --inh-caps=-all "$@"
' bash "${inside[@]}" "/mnt/program/${program##*/}" "${@:2}"
