# shellcheck shell=bash disable=SC2034,SC2154
# How the tests speak to CRI-O.

setup_crio() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  new_engine_test
}

teardown_crio() {
  cri rmp -fa >/dev/null 2>&1 || :
  end_engine_test
}

cri() { crictl --runtime-endpoint "unix://$SCRATCH/crio.sock" --image-endpoint "unix://$SCRATCH/crio.sock" --timeout 60s "$@"; }
pod() {
  jq -n --arg n "$1" --arg d "$T" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d, annotations: {},
    linux: {security_context: {namespace_options: {network: 2}}}}' >"$T/pod.json"
}
container() {
  jq -n --arg i "$1" --arg v "$T/volume" '{metadata: {name: "c"}, image: {image: $i}, command: ["/bin/touch", "/volume/ran"], log_path: "c.log",
    mounts: [{host_path: $v, container_path: "/volume"}], annotations: {}, linux: {}}' >"$T/container.json"
}
cri_pull() { runs 0 crictl --runtime-endpoint "unix://$SCRATCH/crio.sock" --image-endpoint "unix://$SCRATCH/crio.sock" pull "$1"; }

# cri_create HANDLER EXPECTED_RC: under CRI-O the hook runs in CreateContainer.
cri_create() {
  rm -f "$T/volume/ran"
  SANDBOX=$(cri runp --runtime "$1" "$T/pod.json" 2>"$T/runp") || { cat "$T/runp"; return 1; }
  runs "$2" crictl --runtime-endpoint "unix://$SCRATCH/crio.sock" create --no-pull "$SANDBOX" "$T/container.json" "$T/pod.json"
}

expect_cri_start() {
  pod "p$RANDOM"
  container "${2:-$IMAGE}"
  cri_create "$1" 0
  cri start "$(tail -n 1 <<<"$output")" >/dev/null
  wait_until test -e "$T/volume/ran"
}
expect_cri_refusal() {
  pod "p$RANDOM"
  container "${2:-$IMAGE}"
  cri_create "$1" 1
  did_not_run
}
