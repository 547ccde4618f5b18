# shellcheck shell=bash disable=SC2034,SC2154
# nerdctl, with the wrapper: found as runc on containerd's PATH for what starts and what was made before, else named by --runtime. The verbs of cases/.

# shellcheck source=tests/engines/containerd/containerd.bash
. "$ENGINES/containerd/containerd.bash"
# Every test has a namespace of its own, and so no images that share their layers with those of others.
NAMESPACE=nerdctl-$BATS_SUITE_TEST_NUMBER
need_client() { command -v nerdctl >/dev/null || skip "nerdctl is not installed (lane nerdctl)"; }

nerdctl_here() { nerdctl -a "$SOCKET" -n "$NAMESPACE" --data-root "$SCRATCH/nerdctl" --cgroup-manager cgroupfs --insecure-registry "$@"; }
# nerdctl_runs EXPECTED_RC ARGUMENTS...
nerdctl_runs() {
  local expected=$1
  shift
  runs "$expected" nerdctl -a "$SOCKET" -n "$NAMESPACE" --data-root "$SCRATCH/nerdctl" --cgroup-manager cgroupfs --insecure-registry "$@"
}
pull() { nerdctl_runs 0 pull -q "$1"; }

# nerdctl_run EXPECTED_RC IMAGE [OPTIONS]
nerdctl_run() {
  local expected=$1 image=$2
  shift 2
  rm -f "$T/volume/ran"
  nerdctl_runs "$expected" run --rm --net none -v "$T/volume:/volume" "$@" "$image" /bin/touch /volume/ran
}

starts() { nerdctl_run 0 "$1" && ran; }
refuses() { nerdctl_run 1 "$@" --runtime "$WRAPPER" && refused; }
refused() {
  did_not_run
  says "failed to create shim task: OCI runtime create failed: "
  says "imgcompat: refused: "
}
refuses_lies() {
  refuses "$1" --label io.cri-containerd.kind=sandbox --annotation io.kubernetes.cri.container-type=sandbox \
    --annotation io.kubernetes.cri.image-name=localhost/pause:1 --annotation io.kubernetes.cri-o.ImageRepoDigests=localhost/pause@sha256:0 \
    --annotation nerdctl/namespace=k8s.io --annotation io.container.manager=cri-o --env LD_PRELOAD=/preload.so --env IMGCOMPAT_MODE=off
}

make() {
  nerdctl_runs 0 create --net none -v "$T/volume:/volume" "$1" /bin/touch /volume/ran
  MADE=$(tail -n 1 <<<"$output")
}
starts_made() {
  rm -f "$T/volume/ran"
  nerdctl_runs 0 start -a "$MADE"
  ran
}
refuses_made() {
  rm -f "$T/volume/ran"
  nerdctl_runs 1 start -a "$MADE"
  refused
}

id_of() { nerdctl_here images -q --no-trunc "$1" | head -n 1; }
knows_what_was_asked() { true; }
knows_index_of_manifest() { true; }
keeps_unnamed() { false; }
