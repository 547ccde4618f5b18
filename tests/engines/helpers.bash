# shellcheck shell=bash disable=SC2034,SC2154 # bats sets status and output; tests read IMAGE
# What the engine tests share. run.sh sets: RUNTIME (crun, runc), REGISTRY_KIND (docker-registry, olareg), PROGRAMS, SCRATCH.
#
# Every test gets its own installation root ($ROOT: programs, /etc/imgcompat, cache, log), its own hook directory, and its own repository name
# ($REPO), so no test sees another's cache, policy or image.

# This directory, for whoever reads this file from a directory beside it.
ENGINES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# --- Registries -------------------------------------------------------------------------------------------------------

# start_registry NAME [PORT]: starts one of REGISTRY_KIND and sets REGISTRY to its host:port. registries.conf allows plain HTTP to it.
start_registry() {
  local name=$1 port=${2:-} attempt
  for attempt in 1 2 3 4 5 6; do
    [ -n "${2:-}" ] || port=$((20000 + RANDOM))
    REGISTRY=127.0.0.1:$port
    run_registry "$name" "$port" >>"$SCRATCH/$name.log" 2>&1 3>&- 4>&- &
    echo $! >"$SCRATCH/$name.pid"
    echo "$port" >"$SCRATCH/$name.port"
    if wait_for_port "$port" "$(cat "$SCRATCH/$name.pid")"; then
      printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$REGISTRY" >"/etc/containers/registries.conf.d/$name.conf"
      return
    fi
  done
  echo "the registry does not come up after $attempt attempts:" >&2
  tail -n 5 "$SCRATCH/$name.log" >&2
  return 1
}

run_registry() {
  case $REGISTRY_KIND in
    docker-registry)
      printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$SCRATCH/$1.data" "$2" >"$SCRATCH/$1.yml"
      exec docker-registry serve "$SCRATCH/$1.yml" ;;
    olareg)
      exec olareg serve --addr 127.0.0.1 --port "$2" --dir "$SCRATCH/$1.data" --store-type dir -v trace ;;
  esac
}

wait_for_port() {
  local tick
  for ((tick = 0; tick < 100; tick++)); do
    kill -0 "$2" 2>/dev/null || return 1
    if curl -s -o /dev/null --max-time 1 "http://127.0.0.1:$1/v2/"; then return 0; fi
    sleep 0.1
  done
  return 1
}

# start_registries: the registry of the run, REGISTRY, and where it can be had one of the other kind, OTHER_REGISTRY, so that every engine meets a
# registry with the referrers API and one without.
start_registries() {
  export OTHER_KIND=olareg
  [ "$REGISTRY_KIND" != olareg ] || OTHER_KIND=docker-registry
  if command -v "$OTHER_KIND" >/dev/null; then
    REGISTRY_KIND=$OTHER_KIND start_registry other
    export OTHER_REGISTRY=$REGISTRY
  fi
  start_registry main
  export REGISTRY
}
stop_registries() { stop_registry main; stop_registry other; }

stop_registry() {
  local pid
  pid=$(cat "$SCRATCH/$1.pid" 2>/dev/null) || return 0
  kill -CONT "$pid" 2>/dev/null || :
  kill "$pid" 2>/dev/null || :
  wait "$pid" 2>/dev/null || :
  # It is not always a child of this shell (bats runs each test in its own).
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  rm -f "$SCRATCH/$1.pid"
}

# requests_of REPO [REGISTRY NAME]: the requests for a repository that the registry's own log has, "METHOD URL" a line.
# (Pulls by podman ask for manifests too, so tests count between two marks.)
requests_of() {
  local log=$SCRATCH/${2:-main}.log
  case $REGISTRY_KIND in
    docker-registry) grep -aoE '"(GET|HEAD|PUT|POST) /v2/'"$1"'/[^ ]* HTTP' "$log" | sed -e 's/^"//' -e 's/ HTTP$//' || : ;;
    olareg) grep -aE "msg=ServeHTTP .* url=/v2/$1/" "$log" | sed -E 's/.* method=([A-Z]+) url=([^ ]+) .*/\1 \2/' || : ;;
  esac
}
count_requests() { requests_of "$@" | wc -l; }

# --- Images -----------------------------------------------------------------------------------------------------------

sha256() { sha256sum "$1" | cut -c 1-64; }

# One layer for all images: a static busybox under the names that the tests run, and the library of preload.bash.
make_layer() {
  local tree=$SCRATCH/layer name
  mkdir -p "$tree/bin"
  cp /bin/busybox "$tree/bin/busybox"
  for name in sh true echo sleep touch; do ln -s busybox "$tree/bin/$name"; done
  if [ -e "${PRELOAD:-}" ]; then install -m 755 "$PRELOAD" "$tree/preload.so"; fi
  ( cd "$tree" && tar --sort=name --owner=0 --group=0 --mtime=@0 -cf "$SCRATCH/layer.tar" ./* )
  sha256 "$SCRATCH/layer.tar" >"$SCRATCH/layer.diff"
  gzip -1 -n -k -f "$SCRATCH/layer.tar"
}

# new_layout DIR: an empty OCI layout that has the layer.
new_layout() {
  mkdir -p "$1/blobs/sha256"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
  ln "$SCRATCH/layer.tar.gz" "$1/blobs/sha256/$(sha256 "$SCRATCH/layer.tar.gz")"
}

# add_blob DIR: stores stdin, prints "DIGEST SIZE".
add_blob() {
  local staged digest
  staged=$(mktemp "$1/blob.XXXXXX")
  cat >"$staged"
  digest=$(sha256 "$staged")
  mv "$staged" "$1/blobs/sha256/$digest"
  echo "sha256:$digest $(stat -c %s "$1/blobs/sha256/$digest")"
}

# add_image DIR ARCHITECTURE LABEL [NOTE]: one platform's image; prints its manifest's descriptor. Different labels are different
# images; a note in the manifest makes another manifest of the same image. IMAGE_ENV is its environment, a JSON list.
add_image() {
  local dir=$1 architecture=$2 label=$3 note=${4:-} config size layer
  read -r config size < <(jq -cn --arg a "$architecture" --arg l "$label" --arg d "sha256:$(cat "$SCRATCH/layer.diff")" --argjson e "${IMAGE_ENV:-[]}" \
    '{architecture: $a, os: "linux", config: {Cmd: ["/bin/sh"], Env: $e, Labels: {test: $l}}, rootfs: {type: "layers", diff_ids: [$d]}}' | add_blob "$dir")
  layer=$(sha256 "$SCRATCH/layer.tar.gz")
  local manifest manifest_size
  read -r manifest manifest_size < <(jq -cn --arg c "$config" --argjson cs "$size" --arg l "sha256:$layer" --argjson ls "$(stat -c %s "$SCRATCH/layer.tar.gz")" --arg n "$note" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: $cs},
      layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: $l, size: $ls}]}
      + (if $n == "" then {} else {annotations: {note: $n}} end)' | add_blob "$dir")
  jq -cn --arg d "$manifest" --argjson s "$manifest_size" --arg a "$architecture" \
    '{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s, platform: {architecture: $a, os: "linux"}}'
}

# push_layout DIR DESCRIPTOR TAG: what the descriptor names, with all its parts, to $REGISTRY/$REPO:TAG; prints its digest.
push_layout() {
  jq -cn --argjson d "$2" '{schemaVersion: 2, manifests: [$d + {annotations: {"org.opencontainers.image.ref.name": "it"}}]}' >"$1/index.json"
  skopeo copy -q --all --preserve-digests --dest-tls-verify=false "oci:$1:it" "docker://$REGISTRY/$REPO:$3" >&2
  jq -rn --argjson d "$2" '$d.digest'
}

this_architecture() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac; }
other_architecture() { case $(uname -m) in x86_64) echo arm64 ;; *) echo amd64 ;; esac; }

# push_image [TAG]: an image of one platform; prints its manifest's digest.
push_image() {
  local dir=$T/layout-${1:-1}
  new_layout "$dir"
  push_layout "$dir" "$(add_image "$dir" "$(this_architecture)" "$REPO-${1:-1}")" "${1:-1}"
}

# push_index [TAG]: an image of two platforms; prints the index's digest and this platform's manifest's.
push_index() {
  local dir=$T/index-${1:-1} this other digest size
  new_layout "$dir"
  this=$(add_image "$dir" "$(this_architecture)" "$REPO-${1:-1}")
  other=$(add_image "$dir" "$(other_architecture)" "$REPO-${1:-1}")
  read -r digest size < <(jq -cn --argjson a "$this" --argjson b "$other" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [$a, $b]}' | add_blob "$dir")
  push_layout "$dir" "$(jq -cn --arg d "$digest" --argjson s "$size" '{mediaType: "application/vnd.oci.image.index.v1+json", digest: $d, size: $s}')" "${1:-1}"
  jq -rn --argjson d "$this" '$d.digest'
}

# --- imgcompat --------------------------------------------------------------------------------------------------------

# A root of this test's own, and the shipped hook JSON with paths into it.
new_root() {
  ROOT=$T/root
  mkdir -p "$ROOT"
  cp -al "$SCRATCH/inst/usr" "$ROOT/usr"
  cp -a "$SCRATCH/inst/etc" "$SCRATCH/inst/var" "$ROOT/"
  HOOKS=$T/hooks
  write_hook "$HOOKS"
}

# write_hook DIR [ARGUMENT]: the shipped JSON with paths into this test's root, and one more argument for the hook.
write_hook() {
  mkdir -p "$1"
  jq --arg p "$ROOT/usr/libexec/imgcompat/imgcompat-hook" --arg r "$ROOT" --arg more "${2:-}" \
    '.hook.path = $p | .hook.args += (["--root", $r, $more] | map(select(. != "")))' \
    "$SCRATCH/inst/usr/share/containers/oci/hooks.d/imgcompat.json" >"$1/.staged"
  mv "$1/.staged" "$1/imgcompat.json"
}

# policy: stdin becomes a drop-in of this test's root.
policy() { cat >"$ROOT/etc/imgcompat/config.d/50-test.toml"; }
set_mode() { printf 'mode = "%s"\n' "$1" >"$ROOT/etc/imgcompat/config.d/60-mode.toml"; }

tool() { "$ROOT/usr/bin/imgcompat" "$@"; }
# attach REFERENCE SPECIFICATION [OPTIONS]
attach() {
  local reference=$1 specification=$ENGINES/specs/$2.yaml
  shift 2
  tool attach-spec "$@" "$reference" "$specification"
}

# forget: the installation has decided nothing yet. (A refusal that repeats within a minute is not written down again.)
forget() { rm -rf "$ROOT"/var/cache/imgcompat/* "$ROOT"/var/log/imgcompat/*; }

decisions() { cat "$ROOT/var/log/imgcompat/decisions.jsonl" 2>/dev/null || :; }
last_decision() { decisions | tail -n 1; }

# --- podman -----------------------------------------------------------------------------------------------------------

podman_here() { podman --root "$SCRATCH/storage" --runroot "$SCRATCH/run" --runtime "$RUNTIME" --hooks-dir "${HOOKS:-$SCRATCH/none}" "$@"; }

# run_podman [EXPECTED_RC] COMMAND...: podman with a time limit; its output in $output. Fails the test, and shows the output, if the exit
# code is another than expected (0, if no number is given; ? accepts any).
run_podman() {
  local expected=0
  case $1 in [0-9] | [0-9][0-9] | [0-9][0-9][0-9] | '?') expected=$1; shift ;; esac
  run timeout --foreground --kill-after=10 "${LIMIT:-90}" podman --root "$SCRATCH/storage" --runroot "$SCRATCH/run" --runtime "$RUNTIME" --hooks-dir "$HOOKS" "$@"
  if [ "$expected" != '?' ] && [ "$status" != "$expected" ]; then
    printf 'podman %s\nended with %s, expected %s. It said:\n%s\nThe decisions:\n%s\n' "$*" "$status" "$expected" "$output" "$(decisions)"
    return 1
  fi
}

pull() { run_podman pull -q "$1"; }

# expect_start IMAGE [OPTIONS]: the container runs, and its process too.
expect_start() {
  local image=$1
  shift
  rm -f "$T/volume/ran"
  run_podman 0 run --rm --network none -v "$T/volume:/volume" "$@" "$image" /bin/touch /volume/ran
  [ -e "$T/volume/ran" ] || { echo "podman ended with 0, but the container's process left no trace"; return 1; }
}

# expect_refusal IMAGE [OPTIONS]: podman ends with 126, and nothing of the image ran.
expect_refusal() {
  local image=$1
  shift
  rm -f "$T/volume/ran"
  run_podman 126 run --rm --network none -v "$T/volume:/volume" "$@" "$image" /bin/touch /volume/ran
  [ ! -e "$T/volume/ran" ] || { echo "refused, but the container's process ran"; return 1; }
}

# says TEXT: the last run_podman's output has it.
says() {
  [[ $output == *"$1"* ]] || { printf 'expected to read: %s\nbut it says:\n%s\n' "$1" "$output"; return 1; }
}

# decided FILTER: the newest decision satisfies a jq filter.
decided() {
  last_decision | jq -e "$1" >/dev/null || { printf 'the last decision does not satisfy %s:\n%s\n' "$1" "$(last_decision)"; return 1; }
}

# --- Each test --------------------------------------------------------------------------------------------------------

new_test() {
  T=$(mktemp -d "$SCRATCH/t.XXXXXX")
  chmod 755 "$T"
  mkdir -p "$T/volume"
  REPO=test/$(basename "$T" | tr '[:upper:].' '[:lower:]-')
  IMAGE=$REGISTRY/$REPO:1
  new_root
}

end_test() {
  podman_here rm -fa -t 0 >/dev/null 2>&1 || :
  podman_here rmi -fa >/dev/null 2>&1 || :
  rm -rf "$T"
}

# --- Special images and watches ---------------------------------------------------------------------------------------

# oras_attach REFERENCE SPECIFICATION: the artifact as NFD's documentation has people make it. Where there is no oras, our own tool with
# whatever it attaches without judging it.
oras_attach() {
  command -v oras >/dev/null || skip "oras is not installed (lane registries)"
  ( cd "$ENGINES/specs" || exit 1
    oras attach --plain-http --artifact-type application/vnd.nfd.image-compatibility.v1alpha1 "$1" \
      "$2.yaml:application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml" >/dev/null )
}

# local_image: localhost/built:1, which no registry serves.
local_image() {
  podman_here import -q --change 'CMD ["/bin/sh"]' "$SCRATCH/layer.tar" localhost/built:1 >/dev/null
}

# compatible_image: pushes and pulls another image, with a specification that holds; prints its reference.
compatible_image() (
  REPO=$REPO-fine
  push_image fine >/dev/null
  attach "$REGISTRY/$REPO:fine" compatible >&2
  podman_here pull -q "$REGISTRY/$REPO:fine" >/dev/null
  echo "$REGISTRY/$REPO:fine"
)

# pause_image: an image whose process waits for ever, without a registry; prints its name.
pause_image() {
  podman_here import -q --change 'ENTRYPOINT ["/bin/sleep", "1000000"]' "$SCRATCH/layer.tar" localhost/pause:1 >/dev/null
  echo localhost/pause:1
}

# watch_worker: puts a program before the tool, which is the hook's worker, that says when a registry is to be asked, and asks nobody.
watch_worker() {
  mkdir -p "$T/worker"
  mv "$ROOT/usr/bin/imgcompat" "$ROOT/usr/bin/imgcompat.real"
  # shellcheck disable=SC2016 # the program expands them
  printf '#!/bin/sh\ncase "$1 $2" in\n"worker fetch") : >%s; exit 1 ;;\nesac\nexec %s "$@"\n' "$T/worker/asked" "$ROOT/usr/bin/imgcompat.real" \
    >"$ROOT/usr/bin/imgcompat"
  chmod 755 "$ROOT/usr/bin/imgcompat"
}
