# shellcheck shell=bash disable=SC2034,SC2154 # bats sets status and output; tests read IMAGE
# What the tests of engines other than podman share. They keep to helpers.bash for registries, images and the installation under test.
#
# The engines are started once for a run (setup_suite) and know one wrapper and one hook: those of $NODE, which stands for the node. Every test has its
# own repository name, and empties policy, cache and log of the node before it begins.

# shellcheck source=tests/engines/helpers.bash
. "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
# shellcheck source=tests/engines/preload.bash
. "$ENGINES/preload.bash"
NODE=$SCRATCH/inst
WRAPPER=$NODE/usr/libexec/imgcompat/imgcompat-runtime
HOOK=$NODE/usr/libexec/imgcompat/imgcompat-hook

# One installation below $SCRATCH/inst. The wrapper finds its files by its own path, the hook is told.
install_node() {
  "$ENGINES/../../install.sh" --binaries "$PROGRAMS" --destdir "$NODE" >"$SCRATCH/install.log" || { cat "$SCRATCH/install.log" >&2; return 1; }
  [ -e "$WRAPPER" ] || install -m 755 "$PROGRAMS/imgcompat-runtime" "$WRAPPER"
  make_layer
}

new_engine_test() {
  ROOT=$NODE
  T=$(mktemp -d "$SCRATCH/t.XXXXXX")
  chmod 755 "$T"
  mkdir -p "$T/volume"
  REPO=test/$(basename "$T" | tr '[:upper:].' '[:lower:]-')
  IMAGE=$REGISTRY/$REPO:1
  rm -rf "$NODE"/etc/imgcompat/config.d/* "$NODE"/etc/imgcompat/specs.d/*
  unwatch_programs
  forget
}

end_engine_test() { rm -rf "$T"; }

wait_until() {
  local tick
  for ((tick = 0; tick < 150; tick++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  echo "this did not come true in 30 s: $*" >&2
  return 1
}

# start_daemon NAME COMMAND...: in the background, its output in $SCRATCH/NAME.log.
start_daemon() {
  local name=$1
  shift
  "$@" >"$SCRATCH/$name.log" 2>&1 3>&- 4>&- &
  echo $! >"$SCRATCH/$name.pid"
}

stop_daemon() {
  local pid
  pid=$(cat "$SCRATCH/$1.pid" 2>/dev/null) || return 0
  kill -CONT "$pid" 2>/dev/null || :
  kill "$pid" 2>/dev/null || :
  local tick
  for ((tick = 0; tick < 100; tick++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || :
  rm -f "$SCRATCH/$1.pid"
}

# runs EXPECTED_RC COMMAND...: a command with a time limit; fails the test, and shows what was said, if it ends with another code. "some" is any
# code but 0.
runs() {
  local expected=$1
  shift
  run timeout --kill-after=10 "${LIMIT:-90}" "$@"
  case $expected in
    some) [ "$status" != 0 ] && return ;;
    *) [ "$status" = "$expected" ] && return ;;
  esac
  printf '%s\nended with %s, expected %s. It said:\n%s\nThe decisions:\n%s\n' "$*" "$status" "$expected" "$output" "$(decisions)"
  return 1
}

ran() { [ -e "$T/volume/ran" ] || { printf 'the container ended well, but its process left no trace. It said:\n%s\n' "$output"; return 1; }; }
did_not_run() { [ ! -e "$T/volume/ran" ] || { echo "refused, but the container's process ran"; return 1; }; }
