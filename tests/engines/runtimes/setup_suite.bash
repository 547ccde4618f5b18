# shellcheck shell=bash
# Runtimes by themselves, with a bundle made by hand: no engine, so nobody knows the image.

setup_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  local name
  install_node
  mkdir -p "$SCRATCH/bundle/rootfs/bin" "$SCRATCH/bundle/rootfs/proc" "$SCRATCH/bundle/rootfs/dev" "$SCRATCH/bundle/rootfs/sys"
  mkdir -p "$SCRATCH/bundle/rootfs/volume"
  for name in sh touch sleep; do cp /bin/busybox "$SCRATCH/bundle/rootfs/bin/$name"; done
  if [ -e "${PRELOAD:-}" ]; then cp "$PRELOAD" "$SCRATCH/bundle/rootfs/preload.so"; fi
}

teardown_suite() { :; }
