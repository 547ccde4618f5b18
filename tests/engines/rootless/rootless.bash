# shellcheck shell=bash disable=SC2034,SC2154
# Rootless podman, with the hook over runc and over crun: the verbs of cases/. Policy is the node's; cache and log are the user's own.

# shellcheck source=tests/engines/engine.bash
. "$ENGINES/engine.bash"
ENGINE=podman
TEST_USER=imgcompat-test
USER_HOME=$SCRATCH/home
RUNTIMES=(runc crun)

# Cache and log are the user's own.
PRIVATE=$USER_HOME/.local/share/imgcompat
decisions() { cat "$PRIVATE/var/log/imgcompat/decisions.jsonl" 2>/dev/null || :; }
forget() { rm -rf "$PRIVATE"/var/cache/imgcompat/* "$PRIVATE"/var/log/imgcompat/*; }

setup_engine() {
  new_engine_test
  chmod 777 "$T/volume"
}
teardown_engine() {
  as_user rm -fa -t 0 >/dev/null 2>&1 || :
  as_user rmi -fa >/dev/null 2>&1 || :
  end_engine_test
}

# as_user PODMAN ARGUMENTS...: over USER_RUNTIME, or runc. The arguments are words without blanks or quotes.
as_user() {
  su - "$TEST_USER" -c "cd; XDG_RUNTIME_DIR=$USER_HOME/run PODMAN_IGNORE_CGROUPSV1_WARNING=1 podman --cgroup-manager=cgroupfs --runtime ${USER_RUNTIME:-runc} --storage-driver vfs --hooks-dir $SCRATCH/hooks $*"
}
export -f as_user
export TEST_USER USER_HOME SCRATCH

user_runs() {
  local expected=$1
  shift
  run timeout --kill-after=10 90 bash -c 'as_user "$@"' as_user "$@"
  [ "$status" = "$expected" ] || { printf 'podman %s\nended with %s, expected %s:\n%s\n%s\n' "$*" "$status" "$expected" "$output" "$(decisions)"; return 1; }
}
user_run() {
  local expected=$1 image=$2
  shift 2
  rm -f "$T/volume/ran"
  user_runs "$expected" run --rm --network=none -v "$T/volume:/volume" "$@" "$image" /bin/touch /volume/ran
}

pull() { user_runs 0 pull -q --tls-verify=false "$1"; }

starts() {
  for USER_RUNTIME in "${RUNTIMES[@]}"; do
    export USER_RUNTIME
    forget
    user_run 0 "$@" && ran
  done
}
refuses() {
  for USER_RUNTIME in "${RUNTIMES[@]}"; do
    export USER_RUNTIME
    forget
    user_run 126 "$@" && refused
  done
}
refused() {
  did_not_run
  says "Error: OCI runtime error: "
  says "$USER_RUNTIME: "
  says "imgcompat: refused: "
}
refuses_lies() {
  refuses "$1" --annotation io.kubernetes.cri-o.ContainerType=sandbox --annotation io.kubernetes.cri-o.ImageName=localhost/pause:1 \
    --annotation io.kubernetes.cri-o.ImageRepoDigests=localhost/pause@sha256:0 --annotation io.container.manager=cri-o \
    --label io.cri-containerd.kind=sandbox --env LD_PRELOAD=/preload.so --env IMGCOMPAT_MODE=off
}

make() {
  rm -f "$T/volume/ran"
  export USER_RUNTIME=runc
  user_runs 0 create --name made --network=none -v "$T/volume:/volume" "$1" /bin/touch /volume/ran
}
starts_made() {
  user_runs 0 start -a made
  ran
}
# podman 4 ends with 125 here.
refuses_made() {
  export USER_RUNTIME=runc
  user_runs 125 start -a made
  refused
}

id_of() { as_user images -q --no-trunc "$1"; }
knows_what_was_asked() { true; }
knows_index_of_manifest() { true; }
keeps_unnamed() { true; }
