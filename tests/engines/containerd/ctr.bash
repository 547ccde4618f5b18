# shellcheck shell=bash disable=SC2034,SC2154
# ctr, with the wrapper: found as runc on containerd's PATH for what starts and what was made before, else named by --runc-binary. The verbs of cases/.

# shellcheck source=tests/engines/containerd/containerd.bash
. "$ENGINES/containerd/containerd.bash"
# Every test has a namespace of its own, and so no images that share their layers with those of others.
NAMESPACE=ctr-$BATS_SUITE_TEST_NUMBER
need_client() { :; }

# ctr_runs EXPECTED_RC ARGUMENTS...
ctr_runs() {
  local expected=$1
  shift
  runs "$expected" ctr -a "$SOCKET" -n "$NAMESPACE" "$@"
}
pull() { ctr_runs 0 images pull --plain-http "$1"; }

# ctr_run EXPECTED_RC IMAGE [OPTIONS]
ctr_run() {
  local expected=$1 image=$2
  shift 2
  rm -f "$T/volume/ran"
  ctr_runs "$expected" run --rm --mount "type=bind,src=$T/volume,dst=/volume,options=rbind:rw" "$@" "$image" "c$RANDOM" /bin/touch /volume/ran
}

starts() { ctr_run 0 "$1" && ran; }
refuses() { ctr_run 1 "$@" --runc-binary "$WRAPPER" && refused; }
refused() {
  did_not_run
  says "ctr: failed to create shim task: OCI runtime create failed: "
  says "imgcompat: refused: "
}
refuses_lies() {
  refuses "$1" --label io.cri-containerd.kind=sandbox --label containerd.io/restart.status=running --annotation io.kubernetes.cri.container-type=sandbox \
    --annotation io.kubernetes.cri.image-name=localhost/pause:1 --annotation io.kubernetes.cri-o.ImageRepoDigests=localhost/pause@sha256:0 \
    --annotation io.container.manager=cri-o --env LD_PRELOAD=/preload.so --env IMGCOMPAT_MODE=off
}

make() {
  MADE=made$RANDOM
  ctr_here containers create --mount "type=bind,src=$T/volume,dst=/volume,options=rbind:rw" "$1" "$MADE" /bin/touch /volume/ran
}
start_made() {
  rm -f "$T/volume/ran"
  ctr_runs "$1" tasks start "$MADE"
}
starts_made() { start_made 0 && ran; }
refuses_made() { start_made 1 && refused; }

id_of() { :; }
knows_what_was_asked() { true; }
knows_index_of_manifest() { true; }
keeps_unnamed() { false; }
