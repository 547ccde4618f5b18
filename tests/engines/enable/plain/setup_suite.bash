# shellcheck shell=bash
# podman and CRI-O.

setup_suite() {
  # shellcheck source=tests/engines/enable/enable.bash
  . "$BATS_TEST_DIRNAME/../enable.bash"
  local tools
  tools=$(dirname "$(command -v crio || echo /usr/bin/crio)")
  cover_system
  local name
  for name in crio crictl pinns; do [ ! -x "$tools/$name" ] || install -m 755 "$tools/$name" /usr/local/bin/; done
  install_programs
  forbid_image
  image_archive "$IMAGE" "$SCRATCH/mine.tar"
  image_archive localhost/pause:1 "$SCRATCH/pause.tar"
  for name in mine pause; do podman load -q -i "$SCRATCH/$name.tar" >/dev/null; done
}

teardown_suite() { /usr/local/sbin/daemon stop crio || :; }
