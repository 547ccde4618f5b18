# shellcheck shell=bash
# One containerd for all files: CRI with the handlers runc (plain), hook (runc with the base specification that enable makes), wrapper (ours), and the
# last two once more with a containerd that is in trouble while they work (troubled-runtime); registries; an image for pod sandboxes.

setup_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  # shellcheck source=tests/engines/cri.bash
  . "$ENGINES/cri.bash"
  local name
  for name in containerd ctr runc skopeo jq curl; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  install_node
  start_registries
  REAL_RUNC=$(command -v runc)
  export REAL_RUNC
  local handler
  for handler in runc wrapper; do install -m 755 "$ENGINES/containerd/troubled-runtime" "$SCRATCH/troubled-$handler"; done
  base_specification
  configuration >"$SCRATCH/containerd.toml"
  # As `imgcompat enable nerdctl` has it: whoever asks for runc by its name finds us first.
  mkdir "$SCRATCH/path"
  ln -s "$WRAPPER" "$SCRATCH/path/runc"
  PATH=$SCRATCH/path:$PATH start_daemon containerd containerd -c "$SCRATCH/containerd.toml"
  wait_until ctr -a "$SCRATCH/c/containerd.sock" version || { tail -n 20 "$SCRATCH/containerd.log" >&2; return 1; }
  pause_archive
  ctr -a "$SCRATCH/c/containerd.sock" -n k8s.io images import "$SCRATCH/pause.tar" >/dev/null
}

teardown_suite() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  stop_daemon containerd
  stop_registries
}

# The base specification that `imgcompat enable` writes for this containerd, in a tree that stands for the node.
base_specification() {
  mkdir -p "$SCRATCH/enabled/etc/containerd"
  containerd config default >"$SCRATCH/enabled/etc/containerd/config.toml"
  "$NODE/usr/bin/imgcompat" enable containerd --via hook --root "$SCRATCH/enabled"
  BASE=$SCRATCH/enabled/etc/imgcompat/containerd/base.json
  jq -e --arg h "$HOOK" '.hooks.createRuntime[0].path == $h' "$BASE" >/dev/null
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
  for handler in runc hook wrapper troubled-hook troubled-wrapper; do
    printf '[plugins."%s".containerd.runtimes.%s]\nruntime_type = "io.containerd.runc.v2"\n' "$cri" "$handler"
    case $handler in *hook) echo "base_runtime_spec = \"$BASE\"" ;; esac
    printf '[plugins."%s".containerd.runtimes.%s.options]\nBinaryName = "%s"\n' "$cri" "$handler" "$(binary_of "$handler")"
  done
}

binary_of() {
  case $1 in
    wrapper) echo "$WRAPPER" ;;
    troubled-hook) echo "$SCRATCH/troubled-runc" ;;
    troubled-wrapper) echo "$SCRATCH/troubled-wrapper" ;;
    *) echo "$REAL_RUNC" ;;
  esac
}

# An image whose process waits until it is told to end, as pod sandboxes have it.
pause_archive() {
  local dir=$SCRATCH/pause config size
  pause_tree "$dir/tree"
  tar -C "$dir/tree" -cf "$dir/layer.tar" .
  jq -cn --arg d "sha256:$(sha256 "$dir/layer.tar")" --arg a "$(this_architecture)" \
    '{architecture: $a, os: "linux", config: {Entrypoint: ["/pause"]}, rootfs: {type: "layers", diff_ids: [$d]}}' >"$dir/config.json"
  config=$(sha256 "$dir/config.json")
  mv "$dir/config.json" "$dir/$config.json"
  jq -cn --arg c "$config.json" '[{Config: $c, RepoTags: ["localhost/pause:1"], Layers: ["layer.tar"]}]' >"$dir/manifest.json"
  tar -C "$dir" -cf "$SCRATCH/pause.tar" "$config.json" layer.tar manifest.json
}
