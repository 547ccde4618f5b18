#!/usr/bin/env bats
# What only nerdctl does.

setup() {
  # shellcheck source=tests/engines/containerd/nerdctl.bash
  . "$ENGINES/containerd/nerdctl.bash"
  setup_engine
}

teardown() { teardown_engine; }

@test "detached, and with a terminal: refused with the whole sentence" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  nerdctl_runs 1 run -d --net none -v "$T/volume:/volume" "$IMAGE" /bin/touch /volume/ran
  refused
  command -v script >/dev/null || skip "script(1) is not installed"
  run timeout 60 script -qec "nerdctl -a $SOCKET -n $NAMESPACE --data-root $SCRATCH/nerdctl --cgroup-manager cgroupfs run --rm -t --net none -v $T/volume:/volume $IMAGE /bin/touch /volume/ran" /dev/null
  [ "$status" = 1 ]
  refused
}

@test "nerdctl's own hook stays, and a container that runs can be entered, paused and ended" {
  push_image
  pull "$IMAGE"
  nerdctl_runs 0 run -d --name long --net none "$IMAGE" /bin/sleep 1000
  nerdctl_runs 0 exec long /bin/true
  nerdctl_runs 0 pause long
  nerdctl_runs 0 unpause long
  nerdctl_runs 0 rm -f long
}
