#!/usr/bin/env bash
# enter-root.sh ROOT COMMAND...: runs COMMAND in the root file system ROOT with mounts of its own, in the present directory, which is seen
# inside at the same path. pivot_root rather than chroot: a container runtime changes mount propagation and pivots itself. cgroups: a
# cgroup2 tree, or with IMGCOMPAT_CGROUPS=host what the machine has. Network: the machine's. IMGCOMPAT_BINDS names more directories to be seen
# inside. With IMGCOMPAT_FRESH=yes what the command writes is gone with it: the root is an overlay in memory, and podman's storage, which may be no
# overlay on an overlay, is in memory too; and it sees, and leaves behind, no processes but its own. All mounts end with the command.
set -euo pipefail
if [ "${IMGCOMPAT_ENTERED:-}" != yes ]; then
  processes=()
  if [ "${IMGCOMPAT_FRESH:-}" = yes ]; then processes=(--pid --fork --kill-child); fi
  IMGCOMPAT_ENTERED=yes exec unshare -m "${processes[@]}" "$0" "$@"
fi
root=$1
shift
here=$PWD
mount --make-rprivate /
if [ "${IMGCOMPAT_FRESH:-}" = yes ]; then
  fresh=$(dirname "$root")/.fresh
  mkdir -p "$fresh"
  mount -t tmpfs tmpfs "$fresh"
  mkdir "$fresh/upper" "$fresh/work" "$fresh/root"
  mount -t overlay overlay -o "lowerdir=$root,upperdir=$fresh/upper,workdir=$fresh/work" "$fresh/root"
  root=$fresh/root
  mkdir -p "$root/var/lib/containers"
  mount -t tmpfs tmpfs "$root/var/lib/containers"
else
  mount --bind "$root" "$root"
fi
cd "$root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
if [ "${IMGCOMPAT_CGROUPS:-}" = host ] || ! mount -t cgroup2 none sys/fs/cgroup 2>/dev/null; then
  mount --rbind /sys/fs/cgroup sys/fs/cgroup
fi
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
for directory in "$here" ${IMGCOMPAT_BINDS:-}; do
  mkdir -p ".$directory"
  mount --bind "$directory" ".$directory"
done
mkdir -p .old
pivot_root . .old
umount -l /.old
cd "$here"
unset IMGCOMPAT_ENTERED
exec env PATH="$here/target/tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root "$@"
