#!/usr/bin/env bats
# Which image a container is made from, and which of its artifacts counts.

setup() {
  load helpers
  new_test
}

teardown() { end_test; }

@test "two platforms, artifact on the index" {
  push_index
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  expect_refusal "$IMAGE"
}

@test "two platforms, artifact on this platform's manifest" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  pull "$IMAGE"
  expect_refusal "$IMAGE"
}

@test "two platforms, artifact on the other platform's manifest: not for this host" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(other_architecture)"
  pull "$IMAGE"
  expect_start "$IMAGE"
  decided '.verdict == "no-artifact"'
}

@test "two platforms, artifacts on index and manifest: the manifest's wins" {
  push_index
  attach "$IMAGE" incompatible
  attach "$IMAGE" compatible --platform "linux/$(this_architecture)"
  pull "$IMAGE"
  expect_start "$IMAGE"
  decided '.verdict == "compatible"'
}

@test "two platforms, artifacts on index and manifest, the other way round" {
  push_index
  attach "$IMAGE" compatible
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  pull "$IMAGE"
  expect_refusal "$IMAGE"
}

@test "pulled by the index's digest" {
  local digests
  digests=$(push_index)
  attach "$IMAGE" incompatible
  pull "$REGISTRY/$REPO@$(head -n 1 <<<"$digests")"
  expect_refusal "$REGISTRY/$REPO@$(head -n 1 <<<"$digests")"
}

@test "pulled by the manifest's digest" {
  local digests
  digests=$(push_index)
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  pull "$REGISTRY/$REPO@$(tail -n 1 <<<"$digests")"
  expect_refusal "$REGISTRY/$REPO@$(tail -n 1 <<<"$digests")"
}

@test "an image that was re-tagged locally keeps its specification" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  run_podman 0 tag "$IMAGE" localhost/renamed:1
  expect_refusal localhost/renamed:1
  run_podman 0 untag "$IMAGE" "$IMAGE"
  expect_refusal localhost/renamed:1
}

@test "started by its image id" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  run_podman 0 images -q --no-trunc "$IMAGE"
  expect_refusal "${output##*$'\n'}"
}

@test "the tag moved to another image after the pull: the pulled one is judged" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  local dir=$T/moved
  new_layout "$dir"
  push_layout "$dir" "$(add_image "$dir" "$(this_architecture)" "$REPO-moved")" 1
  attach "$IMAGE" compatible
  expect_refusal "$IMAGE" --pull never
}

@test "an image record with several manifests of the same image" {
  local dir=$T/several first second
  new_layout "$dir"
  first=$(add_image "$dir" "$(this_architecture)" "$REPO" one)
  second=$(add_image "$dir" "$(this_architecture)" "$REPO" two)
  push_layout "$dir" "$first" 1
  push_layout "$dir" "$second" 2
  attach "$REGISTRY/$REPO:2" incompatible
  pull "$REGISTRY/$REPO:1"
  pull "$REGISTRY/$REPO:2"
  [ "$(jq --arg r "$REGISTRY/$REPO:2" '[.[] | select(.names | tostring | contains($r)) | ."big-data-names"[] | select(startswith("manifest-sha256"))] | length' \
    "$SCRATCH/storage/overlay-images/images.json")" = 2 ]
  expect_refusal "$REGISTRY/$REPO:2"
}

@test "the same image in two repositories: each start is judged by the repository it was asked for" {
  local dir=$T/two descriptor other=$REPO-other
  new_layout "$dir"
  descriptor=$(add_image "$dir" "$(this_architecture)" "$REPO")
  push_layout "$dir" "$descriptor" 1
  REPO=$other push_layout "$dir" "$descriptor" 1
  attach "$REGISTRY/$REPO:1" incompatible
  attach "$REGISTRY/$other:1" compatible
  pull "$REGISTRY/$REPO:1"
  pull "$REGISTRY/$other:1"
  expect_refusal "$REGISTRY/$REPO:1"
  expect_start "$REGISTRY/$other:1"
}

@test "a locally built image: nobody is asked, and it starts" {
  local_image
  watch_worker
  expect_start localhost/built:1
  [ ! -e "$T/worker/asked" ]
}

@test "a locally built image: a local specification applies" {
  local_image
  watch_worker
  cat >"$ROOT/etc/imgcompat/specs.d/local.yaml" <<EOF
images: ["localhost/built"]
$(cat "$BATS_TEST_DIRNAME/specs/incompatible.yaml")
EOF
  expect_refusal localhost/built:1
  [ ! -e "$T/worker/asked" ]
}

@test "watching the worker works: a registry's image makes the hook ask" {
  push_image
  watch_worker
  pull "$IMAGE"
  run_podman '?' run --rm --network none "$IMAGE" /bin/true
  [ -e "$T/worker/asked" ]
}

@test "a container from a directory (--rootfs) is not judged, even where everything else is denied" {
  printf 'profile = "strict"\n' | policy
  mkdir -p "$T/tree"
  tar -C "$T/tree" -xf "$SCRATCH/layer.tar"
  rm -f "$T/volume/ran"
  run_podman 0 run --rm --network none -v "$T/volume:/volume" --rootfs "$T/tree" /bin/touch /volume/ran
  [ -e "$T/volume/ran" ]
}

@test "a pod with an infra image starts, and its containers are judged" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  local pause
  pause=$(pause_image)
  run_podman 0 pod create --infra-image "$pause" --network none --name pod
  run_podman 0 run -d --pod pod --name first "$(compatible_image)" /bin/sleep 60
  run_podman 126 run --rm --pod pod "$IMAGE" /bin/true
  run_podman 0 pod rm -f -t 0 pod
}

@test "annotations change neither what is judged, nor whether it is, nor the mode" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  local other annotation
  other=$(compatible_image)
  for annotation in \
    "io.kubernetes.cri-o.Image=$other" "io.kubernetes.cri-o.ImageName=$other" "io.kubernetes.cri-o.ImageRef=$other" \
    "io.kubernetes.cri.image-name=$other" "org.opencontainers.image.ref.name=$other" \
    "io.kubernetes.cri-o.ContainerType=sandbox" "io.kubernetes.cri.container-type=sandbox" \
    "io.container.manager=cri-o" "io.container.manager=buildah" "io.podman.annotations.infra=true" \
    "io.kubernetes.cri-o.MountPoint=/nonexistent" "imgcompat.mode=off" "io.imgcompat.mode=audit" "imgcompat=off"; do
    expect_refusal "$IMAGE" --annotation "$annotation"
    decided '.mode == "enforce"'
  done
  expect_refusal "$IMAGE" --env IMGCOMPAT_MODE=off --env LD_PRELOAD=/x.so --label imgcompat.mode=off
}
