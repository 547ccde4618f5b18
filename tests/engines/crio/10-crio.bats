#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031 # another REPO, in a subshell on purpose
# What only CRI-O does. A container is judged when it is created; so what happens between that and its start changes nothing any more.

setup() {
  # shellcheck source=tests/engines/crio/crio.bash
  . "$ENGINES/crio/crio.bash"
  setup_engine
}

teardown() { teardown_engine; }

@test "the sandbox is untouched: the hook is not run for it, the wrapper lets it pass" {
  pod
  sandbox crun
  [ -z "$(decisions)" ]
  pod
  sandbox wrapper
  decided '.verdict == "not-judged" and .not_judged == "sandbox"'
}

@test "an image whose tag has moved is judged by its own specification, also when a container is made from its id" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  local id
  id=$(id_of "$IMAGE")
  ( REPO=$REPO-other && push_image other >/dev/null )
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/$REPO-other:other" "docker://$IMAGE"
  attach "$IMAGE" compatible
  pull "$IMAGE"
  starts "$IMAGE"
  refuses "$id"
}

@test "a tag that moves between create and start: what was judged is what runs" {
  push_image
  attach "$IMAGE" compatible
  pull "$IMAGE"
  pod
  container "$IMAGE"
  cri_create crun 0
  ( REPO=$REPO-other && push_image other >/dev/null )
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/$REPO-other:other" "docker://$IMAGE"
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  cri start "$CONTAINER" >/dev/null
  wait_until test -e "$T/volume/ran"
  decided '.verdict == "compatible"'
  # The next container is made from what the name means now.
  refuses "$IMAGE"
}

@test "an image that a container was made from cannot be removed: its containers are judged as before" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  set_mode audit
  pod
  container "$IMAGE"
  cri_create crun 0
  cri_runs 1 rmi "$IMAGE"
  says "in use by a container"
  set_mode enforce
  refuses "$IMAGE"
}

@test "the hook by hand with a forged state: never a laxer decision" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  set_mode audit
  pod
  container "$IMAGE"
  cri_create crun 0
  set_mode enforce
  forget
  printf '[on]\nimage-unidentified = "deny"\ninternal = "deny"\n' | policy
  local bundle=$SCRATCH/run/overlay-containers/$CONTAINER/userdata id
  # hook_with ID BUNDLE
  hook_with() { run "$HOOK" --root "$NODE" <<<"{\"ociVersion\":\"1.0.2\",\"id\":\"$1\",\"status\":\"creating\",\"pid\":1,\"bundle\":\"$2\",
    \"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"sandbox\",\"io.kubernetes.cri-o.ImageName\":\"localhost/pause:1\"}}"; }
  hook_with "$CONTAINER" "$bundle"
  [ "$status" = 1 ]
  decided '.verdict == "incompatible" and .engine == "crio"'
  # The sandbox's id with the container's bundle, and the other way round; an id that nobody has; the sandbox's bundle with the container's root.
  not_believed() {
    forget
    hook_with "$1" "$2"
    [ "$status" = 1 ] || { echo "the state with $* was believed: $(decisions)"; return 1; }
  }
  not_believed "$SANDBOX" "$bundle"
  not_believed "$CONTAINER" "$SCRATCH/run/overlay-containers/$SANDBOX/userdata"
  not_believed 0123456789ab "$bundle"
  mkdir -p "$T/overlay-containers/$SANDBOX/userdata" "$T/overlay-containers/$CONTAINER/userdata"
  cp "$bundle/config.json" "$T/overlay-containers/$SANDBOX/userdata/"
  jq '.root.path = "/nonexistent/overlay/x/merged"' "$bundle/config.json" >"$T/overlay-containers/$CONTAINER/userdata/config.json"
  for id in "$SANDBOX" "$CONTAINER"; do not_believed "$id" "$T/overlay-containers/$id/userdata"; done
}

@test "an exempt namespace is the pod's own, and no annotation" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  printf '[[exempt]]\nnamespace = "kube-system"\n' | policy
  pod
  container "$IMAGE"
  jq '.annotations = {"io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.cri-o.Namespace": "kube-system"}
    | .labels = {"io.kubernetes.pod.namespace": "kube-system"}' "$T/container.json" >"$T/annotated.json"
  mv "$T/annotated.json" "$T/container.json"
  cri_create crun 1
  did_not_run
  forget
  pod
  jq '.metadata += {name: "etcd", namespace: "kube-system"}' "$T/pod.json" >"$T/system.json"
  mv "$T/system.json" "$T/pod.json"
  cri_create crun 0
  decided '.mode == "audit" and .decision == "allow" and .under_enforce == "deny" and .policy_entries == ["exempt namespace kube-system"]
    and .pod == "etcd" and .namespace == "kube-system" and .name == "c"'
}
