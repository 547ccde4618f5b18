#!/usr/bin/env bats
# What only Docker does, with the wrapper runtime as its default runtime.

setup() {
  # shellcheck source=tests/engines/docker/docker.bash
  . "$ENGINES/docker/docker.bash"
  setup_engine
}

teardown() { teardown_engine; }

@test "a container with a terminal is refused too, with the whole sentence" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  refuses "$IMAGE" -t
}

@test "an image that was built here starts; the older store knows that no registry has it" {
  printf 'FROM scratch\nCOPY bin /bin\n' >"$T/Dockerfile"
  mkdir "$T/bin"
  cp /bin/busybox "$T/bin/touch"
  DOCKER_BUILDKIT=0 docker build -q -t built-here "$T" >/dev/null 2>&1 || skip "docker build does not work here"
  starts built-here
  if older_store; then decided '.verdict == "no-artifact"'
  else decided '.verdict != "incompatible" and .decision == "allow"'; fi
}

@test "the steps of a build by BuildKit are recognised and not judged, even under the strict profile" {
  printf 'profile = "strict"\n' | policy
  printf 'FROM scratch\nCOPY bin /bin\nRUN ["/bin/touch", "/built"]\n' >"$T/Dockerfile"
  mkdir "$T/bin"
  cp /bin/busybox "$T/bin/touch"
  DOCKER_BUILDKIT=1 docker build --help 2>&1 | grep -q -- --secret || skip "this docker has no client for BuildKit"
  DOCKER_BUILDKIT=1 docker build --network none --progress plain -t built-by-buildkit "$T" >"$T/build.log" 2>&1 || { cat "$T/build.log"; return 1; }
  decided '.not_judged == "build" and .decision == "allow"'
}

@test "other commands of the runtime pass through" {
  run "$WRAPPER" --version
  [ "$output" = "$(runc --version)" ]
  docker info --format '{{json .Runtimes}}' | jq -e '.imgcompat' >/dev/null
  push_image
  pull "$IMAGE"
  docker run -d --name long --network none "$IMAGE" /bin/sleep 1000 >/dev/null
  runs 0 docker exec long /bin/true
  runs 0 docker pause long
  runs 0 docker unpause long
  runs 0 docker kill long
  # The wrapper has become runc and is gone.
  [ -z "$(pgrep -f imgcompat-runtime || :)" ]
}

@test "the wrapper by hand with bundles that look like Docker's: never a laxer decision" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  make "$IMAGE"
  printf '[on]\nimage-unidentified = "deny"\ninternal = "deny"\n' | policy
  # wrapper_with ID BUNDLE: it may become no runtime at all.
  wrapper_with() { run "$WRAPPER" --imgcompat-runtime=/bin/true create --bundle "$2" "$1"; }
  local place=$T/io.containerd.runtime.v2.task/moby other
  mkdir -p "$place/$MADE" "$place/other" "$T/executor/$MADE/rootfs" "$T/plain"
  for other in "$place/$MADE" "$place/other" "$T/executor/$MADE" "$T/plain"; do
    echo '{"root":{"path":"rootfs"},"annotations":{"io.kubernetes.cri.container-type":"sandbox"}}' >"$other/config.json"
    forget
    wrapper_with "$MADE" "$other"
    [ "$status" = 1 ] || { echo "the bundle $other was believed: $(decisions)"; return 1; }
    says "imgcompat: refused: "
  done
}
