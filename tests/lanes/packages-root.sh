#!/usr/bin/env bash
# packages-root.sh SUITE: the .deb through its life on a bare Debian SUITE with podman, while containers are started. On bookworm the quick start, as
# written, by somebody who has only the .deb.
set -euo pipefail
. tests/lanes/lib.sh
suite=$1
[ "$(id -u)" = 0 ] || skip "needs root, for podman and for mounts"
[ -e target/packages/imgcompat_0.0.9-1_old.deb ] || tests/lanes/packages.sh || exit
new=$(find "$PWD/target/packages/new" -name '*.deb')

case $suite in
  # Bare: podman and what the quick start names, nothing that tests alone want.
  bookworm)
    root=$PWD/target/roots/packages-bookworm
    tests/lanes/debian-root.sh bookworm "$root" busybox-static,ca-certificates,crun,docker-registry,iproute2,mount,netavark,podman,procps,runc,util-linux || exit
    # crun 1.8 wants to raise a limit on cgroup2, which a root without CAP_SYS_RESOURCE may not.
    export IMGCOMPAT_CGROUPS=host ;;
  # The same root file systems as the engine lanes.
  *)
    root=$PWD/target/roots/$suite
    tests/lanes/debian-root.sh "$suite" "$root" \
      bats,bsdutils,buildah,busybox-static,ca-certificates,conmon,crun,curl,docker-registry,iproute2,jq,mount,netavark,podman,procps,runc,skopeo,util-linux || exit ;;
esac
export IMGCOMPAT_FRESH=yes
log=$(mktemp)
trap 'rm -f "$log"' EXIT
tests/lanes/enter-root.sh "$root" tests/packages/deb.sh "$PWD/target/packages/imgcompat_0.0.9-1_old.deb" "$new" 2>&1 | tee "$log"
quick=
if [ "$suite" = bookworm ]; then
  # Its registry has a fixed port, so it gets a network of its own.
  unshare --net tests/lanes/enter-root.sh "$root" tests/packages/quick-start.sh docs/quick-start.md "$new" 2>&1 | tee -a "$log"
  quick="; quick start: $(sed -n 's/^quick start: //p' "$log")"
fi
echo "summary: $(sed -n 's/^summary: //p' "$log")$quick"
