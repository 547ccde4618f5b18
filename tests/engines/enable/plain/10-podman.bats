#!/usr/bin/env bats
# podman: enabled, in force, seen by doctor, disabled.

setup() {
  load ../enable
  forget
}

teardown() {
  imgcompat disable podman >/dev/null || :
  install -m 755 "$PROGRAMS/imgcompat-hook" /usr/libexec/imgcompat/imgcompat-hook
}

start() { runs "$1" podman run --rm --network none "$IMAGE"; }

@test "by the hook" {
  snapshot >"$SCRATCH/before"
  finds problem podman "its containers are not judged"
  start 0
  runs 0 imgcompat enable podman --dry-run
  snapshot | diff "$SCRATCH/before" -
  runs 0 imgcompat enable podman
  finds ok podman "judged by the hook"
  start 126
  probe_is_content podman
  runs 0 imgcompat enable podman
  says "is enabled already"
  runs 0 imgcompat disable podman
  snapshot | diff "$SCRATCH/before" -
  start 0
  forget
  finds problem probe "without asking imgcompat" --probe
  probe_left_nothing
}

@test "by the wrapper" {
  snapshot >"$SCRATCH/before"
  runs 0 imgcompat enable podman --via wrapper
  finds ok podman "judged by the wrapper runtime"
  start 126
  says "imgcompat: refused: $IMAGE needs kernel.version"
  probe_is_content podman
  runs 0 imgcompat disable podman
  snapshot | diff "$SCRATCH/before" -
  start 0
}

@test "the probe leaves neither image nor container, and says what audit mode and mode off are" {
  imgcompat enable podman
  podman images -q | sort >"$SCRATCH/images"
  printf 'mode = "audit"\n' >/etc/imgcompat/config.d/50-test.toml
  finds ok probe "podman asks imgcompat, which refuses nothing (mode = \"audit\")" --probe
  printf 'mode = "off"\n' >/etc/imgcompat/config.d/50-test.toml
  finds warning probe "mode = \"off\"" --probe
  rm /etc/imgcompat/config.d/50-test.toml
  podman images -q | sort | diff "$SCRATCH/images" -
  [ -z "$(podman ps -aq)" ]
  probe_left_nothing
}

@test "the hook's program is gone: podman starts everything, and doctor says so" {
  imgcompat enable podman
  rm /usr/libexec/imgcompat/imgcompat-hook
  start 0
  finds problem podman "is missing: everything starts unjudged"
  imgcompat metrics | grep -qx 'imgcompat_hook_installed{engine="podman"} 0'
}

@test "the hook's program cannot be executed: podman starts nothing, and doctor says so" {
  imgcompat enable podman
  chmod 644 /usr/libexec/imgcompat/imgcompat-hook
  start 126
  finds problem podman "is not executable: nothing starts"
}

@test "a step of podman build is recognised and not judged" {
  printf 'profile = "strict"\n' >/etc/imgcompat/config.d/50-test.toml
  imgcompat enable podman
  printf 'FROM %s\nRUN ["/bin/busybox", "true"]\n' "$IMAGE" >"$SCRATCH/Containerfile"
  mkdir -p "$SCRATCH/context"
  runs 0 podman build --network none -t localhost/built:1 -f "$SCRATCH/Containerfile" "$SCRATCH/context"
  tail -n 1 /var/log/imgcompat/decisions.jsonl | jq -e '.not_judged == "build" and .engine == "buildah"'
  rm /etc/imgcompat/config.d/50-test.toml
  podman rmi -f localhost/built:1 >/dev/null
}

@test "a container from a directory is known by podman's record; the same state without a record is not believed" {
  mkdir -p "$SCRATCH/tree"
  tar -xOf "$SCRATCH/mine.tar" layer.tar | tar -C "$SCRATCH/tree" -x
  printf 'profile = "strict"\n' >/etc/imgcompat/config.d/50-test.toml
  imgcompat enable podman
  runs 0 podman run --rm --network none --rootfs "$SCRATCH/tree" /bin/true
  tail -n 1 /var/log/imgcompat/decisions.jsonl | jq -e '.not_judged == "rootfs" and .engine == "podman"'
  local place=/var/lib/containers/storage/overlay-containers/forged/userdata
  mkdir -p "$place"
  jq -n --arg r "$SCRATCH/tree" '{root: {path: $r}}' >"$place/config.json"
  jq -cn --arg b "$place" '{ociVersion: "1.0.2", id: "forged", status: "creating", pid: 1, bundle: $b}' >"$SCRATCH/state"
  runs 1 /usr/libexec/imgcompat/imgcompat-hook <"$SCRATCH/state"
  tail -n 1 /var/log/imgcompat/decisions.jsonl | jq -e '.cause == "image-unidentified" and .engine == "unknown"'
  rm -r "${place%/userdata}" /etc/imgcompat/config.d/50-test.toml
}
