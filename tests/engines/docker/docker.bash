# shellcheck shell=bash disable=SC2034,SC2154
# How the tests speak to Docker.

setup_docker() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  new_engine_test
}

teardown_docker() {
  docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1 || :
  docker images -q | sort -u | xargs -r docker rmi -f >/dev/null 2>&1 || :
  end_engine_test
}

docker_pull() { runs 0 docker pull -q "$1"; }

# docker_run EXPECTED_RC IMAGE [OPTIONS]
docker_run() {
  local expected=$1 image=$2
  shift 2
  rm -f "$T/volume/ran"
  runs "$expected" docker run --rm --network none -v "$T/volume:/volume" "$@" "$image" /bin/touch /volume/ran
}
docker_create() { docker create --network none -v "$T/volume:/volume" "$1" /bin/touch /volume/ran; }

expect_docker_start() { docker_run 0 "$@" && ran; }
expect_docker_refusal() { docker_run 125 "$@" && did_not_run && says "imgcompat: refused: "; }
older_store() { [ "${STORE:-overlay2}" != overlayfs ]; }
