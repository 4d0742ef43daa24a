#!/usr/bin/env bash
# Installs the Debian packages that a group of tasks needs, Go among them; says which, and installs nothing that is there.
#
#   scripts/deps.sh demo    to run the lab
#   scripts/deps.sh test    to run its tests, too
#   scripts/deps.sh ci      to run all of them, with none skipped for a missing interpreter
#
# Exit codes: 0 all is there, 2 usage, 3 something is missing and cannot be installed from here.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin:/usr/local/go/bin # where an ordinary user's shell, or root's by sudo, does not look

top=$(cd "$(dirname "$0")/.." && pwd)
backports=/etc/apt/sources.list.d/enilab-backports.list
policy=/usr/sbin/policy-rc.d # invoke-rc.d asks it before it starts a service
enough=21 # the minor version of the oldest Go that fetches a newer one by itself
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
  local missing=()
  if [ "$(go_minor)" -lt "$enough" ]; then missing+=(golang-go); fi
  local package proof
  while read -r package proof; do
    if command -v "$proof" >/dev/null || [ -e "$proof" ]; then continue; fi
    if is_optional "$package" && ! is_offered "$package"; then
      echo "deps: this distribution has no package $package; the tests that want it are skipped"
    else
      missing+=("$package")
    fi
  done < <(packages "$1")
  if [ ${#missing[@]} -eq 0 ]; then
    fetch_go
    return
  fi

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
  fetch_go
}

# packages lists "<package> <command or file that shows it is there>".
packages() {
  echo 'ca-certificates /etc/ssl/certs/ca-certificates.crt'
  echo 'iptables iptables-restore'
  echo 'iproute2 ip'
  echo 'redis-server redis-server'
  if [ "$1" = demo ]; then return; fi
  echo 'gcc gcc' # for the race detector
  echo 'libc6-dev /usr/include/stdlib.h'
  echo 'util-linux setpriv'
  echo 'procps pgrep'
  echo 'curl curl'
  echo 'python3 /usr/share/doc/libpython3-stdlib' # python3-minimal has no json
  echo 'awscli /usr/bin/aws' # version 2; another aws in PATH is not it
  if [ "$1" = test ]; then return; fi
  echo 'nodejs node'
  echo 'g++ g++' # scripts/public-runtimes.sh compiles a part of AWS's client
  echo 'libcurl4-openssl-dev /usr/share/aclocal/libcurl.m4'
  echo 'default-jdk-headless javac'
  echo 'python3-jsonschema /usr/lib/python3/dist-packages/jsonschema'
  echo 'python3-yaml /usr/lib/python3/dist-packages/yaml'
  echo 'chromium chromium'
}

# is_optional names what some distributions do not have (Ubuntu 24.04: awscli), and only some tests want.
is_optional() { [[ " awscli chromium python3-jsonschema python3-yaml " == *" $1 "* ]]; }

# is_offered is true where apt has a candidate, or has no lists yet and cannot know.
#
# Here and elsewhere nothing is piped into a command that may stop reading, such as `grep -q`: with pipefail the pipe fails
# if what writes has not ended by then.
is_offered() { [ -z "$(apt-cache policy coreutils)" ] || [[ $(apt-cache policy "$1") =~ Candidate:\ [^\(] ]]; }

# go_minor prints 26 for Go 1.26, whatever its patch, and 0 if there is no Go. It fetches none: the module's go.mod names a
# newer one than distributions have, and outside the module nobody asks for it.
go_minor() {
  local have
  have=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || have=''
  have=${have#go1.}
  have=${have%%[!0-9]*}
  echo "${have:-0}"
}

# fetch_go has Go fetch the version that go.mod names, where it is not there yet, and lets it say so.
fetch_go() {
  local have want
  have=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
  want=go$(awk '$1 == "go" { print $2 }' "$top/go.mod")
  if [ "$(printf '%s\n%s\n' "${want#go}" "${have#go}" | sort -V | sed -n 1p)" = "${want#go}" ]; then return; fi
  if [ "$(cd / && go env GOTOOLCHAIN)" = local ]; then
    give_up "$want is needed, this is $have, and GOTOOLCHAIN=local keeps it from fetching that. Try: go env -w GOTOOLCHAIN=auto"
  fi
  (cd "$top" && go version) || give_up "$want is needed, this is $have, and it could not fetch that: see the lines above"
}

# install_go installs the distribution's Go, or that of its backports if its own is too old to fetch a newer one.
install_go() {
  local candidate
  candidate=$(apt-cache policy golang-go | awk '$1 == "Candidate:" { print $2 }')
  candidate=${candidate#*:1.}
  if [ "${candidate%%[!0-9]*}" -ge "$enough" ] 2>/dev/null; then
    echo "deps: installs this distribution's Go"
    apt_install golang-go
    return
  fi
  local release site
  # shellcheck disable=SC1091 # the machine's
  release=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
  # The mirror is the one that the machine's own sources name.
  # shellcheck disable=SC2016 # apt-get's variables
  site=$(apt-get indextargets --format '$(CODENAME) $(SITE)' 'Created-By: Packages' 'Component: main' | awk -v r="$release" '$1 == r && !found++ { print $2 }')
  if [ -z "$site" ]; then give_up "this distribution's Go is too old, and no source of apt's names the release $release. See https://go.dev/doc/install"; fi
  echo "deps: installs Go from $release-backports, which is new here: $backports"
  printf 'deb %s %s-backports main\n' "$site" "$release" >"$backports"
  apt-get update -q -o DPkg::Lock::Timeout=300
  apt_install -t "$release-backports" golang-go
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
  local package packages=()
  for package in "$@"; do
    if [ "$package" = golang-go ]; then
      install_go
    elif is_optional "$package" && ! is_offered "$package"; then
      echo "deps: this distribution has no package $package; the tests that want it are skipped"
    else
      packages+=("$package")
    fi
  done
  if [ ${#packages[@]} -gt 0 ]; then apt_install "${packages[@]}"; fi
  if [[ " $* " == *' redis-server '* ]]; then
    if command -v systemctl >/dev/null; then systemctl --quiet disable redis-server.service; fi
    update-rc.d redis-server disable
    echo 'deps: redis-server is installed, not started, and disabled at boot'
  fi
}

apt_install() { apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"; }

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
