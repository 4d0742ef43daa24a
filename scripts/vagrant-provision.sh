#!/usr/bin/env bash
# Makes a fresh Debian 12 machine ready for `make demo`: scripts/vagrant-provision.sh <checkout> <user>, as root.
set -euo pipefail
checkout=$1
user=$2
export DEBIAN_FRONTEND=noninteractive

apt-get update -q
apt-get install -q -y --no-install-recommends git make sudo

as_user() { runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d: -f6)" "$@"; }

cd "$checkout"
as_user scripts/deps.sh test # which installs by sudo, and fetches Go where the user will look for it
as_user make build
bin/enilab doctor
