#!/usr/bin/env bash
# enter-root.sh ROOT COMMAND...: runs COMMAND in the root file system ROOT with mounts of its own, in the present directory, which is seen
# inside at the same path. pivot_root rather than chroot: a container runtime changes mount propagation and pivots itself. cgroups: a
# cgroup2 tree, or with IMGCOMPAT_CGROUPS=host what the machine has. Network: the machine's. IMGCOMPAT_BINDS names more directories to be seen
# inside. All mounts end with the command.
set -euo pipefail
if [ "${IMGCOMPAT_ENTERED:-}" != yes ]; then IMGCOMPAT_ENTERED=yes exec unshare -m "$0" "$@"; fi
root=$1
shift
here=$PWD
mount --make-rprivate /
mount --bind "$root" "$root"
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
