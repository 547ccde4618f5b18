#!/usr/bin/env bats
# shellcheck disable=SC2119 # push_image and push_index have a tag of their own
# What only containerd's CRI does, with the hook (base_runtime_spec) and with the wrapper runtime.

setup() {
  # shellcheck source=tests/engines/containerd/cri.bash
  . "$ENGINES/containerd/cri.bash"
  setup_engine
}

teardown() {
  kill -CONT "$(cat "$SCRATCH/containerd.pid")"
  rm -f "$SCRATCH/trouble"
  teardown_engine
}

@test "the container's status says why, as kubectl describe shows it" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  pod
  container "$IMAGE"
  cri_start wrapper 1
  run cri inspect "$CONTAINER"
  says "imgcompat: refused: $IMAGE"
  says "StartError"
}

@test "the sandbox is not judged" {
  pod
  sandbox wrapper
  decided '.verdict == "not-judged" and .not_judged == "sandbox" and .decision == "allow"'
}

@test "started by the image's id, as the kubelet does, the person still reads the name" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  refuses "$(id_of "$IMAGE")"
  says "$IMAGE"
}

# The trouble begins when the runtime is called to create the container, and ends with it: see troubled-runtime.
trouble() {
  local kind=$1 handler
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  for handler in troubled-hook troubled-wrapper; do
    pod
    container "$IMAGE"
    echo "$kind" >"$SCRATCH/trouble"
    forget
    printf 'deadline = "2s"\n[on]\nimage-unidentified = "deny"\n' | policy
    cri_start $handler 1
    refused_in_start
    decided '.verdict == "undecided" and .cause == "image-unidentified" and .decision == "deny" and .duration_us < 5000000'
    pod
    forget
    printf 'deadline = "2s"\n[on]\nimage-unidentified = "allow"\n' | policy
    cri_start $handler 0
    decided '.verdict == "undecided" and .cause == "image-unidentified" and .decision == "allow" and .duration_us < 5000000'
    rm "$SCRATCH/trouble"
    forget
    pod
    cri_start $handler 1
    decided '.verdict == "incompatible"'
  done
}

@test "containerd is stopped while a start is judged: decided within the deadline, by policy" { trouble stopped; }
@test "containerd's socket is missing while a start is judged: decided within the deadline, by policy" { trouble unplugged; }

# What a pod gets that asks for nothing, and what the kubelet asks for by itself.
CONTEXTS=('{}' '{"seccomp": {"profile_type": 0}, "no_new_privs": true, "run_as_user": {"value": 1000},
  "masked_paths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/sys/firmware"], "readonly_paths": ["/proc/bus", "/proc/sys"],
  "capabilities": {"drop_capabilities": ["NET_RAW"], "add_capabilities": ["SYS_PTRACE"]}}')

# comparable HANDLER CONTEXT SCRIPT: a container by that handler runs a shell's script; sets CONTAINER and SANDBOX.
comparable() {
  POD_NAME=comparable pod
  container "$IMAGE" "$(jq -cn --arg s "$3" '["/bin/sh", "-c", $s]')"
  jq --argjson c "$2" '.linux.security_context = $c' "$T/container.json" >"$T/container.new"
  mv "$T/container.new" "$T/container.json"
  cri_make "$1"
  cri_runs 0 start "$CONTAINER"
}

# settings HANDLER CONTEXT: the whole config.json, less our hook and what differs between any two containers.
settings() {
  comparable "$@" "exec /bin/sleep 1000"
  jq -S --arg c "$CONTAINER" --arg s "$SANDBOX" \
    'del(.hooks) | walk(if type == "string" then gsub($c; "CONTAINER") | gsub($s; "SANDBOX") | gsub("/proc/[0-9]+/"; "/proc/PID/") else . end)' \
    "$SCRATCH/c/io.containerd.runtime.v2.task/k8s.io/$CONTAINER/config.json"
  # containerd 1.6 now and then loses its shim while it stops a pod (`ttrpc: closed`), and can do it the second time.
  wait_until cri rmp -f "$SANDBOX"
}

@test "the base specification that enable writes leaves every setting of a container as it is, field by field" {
  push_image
  pull "$IMAGE"
  local field context
  for context in "${CONTEXTS[@]}"; do
    settings runc "$context" >"$T/without.json"
    settings hook "$context" >"$T/with.json"
    diff "$T/without.json" "$T/with.json"
  done
  # What security hangs on was there to be compared.
  for field in .process.capabilities.bounding .process.noNewPrivileges .process.user .linux.maskedPaths .linux.readonlyPaths .linux.seccomp.syscalls \
    .linux.namespaces .linux.resources.devices .mounts; do
    jq -e "$field | . == true or length > 0" "$T/with.json" >/dev/null || { echo "there is no $field to compare"; return 1; }
  done
}

# effects HANDLER CONTEXT: what a process in a container has of it.
# shellcheck disable=SC2016 # the shell in the container expands them
effects() {
  rm -f "$T/volume"/*
  comparable "$@" 'cd /proc/self; { /bin/busybox grep -E "^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)" status
    /bin/busybox awk "{print \$2, \$4}" mounts; /bin/busybox cat limits cgroup; } >/volume/effects; /bin/touch /volume/ran'
  wait_until test -e "$T/volume/ran" || { cat "$T/c.log" >&2; return 1; }
  sed "s/$CONTAINER/CONTAINER/g; s/$SANDBOX/SANDBOX/g; s|/snapshots/[0-9]*/|/snapshots/N/|g" "$T/volume/effects"
  wait_until cri rmp -f "$SANDBOX"
}

@test "a process in a container has the same capabilities, seccomp, limits and mounts with the hook as without" {
  push_image
  pull "$IMAGE"
  chmod 777 "$T/volume"
  local context
  for context in "${CONTEXTS[@]}"; do
    effects runc "$context" >"$T/without"
    effects hook "$context" >"$T/with"
    diff "$T/without" "$T/with"
  done
  grep -q '^CapBnd' "$T/with"
  grep -qE '^Seccomp:.*2' "$T/with"
}

@test "an exempt namespace is the kubelet's label, and no annotation or label of the image" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  printf '[[exempt]]\nnamespace = "kube-system"\n' | policy
  pod
  container "$IMAGE"
  jq '.labels += {"io.kubernetes.pod.name": "etcd", "io.kubernetes.pod.namespace": "kube-system"}' "$T/container.json" >"$T/labelled.json"
  jq '.annotations = {"io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.cri.sandbox-namespace": "kube-system"}' "$T/container.json" >"$T/annotated.json"
  mv "$T/annotated.json" "$T/container.json"
  cri_start hook 1
  did_not_run
  forget
  mv "$T/labelled.json" "$T/container.json"
  pod
  cri_start hook 0
  ran
  decided '.mode == "audit" and .decision == "allow" and .under_enforce == "deny" and .policy_entries == ["exempt namespace kube-system"]
    and .pod == "etcd" and .namespace == "kube-system" and .name == "c"'
}
