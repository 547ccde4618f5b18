#!/usr/bin/env bats
# containerd outside CRI: ctr with the wrapper runtime.

setup() {
  load containerd
  setup_containerd
}

teardown() { teardown_containerd; }

@test "a compatible image starts, an incompatible one does not" {
  push_image
  attach "$IMAGE" compatible
  ctr_pull "$IMAGE"
  ctr_run 0 "$IMAGE"
  ran
  decided '.engine == "containerd" and .verdict == "compatible"'
  push_image 2
  attach "$REGISTRY/$REPO:2" incompatible
  ctr_pull "$REGISTRY/$REPO:2"
  ctr_run 1 "$REGISTRY/$REPO:2"
  did_not_run
  says "imgcompat: refused: $REGISTRY/$REPO:2 needs kernel.version"
}

@test "two platforms, both in the store: the one whose file system is used counts" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  runs 0 ctr -a "$SOCKET" images pull --plain-http --all-platforms "$IMAGE"
  ctr_run 1 "$IMAGE"
  did_not_run
}

@test "a container from a directory is not judged" {
  mkdir -p "$T/tree/bin" "$T/tree/volume"
  cp /bin/busybox "$T/tree/bin/touch"
  runs 0 ctr -a "$SOCKET" run --rm --runc-binary "$WRAPPER" --rootfs "$T/tree" "c$RANDOM" /bin/touch /ran
  decided '.not_judged == "rootfs"'
}

@test "a label does not make a sandbox" {
  push_image
  attach "$IMAGE" incompatible
  ctr_pull "$IMAGE"
  runs 1 ctr -a "$SOCKET" run --rm --runc-binary "$WRAPPER" --label io.cri-containerd.kind=sandbox \
    --annotation io.kubernetes.cri.container-type=sandbox "$IMAGE" "c$RANDOM" /bin/true
  says "imgcompat: refused"
}

@test "containerd stopped: decided within the deadline, by policy" {
  push_image
  attach "$IMAGE" incompatible
  ctr_pull "$IMAGE"
  printf 'deadline = "2s"\n' | policy
  ctr_here containers create "$IMAGE" held >/dev/null
  # The state that the hook would get, while containerd answers nothing.
  mkdir -p "$SCRATCH/c/io.containerd.runtime.v2.task/default/held"
  echo '{"root":{"path":"rootfs"}}' >"$SCRATCH/c/io.containerd.runtime.v2.task/default/held/config.json"
  local state
  state=$(jq -cn --arg b "$SCRATCH/c/io.containerd.runtime.v2.task/default/held" '{ociVersion: "1.0.2", id: "held", status: "creating", pid: 1, bundle: $b}')
  kill -STOP "$(cat "$SCRATCH/containerd.pid")"
  local began=$SECONDS
  run "$HOOK" --root "$NODE" <<<"$state"
  kill -CONT "$(cat "$SCRATCH/containerd.pid")"
  [ "$status" = 0 ]
  [ $((SECONDS - began)) -le 5 ]
  decided '.cause == "image-unidentified" and .decision == "allow"'
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  mv "$SOCKET" "$SOCKET.away"
  run "$HOOK" --root "$NODE" <<<"$state"
  mv "$SOCKET.away" "$SOCKET"
  [ "$status" = 1 ]
  rm -rf "$SCRATCH/c/io.containerd.runtime.v2.task/default/held"
}

@test "a bundle of another container is not believed" {
  push_image
  attach "$IMAGE" incompatible
  ctr_pull "$IMAGE"
  local place=$SCRATCH/c/io.containerd.runtime.v2.task/default/mine
  mkdir -p "$place"
  echo '{"root":{"path":"rootfs"}}' >"$place/config.json"
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  run "$HOOK" --root "$NODE" <<<"{\"ociVersion\":\"1\",\"id\":\"yours\",\"bundle\":\"$place\"}"
  [ "$status" = 1 ]
  decided '.cause == "image-unidentified"'
  rm -rf "$place"
}
