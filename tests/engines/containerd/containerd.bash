# shellcheck shell=bash disable=SC2034,SC2154
# How the tests speak to containerd.

setup_containerd() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  new_engine_test
  SOCKET=$SCRATCH/c/containerd.sock
}

teardown_containerd() {
  local id
  if command -v crictl >/dev/null; then cri rmp -fa >/dev/null 2>&1 || :; fi
  for id in $(ctr_here containers list -q 2>/dev/null); do
    ctr_here tasks delete -f "$id" >/dev/null 2>&1 || :
    ctr_here containers delete "$id" >/dev/null 2>&1 || :
  done
  end_engine_test
}

need_cri() { command -v crictl >/dev/null || skip "crictl is not installed"; }
cri() { crictl --runtime-endpoint "unix://$SOCKET" --image-endpoint "unix://$SOCKET" --timeout 60s "$@"; }
ctr_here() { ctr -a "$SOCKET" -n "${NAMESPACE:-default}" "$@"; }

# pod NAME and container IMAGE: the files that crictl wants.
pod() {
  jq -n --arg n "$1" --arg d "$T" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d, annotations: {},
    linux: {security_context: {namespace_options: {network: 2}}}}' >"$T/pod.json"
}
container() {
  jq -n --arg i "$1" --arg v "$T/volume" '{metadata: {name: "c"}, image: {image: $i}, command: ["/bin/touch", "/volume/ran"], log_path: "c.log",
    mounts: [{host_path: $v, container_path: "/volume"}], annotations: {}, linux: {}}' >"$T/container.json"
}

cri_pull() { runs 0 crictl --runtime-endpoint "unix://$SOCKET" --image-endpoint "unix://$SOCKET" pull "$1"; }

# cri_start HANDLER EXPECTED_RC: pod.json and container.json through sandbox, create and start, each by itself, so that a test sees which one failed.
cri_start() {
  rm -f "$T/volume/ran"
  SANDBOX=$(cri runp --runtime "$1" "$T/pod.json")
  CONTAINER=$(cri create --no-pull "$SANDBOX" "$T/container.json" "$T/pod.json")
  runs "$2" crictl --runtime-endpoint "unix://$SOCKET" start "$CONTAINER"
  [ "$2" != 0 ] || wait_until test -e "$T/volume/ran"
}

expect_cri_start() {
  pod "p$RANDOM"
  container "${2:-$IMAGE}"
  cri_start "$1" 0
  ran
}
expect_cri_refusal() {
  pod "p$RANDOM"
  container "${2:-$IMAGE}"
  cri_start "$1" 1
  did_not_run
}

# ctr_pull IMAGE, ctr_run EXPECTED_RC IMAGE [RUNTIME]: outside CRI; the runtime is the wrapper unless named.
ctr_pull() { runs 0 ctr -a "$SOCKET" -n "${NAMESPACE:-default}" images pull --plain-http "$1"; }
ctr_run() {
  rm -f "$T/volume/ran"
  runs "$1" ctr -a "$SOCKET" -n "${NAMESPACE:-default}" run --rm --runc-binary "${3:-$WRAPPER}" \
    --mount "type=bind,src=$T/volume,dst=/volume,options=rbind:rw" "$2" "c$RANDOM" /bin/touch /volume/ran
}
