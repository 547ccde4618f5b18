#!/usr/bin/env bash
# enter-root.sh ROOT COMMAND...: runs COMMAND in the root file system ROOT with mounts of its own, in the present directory, which is seen
# inside at the same path. pivot_root rather than chroot: a container runtime changes mount propagation and pivots itself. cgroups: a plain
# cgroup2 tree, which crun needs. Network: the host's. All mounts end with the command.
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
mount -t cgroup2 none sys/fs/cgroup 2>/dev/null || mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p ".$here" .old
mount --bind "$here" ".$here"
pivot_root . .old
busybox umount -l /.old
cd "$here"
unset IMGCOMPAT_ENTERED
exec env PATH="$here/target/tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root "$@"
