#!/usr/bin/env bash
# The demonstration behind `sudo ./install.sh --demo`: installs what is missing, builds and installs imgcompat, and shows with podman that a
# compatible image starts and an incompatible one does not, under crun and under runc. Exits non-zero if anything behaved otherwise.
#
# What it makes for itself (a registry on loopback, two images, podman's storage for them, two files under /etc) it removes again. The
# installation stays.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
packages=(podman crun runc conmon docker-registry busybox-static)
wrong=0
step=0
work=
registry_pid=
registries_file=/etc/containers/registries.conf.d/imgcompat-demo.conf
policy_file=/etc/imgcompat/config.d/90-demo.toml

heading() { step=$((step + 1)); printf '\n[%d/8] %s\n' "$step" "$*"; }
note() { printf '      %s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }
# good TEXT / bad TEXT: one line for each promise.
good() { printf '  ok  %s\n' "$*"; }
bad() { printf ' BAD  %s\n' "$*"; wrong=$((wrong + 1)); }

clean_up() {
  rm -f "$registries_file" "$policy_file"
  if [ -n "$registry_pid" ]; then kill "$registry_pid" 2>/dev/null || :; wait "$registry_pid" 2>/dev/null || :; fi
  if [ -n "$work" ]; then
    podman_here rm -fa >/dev/null 2>&1 || :
    umount "$work/storage/overlay" 2>/dev/null || :
    rm -rf "$work"
  fi
}

install_packages() {
  local name missing=()
  for name in podman crun runc conmon docker-registry; do
    command -v "$name" >/dev/null || missing+=("$name")
  done
  static_busybox >/dev/null || missing+=(busybox-static)
  if [ -z "${IMGCOMPAT_BINARIES:-}" ] && ! command -v cc >/dev/null; then missing+=(gcc libc6-dev); fi
  if [ "${#missing[@]}" = 0 ]; then
    note "nothing is missing"
    return
  fi
  if ! command -v apt-get >/dev/null; then
    die "this machine has no apt. Install these yourself and run the demo again: ${missing[*]} (it knows them by Debian's names: ${packages[*]})"
  fi
  note "apt-get install ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

static_busybox() {
  local candidate
  for candidate in /bin/busybox /usr/bin/busybox; do
    if [ -x "$candidate" ] && ! ldd "$candidate" >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
  return 1
}

# podman with a storage of its own, so that nothing of this is left in the machine's.
podman_here() { podman --root "$work/storage" --runroot "$work/run" "$@"; }

# run RUNTIME IMAGE: starts a container that says it runs. crun refuses to work beside the cgroup2 mount of a hybrid (v1 and v2) machine,
# so on such a machine it gets a mount namespace without it.
run() {
  local runtime=$1 image=$2 enter=()
  if [ "$runtime" = crun ] && mountpoint -q /sys/fs/cgroup/unified; then
    # shellcheck disable=SC2016 # the inner shell expands $@
    enter=(unshare -m sh -c 'umount /sys/fs/cgroup/unified; exec "$@"' sh)
  fi
  PODMAN_IGNORE_CGROUPSV1_WARNING=1 timeout 60 "${enter[@]}" podman --root "$work/storage" --runroot "$work/run" --runtime "$runtime" \
    run --rm --network none "$image" /bin/busybox echo "the container runs" 2>&1
}

# A root without CAP_SYS_RESOURCE (a container, a CI machine) may not raise limits, and podman by default tries to.
spare_limits() {
  local capabilities
  capabilities=$(awk '/^CapEff/ {print $2}' /proc/self/status)
  if [ $((0x$capabilities >> 24 & 1)) = 1 ]; then return; fi
  printf '[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=20000:20000"]\npids_limit=0\n' >"$work/containers.conf"
  export CONTAINERS_CONF=$work/containers.conf
  note "this root may not raise limits: podman gets a containers.conf that does not ask for it"
}

start_registry() {
  local port attempt
  for attempt in 1 2 3 4 5; do
    port=$((20000 + RANDOM))
    registry=127.0.0.1:$port
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' "$work/registry" "$registry" >"$work/registry.yml"
    docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
    registry_pid=$!
    if wait_for_registry "$port"; then break; fi
    registry_pid=
    [ "$attempt" != 5 ] || die "docker-registry does not come up: $(tail -n 1 "$work/registry.log")"
  done
  install -d /etc/containers/registries.conf.d
  printf '# made by the imgcompat demo, removed at its end\n[[registry]]\nlocation = "%s"\ninsecure = true\n' "$registry" >"$registries_file"
  note "$registry (plain HTTP, allowed by $registries_file)"
}

wait_for_registry() {
  local tick
  for ((tick = 0; tick < 50; tick++)); do
    kill -0 "$registry_pid" 2>/dev/null || return 1
    if (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  return 1
}

# make_image NAME: busybox from scratch, with a label so that the two images differ.
make_image() {
  local image=$registry/demo/$1:1
  mkdir -p "$work/context"
  cp "$(static_busybox)" "$work/context/busybox"
  printf 'FROM scratch\nLABEL name=%s\nCOPY busybox /bin/busybox\n' "$1" >"$work/context/Containerfile"
  podman_here build -q -t "$image" "$work/context" >/dev/null
  podman_here push -q "$image" >/dev/null
  podman_here rmi -f "$image" >/dev/null
  podman_here pull -q "$image" >/dev/null
  note "$image"
}

expect_start() {
  local output status=0
  output=$(run "$1" "$registry/demo/$2:1") || status=$?
  if [ "$status" = 0 ] && [[ $output == *"the container runs"* ]]; then good "$1: it starts"
  else bad "$1: it should start, but podman ended with $status: $output"; fi
}

expect_refusal() {
  local output status=0
  output=$(run "$1" "$registry/demo/$2:1") || status=$?
  if [ "$status" = 126 ] && [[ $output != *"the container runs"* ]]; then good "$1: refused, podman ends with $status and says:"
  else bad "$1: it should be refused, but podman ended with $status:"; fi
  printf '%s\n' "$output" | grep -v '^time=' | fold -s -w 130 | sed 's/^/        /'
  [[ $output == *"imgcompat: refused"* ]] || bad "$1: the reason did not reach podman's message"
}

last_record() { tail -n 1 /var/log/imgcompat/decisions.jsonl; }

main() {
  [ "$(id -u)" = 0 ] || die "needs root: sudo ./install.sh --demo"
  work=$(mktemp -d /tmp/imgcompat-demo.XXXXXX)
  chmod 755 "$work"
  trap clean_up EXIT
  trap 'exit 130' INT TERM

  heading "What the demo needs"
  install_packages
  spare_limits

  heading "Build and install imgcompat"
  "$repository/install.sh" ${IMGCOMPAT_BINARIES:+--binaries "$IMGCOMPAT_BINARIES"} | sed 's/^/      /'

  heading "A registry on loopback, and two images of busybox"
  start_registry
  make_image runs-here
  make_image runs-nowhere
  # The policy of this machine may say otherwise; for the demo's own images it says this.
  set_mode enforce

  heading "Attach a specification to each"
  attach runs-here
  attach runs-nowhere

  heading "The compatible image"
  expect_start crun runs-here
  expect_start runc runs-here

  heading "The incompatible image"
  expect_refusal crun runs-nowhere
  expect_refusal runc runs-nowhere

  heading "The incompatible image in audit mode: recorded, not refused"
  set_mode audit
  expect_start crun runs-nowhere
  expect_start runc runs-nowhere
  if last_record | grep -q '"incompatible"'; then good "the record says what would have happened"
  else bad "the last record is not about it: $(last_record)"; fi

  heading "Why? (imgcompat why $registry/demo/runs-nowhere:1)"
  imgcompat why "$registry/demo/runs-nowhere:1" | sed 's/^/      /' || bad "imgcompat why failed"

  printf '\n'
  if [ "$wrong" != 0 ]; then
    printf 'demo: %d of its promises did not hold\n' "$wrong"
    exit 1
  fi
  printf 'imgcompat is installed and in force for podman. The demo removed what it made for itself.\n'
  printf 'Take it off again: sudo ./install.sh --uninstall (with --purge, configuration and logs too)\n'
}

set_mode() {
  printf '# made by the imgcompat demo, removed at its end\n[[image]]\nmatch = "%s/**"\nmode = "%s"\n' "$registry" "$1" >"$policy_file"
}

attach() {
  note "imgcompat attach-spec $registry/demo/$1:1 $1.yaml   (kernel.version major $(sed -n 's/.*major: //p' "$repository/tests/demo/$1.yaml"))"
  imgcompat attach-spec "$registry/demo/$1:1" "$repository/tests/demo/$1.yaml" >/dev/null || bad "attach-spec $1 failed"
}

main "$@"
