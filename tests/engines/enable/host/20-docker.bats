#!/usr/bin/env bats
# Docker: enabled, in force, seen by doctor, disabled; by the tool and by install.sh.

setup_file() {
  load ../enable
  mkdir -p /etc/docker
  printf '{\n    "iptables": false,\n    "bridge": "none",\n    "storage-driver": "overlay2"\n}\n' >/etc/docker/daemon.json
  daemon start docker
  docker load -q -i "$SCRATCH/mine.tar"
}

teardown_file() {
  load ../enable
  daemon stop docker
}

setup() {
  load ../enable
  forget
}

teardown() { imgcompat disable docker >/dev/null || :; }

start() { runs "$1" docker run --rm --network none "$IMAGE"; }

@test "by the wrapper: in force after a restart, and doctor says so until then" {
  snapshot >"$SCRATCH/before"
  finds problem docker "its containers are not judged"
  start 0
  runs 0 imgcompat enable docker
  says "systemctl restart docker"
  finds problem docker "starts containers as before"
  start 0
  daemon restart docker
  [ "$(imgcompat doctor --offline | grep -c "starts containers as before")" = 0 ]
  finds ok docker "judged by the wrapper runtime"
  start 125
  says "imgcompat: refused: $IMAGE needs kernel.version"
  probe_is_content docker
  [ -z "$(docker ps -aq)" ]
  [ "$(docker images -q | wc -l)" = 1 ]
  runs 0 imgcompat disable docker --restart
  snapshot | diff "$SCRATCH/before" -
  start 0
}

@test "install.sh --engine enables it; --uninstall keeps the programs until Docker has let go of them" {
  snapshot >"$SCRATCH/before"
  runs 0 "$BATS_TEST_DIRNAME/../../../../install.sh" --binaries "$PROGRAMS" --engine docker --restart
  says "restarted  docker"
  start 125
  runs 1 "$BATS_TEST_DIRNAME/../../../../install.sh" --uninstall
  says "still calling imgcompat: docker"
  [ -x /usr/libexec/imgcompat/imgcompat-runtime ]
  start 125
  # Asked again, it still knows.
  runs 1 "$BATS_TEST_DIRNAME/../../../../install.sh" --uninstall
  [ -x /usr/libexec/imgcompat/imgcompat-runtime ]
  daemon restart docker
  start 0
  snapshot | grep -v /var/lib/imgcompat/docker.json | diff "$SCRATCH/before" -
  runs 0 "$BATS_TEST_DIRNAME/../../../../install.sh" --uninstall --purge
  [ -z "$(find /usr /etc /var/lib /var/log /var/cache -xdev -name '*imgcompat*')" ]
}
