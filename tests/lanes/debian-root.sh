#!/usr/bin/env bash
# debian-root.sh SUITE DIRECTORY [PACKAGES]: a root file system of a Debian release, made once. For enter-root.sh.
set -euo pipefail
. tests/lanes/lib.sh
suite=$1 root=$2 packages=${3:-}
[ ! -e "$root/.complete" ] || exit 0
command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
rm -rf "$root"
mkdir -p "$(dirname "$root")"
mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || :)
[ -n "$mirror" ] || mirror=$(awk '/^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null || :)
[ -n "$mirror" ] || skip "no mirror of Debian is configured for apt"
# A mirror may lag behind, and its key may be newer than this release: for a test rig both are good enough.
mmdebstrap --mode=root --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' ${packages:+--include="$packages"} \
  "$suite" "$root" "deb [trusted=yes] $mirror $suite main" \
  || skip "a root file system of $suite cannot be made here (the mirror?)"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
cp /etc/resolv.conf "$root/etc/resolv.conf"
touch "$root/.complete"
