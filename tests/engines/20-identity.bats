#!/usr/bin/env bats
# Which image a container is made from, and which of its artifacts counts.

setup() {
  load helpers
  new_test
}

teardown() { end_test; }

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

@test "an image that was re-tagged locally keeps its specification" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  run_podman 0 tag "$IMAGE" localhost/renamed:1
  expect_refusal localhost/renamed:1
  run_podman 0 untag "$IMAGE" "$IMAGE"
  expect_refusal localhost/renamed:1
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

@test "an image that a container was made from stays, or goes with the container" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  run_podman 0 create --name made --network none "$IMAGE" /bin/true
  run_podman 2 rmi "$IMAGE"
  run_podman 0 untag "$IMAGE"
  run_podman '?' start -a made
  says "imgcompat: refused: "
  decided '.verdict == "incompatible"'
  run_podman 0 rmi -f "$(podman_here container inspect -f '{{.Image}}' made)"
  run_podman 1 container exists made
}

@test "the hook by hand with a forged state: never a laxer decision" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  printf '[on]\nimage-unidentified = "deny"\ninternal = "deny"\n' | policy
  local id infra=$T/other bundle trick
  run_podman 0 create --network none "$IMAGE" /bin/true
  id=$(tail -n 1 <<<"$output")
  bundle=$SCRATCH/storage/overlay-containers/$id/userdata
  # hook_with ID BUNDLE: created, not started, the root file system is not mounted, so the record's layer is told by hand.
  hook_with() { run "$ROOT/usr/libexec/imgcompat/imgcompat-hook" --root "$ROOT" <<<"{\"ociVersion\":\"1.0.2\",\"id\":\"$1\",\"status\":\"created\",\"pid\":1,\"bundle\":\"$2\",
    \"annotations\":{\"io.podman.annotations.infra\":\"true\",\"io.container.manager\":\"buildah\"},\"root\":\"/\"}"; }
  jq -n --arg p "$SCRATCH/storage/overlay/$(jq -r --arg i "$id" '.[] | select(.id == $i).layer' "$SCRATCH"/storage/overlay-containers/*ontainers.json)/merged" '{root: {path: $p}}' >"$bundle/config.json"
  hook_with "$id" "$bundle"
  [ "$status" = 1 ]
  decided '.verdict == "incompatible" and .engine == "podman"'
  mkdir -p "$infra/overlay-containers/$id/userdata" "$T/buildah123" "$T/executor/$id/rootfs" "$T/link-containers/$id"
  cp "$bundle/config.json" "$infra/overlay-containers/$id/userdata/"
  echo '{"root":{"path":"rootfs"}}' | tee "$T/buildah123/config.json" >"$T/executor/$id/config.json"
  ln -s "$bundle" "$T/link-containers/$id/userdata"
  for trick in "$bundle/" "$bundle/." "$bundle/../userdata" "$T/buildah123" "$T/executor/$id" "$T/link-containers/$id/userdata" "/proc/self/root$bundle" relative ""; do
    forget
    hook_with "$id" "$trick"
    [ "$status" = 1 ] || { echo "the bundle '$trick' was believed: $(decisions)"; return 1; }
  done
  # A copy of the bundle elsewhere names the same root file system, whose record is the same.
  hook_with "$id" "$infra/overlay-containers/$id/userdata"
  [ "$status" = 1 ]
  for trick in 0123456789ab "${id%?}" .. ''; do
    forget
    hook_with "$trick" "$bundle"
    [ "$status" = 1 ] || { echo "the id '$trick' was believed: $(decisions)"; return 1; }
  done
}
