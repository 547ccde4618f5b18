# shellcheck shell=bash disable=SC2034,SC2154
# podman as root, with the hook, over the runtime of the run: the verbs of cases/.

# shellcheck source=tests/engines/helpers.bash
. "$ENGINES/helpers.bash"
# shellcheck source=tests/engines/preload.bash
. "$ENGINES/preload.bash"
ENGINE=podman

setup_engine() { new_test; }
teardown_engine() { end_test; }

starts() { expect_start "$1"; }
refuses() {
  expect_refusal "$@"
  says "imgcompat: refused: "
}

refuses_lies() {
  refuses "$1" --annotation io.kubernetes.cri-o.Image=localhost/pause:1 --annotation io.kubernetes.cri-o.ImageName=localhost/pause:1 \
    --annotation io.kubernetes.cri-o.ImageRepoDigests=localhost/pause@sha256:0 --annotation io.kubernetes.cri-o.ContainerType=sandbox \
    --annotation io.kubernetes.cri.container-type=sandbox --annotation io.kubernetes.cri.image-name=localhost/pause:1 \
    --annotation io.container.manager=cri-o --annotation io.podman.annotations.infra=true --annotation imgcompat.mode=off \
    --label io.cri-containerd.kind=sandbox --env IMGCOMPAT_MODE=off --env LD_PRELOAD=/preload.so --hostname pause --name k8s_POD_pause
}

make() {
  rm -f "$T/volume/ran"
  run_podman 0 create --name made --network none -v "$T/volume:/volume" "$1" /bin/touch /volume/ran
}
starts_made() {
  run_podman 0 start -a made
  [ -e "$T/volume/ran" ]
}
# podman start ends with 126 since podman 5, before with 125.
refuses_made() {
  run_podman '?' start -a made
  [ "$status" = 125 ] || [ "$status" = 126 ]
  [ ! -e "$T/volume/ran" ]
  says "imgcompat: refused: "
}

id_of() { podman_here images -q --no-trunc "$1"; }
knows_what_was_asked() { true; }
knows_index_of_manifest() { true; }
keeps_unnamed() { true; }
