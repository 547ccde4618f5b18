# shellcheck shell=bash
# One Docker daemon for all files, with our wrapper as its default runtime, and one registry. STORE is the storage driver: overlay2 keeps images in
# Docker's own store, overlayfs in containerd's.

setup_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  # The distribution's client and daemon, which are of one version, before any that somebody put beside them.
  export PATH=/usr/sbin:/usr/bin:$PATH
  local name
  for name in dockerd docker runc skopeo jq curl; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  install_node
  start_registries
  export DOCKER_HOST=unix://$SCRATCH/docker.sock
  mkdir -p "$SCRATCH/docker"
  jq -n --arg d "$SCRATCH/docker" --arg h "$DOCKER_HOST" --arg w "$WRAPPER" --arg r "$(command -v runc)" --arg s "${STORE:-overlay2}" \
    '{"data-root": "\($d)/data", "exec-root": "\($d)/exec", pidfile: "\($d)/pid", hosts: [$h], "storage-driver": $s, iptables: false, bridge: "none",
      runtimes: {imgcompat: {path: $w, runtimeArgs: ["--imgcompat-runtime=\($r)"]}}, "default-runtime": "imgcompat",
      features: {"containerd-snapshotter": ($s == "overlayfs")}}' >"$SCRATCH/daemon.json"
  # BuildKit inside the daemon runs its steps by a program of its own choice; this is its way to another one.
  export DOCKER_BUILDKIT_RUNC_COMMAND=$WRAPPER
  start_daemon dockerd dockerd --config-file "$SCRATCH/daemon.json"
  wait_until docker version || { tail -n 20 "$SCRATCH/dockerd.log" >&2; return 1; }
}

teardown_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  stop_daemon dockerd
  stop_registries
}
