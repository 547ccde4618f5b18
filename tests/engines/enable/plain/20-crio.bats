#!/usr/bin/env bats
# CRI-O: enabled, in force, seen by doctor, disabled.

setup_file() {
  load ../enable
  if ! command -v crio || ! command -v crictl; then return 0; fi
  mkdir -p /etc/crio
  install -m 755 "$BATS_TEST_DIRNAME/../../crio/limited-runtime" /usr/local/bin/crun-limited
  cat >/etc/crio/crio.conf <<T
# CRI-O as this node needs it
[crio]
storage_driver = "overlay"
[crio.runtime]
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
default_runtime = "crun"
apparmor_profile = ""
pinns_path = "/usr/local/bin/pinns"
[crio.runtime.runtimes.crun]
runtime_path = "/usr/local/bin/crun-limited"
monitor_path = "$(command -v conmon)"
[crio.image]
pause_image = "localhost/pause:1"
T
  daemon start crio
}

teardown_file() {
  load ../enable
  daemon stop crio
}

setup() {
  load ../enable
  if ! command -v crio || ! command -v crictl; then skip "CRI-O and crictl are not installed"; fi
  forget
}

teardown() {
  imgcompat disable crio >/dev/null || :
  install -m 755 "$PROGRAMS/imgcompat-hook" /usr/libexec/imgcompat/imgcompat-hook
  cri rmp -fa >/dev/null 2>&1 || :
}

cri() { crictl --runtime-endpoint unix:///run/crio/crio.sock --image-endpoint unix:///run/crio/crio.sock --timeout 60s "$@"; }
start() {
  jq -n --arg n "p$RANDOM" --arg d "$SCRATCH" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d,
    linux: {security_context: {namespace_options: {network: 2}}}}' >"$SCRATCH/pod.json"
  jq -n --arg i "$IMAGE" '{metadata: {name: "c"}, image: {image: $i}, log_path: "c.log", linux: {}}' >"$SCRATCH/container.json"
  local sandbox
  sandbox=$(cri runp "$SCRATCH/pod.json" 2>"$SCRATCH/runp" | tail -n 1) || { cat "$SCRATCH/runp"; return 1; }
  runs "$1" crictl --runtime-endpoint unix:///run/crio/crio.sock --image-endpoint unix:///run/crio/crio.sock create "$sandbox" "$SCRATCH/container.json" "$SCRATCH/pod.json"
}

@test "by the hook: nothing is restarted" {
  snapshot >"$SCRATCH/before"
  finds problem crio "its containers are not judged"
  start 0
  runs 0 imgcompat enable crio
  [[ $output != *"systemctl restart"* ]]
  finds ok crio "judged by the hook"
  sleep 1
  start 1
  says "imgcompat: refused: $IMAGE needs kernel.version"
  probe_is_content crio
  runs 0 imgcompat disable crio
  snapshot | diff "$SCRATCH/before" -
  sleep 1
  start 0
}

@test "by the wrapper: in force after a restart, and doctor says so until then" {
  snapshot >"$SCRATCH/before"
  runs 0 imgcompat enable crio --via wrapper
  says "systemctl restart crio"
  finds problem crio "starts containers as before"
  start 0
  daemon restart crio
  [ "$(imgcompat doctor --offline | grep -c "starts containers as before")" = 0 ]
  finds ok crio "judged by the wrapper runtime"
  start 1
  says "imgcompat: refused: $IMAGE needs kernel.version"
  probe_is_content crio
  runs 0 imgcompat disable crio --restart
  says "restarted  crio"
  snapshot | diff "$SCRATCH/before" -
  start 0
}

@test "the hook's program is gone: CRI-O starts nothing while it remembers the hook, then everything" {
  imgcompat enable crio
  sleep 1
  rm /usr/libexec/imgcompat/imgcompat-hook
  start 1
  daemon restart crio
  start 0
  finds problem crio "from then on everything starts unjudged"
}
