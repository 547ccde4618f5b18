# shellcheck shell=bash
# Once for all files of a run: the installation under test, one layer of busybox, one registry.

setup_suite() {
  load helpers
  local name
  for name in podman skopeo jq curl "$RUNTIME"; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  "$BATS_TEST_DIRNAME/../../install.sh" --binaries "$PROGRAMS" --destdir "$SCRATCH/inst" >"$SCRATCH/install.log" || { cat "$SCRATCH/install.log" >&2; return 1; }
  make_layer
  start_registry main
  export REGISTRY
}

teardown_suite() {
  load helpers
  stop_registry main
  podman_here rm -fa -t 0 >/dev/null 2>&1 || :
}
