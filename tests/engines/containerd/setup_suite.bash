# shellcheck shell=bash
# One containerd for all files: CRI with three handlers (plain runc, runc with our base specification, our wrapper), one registry, one pod sandbox image.

setup_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  local name
  for name in containerd ctr runc skopeo jq curl; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  install_node
  start_registry main
  export REGISTRY
  base_specification
  configuration >"$SCRATCH/containerd.toml"
  start_daemon containerd containerd -c "$SCRATCH/containerd.toml"
  wait_until ctr -a "$SCRATCH/c/containerd.sock" version || { tail -n 20 "$SCRATCH/containerd.log" >&2; return 1; }
  pause_archive
  ctr -a "$SCRATCH/c/containerd.sock" -n k8s.io images import "$SCRATCH/pause.tar" >/dev/null
}

teardown_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  stop_daemon containerd
  stop_registry main
}

# The defaults of containerd itself, less the limits that this root may not set, and our hook.
base_specification() {
  ctr oci spec | jq --arg hook "$HOOK" --arg root "$NODE" \
    'del(.process.rlimits) | .hooks.createRuntime = [{path: $hook, args: ["imgcompat-hook", "--root", $root], env: ["PATH=/usr/bin:/bin"], timeout: 10}]' \
    >"$SCRATCH/base.json"
}

configuration() {
  local version=3 cri=io.containerd.cri.v1.runtime major
  major=$(containerd --version | sed -E 's/.* v?([0-9]+)\..*/\1/')
  [ "$major" -ge 2 ] || { version=2; cri=io.containerd.grpc.v1.cri; }
  cat <<T
version = $version
root = "$SCRATCH/c/root"
state = "$SCRATCH/c"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "$SCRATCH/c/containerd.sock"
[ttrpc]
address = "$SCRATCH/c/containerd.sock.ttrpc"
[plugins."$cri"]
restrict_oom_score_adj = true
T
  if [ "$version" = 2 ]; then echo 'sandbox_image = "localhost/pause:1"'
  else printf '[plugins."io.containerd.cri.v1.images".pinned_images]\nsandbox = "localhost/pause:1"\n'; fi
  local handler
  for handler in runc hook wrapper; do
    printf '[plugins."%s".containerd.runtimes.%s]\nruntime_type = "io.containerd.runc.v2"\n' "$cri" "$handler"
    [ "$handler" != hook ] || echo "base_runtime_spec = \"$SCRATCH/base.json\""
    printf '[plugins."%s".containerd.runtimes.%s.options]\n' "$cri" "$handler"
    if [ "$handler" = wrapper ]; then echo "BinaryName = \"$WRAPPER\""; else echo "BinaryName = \"$(command -v runc)\""; fi
  done
}

# An image whose process waits until it is told to end, as pod sandboxes have it.
pause_archive() {
  local dir=$SCRATCH/pause config size
  mkdir -p "$dir/tree/bin"
  cp /bin/busybox "$dir/tree/bin/"
  printf '#!/bin/busybox sh\ntrap "exit 0" TERM INT\nwhile :; do /bin/busybox sleep 1; done\n' >"$dir/tree/pause"
  chmod 755 "$dir/tree/pause"
  tar -C "$dir/tree" -cf "$dir/layer.tar" .
  jq -cn --arg d "sha256:$(sha256 "$dir/layer.tar")" --arg a "$(this_architecture)" \
    '{architecture: $a, os: "linux", config: {Entrypoint: ["/pause"]}, rootfs: {type: "layers", diff_ids: [$d]}}' >"$dir/config.json"
  config=$(sha256 "$dir/config.json")
  mv "$dir/config.json" "$dir/$config.json"
  jq -cn --arg c "$config.json" '[{Config: $c, RepoTags: ["localhost/pause:1"], Layers: ["layer.tar"]}]' >"$dir/manifest.json"
  tar -C "$dir" -cf "$SCRATCH/pause.tar" "$config.json" layer.tar manifest.json
}
