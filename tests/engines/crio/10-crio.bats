#!/usr/bin/env bats
# CRI-O with the hook over crun and runc, and with the wrapper runtime.

setup() {
  load crio
  setup_crio
}

teardown() { teardown_crio; }

@test "a compatible image starts" {
  push_image
  attach "$IMAGE" compatible
  cri_pull "$IMAGE"
  for handler in crun runc wrapper; do
    forget
    expect_cri_start $handler
    decided '.engine == "crio" and .verdict == "compatible" and .decision == "allow"'
  done
}

@test "an incompatible image is refused, and the whole sentence is in CreateContainer's error" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  for handler in crun runc wrapper; do
    forget
    expect_cri_refusal $handler
    says "container create failed: "
    says "imgcompat: refused: $IMAGE needs kernel.version"
    decided '.verdict == "incompatible" and .decision == "deny"'
  done
}

@test "the sandbox is untouched: the hook is not run for it, the wrapper lets it pass" {
  pod p1
  run cri runp --runtime crun "$T/pod.json"
  [ "$status" = 0 ]
  [ -z "$(decisions)" ]
  pod p2
  run cri runp --runtime wrapper "$T/pod.json"
  [ "$status" = 0 ]
  decided '.verdict == "not-judged" and .not_judged == "sandbox"'
}

@test "audit mode refuses nothing" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  set_mode audit
  expect_cri_start crun
  decided '.verdict == "incompatible" and .decision == "allow" and .under_enforce == "deny"'
}

@test "two platforms, artifact on the index; pulled by tag and by digest" {
  local index
  index=$(push_index | head -n 1)
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  expect_cri_refusal crun
  cri_pull "$REGISTRY/$REPO@$index"
  expect_cri_refusal runc "$REGISTRY/$REPO@$index"
}

@test "two platforms, artifact on this platform's manifest" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  cri_pull "$IMAGE"
  expect_cri_refusal crun
}

@test "started by the image's id, as the kubelet does" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  expect_cri_refusal crun "$(cri inspecti -o json "$IMAGE" | jq -r .status.id)"
}

@test "two repositories with the same image and different artifacts: that of the one asked for counts" {
  push_image
  attach "$IMAGE" incompatible
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$IMAGE" "docker://$REGISTRY/a/$REPO:1"
  attach "$REGISTRY/a/$REPO:1" compatible
  cri_pull "$IMAGE"
  cri_pull "$REGISTRY/a/$REPO:1"
  expect_cri_refusal crun "$IMAGE"
  expect_cri_start crun "$REGISTRY/a/$REPO:1"
}

@test "annotations of pod and container change nothing" {
  push_image
  attach "$IMAGE" incompatible
  cri_pull "$IMAGE"
  pod p1
  container "$IMAGE"
  local file
  for file in pod container; do
    jq '.annotations = {"io.kubernetes.cri-o.ContainerType": "sandbox", "io.kubernetes.cri-o.ImageName": "localhost/pause:1", "io.container.manager": "libpod",
      "io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.image-name": "localhost/pause:1",
      "io.kubernetes.cri-o.ImageRepoDigests": "localhost/pause@sha256:0", "run.oci.hooks.stderr": "/tmp/stolen"}' "$T/$file.json" >"$T/$file.new"
    mv "$T/$file.new" "$T/$file.json"
  done
  cri_create crun 1
  did_not_run
  says "imgcompat: refused"
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
  for handler in crun wrapper; do
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
