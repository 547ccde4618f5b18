#!/usr/bin/env bash
# kubernetes-node.sh PROGRAMS: the DaemonSet's container, run by podman as the DaemonSet runs it, inside a root file system that is thrown away afterwards.
# First against scratch nodes with configurations of containerd and CRI-O as they are met: enabled, enabled again, removed, byte for byte. Then against
# this root itself with a containerd that runs: nothing is restarted, and once somebody has, a pod is refused. Called by the lane kubernetes.
set -euo pipefail
programs=$1
fail() { printf 'FAILED: %s\n' "$*"; exit 1; }
phase() { printf '== %s\n' "$*"; }
export PODMAN_IGNORE_CGROUPSV1_WARNING=1
work=/tmp/k
mkdir -p "$work/policy" "$work/specs" /etc/containers
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\npids_limit = 0\n' >/etc/containers/containers.conf
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi

phase 'the image'
deploy/image/build.sh --node --binary "$programs/imgcompat" >/dev/null
cp deploy/kubernetes/overlays/enforce/policy.toml "$work/policy/"

# node HOST [VARIABLE=VALUE...] ACTION...: one run of the container, with what the DaemonSet gives it and nothing else.
mapfile -t capabilities < <(sed -n '/^            add:/,/^          #/s/^            - /--cap-add=/p' deploy/kubernetes/base/daemonset.yaml)
[ "${#capabilities[@]}" -ge 2 ] || fail "the DaemonSet's capabilities were not found"
node() {
  local host=$1 environment=()
  shift
  while [[ $1 == *=* ]]; do environment+=(-e "$1"); shift; done
  podman run --rm --runtime runc --network none --read-only --read-only-tmpfs=false --tmpfs /tmp:size=4m --cap-drop=all "${capabilities[@]}" \
    --security-opt no-new-privileges -v "$host:/host" -v "$work/policy:/policy:ro" -v "$work/specs:/specs:ro" -e IMGCOMPAT_GRACE=0 "${environment[@]}" \
    localhost/imgcompat-node:latest "$@"
}
# What a node has, with its bytes; the decision log stays when imgcompat goes.
tree() { ( cd "$1" && find . -xdev \( -path ./proc -o -path ./var/log/imgcompat -o -path ./run/imgcompat-restart\* \) -prune -o -type f -printf '%m %p ' -exec sha256sum {} \; -o -type l -printf '%p -> %l\n' | sort ); }

# scratch_node: a node that has a shell and containerd's ctr, and no engine that runs.
scratch_node() {
  umount "$work/node/proc" 2>/dev/null || :
  rm -rf "$work/node"
  mkdir -p "$work"/node/{bin,usr/bin,usr/local,proc,etc,var/lib,var/cache,var/log,run,tmp}
  mount --bind /proc "$work/node/proc"
  mkdir "$work/node/dev"
  : >"$work/node/dev/null"
  cp "$(command -v busybox)" "$work/node/bin/busybox"
  ln -s busybox "$work/node/bin/sh"
  ctr oci spec >"$work/node/etc/spec.json"
  # shellcheck disable=SC2016 # for the script
  printf '#!/bin/sh\nexec /bin/busybox cat /etc/spec.json\n' >"$work/node/usr/bin/ctr"
  ln -s ../../bin/busybox "$work/node/usr/bin/crun"
  chmod 755 "$work/node/usr/bin/ctr"
}
nodes=0
# there_and_back ENGINE VIA FILE CONFIGURATION
there_and_back() {
  local engine=$1 via=$2 file=$3 configuration=$4 options=(IMGCOMPAT_ENGINES="$1" IMGCOMPAT_VIA="$2")
  scratch_node
  mkdir -p "$(dirname "$work/node$file")"
  cp "$configuration" "$work/node$file"
  tree "$work/node" >"$work/before"
  node "$work/node" "${options[@]}" run once >"$work/said" || fail "run: $(cat "$work/said")"
  [ -x "$work/node/usr/local/libexec/imgcompat/imgcompat-hook" ] || fail "$engine: no hook on the node"
  grep -rqsE '/usr/local/libexec/imgcompat' "$work/node/etc" "$work/node/usr/share/containers" || fail "$engine $via: nothing names it: $(cat "$work/said")"
  node "$work/node" "${options[@]}" check || fail "$engine $via: the probe is not content"
  tree "$work/node" >"$work/once"
  node "$work/node" "${options[@]}" run once >"$work/said"
  tree "$work/node" | diff "$work/once" - || fail "$engine $via: a second run changed what is named above: $(cat "$work/said")"
  node "$work/node" "${options[@]}" remove once >"$work/said" || fail "remove: $(cat "$work/said")"
  tree "$work/node" | diff "$work/before" - || fail "$engine $via: not as it was before: $(cat "$work/said")"
  nodes=$((nodes + 1))
}

phase 'scratch nodes: enabled, again, removed, byte for byte'
containerd config default >"$work/default.toml"
for via in hook wrapper; do
  for configuration in tests/data/engines/containerd/{debian-1.6,version-3,several-handlers}.toml "$work/default.toml" /etc/containerd/config.toml; do
    [ ! -f "$configuration" ] || there_and_back containerd "$via" /etc/containerd/config.toml "$configuration"
  done
  for configuration in tests/data/engines/crio/{own-hooks-dir,two-handlers}.conf; do
    there_and_back crio "$via" /etc/crio/crio.conf.d/10-crio.conf "$configuration"
  done
done

phase 'the programs stay until CRI-O, which read the wrapper'\''s configuration, was restarted'
scratch_node
mkdir -p "$work/node/etc/crio" "$work/node/run/crio"
cp tests/data/engines/crio/two-handlers.conf "$work/node/etc/crio/crio.conf"
# What tells one CRI-O from the next: its socket's inode and time.
crio_starts() { rm -f "$work/node/run/crio/crio.sock"; sleep 1.1; touch "$work/node/run/crio/crio.sock"; }
crio_starts
node "$work/node" IMGCOMPAT_ENGINES=crio IMGCOMPAT_VIA=wrapper run once >"$work/said"
crio_starts
if node "$work/node" IMGCOMPAT_ENGINES=crio IMGCOMPAT_VIA=wrapper remove once >"$work/said"; then fail "it did not wait for CRI-O: $(cat "$work/said")"; fi
grep -q 'systemctl restart crio. The programs stay' "$work/said" || fail "$(cat "$work/said")"
[ -x "$work/node/usr/local/libexec/imgcompat/imgcompat-runtime" ] || fail "the wrapper went while CRI-O calls it"
crio_starts
node "$work/node" IMGCOMPAT_ENGINES=crio IMGCOMPAT_VIA=wrapper remove once >"$work/said" || fail "$(cat "$work/said")"
[ ! -e "$work/node/usr/local/libexec/imgcompat" ] || fail "the programs stayed after the restart: $(cat "$work/said")"
[ ! -e "$work/node/etc/imgcompat/runtimes" ] || fail "the scripts stayed: $(cat "$work/said")"

phase 'a policy that cannot be read is left out'
scratch_node
cp tests/data/engines/crio/two-handlers.conf "$work/node/etc/crio.conf"
echo 'mdoe = "audit"' >"$work/policy/broken.toml"
node "$work/node" IMGCOMPAT_ENGINES=crio run once >"$work/said"
grep -q 'is left out' "$work/said" || fail "a broken policy was not noticed"
[ ! -e "$work/node/etc/imgcompat/config.d/kubernetes-broken.toml" ] || fail "a broken policy was put in force"
rm "$work/policy/broken.toml"

phase 'a node with the package is left alone'
mkdir -p "$work/node/usr/libexec/imgcompat"
touch "$work/node/usr/libexec/imgcompat/imgcompat-hook"
if node "$work/node" IMGCOMPAT_ENGINES=crio run once >"$work/said" 2>&1; then fail "it took over a node that has the package"; fi
grep -q 'has imgcompat as a package' "$work/said" || fail "$(cat "$work/said")"

if ! command -v crictl >/dev/null; then
  echo "summary: $nodes scratch nodes; without a pod on a real containerd (crictl is not installed)"
  exit 0
fi

# --- A containerd that runs, and the node is this root -------------------------------------------------------------------------------------------
phase 'containerd, as the node has it'
mkdir -p /var/lib/containerd
mount -t tmpfs tmpfs /var/lib/containerd
mkdir -p /etc/containerd /etc/cni/net.d /opt/cni/bin
version=2 cri=io.containerd.grpc.v1.cri
[ "$(containerd --version | sed -E 's/.* v?([0-9]+)\..*/\1/')" -lt 2 ] || { version=3; cri=io.containerd.cri.v1.runtime; }
cat >/etc/containerd/config.toml <<T
# The node's own comment.
version = $version
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]

[plugins."$cri"]
  restrict_oom_score_adj = true
$([ "$version" = 3 ] || echo '  sandbox_image = "localhost/pause:1"')
T
[ "$version" = 2 ] || printf '[plugins."io.containerd.cri.v1.images".pinned_images]\nsandbox = "localhost/pause:1"\n' >>/etc/containerd/config.toml
cp /etc/containerd/config.toml "$work/config.toml"
cri() { crictl --runtime-endpoint unix:///run/containerd/containerd.sock --image-endpoint unix:///run/containerd/containerd.sock --timeout 60s "$@"; }
start_containerd() {
  containerd >>"$work/containerd.log" 2>&1 &
  containerd=$!
  local tick
  for ((tick = 0; tick < 150; tick++)); do
    if cri version >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  tail -n 20 "$work/containerd.log"
  fail "containerd does not come up"
}
stop_containerd() { kill "$containerd"; wait "$containerd" 2>/dev/null || :; rm -f /run/containerd/containerd.sock; }
trap 'kill "${containerd:-1}" 2>/dev/null || :' EXIT
start_containerd

mkdir -p "$work/image/bin"
cp "$(command -v busybox)" "$work/image/bin/busybox"
ln -s busybox "$work/image/bin/touch"
printf '#!/bin/busybox sh\ntrap "exit 0" TERM INT\nwhile :; do /bin/busybox sleep 1; done\n' >"$work/image/pause"
chmod 755 "$work/image/pause"
for name in pause good bad; do
  echo "$name" >"$work/image/name"
  tar -C "$work/image" -c . | podman import -q --change 'ENTRYPOINT ["/pause"]' - "localhost/$name:1" >/dev/null
  podman save -q --format docker-archive -o "$work/$name.tar" "localhost/$name:1"
  ctr -n k8s.io images import "$work/$name.tar" >/dev/null
done

# pod IMAGE [NAMESPACE]: what the kubelet does with a pod of one container. Sets status and output.
number=0
pod() {
  number=$((number + 1))
  rm -f "$work/ran/$1"
  mkdir -p "$work/ran"
  jq -n --arg n "p$number" --arg d "$work" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d, linux: {security_context: {namespace_options: {network: 2}}}}' >"$work/pod.json"
  jq -n --arg i "localhost/$1:1" --arg v "$work/ran" --arg p "/ran/$1" --arg s "${2:-tests}" '{labels: {"io.kubernetes.pod.namespace": $s}, metadata: {name: "c"}, image: {image: $i}, command: ["/bin/touch", $p], log_path: "c.log",
    mounts: [{host_path: $v, container_path: "/ran"}], linux: {}}' >"$work/container.json"
  local sandbox container
  sandbox=$(cri runp "$work/pod.json" 2>"$work/cri") || fail "no sandbox: $(cat "$work/cri")"
  container=$(cri create --no-pull "$sandbox" "$work/container.json" "$work/pod.json" 2>"$work/cri") || fail "no container: $(cat "$work/cri")"
  status=0
  output=$(cri start "$container" 2>&1) || status=$?
  reason=$(cri inspect "$container" 2>/dev/null | jq -r '.status | "\(.state) \(.reason) \(.exitCode)"')
  local tick
  for ((tick = 0; tick < 50 && status == 0; tick++)); do [ ! -e "$work/ran/$1" ] || break; sleep 0.1; done
}
starts() {
  pod "$@"
  if [ "$status" != 0 ] || [ ! -e "$work/ran/$1" ]; then fail "localhost/$1 should have started: $output"; fi
}

cat >"$work/specs/bad.yaml" <<'Y'
images: ["localhost/bad"]
version: v1alpha1
compatibilities:
- rules:
  - name: kernel
    matchFeatures:
    - feature: kernel.version
      matchExpressions: {major: {op: Gt, value: ["9000"]}}
Y
starts bad

phase 'installed, nothing restarted'
before=$containerd
node / run once
[ -x /usr/local/libexec/imgcompat/imgcompat-hook ] || fail "not installed"
kill -0 "$before" || fail "containerd was restarted without consent"
if node / check >"$work/said" 2>&1; then fail "the probe says that it is in force before the restart"; fi
grep -q 'containerd has to be restarted: systemctl restart containerd' "$work/said" || fail "$(cat "$work/said")"
starts bad

phase 'with the consent, it asks systemd for the restart'
printf '#!/bin/sh\necho "$*" >>%s/restarts\n' "$work" >/usr/local/sbin/systemctl
chmod 755 /usr/local/sbin/systemctl
node / IMGCOMPAT_RESTART=yes run once
[ "$(cat "$work/restarts")" = 'restart containerd' ] || fail "systemctl was asked for: $(cat "$work/restarts")"

phase 'the node restarts containerd'
stop_containerd
start_containerd
node / check || fail "the probe is not content after the restart"
starts good
pod bad
if [ "$status" = 0 ] || [ -e "$work/ran/bad" ]; then fail "localhost/bad should have been refused"; fi
[[ $output == *"imgcompat: refused: localhost/bad:1 needs kernel.version major (Gt 9000)"* ]] || fail "the reason is not in the error: $output"
[[ $reason == "CONTAINER_EXITED StartError 128" ]] || fail "the container's status: $reason"
printf '%s\n' "$output" | fold -s -w 140 | sed 's/^/    /'
# The page shows what the kubelet would get, but for the kernel and the container's id.
shown=$(grep -m 1 '^failed to create containerd task: .*imgcompat: refused' docs/kubernetes.md | sed -E -e 's/this host has [0-9]+/this host has N/' -e 's/why [0-9a-f]+/why ID/')
[[ $(sed -E -e 's/this host has [0-9]+/this host has N/' -e 's/why [0-9a-f]+/why ID/' <<<"$output") == *"$shown"* ]] || fail "docs/kubernetes.md shows another text: $shown"

phase 'kube-system is exempt, by what the kubelet says and not by what a pod does'
starts bad kube-system
grep -q '"under_enforce":"deny".*"exempt namespace kube-system"' /var/log/imgcompat/decisions.jsonl || fail "the record does not name the exemption"

phase 'the policy changes in place: audit'
cp deploy/kubernetes/overlays/audit/policy.toml "$work/policy/policy.toml"
node / run once
starts bad
grep -q '"decision":"allow","under_enforce":"deny"' /var/log/imgcompat/decisions.jsonl || fail "audit mode recorded nothing"

phase 'removed: the programs stay until nothing calls them'
if node / remove once >"$work/said" 2>&1; then fail "it removed the programs that containerd calls"; fi
grep -q 'systemctl restart containerd' "$work/said" || fail "$(cat "$work/said")"
starts bad
stop_containerd
start_containerd
node / remove once
cmp /etc/containerd/config.toml "$work/config.toml" || fail "containerd's configuration is not as it was"
for path in /usr/local/libexec/imgcompat /etc/imgcompat; do [ ! -e "$path" ] || fail "left: $(find "$path")"; done
starts bad
cri rmp -fa >/dev/null 2>&1 || :
stop_containerd
trap - EXIT
echo "summary: $nodes scratch nodes byte for byte; $(containerd --version | cut -d ' ' -f 1-3): enabled, refused a pod, audited, removed by the DaemonSet's container"
