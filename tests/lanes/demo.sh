#!/usr/bin/env bash
# The README's first command, as written, on this machine; then the installation is taken off again, if there was none before.
set -euo pipefail
. tests/lanes/lib.sh
[ "$(id -u)" = 0 ] || skip "needs root"
[ ! -e /usr/share/containers/oci/hooks.d/imgcompat.json ] || skip "imgcompat is installed on this machine: the demo would change that installation"
need_cargo
# The same build as the lane build made, so that cargo has nothing to do twice.
export CARGO_PROFILE_RELEASE_STRIP=false
purge=--purge
[ ! -e /etc/imgcompat ] || purge=
status=0
./install.sh --demo || status=$?
./install.sh --uninstall $purge
left=$(find /tmp /etc/containers /etc/imgcompat /usr/share/containers -maxdepth 3 -name '*imgcompat*' -newer tests/lanes/demo.sh 2>/dev/null | grep -v '^/etc/imgcompat$' || :)
[ -z "$left" ] || { printf 'left behind:\n%s\n' "$left"; exit 1; }
exit "$status"
