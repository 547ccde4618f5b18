# shellcheck shell=bash disable=SC2034,SC2154 # bats sets status and output
# What the tests of `enable`, `disable` and `doctor` on real engines share. Here imgcompat is installed where it is on a node, and engines read their
# own configuration in its usual place: the whole of /etc, /usr and /var is covered by what the tests write, in the mount namespace of the run.

ENABLE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
IMAGE=localhost/mine:1

# An /etc, a /usr and a /var of the tests' own over those that are there, and directories for the engines' stores, which want no overlay below them.
cover_system() {
  local name
  mkdir -p "$SCRATCH/cover"
  mount -t tmpfs -o mode=755 tmpfs "$SCRATCH/cover"
  for name in etc usr var; do
    mkdir -p "$SCRATCH/cover/$name" "$SCRATCH/cover/work-$name"
    mount -t overlay overlay -o "lowerdir=/$name,upperdir=$SCRATCH/cover/$name,workdir=$SCRATCH/cover/work-$name" "/$name"
  done
  for name in containers containerd docker; do
    mkdir -p "/var/lib/$name"
    mount -t tmpfs tmpfs "/var/lib/$name"
  done
  rm -rf /etc/containers /etc/containerd /etc/docker /etc/crio /etc/imgcompat /var/lib/imgcompat
  mkdir -p /etc/containers/registries.conf.d /usr/share/containers/oci/hooks.d
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
  : >/etc/containers/registries.conf
  printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\npids_limit = 0\n' >/etc/containers/containers.conf
}

# The programs, and no engine that calls them.
install_programs() {
  "$ENABLE/../../../install.sh" --binaries "$PROGRAMS" >"$SCRATCH/install.log" 2>&1 || { cat "$SCRATCH/install.log" >&2; return 1; }
  imgcompat disable podman >/dev/null
  install -m 755 "$ENABLE/daemon" /usr/local/sbin/daemon
  printf '#!/bin/sh\n# What there is of a service manager here.\nexec /usr/local/sbin/daemon "$@"\n' >/usr/local/sbin/systemctl
  chmod 755 /usr/local/sbin/systemctl
}

# image_archive NAME FILE: an image with busybox in it, as `docker load` takes it; and one whose process waits, for sandboxes.
image_archive() {
  local name=$1 file=$2 dir config
  dir=$(mktemp -d "$SCRATCH/image.XXXXXX")
  mkdir -p "$dir/tree/bin"
  cp /bin/busybox "$dir/tree/bin/"
  ln -s busybox "$dir/tree/bin/true"
  printf '#!/bin/busybox sh\ntrap "exit 0" TERM INT\nwhile :; do /bin/busybox sleep 1; done\n' >"$dir/tree/pause"
  chmod 755 "$dir/tree/pause"
  tar -C "$dir/tree" -cf "$dir/layer.tar" .
  jq -cn --arg d "sha256:$(sha256sum "$dir/layer.tar" | cut -c 1-64)" --arg n "$name" \
    '{architecture: "'"$(case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac)"'", os: "linux",
      config: {Entrypoint: (if $n | test("pause") then ["/pause"] else ["/bin/true"] end)}, rootfs: {type: "layers", diff_ids: [$d]}}' >"$dir/config"
  config=$(sha256sum "$dir/config" | cut -c 1-64).json
  mv "$dir/config" "$dir/$config"
  jq -cn --arg c "$config" --arg n "$name" '[{Config: $c, RepoTags: [$n], Layers: ["layer.tar"]}]' >"$dir/manifest.json"
  tar -C "$dir" -cf "$file" "$config" layer.tar manifest.json
}

# The image under test must be refused wherever imgcompat is asked.
forbid_image() {
  cat >/etc/imgcompat/specs.d/mine.yaml <<Y
version: v1alpha1
images: ["$IMAGE"]
compatibilities:
- rules:
  - name: kernel
    matchFeatures:
    - feature: kernel.version
      matchExpressions:
        major: {op: Gt, value: ["9000"]}
Y
}

forget() { rm -rf /var/cache/imgcompat/* /var/log/imgcompat/*; }

# Everything that an engine may read, with its permissions.
snapshot() {
  find /etc /usr/share/containers /usr/local /var/lib/imgcompat -xdev \( -type f -printf '%m ' -exec sha256sum {} \; \) -o \( -type l -printf '%l %p\n' \) 2>/dev/null | sort -k 3
}

# runs EXPECTED_RC COMMAND...; "some" is any code but 0.
runs() {
  local expected=$1
  shift
  run timeout --kill-after=10 90 "$@"
  case $expected in
    some) [ "$status" != 0 ] && return ;;
    *) [ "$status" = "$expected" ] && return ;;
  esac
  printf '%s\nended with %s, expected %s. It said:\n%s\n' "$*" "$status" "$expected" "$output"
  tail -n 3 /var/log/imgcompat/decisions.jsonl 2>/dev/null
  return 1
}

says() { [[ $output == *"$1"* ]] || { printf 'expected to read: %s\nbut it says:\n%s\n' "$1" "$output"; return 1; }; }

# finds LEVEL SUBJECT WORDS [OPTIONS]: doctor has such a finding. It asks registries only if ONLINE is an option (-v will do).
finds() {
  local level=$1 subject=$2 words=$3
  shift 3
  imgcompat doctor "${ONLINE:---offline}" --output json "$@" >"$SCRATCH/findings.json" || :
  jq -e --arg l "$level" --arg s "$subject" --arg w "$words" 'any(.[]; .level == $l and .subject == $s and (.finding | contains($w)))' "$SCRATCH/findings.json" >/dev/null \
    || { printf 'no finding %s %s %s:\n' "$level" "$subject" "$words"; jq -c '.[]' "$SCRATCH/findings.json"; return 1; }
}

# The probe's two findings, and nothing of it left.
probe_is_content() {
  forget
  finds ok probe "$1 refused what must be refused" --probe
  jq -e --arg w "$1 started what may start" 'any(.[]; .level == "ok" and (.finding | contains($w)))' "$SCRATCH/findings.json" >/dev/null || { jq -c '.[]' "$SCRATCH/findings.json"; return 1; }
  probe_left_nothing
}
probe_left_nothing() {
  local left
  left=$(find /etc/imgcompat/specs.d /tmp -maxdepth 1 -name 'imgcompat-probe*')
  [ -z "$left" ] || { echo "the probe left: $left"; return 1; }
}
