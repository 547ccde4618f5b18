#!/usr/bin/env bash
# engines-podman.sh SUITE: tests/engines with podman as Debian SUITE has it, with crun and with runc, against docker-registry (no referrers
# API) and olareg (has it). On a machine of that release on the machine itself, else in a root file system made by mmdebstrap.
set -euo pipefail
. tests/lanes/lib.sh
suite=$1
[ "$(id -u)" = 0 ] || skip "needs root, for podman and for mounts"
need_built

# What the tests use, by Debian's names; the machine itself gets the same from run.sh.
packages=bats,buildah,busybox-static,ca-certificates,conmon,crun,curl,docker-registry,iproute2,jq,netavark,podman,procps,runc,skopeo

make_root() {
  local root=$1 mirror
  [ ! -e "$root/.complete" ] || return 0
  command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
  rm -rf "$root"
  mkdir -p "$(dirname "$root")"
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || :)
  [ -n "$mirror" ] || mirror=$(awk '/^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null || :)
  # A mirror may lag behind, and its key may be newer than this release: for a test rig both are good enough.
  mmdebstrap --mode=root --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' --include="$packages" \
    "$suite" "$root" "deb [trusted=yes] ${mirror:-http://deb.debian.org/debian} $suite main" \
    || skip "a root file system of $suite cannot be made here (the mirror?)"
  printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
  touch "$root/.complete"
}

enter=()
if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = "$suite" ]; then
  for program in podman crun runc bats docker-registry skopeo jq; do
    command -v "$program" >/dev/null || skip "$program is not installed"
  done
else
  make_root "$PWD/target/roots/$suite"
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
version_of() { "${enter[@]}" "$1" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1; }
echo "summary: podman $(version_of podman), crun $(version_of crun), runc $(version_of runc); $registries: $passed tests$left_out"
exit "$status"
