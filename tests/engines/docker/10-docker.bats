#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031 # another REPO, in a subshell on purpose
# Docker with the wrapper runtime as its default runtime.

setup() {
  load docker
  setup_docker
}

teardown() { teardown_docker; }

@test "a compatible image starts" {
  push_image
  attach "$IMAGE" compatible
  docker_pull "$IMAGE"
  expect_docker_start "$IMAGE"
  decided '.engine == "docker" and .verdict == "compatible" and .decision == "allow"'
}

@test "an image without a specification starts" {
  push_image
  docker_pull "$IMAGE"
  expect_docker_start "$IMAGE"
  decided '.verdict == "no-artifact"'
}

@test "an incompatible image is refused with 125 and the whole sentence" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  expect_docker_refusal "$IMAGE"
  says "imgcompat: refused: $IMAGE needs kernel.version"
  decided '.verdict == "incompatible" and .decision == "deny"'
}

@test "a container with a terminal is refused too, with the whole sentence" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  expect_docker_refusal "$IMAGE" -t
}

@test "audit mode refuses nothing" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  set_mode audit
  expect_docker_start "$IMAGE"
  decided '.verdict == "incompatible" and .decision == "allow" and .under_enforce == "deny"'
}

@test "two platforms, artifact on the index; by tag and by digest" {
  local index
  index=$(push_index | head -n 1)
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  expect_docker_refusal "$IMAGE"
  docker_pull "$REGISTRY/$REPO@$index"
  expect_docker_refusal "$REGISTRY/$REPO@$index"
}

@test "two platforms, artifact on this platform's manifest" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  docker_pull "$IMAGE"
  expect_docker_refusal "$IMAGE"
}

@test "two platforms, artifact on the other platform's manifest: not for this host" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(other_architecture)"
  docker_pull "$IMAGE"
  expect_docker_start "$IMAGE"
}

@test "started by the image's id" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  expect_docker_refusal "$(docker inspect -f '{{.Id}}' "$IMAGE")"
}

@test "two tags of one image" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  docker tag "$IMAGE" "$REGISTRY/$REPO:2"
  expect_docker_refusal "$REGISTRY/$REPO:2"
}

@test "a tag that moves between create and start changes nothing" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  local id
  id=$(docker_create "$IMAGE")
  (REPO=$REPO-other && push_image other >/dev/null)
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/$REPO-other:other" "docker://$IMAGE"
  docker_pull "$IMAGE"
  runs 1 docker start "$id"
  says "imgcompat: refused: "
  did_not_run
}

@test "an image removed after create is not identified, and policy decides" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  printf '[on]\nimage-unidentified = "deny"\nno-artifact = "allow"\n' | policy
  local id
  id=$(docker_create "$IMAGE")
  docker rmi -f "$IMAGE" >/dev/null
  runs 1 docker start "$id"
  says "imgcompat: refused: "
  did_not_run
}

@test "two repositories with the same image and different artifacts: that of the one asked for counts" {
  push_image
  attach "$IMAGE" incompatible
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$IMAGE" "docker://$REGISTRY/a/$REPO:1"
  attach "$REGISTRY/a/$REPO:1" compatible
  docker_pull "$IMAGE"
  docker_pull "$REGISTRY/a/$REPO:1"
  expect_docker_refusal "$IMAGE"
  expect_docker_start "$REGISTRY/a/$REPO:1"
}

@test "annotations, labels and environment change nothing" {
  push_image
  attach "$IMAGE" incompatible
  docker_pull "$IMAGE"
  expect_docker_refusal "$IMAGE" --label io.cri-containerd.kind=sandbox --label io.kubernetes.cri.container-type=sandbox -e IMGCOMPAT_MODE=off
}

@test "an image that was built here starts; the older store knows that no registry has it" {
  printf 'FROM scratch\nCOPY bin /bin\n' >"$T/Dockerfile"
  mkdir "$T/bin"
  cp /bin/busybox "$T/bin/touch"
  DOCKER_BUILDKIT=0 docker build -q -t built-here "$T" >/dev/null 2>&1 || skip "docker build does not work here"
  expect_docker_start built-here
  if older_store; then decided '.verdict == "no-artifact"'
  else decided '.verdict != "incompatible" and .decision == "allow"'; fi
}

@test "other commands of the runtime pass through" {
  run "$WRAPPER" --version
  [ "$output" = "$(runc --version)" ]
  docker info --format '{{json .Runtimes}}' | jq -e '.imgcompat' >/dev/null
  push_image
  docker_pull "$IMAGE"
  docker run -d --name long --network none "$IMAGE" /bin/sleep 1000 >/dev/null
  runs 0 docker exec long /bin/true
  runs 0 docker pause long
  runs 0 docker unpause long
  runs 0 docker kill long
  # The wrapper has become runc and is gone.
  [ -z "$(pgrep -f imgcompat-runtime || :)" ]
}
