#!/usr/bin/env bash
# enable, disable and doctor on the engines of Debian trixie, imgcompat installed as on a node. Two runs, since podman and CRI-O want a plain cgroup2
# tree, containerd and Docker the machine's own controllers.
set -euo pipefail
. tests/lanes/lib.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
for part in enable/plain enable/host; do
  tests/lanes/engines-other.sh "$part" trixie >"$log" 2>&1 || status=$?
  cat "$log"
  [ "$status" != 77 ] || exit 77
  summary=${summary:+$summary; }$(sed -n 's/^summary: //p' "$log")
done
echo "summary: $summary"
exit "$status"
