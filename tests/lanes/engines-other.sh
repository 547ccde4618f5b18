#!/usr/bin/env bash
# engines-other.sh ENGINE SUITE: the tests of one engine beside podman (containerd, crio, docker, runtimes, rootless) as Debian SUITE has it: on a
# machine of that release on the machine itself, else in a root file system made by mmdebstrap. CRI-O and crictl are in no Debian release that is
# used here: where PATH has none, those tests are skipped and say so.
set -euo pipefail
. tests/lanes/lib.sh
engine=$1 suite=$2
packages=bats,bsdutils,busybox-static,ca-certificates,conmon,containerd,crun,curl,docker.io,docker-registry,iproute2,jq,libseccomp2,mount,netavark,podman,procps,runc,skopeo,uidmap,util-linux
case $suite in bookworm) ;; *) packages=$packages,docker-cli ;; esac
# `engines-other.sh packages SUITE` names them, for whoever shares the root file system.
[ "$engine" != packages ] || { echo "$packages"; exit 0; }

[ "$(id -u)" = 0 ] || skip "needs root, for engines and for mounts"
need_built
[ -x "$(built_directory)/imgcompat-runtime" ] || { echo "the build has no imgcompat-runtime"; exit 1; }

enter=()
if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" != "$suite" ]; then
  tests/lanes/debian-root.sh "$suite" "$PWD/target/roots/engines-$suite" "$packages" || exit
  enter=(tests/lanes/enter-root.sh "$PWD/target/roots/engines-$suite")
fi
has() { "${enter[@]}" sh -c "command -v $1" >/dev/null 2>&1; }
need() { local name; for name in "$@"; do has "$name" || skip "$name is not installed"; done; }
need bats jq curl skopeo docker-registry

# containerd and Docker set resources, which needs the machine's controllers; crun and CRI-O want a plain cgroup2 tree.
case $engine in
  containerd) need containerd ctr runc; export IMGCOMPAT_CGROUPS=host; version="containerd $("${enter[@]}" containerd --version | grep -oE '[0-9]+\.[0-9]+[^ ]*' | head -n 1)" ;;
  docker) need dockerd docker runc; export IMGCOMPAT_CGROUPS=host; version="$("${enter[@]}" dockerd --version | head -n 1)" ;;
  crio) need crio crictl pinns conmon crun runc podman; version="$("${enter[@]}" crio --version 2>/dev/null | head -n 1)" ;;
  rootless) need podman runc newuidmap; version="$("${enter[@]}" podman --version)" ;;
  enable/plain) need podman crun runc conmon; version="enable with $("${enter[@]}" podman --version), CRI-O" ;;
  enable/host) need containerd ctr dockerd docker runc; export IMGCOMPAT_CGROUPS=host; version="enable with containerd, Docker" ;;
  runtimes) need runc crun; export HIDE_UNIFIED=yes; version="$("${enter[@]}" runc --version | head -n 1), $("${enter[@]}" crun --version | head -n 1)" ;;
esac

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"${enter[@]}" tests/engines/suite.sh "$engine" "$(built_directory)" 2>&1 | tee "$log" || status=1
left_out=
has crictl || case $engine in containerd) left_out="; without CRI (crictl is not installed)" ;; esac
echo "summary: $version: $(grep -c '^ok ' "$log" || :) tests, $(grep -c '^ok .* # skip' "$log" || :) of them skipped$left_out"
exit "$status"
