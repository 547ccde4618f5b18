#!/usr/bin/env bats
# runc, crun and youki by themselves: the image cannot be known, and policy decides.

setup() {
  # shellcheck source=tests/engines/engine.bash
  . "$BATS_TEST_DIRNAME/../engine.bash"
  REGISTRY=localhost
  new_engine_test
}

teardown() { end_engine_test; }

# A bundle with the hook; the limits that this root may not set are left out.
bundle() {
  mkdir -p "$T/bundle"
  ( cd "$T/bundle" && rm -f config.json && runc spec )
  jq --arg h "$HOOK" --arg n "$NODE" --arg r "$SCRATCH/bundle/rootfs" '.process.terminal = false | .process.args = ["/bin/true"] | .root.path = $r
    | del(.process.rlimits) | .ociVersion = "1.0.2" | .hooks = {createRuntime: [{path: $h, args: ["imgcompat-hook", "--root", $n], env: ["PATH=/usr/bin:/bin"]}]}' \
    "$T/bundle/config.json" >"$T/bundle/new"
  mv "$T/bundle/new" "$T/bundle/config.json"
}

with_runtime() {
  command -v "$1" >/dev/null || skip "$1 is not installed"
  bundle
  runs 0 "$1" run --bundle "$T/bundle" "c$RANDOM"
  decided '.cause == "image-unidentified" and .decision == "allow"'
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  forget
  runs some "$1" run --bundle "$T/bundle" "c$RANDOM"
  decided '.cause == "image-unidentified" and .decision == "deny"'
}

@test "runc" { with_runtime runc; }
@test "crun" { with_runtime crun; }
@test "youki" { with_runtime youki; }

@test "the wrapper before each" {
  local runtime
  for runtime in runc crun youki; do
    command -v $runtime >/dev/null || continue
    bundle
    jq 'del(.hooks)' "$T/bundle/config.json" >"$T/bundle/new"
    mv "$T/bundle/new" "$T/bundle/config.json"
    rm -f "$NODE"/etc/imgcompat/config.d/*
    runs 0 "$WRAPPER" "--imgcompat-runtime=$(command -v $runtime)" run --bundle "$T/bundle" "c$RANDOM"
    decided '.cause == "image-unidentified" and .decision == "allow"'
    printf '[on]\nimage-unidentified = "deny"\n' | policy
    rm -f "$T/log"
    runs 1 "$WRAPPER" "--imgcompat-runtime=$(command -v $runtime)" --log "$T/log" --log-format json run --bundle "$T/bundle" "c$RANDOM"
    says "imgcompat: refused"
    jq -e '.level == "error" and (.msg | startswith("imgcompat: refused"))' "$T/log"
    forget
  done
}

@test "bundles in places that look like an engine's are not believed" {
  local place
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  bundle
  for place in io.containerd.runtime.v2.task/k8s.io/c1 io.containerd.runtime.v2.task/moby/c1 executor/c1 buildah123; do
    mkdir -p "$T/$place"
    cp "$T/bundle/config.json" "$T/$place/"
    forget
    run "$HOOK" --root "$NODE" <<<"{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"created\",\"bundle\":\"$T/$place\"}"
    [ "$status" = 1 ] || { echo "$place was believed: $(decisions)"; return 1; }
  done
}
