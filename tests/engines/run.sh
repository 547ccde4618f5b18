#!/usr/bin/env bash
# run.sh RUNTIME REGISTRY PROGRAMS [BATS OPTIONS]: the bats tests of this directory with podman over one runtime (crun, runc) against one kind
# of registry (docker-registry, olareg). PROGRAMS is the directory with imgcompat and imgcompat-hook. Needs root.
#
# Everything happens in a mount namespace: /etc/containers is a directory of the tests' own, and the cgroup2 mount of a hybrid machine, beside
# which crun refuses to work, is hidden. Storage, registries and the installation under test lie in one scratch directory.
set -euo pipefail
if [ "${IMGCOMPAT_NAMESPACE:-}" != yes ]; then IMGCOMPAT_NAMESPACE=yes exec unshare -m "$0" "$@"; fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export RUNTIME=$1 REGISTRY_KIND=$2 PROGRAMS=$3
shift 3

umask 022
# Short: podman wants a path below 50 characters for its run directory.
SCRATCH=$(mktemp -d /tmp/imgc.XXXXXX)
export SCRATCH
chmod 755 "$SCRATCH"
# shellcheck disable=SC2317 # called by the trap
clean_up() {
  local file
  # Left only if a run was cut short.
  for file in "$SCRATCH"/*.pid; do [ ! -f "$file" ] || kill "$(cat "$file")" 2>/dev/null || :; done
  umount -l "$SCRATCH/storage/overlay" 2>/dev/null || :
  rm -rf "$SCRATCH"
}
trap clean_up EXIT

mount --make-rprivate /
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
mkdir -p "$SCRATCH/etc-containers/registries.conf.d" /etc/containers
cat >"$SCRATCH/etc-containers/policy.json" <<'J'
{"default": [{"type": "insecureAcceptAnything"}]}
J
: >"$SCRATCH/etc-containers/registries.conf"
# A root without CAP_SYS_RESOURCE may not raise limits, and podman by default tries to.
cat >"$SCRATCH/etc-containers/containers.conf" <<'T'
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
pids_limit = 0
T
mount --bind "$SCRATCH/etc-containers" /etc/containers

export PODMAN_IGNORE_CGROUPSV1_WARNING=1
unset CONTAINERS_CONF CONTAINERS_STORAGE_CONF
status=0
export ENGINES=$here VERBS=$here/podman.bash
bats --tap --setup-suite-file "$here/setup_suite.bash" "$@" "$here" "$here/cases/10-identity.bats" "$here/cases/20-made-before.bats" || status=$?
exit "$status"
