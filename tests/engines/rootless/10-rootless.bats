#!/usr/bin/env bats
# Rootless podman: the same identification over the user's own store. It is advisory, since the user may leave the hook out.

setup() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  new_engine_test
  chmod 777 "$T/volume"
}

teardown() {
  as_user rm -fa -t 0 >/dev/null 2>&1 || :
  as_user rmi -fa >/dev/null 2>&1 || :
  end_engine_test
}

# as_user PODMAN ARGUMENTS...
as_user() {
  su - imgcompat-test -c "cd; PODMAN_IGNORE_CGROUPSV1_WARNING=1 podman --cgroup-manager=cgroupfs --runtime runc --storage-driver vfs --hooks-dir $SCRATCH/hooks $*"
}

user_run() {
  rm -f "$T/volume/ran"
  run timeout 90 su - imgcompat-test -c "cd; podman --cgroup-manager=cgroupfs --runtime runc --storage-driver vfs --hooks-dir $SCRATCH/hooks run --rm --network=none -v $T/volume:/volume $2 /bin/touch /volume/ran"
  [ "$status" = "$1" ] || { printf 'ended with %s, expected %s:\n%s\n%s\n' "$status" "$1" "$output" "$(decisions)"; return 1; }
}

@test "a compatible image starts" {
  push_image
  attach "$IMAGE" compatible
  as_user pull -q --tls-verify=false "$IMAGE"
  user_run 0 "$IMAGE"
  ran
  decided '.engine == "podman" and .verdict == "compatible"'
}

@test "an incompatible image is refused with 126 and the whole sentence" {
  push_image
  attach "$IMAGE" incompatible
  as_user pull -q --tls-verify=false "$IMAGE"
  user_run 126 "$IMAGE"
  did_not_run
  says "imgcompat: refused: $IMAGE needs kernel.version"
  decided '.verdict == "incompatible" and .decision == "deny"'
}

@test "audit mode refuses nothing" {
  push_image
  attach "$IMAGE" incompatible
  as_user pull -q --tls-verify=false "$IMAGE"
  set_mode audit
  user_run 0 "$IMAGE"
  ran
  decided '.verdict == "incompatible" and .decision == "allow" and .under_enforce == "deny"'
}
