# shellcheck shell=bash disable=SC2034,SC2154
# containerd by CRI, as Kubernetes uses it, with the hook (base_runtime_spec) and with the wrapper: the verbs of cases/.

# shellcheck source=tests/engines/containerd/containerd.bash
. "$ENGINES/containerd/containerd.bash"
HANDLERS=(hook wrapper)

NAMESPACE=k8s.io
need_client() { command -v crictl >/dev/null || skip "crictl is not installed"; }

pull() { cri_pull "$1"; }

# cri_make HANDLER: sandbox and container of pod.json and container.json.
cri_make() {
  rm -f "$T/volume/ran"
  sandbox "$1"
  CONTAINER=$(cri create --no-pull "$SANDBOX" "$T/container.json" "$T/pod.json" 2>"$T/create") || { cat "$T/create" >&2; return 1; }
}
# cri_start HANDLER EXPECTED_RC
cri_start() {
  cri_make "$1"
  cri_runs "$2" start "$CONTAINER"
  [ "$2" != 0 ] || wait_until test -e "$T/volume/ran"
}
refused_in_start() {
  did_not_run
  says "OCI runtime create failed: "
  says "imgcompat: refused: "
}

cri_starts() { cri_start "$1" 0; }
cri_refuses() {
  cri_start "$1" 1
  refused_in_start
}

# Two of each handler: a container that was not let start is not started again.
make() {
  local handler
  MADE=() MORE=()
  for handler in "${HANDLERS[@]}"; do
    pod
    container "$1"
    cri_make "$handler"
    MADE+=("$CONTAINER")
    pod
    cri_make "$handler"
    MORE+=("$CONTAINER")
  done
}
starts_made() {
  local container
  for container in "${MORE[@]}"; do
    rm -f "$T/volume/ran"
    forget
    cri_runs 0 start "$container"
    wait_until test -e "$T/volume/ran"
  done
}
refuses_made() {
  local container
  for container in "${MADE[@]}"; do
    forget
    cri_runs 1 start "$container"
    refused_in_start
  done
}

# Before containerd 2.0 nothing keeps what the pod said, and later only what differs from the record.
knows_what_was_asked() { false; }
knows_index_of_manifest() { true; }
keeps_unnamed() { true; }
