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

cri_starts() {
  cri_create "$1" 0
  cri start "$CONTAINER" >/dev/null
  wait_until test -e "$T/volume/ran"
}
cri_refuses() {
  cri_create "$1" 1
  refused_in_create
}
refused_in_create() {
  did_not_run
  says "container create failed: "
  says "imgcompat: refused: "
}

knows_what_was_asked() { true; }
knows_index_of_manifest() { true; }
