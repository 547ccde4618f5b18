# shellcheck shell=bash
# One CRI-O for all files: the handlers crun and runc with our hook, and wrapper, which is our runtime before crun; one registry.

setup_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  # shellcheck source=tests/engines/cri.bash
  . "$ENGINES/cri.bash"
  local name
  for name in crio crictl pinns conmon crun runc podman skopeo jq curl; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  install_node
  start_registries
  ROOT=$NODE
  write_hook "$SCRATCH/hooks"
  for name in crun runc; do install -m 755 "$ENGINES/crio/limited-runtime" "$SCRATCH/$name-limited"; done
  printf '#!/bin/sh\nexec %s --imgcompat-runtime=%s "$@"\n' "$WRAPPER" "$SCRATCH/crun-limited" >"$SCRATCH/wrapper"
  chmod 755 "$SCRATCH/wrapper"
  sandbox_image
  configuration >"$SCRATCH/crio.conf"
  start_daemon crio crio --config "$SCRATCH/crio.conf" --config-dir '' --disable-hostport-mapping=true --log-level warn
  wait_until crictl --runtime-endpoint "unix://$SCRATCH/crio.sock" version || { tail -n 20 "$SCRATCH/crio.log" >&2; return 1; }
}

teardown_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  crictl --runtime-endpoint "unix://$SCRATCH/crio.sock" rmp -fa >/dev/null 2>&1 || :
  stop_daemon crio
  stop_registries
}

# An image whose process waits until it is told to end, as pod sandboxes have it.
sandbox_image() {
  local tree=$SCRATCH/pause
  pause_tree "$tree"
  tar -C "$tree" -c . | podman --root "$SCRATCH/storage" --runroot "$SCRATCH/run" import -q --change 'ENTRYPOINT ["/pause"]' - localhost/pause:1 >/dev/null
}

configuration() {
  local name
  cat <<T
[crio]
root = "$SCRATCH/storage"
runroot = "$SCRATCH/run"
storage_driver = "overlay"
version_file = "$SCRATCH/version"
version_file_persist = "$SCRATCH/version-persist"
clean_shutdown_file = "$SCRATCH/clean"
[crio.api]
listen = "$SCRATCH/crio.sock"
[crio.runtime]
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
conmon = "$(command -v conmon)"
default_runtime = "crun"
hooks_dir = ["$SCRATCH/hooks"]
pinns_path = "$(command -v pinns)"
apparmor_profile = ""
[crio.image]
pause_image = "localhost/pause:1"
[crio.network]
network_dir = "$SCRATCH/cni"
plugin_dirs = ["$SCRATCH/cni"]
[crio.runtime.runtimes.wrapper]
runtime_path = "$SCRATCH/wrapper"
T
  for name in crun runc; do printf '[crio.runtime.runtimes.%s]\nruntime_path = "%s"\n' "$name" "$SCRATCH/$name-limited"; done
}
