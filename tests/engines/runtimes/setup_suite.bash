# shellcheck shell=bash
# Runtimes by themselves, with a bundle made by hand: no engine, so nobody knows the image.

setup_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  install_node
  mkdir -p "$SCRATCH/bundle/rootfs/bin" "$SCRATCH/bundle/rootfs/proc" "$SCRATCH/bundle/rootfs/dev" "$SCRATCH/bundle/rootfs/sys"
  cp /bin/busybox "$SCRATCH/bundle/rootfs/bin/true"
}

teardown_suite() { :; }
