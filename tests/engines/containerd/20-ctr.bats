#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2119 # another REPO, in a subshell on purpose; push_index has a tag of its own
# What only ctr does: containerd outside CRI, with the wrapper runtime.

setup() {
  # shellcheck source=tests/engines/containerd/ctr.bash
  . "$ENGINES/containerd/ctr.bash"
  setup_engine
}

teardown() {
  kill -CONT "$(cat "$SCRATCH/containerd.pid")"
  [ ! -e "$SOCKET.away" ] || mv "$SOCKET.away" "$SOCKET"
  rm -rf "${PLACE:-}"
  teardown_engine
}

# place ID: a bundle where containerd has those of its tasks; sets PLACE.
place() {
  PLACE=$SCRATCH/c/io.containerd.runtime.v2.task/$NAMESPACE/$1
  mkdir -p "$PLACE"
  echo '{"root":{"path":"rootfs"}}' >"$PLACE/config.json"
  # containerd's link to its root directory.
  ln -s "$SCRATCH/c/root/io.containerd.runtime.v2.task/$NAMESPACE/$1" "$PLACE/work"
}
# hook_for ID: the hook by hand, with that state and the bundle of place.
hook_for() { run "$HOOK" --root "$NODE" <<<"{\"ociVersion\":\"1.0.2\",\"id\":\"$1\",\"status\":\"creating\",\"pid\":1,\"bundle\":\"$PLACE\"${2:-}}"; }

@test "two platforms, both in the store: the one whose file system is used counts" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  ctr_runs 0 images pull --plain-http --all-platforms "$IMAGE"
  refuses "$IMAGE"
}

@test "a tag that moves while the image has another name: it is found by its layers and by when it came" {
  push_image
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$IMAGE" "docker://$REGISTRY/$REPO:2"
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  pull "$REGISTRY/$REPO:2"
  make "$IMAGE"
  ( REPO=$REPO-other && push_image other >/dev/null )
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/$REPO-other:other" "docker://$IMAGE"
  attach "$IMAGE" compatible
  pull "$IMAGE"
  refuses_made
  says "imgcompat: refused: $IMAGE needs"
}

@test "a container from a directory is not judged" {
  mkdir -p "$T/tree/bin" "$T/tree/volume"
  cp /bin/busybox "$T/tree/bin/touch"
  ctr_runs 0 run --rm --runc-binary "$WRAPPER" --rootfs "$T/tree" "c$RANDOM" /bin/touch /ran
  decided '.not_judged == "rootfs"'
}

@test "the hook by hand, containerd stopped or without a socket: decided within the deadline, by policy" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  ctr_here containers create "$IMAGE" held >/dev/null
  place held
  printf 'deadline = "2s"\n' | policy
  kill -STOP "$(cat "$SCRATCH/containerd.pid")"
  hook_for held
  kill -CONT "$(cat "$SCRATCH/containerd.pid")"
  [ "$status" = 0 ]
  decided '.cause == "image-unidentified" and .decision == "allow" and .duration_us < 5000000'
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  mv "$SOCKET" "$SOCKET.away"
  hook_for held
  mv "$SOCKET.away" "$SOCKET"
  [ "$status" = 1 ]
}

@test "the hook by hand with a forged state: never a laxer decision" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  ctr_here containers create "$IMAGE" judged >/dev/null
  printf '[on]\nimage-unidentified = "deny"\ninternal = "deny"\n' | policy
  place judged
  hook_for judged
  [ "$status" = 1 ]
  decided '.verdict == "incompatible"'
  # Whatever else the state claims.
  hook_for judged ',"annotations":{"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.image-name":"localhost/pause:1","io.container.manager":"cri-o"},"root":"/"'
  [ "$status" = 1 ]
  # Another container's id, one that nobody has, none at all.
  local id
  for id in yours judged2 ../judged .. ''; do
    forget
    hook_for "$id"
    [ "$status" = 1 ] || { echo "the id '$id' was believed: $(decisions)"; return 1; }
  done
}

@test "tricks with the bundle's path: never a laxer decision" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  ctr_here containers create "$IMAGE" judged >/dev/null
  printf '[on]\nimage-unidentified = "deny"\ninternal = "deny"\n' | policy
  place judged
  local real=$PLACE trick
  mkdir -p "$T/io.containerd.runtime.v2.task/default" "$T/io.containerd.runtime.v2.task/k8s.io/judged" "$T/io.containerd.runtime.v2.task/moby/judged" "$T/executor/judged" \
    "$T/overlay-containers/judged/userdata" "$T/buildah1"
  ln -s "$real" "$T/io.containerd.runtime.v2.task/default/judged"
  ln -s "$real" "$T/link"
  for trick in k8s.io/judged moby/judged; do cp "$real/config.json" "$T/io.containerd.runtime.v2.task/$trick/"; done
  for trick in executor/judged overlay-containers/judged/userdata buildah1; do cp "$real/config.json" "$T/$trick/"; done
  for trick in "$T/io.containerd.runtime.v2.task/default/judged" "$T/link" "$real/../judged" "$real/." "$real//" "${real%/judged}" relative \
    "$T/io.containerd.runtime.v2.task/k8s.io/judged" "$T/io.containerd.runtime.v2.task/moby/judged" "$T/executor/judged" \
    "$T/overlay-containers/judged/userdata" "$T/buildah1" "/proc/self/cwd$real" "/nonexistent"; do
    forget
    PLACE=$trick
    hook_for judged
    [ "$status" = 1 ] || { echo "the bundle $trick was believed: $(decisions)"; return 1; }
  done
  PLACE=$real
}
