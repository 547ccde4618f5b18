# shellcheck shell=bash
# A user of our own for rootless podman, one registry, and one installation whose cache and log are the user's.

setup_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  local name
  for name in podman runc newuidmap su skopeo jq curl; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  id imgcompat-test >/dev/null 2>&1 || useradd -m imgcompat-test
  install_node
  start_registry main
  export REGISTRY
  ROOT=$NODE
  write_hook "$SCRATCH/hooks"
  chown -R imgcompat-test "$NODE/var/cache/imgcompat" "$NODE/var/log/imgcompat"
  chmod 755 "$NODE"
}

teardown_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  stop_registry main
  # Its pause process keeps the mounts of this run.
  su - imgcompat-test -c 'podman system migrate' >/dev/null 2>&1 || :
  userdel -r imgcompat-test >/dev/null 2>&1 || :
}
