#!/usr/bin/env bats
# containerd by CRI, and what calls runc by its name: enabled, in force, seen by doctor, disabled.

setup_file() {
  load ../enable
  mkdir -p /etc/containerd
  local version=3 cri=io.containerd.cri.v1.runtime
  [ "$(containerd --version | sed -E 's/.* v?([0-9]+)\..*/\1/')" -ge 2 ] || { version=2; cri=io.containerd.grpc.v1.cri; }
  {
    echo "# containerd as this node needs it"
    printf 'version = %s\ndisabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]\n' "$version"
    printf '[plugins."%s"]\n  restrict_oom_score_adj = true # a root without CAP_SYS_RESOURCE\n' "$cri"
    if [ "$version" = 2 ]; then echo '  sandbox_image = "localhost/pause:1"'
    else printf '[plugins."io.containerd.cri.v1.images".pinned_images]\n  sandbox = "localhost/pause:1"\n'; fi
    printf '\n# the only handler\n[plugins."%s".containerd.runtimes.runc]\n  runtime_type = "io.containerd.runc.v2"\n' "$cri"
  } >/etc/containerd/config.toml
  daemon start containerd
  local name
  for name in mine pause; do ctr -n k8s.io images import "$SCRATCH/$name.tar" >/dev/null; done
  ctr images import "$SCRATCH/mine.tar" >/dev/null
}

teardown_file() {
  load ../enable
  daemon stop containerd
}

setup() {
  load ../enable
  forget
}

teardown() {
  imgcompat disable containerd >/dev/null || :
  imgcompat disable nerdctl >/dev/null || :
  install -m 755 "$PROGRAMS/imgcompat-hook" /usr/libexec/imgcompat/imgcompat-hook
  if command -v crictl >/dev/null; then cri rmp -fa >/dev/null 2>&1 || :; fi
}

need_cri() { command -v crictl >/dev/null || skip "crictl is not installed"; }
cri() { crictl --runtime-endpoint unix:///run/containerd/containerd.sock --image-endpoint unix:///run/containerd/containerd.sock --timeout 60s "$@"; }
start() {
  local sandbox container
  jq -n --arg n "p$RANDOM" --arg d "$SCRATCH" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d,
    linux: {security_context: {namespace_options: {network: 2}}}}' >"$SCRATCH/pod.json"
  jq -n --arg i "$IMAGE" '{metadata: {name: "c"}, image: {image: $i}, log_path: "c.log", linux: {}}' >"$SCRATCH/container.json"
  sandbox=$(cri runp "$SCRATCH/pod.json")
  container=$(cri create "$sandbox" "$SCRATCH/container.json" "$SCRATCH/pod.json")
  runs "$1" crictl --runtime-endpoint unix:///run/containerd/containerd.sock --image-endpoint unix:///run/containerd/containerd.sock start "$container"
}

@test "by the hook: in force after a restart, and doctor says so until then" {
  need_cri
  snapshot >"$SCRATCH/before"
  finds problem containerd "its containers are not judged"
  start 0
  runs 0 imgcompat enable containerd
  says "systemctl restart containerd"
  finds problem containerd "starts containers as before"
  start 0
  daemon restart containerd
  [ "$(imgcompat doctor --offline | grep -c "starts containers as before")" = 0 ]
  finds ok containerd "judged by the hook"
  start 1
  says "imgcompat: refused: $IMAGE needs kernel.version"
  probe_is_content containerd
  [ "$(ctr -n k8s.io images list -q | grep -c probe)" = 0 ]
  runs 0 imgcompat enable containerd --restart
  says "is enabled already"
  rm /usr/libexec/imgcompat/imgcompat-hook
  finds problem containerd "is missing: nothing starts"
  start 1
  runs 0 imgcompat disable containerd --restart
  says "restarted  containerd"
  snapshot | diff "$SCRATCH/before" -
  start 0
}

@test "by the wrapper" {
  need_cri
  snapshot >"$SCRATCH/before"
  runs 0 imgcompat enable containerd --via wrapper --restart
  finds ok containerd "judged by the wrapper runtime"
  start 1
  says "imgcompat: refused: $IMAGE needs kernel.version"
  probe_is_content containerd
  runs 0 imgcompat disable containerd --restart
  snapshot | diff "$SCRATCH/before" -
  start 0
}

@test "what calls runc by its name, as nerdctl and ctr do" {
  snapshot >"$SCRATCH/before"
  runs 0 ctr run --rm "$IMAGE" "c$RANDOM"
  runs 0 imgcompat enable nerdctl
  finds ok nerdctl "judged by the wrapper runtime"
  runs some ctr run --rm "$IMAGE" "c$RANDOM"
  says "imgcompat: refused: $IMAGE needs kernel.version"
  probe_is_content nerdctl
  runs 0 imgcompat disable nerdctl
  snapshot | diff "$SCRATCH/before" -
  runs 0 ctr run --rm "$IMAGE" "c$RANDOM"
}

@test "a base specification of ours changes nothing else of a container" {
  need_cri
  local which sandbox container
  for which in without with; do
    [ $which = without ] || imgcompat enable containerd --restart
    jq -n --arg n "p$RANDOM" --arg d "$SCRATCH" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d,
      linux: {security_context: {namespace_options: {network: 2}}}}' >"$SCRATCH/pod.json"
    jq -n '{metadata: {name: "c"}, image: {image: "localhost/pause:1"}, log_path: "c.log", linux: {}}' >"$SCRATCH/container.json"
    sandbox=$(cri runp "$SCRATCH/pod.json")
    container=$(cri create "$sandbox" "$SCRATCH/container.json" "$SCRATCH/pod.json")
    cri start "$container"
    jq -S '[.process.capabilities, .process.noNewPrivileges, .process.apparmorProfile, .process.rlimits, .process.user, .linux.maskedPaths, .linux.readonlyPaths,
      .linux.seccomp, .linux.resources.devices, ([.linux.namespaces[].type]), ([.mounts[] | {destination, type, options}])]' \
      "/run/containerd/io.containerd.runtime.v2.task/k8s.io/$container/config.json" >"$SCRATCH/$which.settings"
    jq -c .hooks "/run/containerd/io.containerd.runtime.v2.task/k8s.io/$container/config.json" >"$SCRATCH/$which.hooks"
    cri rmp -f "$sandbox"
  done
  grep -q imgcompat-hook "$SCRATCH/with.hooks"
  diff "$SCRATCH/without.settings" "$SCRATCH/with.settings"
  imgcompat disable containerd --restart
}
