# shellcheck shell=bash disable=SC2034,SC2154
# Docker with the wrapper as its default runtime: the verbs of cases/.

# shellcheck source=tests/engines/engine.bash
. "$ENGINES/engine.bash"
ENGINE=docker

setup_engine() { new_engine_test; }
teardown_engine() {
  docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1 || :
  docker images -q | sort -u | xargs -r docker rmi -f >/dev/null 2>&1 || :
  end_engine_test
}

pull() { runs 0 docker pull -q "$1"; }

# docker_run EXPECTED_RC IMAGE [OPTIONS]
docker_run() {
  local expected=$1 image=$2
  shift 2
  rm -f "$T/volume/ran"
  runs "$expected" docker run --rm --network none -v "$T/volume:/volume" "$@" "$image" /bin/touch /volume/ran
}

starts() { docker_run 0 "$@" && ran; }
refuses() { docker_run 125 "$@" && refused; }
refused() {
  did_not_run
  says "OCI runtime create failed: "
  says "imgcompat: refused: "
}
refuses_lies() {
  local annotation=() lie
  for lie in io.kubernetes.cri.container-type=sandbox io.kubernetes.cri.image-name=localhost/pause:1 io.kubernetes.cri-o.ImageRepoDigests=localhost/pause@sha256:0 \
    io.container.manager=cri-o; do
    if docker run --help | grep -q -- --annotation; then annotation+=(--annotation "$lie"); fi
    annotation+=(--label "$lie")
  done
  refuses "$1" "${annotation[@]}" --label io.cri-containerd.kind=sandbox --env LD_PRELOAD=/preload.so --env IMGCOMPAT_MODE=off --name k8s_POD_pause
}

make() { MADE=$(docker create --network none -v "$T/volume:/volume" "$1" /bin/touch /volume/ran); }
starts_made() {
  rm -f "$T/volume/ran"
  runs 0 docker start -a "$MADE"
  ran
}
refuses_made() {
  rm -f "$T/volume/ran"
  runs 1 docker start "$MADE"
  refused
}
forget_image() { docker rmi -f "$1" >/dev/null; }

id_of() { docker inspect -f '{{.Id}}' "$1"; }
knows_what_was_asked() { true; }
knows_index_of_manifest() { older_store; }
keeps_unnamed() { true; }
forgets_at_once() { older_store; }
older_store() { [ "${STORE:-overlay2}" != overlayfs ]; }
