#!/usr/bin/env bash
# suite.sh NAME PROGRAMS [BATS OPTIONS]: the bats tests of one engine in the directory NAME beside this file, against docker-registry, or the
# registry in REGISTRY_KIND. PROGRAMS is the directory with imgcompat, imgcompat-hook and imgcompat-runtime. Needs root.
#
# Everything happens in a mount namespace with an /etc/containers and a /run of the tests' own.
set -euo pipefail
if [ "${IMGCOMPAT_NAMESPACE:-}" != yes ]; then IMGCOMPAT_NAMESPACE=yes exec unshare -m "$0" "$@"; fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=$1
export PROGRAMS=$2 REGISTRY_KIND=${REGISTRY_KIND:-docker-registry}
shift 2

umask 022
SCRATCH=$(mktemp -d /tmp/imgc.XXXXXX)
export SCRATCH
chmod 755 "$SCRATCH"
# shellcheck disable=SC2317 # called by the trap
clean_up() {
  grep -o " $SCRATCH/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l 2>/dev/null || :
  rm -rf "$SCRATCH"
}
trap clean_up EXIT

mount --make-rprivate /
if [ "${HIDE_UNIFIED:-}" = yes ] && mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$SCRATCH/etc-containers/registries.conf.d" /etc/containers
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$SCRATCH/etc-containers/policy.json"
: >"$SCRATCH/etc-containers/registries.conf"
mount --bind "$SCRATCH/etc-containers" /etc/containers

status=0
bats --tap "$@" "$here/$suite" || status=$?
exit "$status"
