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
  rootless) need podman crun runc newuidmap; export HIDE_UNIFIED=yes; version="$("${enter[@]}" podman --version)" ;;
  enable/plain) need podman crun runc conmon; version="enable with $("${enter[@]}" podman --version), CRI-O" ;;
  enable/host) need containerd ctr dockerd docker runc; export IMGCOMPAT_CGROUPS=host; version="enable with containerd, Docker" ;;
  runtimes) need runc crun; export HIDE_UNIFIED=yes; version="$("${enter[@]}" runc --version | head -n 1), $("${enter[@]}" crun --version | head -n 1)" ;;
esac

# What Debian lacks is built, once, and kept with the other tools. A client that cannot be built leaves its tests out, and they say so.
case $engine in
  containerd) go_tool nerdctl github.com/containerd/nerdctl/v2/cmd/nerdctl v2.1.2 || echo "nerdctl cannot be built here" ;;
  runtimes)
    # Without optimisation: it is to be right, not fast.
    [ -x "$tools/youki" ] || CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off as_builder timeout 900 \
      cargo install --locked --quiet --no-default-features --features v1 --root target/tools youki@0.7.0 || echo "youki cannot be built here" ;;
esac

PRELOAD=$(preload_library)
export PRELOAD
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"${enter[@]}" tests/engines/suite.sh "$engine" "$(built_directory)" 2>&1 | tee "$log" || status=1
left_out=
leave_out() { has "$1" || left_out="$left_out; without $2 ($1 is not installed)"; }
case $engine in
  containerd) leave_out crictl CRI; leave_out nerdctl nerdctl ;;
  runtimes) leave_out youki youki ;;
esac
has olareg || left_out="$left_out; without olareg (lane registries)"
echo "summary: $version: $(grep -c '^ok ' "$log" || :) tests, $(grep -c '^ok .* # skip' "$log" || :) of them skipped$left_out"
exit "$status"
