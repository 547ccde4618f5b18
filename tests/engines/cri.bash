# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of both engines of Kubernetes share: crictl, pods, containers, the image of sandboxes. CRI_SOCKET is where the engine listens.

cri() { crictl --runtime-endpoint "unix://$CRI_SOCKET" --image-endpoint "unix://$CRI_SOCKET" --timeout 60s "$@"; }
# cri_runs EXPECTED_RC ARGUMENTS...
cri_runs() {
  local expected=$1
  shift
  runs "$expected" crictl --runtime-endpoint "unix://$CRI_SOCKET" --image-endpoint "unix://$CRI_SOCKET" --timeout 60s "$@"
}
cri_pull() { cri_runs 0 pull "$1"; }

# pod and container IMAGE [COMMAND, a JSON list]: the files that crictl wants, the container's with the labels that the kubelet gives. POD_NAME is the name
# of pods, any if it is not set.
pod() {
  jq -n --arg n "${POD_NAME:-p$RANDOM}" --arg d "$T" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d, annotations: {},
    linux: {security_context: {namespace_options: {network: 2}}}}' >"$T/pod.json"
}
container() {
  jq --arg i "$1" --arg v "$T/volume" --argjson c "${2:-[\"/bin/touch\", \"/volume/ran\"]}" '{metadata: {name: "c"}, image: {image: $i}, command: $c, log_path: "c.log",
    mounts: [{host_path: $v, container_path: "/volume"}], annotations: {}, linux: {},
    labels: {"io.kubernetes.pod.name": .metadata.name, "io.kubernetes.pod.namespace": .metadata.namespace}}' "$T/pod.json" >"$T/container.json"
}

# The verbs of cases/, with every one of HANDLERS. The engine's own file has cri_starts and cri_refuses HANDLER, which take pod.json and container.json.
starts() { with_every_handler cri_starts "$1"; }
refuses() { with_every_handler cri_refuses "$1"; }
refuses_lies() { with_every_handler cri_refuses "$1" lie; }

# with_every_handler EXPECTATION IMAGE [CHANGE]: CHANGE is a function that changes pod.json and container.json.
with_every_handler() {
  local handler
  for handler in "${HANDLERS[@]}"; do
    forget
    pod
    container "$2"
    "${3:-:}"
    "$1" "$handler"
  done
}

# sandbox HANDLER: runs pod.json, sets SANDBOX.
sandbox() { SANDBOX=$(cri runp --runtime "$1" "$T/pod.json" 2>"$T/runp") || { cat "$T/runp" >&2; return 1; }; }

# lie: pod.json and container.json claim to be another image, a sandbox, of another manager, in the words of every engine.
lie() {
  local file
  for file in pod container; do
    jq --arg other localhost/pause:1 '.annotations = {"io.kubernetes.cri-o.ContainerType": "sandbox", "io.kubernetes.cri-o.Image": $other, "io.kubernetes.cri-o.ImageName": $other,
      "io.kubernetes.cri-o.ImageRef": $other, "io.kubernetes.cri-o.ImageRepoDigests": "localhost/pause@sha256:0", "io.kubernetes.cri-o.MountPoint": "/nonexistent",
      "io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.image-name": $other, "io.kubernetes.cri.sandbox-image-name": $other,
      "io.container.manager": "libpod", "imgcompat.mode": "off", "run.oci.hooks.stderr": "/tmp/imgcompat-test-stolen"}
      | .labels = {"io.cri-containerd.kind": "sandbox", "io.cri-containerd.image": "managed"}
      | if .command then .envs = [{key: "LD_PRELOAD", value: "/preload.so"}, {key: "IMGCOMPAT_MODE", value: "off"}] else . end' "$T/$file.json" >"$T/$file.new"
    mv "$T/$file.new" "$T/$file.json"
  done
}

id_of() { cri inspecti -o json "$1" | jq -r .status.id; }

# pause_tree DIR: the files of an image whose process waits until it is told to end, as pod sandboxes have it.
pause_tree() {
  mkdir -p "$1/bin"
  cp /bin/busybox "$1/bin/"
  printf '#!/bin/busybox sh\ntrap "exit 0" TERM INT\nwhile :; do /bin/busybox sleep 1; done\n' >"$1/pause"
  chmod 755 "$1/pause"
}
