#!/usr/bin/env bash
# Installs the Debian packages that a group of tasks needs; says which, and installs nothing that is there.
#
#   scripts/deps.sh demo    to run the lab
#   scripts/deps.sh test    to run its tests, too
#   scripts/deps.sh ci      to run all of them, with none skipped for a missing interpreter
#
# Exit codes: 0 all is there, 2 usage, 3 something is missing and cannot be installed from here.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where an ordinary user's shell does not look

policy=/usr/sbin/policy-rc.d # invoke-rc.d asks it before it starts a service
mark='# enilab: while scripts/deps.sh installs'

main() {
  case ${1-} in
    demo | test | ci) need "$1" ;;
    install) shift && install "$@" ;; # as root, from need
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
  esac
}

# need finds out what is missing and has it installed.
need() {
  check_go
  local missing=()
  local package proof
  while read -r package proof; do
    if ! command -v "$proof" >/dev/null && [ ! -e "$proof" ]; then missing+=("$package"); fi
  done < <(packages "$1")
  if [ ${#missing[@]} -eq 0 ]; then return; fi

  echo "deps: needs Debian packages: ${missing[*]}"
  if ! command -v apt-get >/dev/null; then
    give_up "there is no apt-get here. Install what corresponds to: ${missing[*]}"
  elif [ "$(id -u)" -eq 0 ]; then
    install "${missing[@]}"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo -- "$0" install "${missing[@]}"
  else
    give_up "no rights to install. Have an administrator run: $(realpath "$0") $1"
  fi
}

# packages lists "<package> <command or file that shows it is there>".
packages() {
  echo 'iptables iptables-restore'
  echo 'iproute2 ip'
  echo 'redis-server redis-server'
  if [ "$1" = demo ]; then return; fi
  echo 'gcc gcc' # for the race detector
  echo 'libc6-dev /usr/include/stdlib.h'
  echo 'util-linux setpriv'
  echo 'python3-minimal python3'
  echo 'awscli /usr/bin/aws' # version 2; another aws in PATH is not it
  if [ "$1" = test ]; then return; fi
  echo 'nodejs node'
  echo 'python3-jsonschema /usr/lib/python3/dist-packages/jsonschema'
  echo 'python3-yaml /usr/lib/python3/dist-packages/yaml'
  echo 'chromium chromium'
}

check_go() {
  local have
  have=$(command -v go >/dev/null && go env GOVERSION 2>/dev/null || true)
  local version=${have#go}
  local minor=${version#1.}
  minor=${minor%%[!0-9]*}
  if [ -z "$have" ]; then
    give_up 'Go is not installed or not in PATH. See https://go.dev/doc/install'
  elif [ "${minor:-0}" -lt 21 ]; then
    give_up "Go 1.26 is needed, and $have cannot fetch it by itself (1.21 and later can). See https://go.dev/doc/install"
  elif [ "$minor" -lt 26 ] && [ "$(go env GOTOOLCHAIN)" = local ]; then
    give_up "Go 1.26 is needed, this is $have, and GOTOOLCHAIN=local keeps it from fetching that. Try: go env -w GOTOOLCHAIN=auto"
  fi
}

# install runs as root. Installing a server starts it on Debian; a lab that promises to leave the host alone must not, so
# for as long as it takes, no service may be started, and a Redis that is new here is not to start at boot either.
install() {
  if [[ " $* " == *' redis-server '* ]]; then
    trap release_services EXIT
    trap 'exit 130' INT TERM HUP
    hold_services
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q -o DPkg::Lock::Timeout=300
  apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
  if [[ " $* " == *' redis-server '* ]]; then
    if command -v systemctl >/dev/null; then systemctl --quiet disable redis-server.service; fi
    update-rc.d redis-server disable
    echo 'deps: redis-server is installed, not started, and disabled at boot'
  fi
}

# hold_services puts a policy of ours in place of the machine's, if it has one.
hold_services() {
  release_services # of a run that was killed
  if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$policy.enilab-saved"; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
}

release_services() {
  if grep -qsF "$mark" "$policy"; then rm "$policy"; fi
  if [ -e "$policy.enilab-saved" ] || [ -L "$policy.enilab-saved" ]; then mv "$policy.enilab-saved" "$policy"; fi
}

give_up() {
  echo "deps: $*" >&2
  exit 3
}

main "$@"
