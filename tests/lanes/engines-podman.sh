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

# Runtime and registry have nothing to do with each other, so each runtime meets one kind; a case meets the other kind too.
left_out=
if [ ! -x "$tools/olareg" ]; then
  pairs=(crun:docker-registry runc:docker-registry)
  left_out="; without olareg (lane registries)"
else pairs=(crun:olareg runc:docker-registry); fi
status=0
passed=0
log=$(mktemp)
skips=$(mktemp)
trap 'rm -f "$log" "$skips"' EXIT
PRELOAD=$(preload_library)
export PRELOAD
for pair in "${pairs[@]}"; do
  echo "== podman with ${pair%:*}, ${pair#*:}"
  "${enter[@]}" tests/engines/run.sh "${pair%:*}" "${pair#*:}" "$(built_directory)" 2>&1 | tee "$log" || status=1
  passed=$((passed + $(grep '^ok ' "$log" | grep -vc '# skip' || :)))
  # A test that skips says why; it must not look like one that passed.
  sed -n 's/^ok [0-9]* \(.*\) # skip \(.*\)/\1 (\2)/p' "$log" >>"$skips"
done
version_of() { "${enter[@]}" "$1" --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1; }
echo "summary: podman $(version_of podman), crun $(version_of crun), runc $(version_of runc); ${pairs[*]}: $passed tests$left_out$(sort "$skips" | uniq -c | awk '{n = $1; $1 = ""; printf "; skipped %d times:%s", n, $0}')"
exit "$status"
