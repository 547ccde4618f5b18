# shellcheck shell=bash
# containerd and Docker, which set resources and so need the machine's own cgroups.

setup_suite() {
  # shellcheck source=tests/engines/enable/enable.bash
  . "$BATS_TEST_DIRNAME/../enable.bash"
  local tools
  tools=$(dirname "$(command -v crictl || echo /usr/bin/crictl)")
  cover_system
  [ ! -x "$tools/crictl" ] || install -m 755 "$tools/crictl" /usr/local/bin/
  install_programs
  forbid_image
  image_archive "$IMAGE" "$SCRATCH/mine.tar"
  image_archive localhost/pause:1 "$SCRATCH/pause.tar"
}

teardown_suite() {
  local name
  for name in docker containerd; do /usr/local/sbin/daemon stop $name || :; done
}
