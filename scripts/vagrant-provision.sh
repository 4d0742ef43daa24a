#!/usr/bin/env bash
# Makes a fresh Debian 12 machine ready for `make demo`: scripts/vagrant-provision.sh <checkout> <user>, as root.
set -euo pipefail
checkout=$1
user=$2
export DEBIAN_FRONTEND=noninteractive

# Debian 12's own Go (1.19) is too old to fetch a newer one; that in backports (1.23) fetches the version go.mod names,
# checked against Go's checksum database, so nothing is to be pinned here.
echo 'deb http://deb.debian.org/debian bookworm-backports main' >/etc/apt/sources.list.d/enilab-backports.list
apt-get update -q
apt-get install -q -y --no-install-recommends ca-certificates git make sudo
apt-get install -q -y --no-install-recommends -t bookworm-backports golang-go

as_user() { runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d: -f6)" "$@"; }

cd "$checkout"
as_user go version # fetches it
scripts/deps.sh test
as_user make build
bin/enilab doctor
