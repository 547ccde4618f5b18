#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031 # another REPO, in a subshell on purpose
# containerd by CRI, as Kubernetes uses it, with the hook (base_runtime_spec) and with the wrapper runtime.

setup() {
  load containerd
  setup_containerd
  need_cri
}

teardown() { teardown_containerd; }

@test "a compatible image starts" {
  push_image
  attach "$IMAGE" compatible
  cri_pull "$IMAGE"
  for handler in hook wrapper; do
    expect_cri_start $handler
    decided '.engine == "containerd" and .verdict == "compatible" and .decision == "allow"'
  done
}

@test "an incompatible image is refused, and the whole sentence is in StartContainer's error" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  for handler in hook wrapper; do
    forget
    expect_cri_refusal $handler
    says "imgcompat: refused: $IMAGE needs kernel.version"
    decided '.verdict == "incompatible" and .decision == "deny"'
  done
}

@test "the container's status says why, as kubectl describe shows it" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  expect_cri_refusal wrapper
  run cri inspect "$CONTAINER"
  says "imgcompat: refused: $IMAGE"
  says "StartError"
}

@test "the sandbox is not judged" {
  pod p1
  run cri runp --runtime wrapper "$T/pod.json"
  [ "$status" = 0 ]
  decided '.verdict == "not-judged" and .not_judged == "sandbox" and .decision == "allow"'
}

@test "audit mode refuses nothing and records what it would have refused" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  set_mode audit
  for handler in hook wrapper; do
    expect_cri_start $handler
    decided '.verdict == "incompatible" and .decision == "allow" and .under_enforce == "deny"'
  done
}

@test "two platforms, artifact on the index; pulled by tag and by digest" {
  local index
  index=$(push_index | head -n 1)
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  expect_cri_refusal wrapper
  cri_pull "$REGISTRY/$REPO@$index"
  expect_cri_refusal hook "$REGISTRY/$REPO@$index"
}

@test "two platforms, artifact on this platform's manifest" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  cri_pull "$IMAGE"
  expect_cri_refusal hook
}

@test "started by the image's id, as the kubelet does" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  local id
  id=$(cri inspecti -o json "$IMAGE" | jq -r .status.id)
  expect_cri_refusal wrapper "$id"
  says "$IMAGE"
}

@test "two tags of one image" {
  push_image
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$IMAGE" "docker://$REGISTRY/$REPO:2"
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  cri_pull "$REGISTRY/$REPO:2"
  expect_cri_refusal hook "$REGISTRY/$REPO:2"
}

@test "a tag that moves between create and start changes nothing" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  pod p1
  container "$IMAGE"
  SANDBOX=$(cri runp --runtime wrapper "$T/pod.json")
  CONTAINER=$(cri create --no-pull "$SANDBOX" "$T/container.json" "$T/pod.json")
  local old
  old=$(ctr -a "$SOCKET" -n k8s.io images list -q | grep "$REPO@")
  (REPO=$REPO-other && push_image other >/dev/null)
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/$REPO-other:other" "docker://$IMAGE"
  cri_pull "$IMAGE"
  runs some crictl --runtime-endpoint "unix://$SOCKET" start "$CONTAINER"
  says "imgcompat: refused: "
  did_not_run
  [ -n "$old" ]
}

@test "an image removed after create is not identified, and policy decides" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  pod p1
  container "$IMAGE"
  SANDBOX=$(cri runp --runtime wrapper "$T/pod.json")
  CONTAINER=$(cri create --no-pull "$SANDBOX" "$T/container.json" "$T/pod.json")
  local name
  for name in $(ctr -a "$SOCKET" -n k8s.io images list -q | grep -v pause); do ctr -a "$SOCKET" -n k8s.io images rm --sync "$name" >/dev/null; done
  runs some crictl --runtime-endpoint "unix://$SOCKET" start "$CONTAINER"
  decided '.cause == "image-unidentified" and .decision == "deny"'
}

@test "two repositories with the same image and different artifacts: never the laxer one alone" {
  push_image
  attach "$IMAGE" incompatible
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$IMAGE" "docker://$REGISTRY/a/$REPO:1"
  attach "$REGISTRY/a/$REPO:1" compatible
  cri_pull "$IMAGE"
  cri_pull "$REGISTRY/a/$REPO:1"
  expect_cri_refusal wrapper
}

@test "annotations of pod and container change nothing" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  pod p1
  container "$IMAGE"
  local file
  for file in pod container; do
    jq '.annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.image-name": "localhost/pause:1", "io.container.manager": "cri-o",
      "io.kubernetes.cri-o.ContainerType": "sandbox", "io.kubernetes.cri-o.ImageRepoDigests": "localhost/pause@sha256:0"}
      | .labels = {"io.cri-containerd.kind": "sandbox"}' "$T/$file.json" >"$T/$file.new"
    mv "$T/$file.new" "$T/$file.json"
  done
  cri_start wrapper 1
  did_not_run
}

@test "the base specification leaves the default security settings as they are" {
  push_image
  cri_pull "$IMAGE"
  local handler
  for handler in runc hook; do
    pod "p$handler"
    container "$IMAGE"
    jq '.command = ["/bin/sleep", "1000"]' "$T/container.json" >"$T/sleep.json"
    SANDBOX=$(cri runp --runtime $handler "$T/pod.json")
    CONTAINER=$(cri create --no-pull "$SANDBOX" "$T/sleep.json" "$T/pod.json")
    cri start "$CONTAINER" >/dev/null
    jq -S '[.process.capabilities, .process.noNewPrivileges, .process.apparmorProfile, .process.rlimits, .process.user, .linux.maskedPaths, .linux.readonlyPaths,
      .linux.seccomp, (.linux.resources.devices), ([.linux.namespaces[].type]), ([.mounts[] | {destination, type, options}])]' \
      "$SCRATCH/c/io.containerd.runtime.v2.task/k8s.io/$CONTAINER/config.json" >"$T/$handler.settings"
  done
  diff "$T/runc.settings" "$T/hook.settings"
}

@test "a namespace is exempt by the sandbox's record, whatever annotations and labels say" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  # What the pod's author can write claims the namespace that is exempt.
  pod() {
    jq -n --arg n "$1" --arg d "$T" '{metadata: {name: $n, uid: $n, namespace: "tests"}, log_directory: $d, labels: {"io.kubernetes.pod.namespace": "spared"},
      annotations: {"io.kubernetes.cri.sandbox-namespace": "spared", "io.kubernetes.pod.namespace": "spared", "io.kubernetes.cri-o.Namespace": "spared"},
      linux: {security_context: {namespace_options: {network: 2}}}}' >"$T/pod.json"
  }
  for handler in hook wrapper; do
    forget
    printf '[[exempt]]\nnamespace = "spared"\nreason = "not this one"\n' >"$NODE/etc/imgcompat/config.d/50-exempt.toml"
    expect_cri_refusal $handler
    decided '.namespace == "tests" and (.pod | startswith("p")) and .name == "c" and .decision == "deny"'
    printf '[[exempt]]\nnamespace = "test*"\nreason = "the own pods of the node"\n' >"$NODE/etc/imgcompat/config.d/50-exempt.toml"
    expect_cri_start $handler
    decided '.verdict == "not-judged" and .exempt == "the own pods of the node"'
  done
  rm "$NODE/etc/imgcompat/config.d/50-exempt.toml"
}
