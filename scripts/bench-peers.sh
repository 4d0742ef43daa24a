#!/usr/bin/env bash
# Measures enilab against what people would use instead, doing the same work, interleaved in one run: CNI's ptp and bridge,
# iproute2, Mininet, crun, runc, podman. What is missing is skipped, with the reason.
#
#   scripts/bench-peers.sh [--runs 30] [--only NAME,…] [--format table|markdown|json] [--enilab FILE] [--install]
#
#   --only      these peers, beside enilab: ip-script, ip-batch, cni-ptp, cni-bridge, mininet, exec, crun-pooled, crun-fresh,
#               crun-cni-ptp, runc-pooled, runc-fresh, podman
#   --enilab    measure this program, not bin/enilab as it is built now
#   --install   first install what is missing: Debian's crun, runc, podman, mininet, iproute2 and iptables, and from the Go
#               module proxy cnitool and CNI's plugins, into bin/peers
#
# All runs as root in network, mount, pid, ipc and uts namespaces of its own, with directories in memory over those that the
# peers keep state in. What it measured is on standard output; that nothing is left behind, checked, on standard error.
# Exit codes: 0 done, 1 failed or left something behind, 2 usage, 3 something is missing, 130 interrupted.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # where an ordinary user's shell does not look

cni=github.com/containernetworking/cni/cnitool@v1.3.1
plugins=github.com/containernetworking/plugins/plugins
plugins_version=v1.9.1
packages=(crun runc podman mininet iproute2 iptables)

main() {
  case ${1-} in
    measure) shift && measure "$@" ;; # as root, from prepare
    *) prepare "$@" ;;
  esac
}

# prepare builds what is measured, as the caller.
prepare() {
  local enilab='' install='' args=()
  while [ $# -gt 0 ]; do
    case $1 in
      --runs | --only | --format) args+=("$1" "${2?$1 needs a value}") && shift 2 ;;
      --enilab) enilab=$(realpath "${2?--enilab needs a file}") && shift 2 ;;
      --runs=* | --only=* | --format=*) args+=("$1") && shift ;;
      --install) install=yes && shift ;;
      *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
    esac
  done
  if [ -n "$install" ]; then install; fi
  if [ -z "$enilab" ]; then
    make --no-print-directory build >&2
    enilab=$PWD/bin/enilab
  elif [ ! -e bin/functions/go/bootstrap ]; then
    make --no-print-directory functions >&2
  fi
  if [ ! -t 2 ]; then args+=(--quiet); fi
  mkdir -p bin/peers
  CGO_ENABLED=0 go build -trimpath -o bin/peers/peers ./scripts/peers
  exec scripts/as-root.sh "$PWD/scripts/bench-peers.sh" measure --enilab "$enilab" "${args[@]}"
}

# install brings what can be brought; what cannot is skipped later.
install() {
  local missing=() package
  for package in "${packages[@]}"; do
    if [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) != *' installed' ]]; then missing+=("$package"); fi
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "bench-peers: installs Debian packages: ${missing[*]}" >&2
    scripts/as-root.sh "$PWD/scripts/deps.sh" install "${missing[@]}" >&2
  fi
  if [[ " ${missing[*]} " == *' podman '* ]] && command -v systemctl >/dev/null; then # Debian enables them
    scripts/as-root.sh systemctl --quiet disable --now podman.socket podman.service podman-restart.service podman-auto-update.timer >&2
    echo 'bench-peers: podman is installed; its services are stopped, and disabled at boot' >&2
  fi
  echo "bench-peers: builds cnitool and CNI's ptp, bridge and host-local into bin/peers" >&2
  mkdir -p bin/peers
  GOBIN=$PWD/bin/peers CGO_ENABLED=0 go install -trimpath "$cni" >&2
  GOBIN=$PWD/bin/peers CGO_ENABLED=0 go install -trimpath \
    "$plugins/main/ptp@$plugins_version" "$plugins/main/bridge@$plugins_version" "$plugins/ipam/host-local@$plugins_version" >&2
}

# measure runs the peers in namespaces that end with them, and looks at the machine before and after.
measure() {
  sweep
  cgroup=/bench-peers.$$
  local before after
  before=$(look)
  # The kernel kills all that is inside when this shell dies, whatever it dies of.
  setpriv --pdeathsig KILL unshare --net --mount --ipc --uts --pid --fork --kill-child --mount-proc \
    bash -euc "$(declare -f inside)"'; inside "$@"' bash --cgroup "$cgroup" "$@" &
  child=$!
  interrupted=''
  trap interrupt INT TERM HUP
  local status=0
  wait "$child" || status=$?
  trap '' INT TERM HUP # the rest takes a moment
  if [ -n "$interrupted" ]; then status=130; fi
  remove_cgroups "$cgroup"
  after=$(look)
  if [ "$before" != "$after" ]; then
    echo 'bench-peers: the machine is not as it was:' >&2
    diff <(echo "$before") <(echo "$after") >&2 || true
    exit 1
  fi
  echo "Machine unchanged. Compared before and after: $(count link) links, $(count addr) addresses, $(count route) routes, $(count rule) rules," \
    "$(count setting) settings of the network, $(count mount) mounts, $(count file) files and $(count cgroup) control groups of the peers." >&2
  exit "$status"
}

# inside is the first process of the namespaces. What the peers keep in directories of the machine's is written above them,
# into memory that ends with the namespaces.
inside() {
  mount -t tmpfs -o mode=755 bench-peers /run
  mount -t tmpfs -o mode=1777 bench-peers /dev/shm
  mkdir -p /run/lock /run/netns /run/peers
  local dir
  for dir in /etc /var /tmp; do
    mkdir -p "/run/over$dir/upper" "/run/over$dir/work"
    mount -t overlay -o "lowerdir=$dir,upperdir=/run/over$dir/upper,workdir=/run/over$dir/work" bench-peers "$dir"
  done
  # crun refuses a machine with both versions of control groups in use; enilab, runc and podman take version 1.
  if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
  export HOME=/run/peers TMPDIR=/tmp XDG_RUNTIME_DIR=/run
  exec "$PWD/bin/peers/peers" --work /run/peers --plugins "$PWD/bin/peers" "$@"
}

# interrupt lets the measurement end by itself, and ends it if that takes too long. measure goes on behind its wait.
interrupt() {
  trap '' INT TERM HUP
  interrupted=yes
  local first patience
  first=$(cat "/proc/$child/task/$child/children" 2>/dev/null || true)
  for patience in {1..100}; do
    if [ "$patience" -eq 1 ] && [ -n "$first" ]; then kill -INT "${first%% *}" 2>/dev/null || true; fi
    if ! kill -0 "$child" 2>/dev/null; then break; fi
    sleep 0.1
  done
  kill -KILL "$child" 2>/dev/null || true
}

# look prints what must be the same before and after, a kind in front of each thing.
look() {
  ip -o link | sed 's/^/link /'
  ip -o addr | sed 's/ valid_lft.*//; s/^/addr /'
  ip route show table all | sed 's/^/route /'
  ip rule | sed 's/^/rule /'
  grep -rs . /proc/sys/net | grep -v '/nf_conntrack_count:' | sort | sed 's/^/setting /' || true
  cut -d' ' -f 3- /proc/self/mountinfo | sed 's/^/mount /'
  find /run/netns /run/crun /run/runc /run/libpod /var/lib/cni /var/lib/containers /var/cache/containers /etc/cni /dev/shm -mindepth 1 2>/dev/null | sort | sed 's/^/file /'
  find /sys/fs/cgroup -type d 2>/dev/null | grep -E '/[^/]*(bench-peers|enilab|libpod|conmon|crun|runc)[^/]*$' | sort | sed 's/^/cgroup /' || true
}

count() { grep -c "^$1 " <<<"$before" || true; }

# sweep removes the control groups of runs that were killed.
sweep() {
  local dir pid
  for dir in /sys/fs/cgroup/bench-peers.* /sys/fs/cgroup/*/bench-peers.*; do
    pid=${dir##*.}
    if [ -d "$dir" ] && [ ! -d "/proc/$pid" ]; then remove_cgroups "/bench-peers.$pid"; fi
  done
}

# remove_cgroups removes a group in every hierarchy, with all below it.
remove_cgroups() {
  local top
  for top in /sys/fs/cgroup"$1" /sys/fs/cgroup/*"$1"; do
    if [ -d "$top" ]; then find "$top" -depth -type d -exec rmdir {} +; fi
  done
}

main "$@"
