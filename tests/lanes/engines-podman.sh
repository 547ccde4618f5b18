#!/usr/bin/env bash
# engines-podman.sh SUITE: tests/engines with podman as Debian SUITE has it, with crun and with runc, against docker-registry (no referrers
# API) and olareg (has it). On a machine of that release on the machine itself, else in a root file system made by mmdebstrap.
set -euo pipefail
. tests/lanes/lib.sh
suite=$1
[ "$(id -u)" = 0 ] || skip "needs root, for podman and for mounts"
need_built

# What the tests use, by Debian's names; the machine itself gets the same from run.sh.
packages=bats,bsdutils,buildah,busybox-static,ca-certificates,conmon,crun,curl,docker-registry,iproute2,jq,mount,netavark,podman,procps,runc,skopeo,util-linux

enter=()
if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = "$suite" ]; then
  for program in podman crun runc bats docker-registry skopeo jq; do
    command -v "$program" >/dev/null || skip "$program is not installed"
  done
else
  tests/lanes/debian-root.sh "$suite" "$PWD/target/roots/$suite" "$packages" || exit
  enter=(tests/lanes/enter-root.sh "$PWD/target/roots/$suite")
fi

registries=docker-registry
left_out=
if [ -x "$tools/olareg" ]; then registries="docker-registry olareg"; else left_out="; without olareg (lane registries)"; fi
status=0
passed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for runtime in crun runc; do
  for registry in $registries; do
    echo "== podman with $runtime, $registry"
    "${enter[@]}" tests/engines/run.sh "$runtime" "$registry" "$(built_directory)" 2>&1 | tee "$log" || status=1
    passed=$((passed + $(grep -c '^ok ' "$log" || :)))
    # A test that skips says why; it must not look like one that passed.
    grep '^ok .* # skip' "$log" || :
  done
done
version_of() { "${enter[@]}" "$1" --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1; }
echo "summary: podman $(version_of podman), crun $(version_of crun), runc $(version_of runc); $registries: $passed tests$left_out"
exit "$status"
