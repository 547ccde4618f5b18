#!/usr/bin/env bats
# runc, crun and youki by themselves, with a bundle made by hand: no engine, so nobody knows the image, and policy decides.

setup() {
  # shellcheck source=tests/engines/engine.bash
  . "$ENGINES/engine.bash"
  REGISTRY=localhost
  new_engine_test
  LIMIT=30
}

teardown() { end_engine_test; }

need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# bundle [HOOK'S ENVIRONMENT]: in $T/bundle, with the hook; the limits that this root may not set are left out. The process leaves a trace. Its
# environment is that of an image which wants its library loaded. It lives for a moment: `youki run` 0.7.0, also without any hook, now and then waits
# for ever for a process that ends at once (3 of 40 starts).
bundle() {
  rm -rf "$T/bundle"
  mkdir -p "$T/bundle"
  ( cd "$T/bundle" && runc spec )
  cp -a "$SCRATCH/bundle/rootfs" "$T/bundle/rootfs"
  jq --arg h "$HOOK" --arg n "$NODE" --arg v "$T/volume" --argjson e "${1:-[\"PATH=/usr/bin:/bin\"]}" --argjson i "$(preload_environment)" \
    '.process.terminal = false | .process.args = ["/bin/sh", "-c", "/bin/touch /volume/ran; /bin/sleep 0.3"] | .process.env = $i | .root = {path: "rootfs"} | del(.process.rlimits)
    | .ociVersion = "1.0.2" | .mounts += [{destination: "/volume", type: "bind", source: $v, options: ["rbind", "rw"]}]
    | .hooks = {createRuntime: [{path: $h, args: ["imgcompat-hook", "--root", $n]} + (if $e == null then {} else {env: $e} end)]}' \
    "$T/bundle/config.json" >"$T/bundle/new"
  mv "$T/bundle/new" "$T/bundle/config.json"
  rm -f "$T/volume/ran"
}
without_hook() {
  jq 'del(.hooks)' "$T/bundle/config.json" >"$T/bundle/new"
  mv "$T/bundle/new" "$T/bundle/config.json"
}

unidentified() { decided ".verdict == \"undecided\" and .cause == \"image-unidentified\" and .engine == \"unknown\" and .decision == \"$1\""; }

# with_hook RUNTIME CODE: allowed and refused by policy; the refusal ends with that code and shows the whole sentence.
with_hook() {
  need "$1"
  bundle
  runs 0 "$1" run --bundle "$T/bundle" "c$RANDOM"
  ran
  unidentified allow
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  forget
  bundle
  runs "$2" "$1" run --bundle "$T/bundle" "c$RANDOM"
  did_not_run
  unidentified deny
  says "imgcompat: refused: "
  says "$T/bundle is in no engine's storage"
  says "See: imgcompat why c"
  # Audit refuses nothing, whatever the outcome.
  set_mode audit
  forget
  bundle
  runs 0 "$1" run --bundle "$T/bundle" "c$RANDOM"
  ran
}

@test "runc: policy decides, and a refusal ends with 1" { with_hook runc 1; }
@test "crun: policy decides, and a refusal ends with 255" { with_hook crun 255; }
@test "youki: policy decides, and a refusal ends with 255" { with_hook youki 255; }

# with_wrapper RUNTIME: the same, the wrapper before it; its code is the wrapper's own, and the sentence is in the log that the caller named.
with_wrapper() {
  need "$1"
  local real format
  real=$(command -v "$1")
  bundle
  without_hook
  runs 0 "$WRAPPER" "--imgcompat-runtime=$real" run --bundle "$T/bundle" "c$RANDOM"
  ran
  unidentified allow
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  for format in json text; do
    rm -f "$T/log" "$T/volume/ran"
    forget
    runs 1 "$WRAPPER" "--imgcompat-runtime=$real" --log "$T/log" --log-format $format run --bundle "$T/bundle" "c$RANDOM"
    did_not_run
    unidentified deny
    says "imgcompat: refused: "
    case $format in
      json) jq -e '.level == "error" and (.msg | startswith("imgcompat: refused"))' "$T/log" ;;
      text) grep -q 'level=error msg="imgcompat: refused: ' "$T/log" ;;
    esac
  done
}

@test "the wrapper before runc" { with_wrapper runc; }
@test "the wrapper before crun" { with_wrapper crun; }
@test "the wrapper before youki" { with_wrapper youki; }

# preloading RUNTIME: neither with an environment for the hook in config.json nor without one, nor through the wrapper.
preloading() {
  need "$1"
  need_preload
  local environment action code
  watch_programs
  for action in allow deny; do
    printf '[on]\nimage-unidentified = "%s"\n' $action | policy
    for environment in '["PATH=/usr/bin:/bin"]' null; do
      bundle "$environment"
      case $action in allow) code=0 ;; deny) code=some ;; esac
      # From the root file system of the container, where the library lies.
      ( cd "$T/bundle/rootfs" && runs $code "$1" run --bundle "$T/bundle" "c$RANDOM" )
      nothing_preloaded
    done
    without_hook
    ( cd "$T/bundle/rootfs" && runs $code "$WRAPPER" "--imgcompat-runtime=$(command -v "$1")" run --bundle "$T/bundle" "c$RANDOM" )
    nothing_preloaded
  done
}

@test "runc: LD_PRELOAD in the image's environment loads nothing on the node" { preloading runc; }
@test "crun: LD_PRELOAD in the image's environment loads nothing on the node" { preloading crun; }
@test "youki: LD_PRELOAD in the image's environment loads nothing on the node" { preloading youki; }

@test "bundles in places that look like an engine's are not believed" {
  local place
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  bundle
  for place in io.containerd.runtime.v2.task/k8s.io/c1 io.containerd.runtime.v2.task/moby/c1 io.containerd.runtime.v2.task/default/c1 executor/c1 buildah123 \
    overlay-containers/c1/userdata vfs-containers/c1/userdata; do
    mkdir -p "$T/$place"
    cp "$T/bundle/config.json" "$T/$place/"
    forget
    run "$HOOK" --root "$NODE" <<<"{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"created\",\"bundle\":\"$T/$place\"}"
    [ "$status" = 1 ] || { echo "$place was believed: $(decisions)"; return 1; }
  done
}

@test "what a bundle claims in annotations, and what a state claims beside its bundle, is not believed" {
  printf '[on]\nimage-unidentified = "deny"\ninternal = "deny"\n' | policy
  bundle
  jq '.annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri-o.ContainerType": "sandbox", "io.kubernetes.cri-o.ImageRepoDigests": "localhost/a@sha256:0",
    "io.container.manager": "libpod", "io.podman.annotations.infra": "true", "imgcompat.mode": "off"}' "$T/bundle/config.json" >"$T/bundle/new"
  mv "$T/bundle/new" "$T/bundle/config.json"
  runs 1 runc run --bundle "$T/bundle" "c$RANDOM"
  did_not_run
  unidentified deny
  local state
  for state in '{}' '[]' 'null' '' "{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"stopped\",\"bundle\":\"$T/bundle\"}" \
    "{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"creating\",\"bundle\":\"$T/bundle\",\"bundle\":\"/nonexistent\"}" \
    "{\"ociVersion\":\"1.0.2\",\"id\":\"buildah-buildah1\",\"status\":\"created\",\"bundle\":\"$T/bundle\",\"root\":\"/var/lib/containers/storage/overlay/x/merged\"}"; do
    forget
    run "$HOOK" --root "$NODE" <<<"$state"
    [ "$status" = 1 ] || { echo "the state $state was believed: $(decisions)"; return 1; }
  done
}
