# shellcheck shell=bash
# Once for all files of a run: the installation under test, one layer of busybox, one registry.

setup_suite() {
  # shellcheck source=tests/engines/helpers.bash
  . "$ENGINES/helpers.bash"
  local name
  for name in podman skopeo jq curl "$RUNTIME"; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  "$ENGINES/../../install.sh" --binaries "$PROGRAMS" --destdir "$SCRATCH/inst" >"$SCRATCH/install.log" || { cat "$SCRATCH/install.log" >&2; return 1; }
  make_layer
  start_registries
}

teardown_suite() {
  # shellcheck source=tests/engines/helpers.bash
  . "$ENGINES/helpers.bash"
  stop_registries
  podman_here rm -fa -t 0 >/dev/null 2>&1 || :
}
