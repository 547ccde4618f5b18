# shellcheck shell=bash disable=SC2034,SC2154
# CRI-O, with the hook over crun and over runc, and with the wrapper before crun: the verbs of cases/. A container is judged when it is created.

# shellcheck source=tests/engines/engine.bash
. "$ENGINES/engine.bash"
# shellcheck source=tests/engines/cri.bash
. "$ENGINES/cri.bash"
ENGINE=crio
CRI_SOCKET=$SCRATCH/crio.sock
HANDLERS=(crun runc wrapper)

setup_engine() { new_engine_test; }
teardown_engine() {
  cri rmp -fa >/dev/null 2>&1 || :
  end_engine_test
}

pull() { cri_pull "$1"; }

# cri_create HANDLER EXPECTED_RC: pod.json and container.json; sets CONTAINER where the container is created.
cri_create() {
  rm -f "$T/volume/ran"
  sandbox "$1"
  cri_runs "$2" create --no-pull "$SANDBOX" "$T/container.json" "$T/pod.json"
  CONTAINER=$(tail -n 1 <<<"$output")
}

expect_cri_start() {
  pod
  container "$2"
  cri_create "$1" 0
  cri start "$CONTAINER" >/dev/null
  wait_until test -e "$T/volume/ran"
}
expect_cri_refusal() {
  pod
  container "$2"
  cri_create "$1" 1
  refused_in_create
}
refused_in_create() {
  did_not_run
  says "container create failed: "
  says "imgcompat: refused: "
}

starts() {
  local handler
  for handler in "${HANDLERS[@]}"; do
    forget
    expect_cri_start "$handler" "$1"
  done
}
refuses() {
  local handler
  for handler in "${HANDLERS[@]}"; do
    forget
    expect_cri_refusal "$handler" "$1"
  done
}
refuses_lies() {
  local handler
  for handler in "${HANDLERS[@]}"; do
    forget
    pod
    container "$1"
    lie
    cri_create "$handler" 1
    refused_in_create
  done
}

knows_what_was_asked() { true; }
knows_index_of_manifest() { true; }
