#!/usr/bin/env bats
# doctor and the registries of images that started lately: whether they answer, and as whom they are asked.

setup() {
  load ../enable
  forget
  REGISTRY=127.0.0.1:$((20000 + RANDOM % 20000))
  printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' "$SCRATCH/registry" "$REGISTRY" >"$SCRATCH/registry.yml"
  docker-registry serve "$SCRATCH/registry.yml" >"$SCRATCH/registry.log" 2>&1 3>&- &
  PID=$!
  printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$REGISTRY" >/etc/containers/registries.conf.d/test.conf
  local tick
  for ((tick = 0; tick < 100; tick++)); do
    if curl -s -o /dev/null "http://$REGISTRY/v2/"; then break; fi
    sleep 0.1
  done
  imgcompat enable podman >/dev/null
  export ONLINE=--verbose
}

teardown() {
  kill "$PID" 2>/dev/null || :
  imgcompat disable podman >/dev/null || :
  rm -rf /etc/containers/registries.conf.d/test.conf /run/containers/0/auth.json
}

@test "a registry that answers, then one that does not" {
  finds ok registries "$REGISTRY answers; asked without credentials"
  runs 0 skopeo copy -q --dest-tls-verify=false "docker-archive:$SCRATCH/pause.tar" "docker://$REGISTRY/team/app:1"
  runs 0 podman run --rm --network none --entrypoint /bin/true "$REGISTRY/team/app:1"
  finds ok registries "$REGISTRY answers; asked without credentials"
  kill "$PID"
  while kill -0 "$PID" 2>/dev/null; do sleep 0.05; done
  finds problem registries "$REGISTRY gives no answer, so policy decides: cannot ask $REGISTRY"
  finds ok registries "$REGISTRY (not asked); asked without credentials" --offline
}

@test "whose credentials are used is said, the credentials are not" {
  mkdir -p /run/containers/0
  printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" "$(printf 'user:hunter2' | base64)" >/run/containers/0/auth.json
  chmod 600 /run/containers/0/auth.json
  finds ok registries "$REGISTRY answers; asked with those of /run/containers/0/auth.json"
  chmod 644 /run/containers/0/auth.json
  finds warning credentials "can be read by others"
  printf '{"credHelpers": {"%s": "absent"}}' "$REGISTRY" >/run/containers/0/auth.json
  finds problem credentials "names the credential helper absent, which is not run, so its registries are not asked: there is no docker-credential-absent"
  run imgcompat doctor --offline
  [[ $output != *hunter2* && $output != *"$(printf 'user:hunter2' | base64)"* ]]
}
