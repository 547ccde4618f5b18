#!/usr/bin/env bats
# The tool's image as the job of Node Feature Discovery's documentation runs it: the same command line and mounts, not root, no
# capabilities, a read-only root. Its exit code is the verdict.

setup() {
  load helpers
  new_test
  JOB=localhost/imgcompat:test
}

teardown() { end_test; }

build_job_image() {
  readelf -l "$PROGRAMS/imgcompat" | grep -q INTERP && skip "imgcompat is not linked statically here, so it cannot be the only file of an image"
  # --isolation chroot: there is no RUN in the Containerfile, and no runtime is to be asked.
  podman_build() { podman_here "$@"; }
  export -f podman_build podman_here
  printf '#!/bin/bash\npodman_build "$@"\n' >"$T/engine"
  chmod 755 "$T/engine"
  ENGINE=$T/engine "$BATS_TEST_DIRNAME/../../deploy/image/build.sh" --binary "$PROGRAMS/imgcompat" --tag "$JOB"
}

# run_job EXPECTED_RC ARGUMENTS...
run_job() {
  local expected=$1 mounts=() path
  shift
  for path in boot sys usr/lib lib proc; do
    mounts+=(-v "/$path:/host-$path:ro")
  done
  # The job itself is not judged by the hook; it judges.
  HOOKS=$SCRATCH/none run_podman "$expected" run --rm --network host --user 65534:65534 --cap-drop ALL --security-opt no-new-privileges --read-only \
    "${mounts[@]}" -v /etc/os-release:/host-etc/os-release:ro --entrypoint nfd "$JOB" "$@"
}

@test "the job ends with 0 for a compatible image, 1 for an incompatible one, 3 for one without a specification" {
  mkdir -p "$SCRATCH/none"
  build_job_image
  push_image
  run_job 3 compat validate-node --image "$IMAGE" --plain-http
  attach "$IMAGE" compatible
  run_job 0 compat validate-node --image "$IMAGE" --plain-http
  says compatible
  push_image 2
  attach "$REGISTRY/$REPO:2" incompatible
  run_job 1 compat validate-node --image "$REGISTRY/$REPO:2" --plain-http --output-json
  says '"isMatch":false'
  run_job 0 compat validate-node --image "$REGISTRY/$REPO:2" --plain-http --nfd-exit-codes
}

@test "the job sees the host's facts, not the container's" {
  mkdir -p "$SCRATCH/none"
  build_job_image
  run_job 0 export features
  says "$(sed -n 's/^ID=//p' /etc/os-release | tr -d '"')"
  says '"kernel.version"'
}
