#!/usr/bin/env bats
# What only rootless podman does: the same identification over the user's own store, with the user's own cache and log. It is advisory, since the
# user may leave the hook out.

setup() {
  # shellcheck source=tests/engines/rootless/rootless.bash
  . "$ENGINES/rootless/rootless.bash"
  setup_engine
}

teardown() { teardown_engine; }

@test "cache and log are the user's own, and the node's stay as they are" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  refuses "$IMAGE"
  [ "$(stat -c %U "$PRIVATE/var/log/imgcompat/decisions.jsonl" "$PRIVATE/var/cache/imgcompat" | sort -u)" = "$TEST_USER" ]
  [ -z "$(find "$NODE/var/log/imgcompat" "$NODE/var/cache/imgcompat" -type f)" ]
  # The second start decides from that cache; the user reads why without being root.
  mv "$NODE/usr/bin/imgcompat" "$NODE/usr/bin/imgcompat.away"
  USER_RUNTIME=runc user_run 126 "$IMAGE"
  mv "$NODE/usr/bin/imgcompat.away" "$NODE/usr/bin/imgcompat"
  run su - "$TEST_USER" -c "$NODE/usr/bin/imgcompat why --root $PRIVATE"
  [ "$status" = 0 ]
  says "kernel.version"
}

@test "the node's policy and local specifications hold for the user" {
  push_image
  attach "$IMAGE" compatible
  pull "$IMAGE"
  starts "$IMAGE"
  printf 'images: ["%s"]\n' "$REGISTRY/$REPO" | cat - "$ENGINES/specs/incompatible.yaml" >"$NODE/etc/imgcompat/specs.d/node.yaml"
  refuses "$IMAGE"
}

@test "a user namespace of its own for the container (--userns=keep-id): judged" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  refuses "$IMAGE" --userns=keep-id
}

@test "a container with a terminal is refused too" {
  command -v script >/dev/null || skip "script(1) is not installed"
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  for USER_RUNTIME in "${RUNTIMES[@]}"; do
    export USER_RUNTIME
    forget
    # With no SHELL, script(1) asks sh, and not every sh hands a function of bash on.
    SHELL=/bin/bash run timeout 60 script -qec "bash -c 'as_user run --rm -t --network=none -v $T/volume:/volume $IMAGE /bin/touch /volume/ran'" /dev/null
    [ "$status" = 126 ] || { printf 'ended with %s:\n%s\n' "$status" "$output"; return 1; }
    did_not_run
    decided '.verdict == "incompatible" and .decision == "deny"'
  done
}

@test "a user who leaves the hook out is not stopped: it is advisory" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  rm -f "$T/volume/ran"
  run su - "$TEST_USER" -c "cd; XDG_RUNTIME_DIR=$USER_HOME/run podman --cgroup-manager=cgroupfs --runtime runc --storage-driver vfs --hooks-dir $SCRATCH run --rm --network=none -v $T/volume:/volume $IMAGE /bin/touch /volume/ran"
  [ "$status" = 0 ]
  ran
  [ -z "$(decisions)" ]
}
