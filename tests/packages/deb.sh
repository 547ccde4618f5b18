#!/usr/bin/env bash
# deb.sh OLD NEW: the life of the .deb on one node, inside a root file system that is thrown away afterwards: installed, upgraded from an older version,
# removed, installed again, purged, while containers are started without a pause. Called by tests/lanes/packages-root.sh.
set -euo pipefail
old=$1 new=$2
hook=/usr/libexec/imgcompat/imgcompat-hook
hook_file=/usr/share/containers/oci/hooks.d/imgcompat.json
log=/var/log/imgcompat/decisions.jsonl
image=localhost/busybox:1
export DEBIAN_FRONTEND=noninteractive PODMAN_IGNORE_CGROUPSV1_WARNING=1

phase() { printf '== %s\n' "$*"; echo "$*" >/tmp/phase; }
fail() { printf 'FAILED: %s\n' "$*"; exit 1; }

# What a node has before and after, but for what dpkg and podman write down about themselves.
listing() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path "$PWD" -o -path /var/lib/dpkg -o -path /var/lib/containers \
    -o -path /var/cache/apt -o -path /var/lib/apt -o -path /var/cache/ldconfig \) -prune -o -printf '%y %m %U %G %p\n' |
    grep -vE ' (/var/log/(dpkg|apt|alternatives).*|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-|/var/lib/systemd/catalog/.*|/var/cache/man.*)$' | LC_ALL=C sort
}
accounts() { getent passwd; getent group; }

# --- Starts without a pause ---------------------------------------------------------------------------------------------------------------------
# One line a start in /tmp/starts: the phase and the exit code. And a look at whether the JSON ever names a program that is not there.
start_for_ever() {
  local status output
  while [ ! -e /tmp/enough ]; do
    status=0
    output=$(podman run --rm --network none "$image" /bin/true 2>&1) || status=$?
    printf '%s\t%s\n' "$(cat /tmp/phase)" "$status" >>/tmp/starts
    [ "$status" = 0 ] || printf '%s: podman ended with %s: %s\n' "$(cat /tmp/phase)" "$status" "$output" >>/tmp/failures
  done
}
watch_the_hook() {
  while [ ! -e /tmp/enough ]; do
    if [ -e "$hook_file" ] && [ ! -x "$hook" ] && [ -e "$hook_file" ]; then echo "the JSON names a program that is missing ($(cat /tmp/phase))" >>/tmp/failures; fi
    sleep 0.02
  done
}
# some_starts N: waits until N more containers were started.
some_starts() {
  local before tick
  before=$(wc -l </tmp/starts)
  for ((tick = 0; tick < 600; tick++)); do
    [ "$(wc -l </tmp/starts)" -lt $((before + $1)) ] || return 0
    sleep 0.1
  done
  fail "no containers are started any more"
}
judged() { [ "$(grep -c "$image" "$log" 2>/dev/null || :)" -gt "${1:-0}" ]; }
records() { grep -c "$image" "$log" 2>/dev/null || :; }

# --- The node -----------------------------------------------------------------------------------------------------------------------------------
prepare() {
  mkdir -p /etc/containers /tmp/image/bin
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
  # A root without CAP_SYS_RESOURCE may not raise limits, and podman by default tries to.
  printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\npids_limit = 0\n' >/etc/containers/containers.conf
  if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
  cp /bin/busybox /tmp/image/bin/busybox
  ln -s busybox /tmp/image/bin/true
  tar -C /tmp/image -c . | podman import -q - "$image" >/dev/null
  podman run --rm --network none "$image" /bin/true || fail "podman does not work here"
}

prepare
: >/tmp/starts
: >/tmp/failures
accounts >/tmp/accounts.before
listing >/tmp/before
echo 'before' >/tmp/phase
start_for_ever &
start_for_ever &
watch_the_hook &
trap 'touch /tmp/enough; wait' EXIT

phase install
some_starts 2
dpkg -i "$old"
[ "$(dpkg --verify imgcompat)" = "" ] || fail "dpkg --verify after installing: $(dpkg --verify imgcompat)"
some_starts 4
judged || fail "nothing was judged after installing"
imgcompat doctor || fail "doctor is not content after installing"

phase upgrade
# Somebody's own policy, and a specification for images that nobody can attach to: kept by the upgrade, and what they say holds afterwards.
printf 'deadline = "4s"\n' >>/etc/imgcompat/config.toml
cat >/etc/imgcompat/specs.d/busybox.yaml <<'Y'
images: ["localhost/**"]
version: v1alpha1
compatibilities:
- rules:
  - name: kernel
    matchFeatures:
    - feature: kernel.version
      matchExpressions: {major: {op: Gt, value: ["2"]}}
Y
cp /etc/imgcompat/config.toml /tmp/config.mine
before=$(records)
dpkg --force-confold -i "$new"
cmp /etc/imgcompat/config.toml /tmp/config.mine || fail "the upgrade changed a configuration that somebody had edited"
[ -e /etc/imgcompat/specs.d/busybox.yaml ] || fail "the upgrade took a local specification away"
[ "$(dpkg-query -W -f '${Version}' imgcompat)" = "$(dpkg-deb -f "$new" Version)" ] || fail "not the new version"
some_starts 4
judged "$before" || fail "nothing was judged after the upgrade"
imgcompat why --last 1 --output json | grep -q '"verdict":"compatible"' || fail "the local specification does not hold: $(imgcompat why --last 1 --output json)"
imgcompat config show | grep -qx 'deadline = "4s"' || fail "the policy that was edited does not hold"

phase 'upgrade, disabled'
imgcompat disable podman
dpkg --force-confold -i "$old" 2>/dev/null
[ ! -e "$hook_file" ] || fail "an upgrade brought back what imgcompat disable had taken away"
imgcompat enable podman
some_starts 2

phase remove
dpkg -r imgcompat
for path in "$hook_file" "$hook" /usr/bin/imgcompat; do [ ! -e "$path" ] || fail "$path is left"; done
cmp /etc/imgcompat/config.toml /tmp/config.mine || fail "removing took the configuration away"
[ -e "$log" ] || fail "removing took the decision log away"
some_starts 4

phase 'install again'
dpkg --force-confold -i "$new"
[ -e "$hook_file" ] || fail "installed again, and not in force"
cmp /etc/imgcompat/config.toml /tmp/config.mine || fail "installing again changed the configuration"
some_starts 2

phase purge
dpkg -P imgcompat
some_starts 4

phase 'the end'
touch /tmp/enough
wait
trap - EXIT
listing >/tmp/after
diff /tmp/before /tmp/after || fail "the purge left what is named above"
accounts | diff /tmp/accounts.before - || fail "the purge left accounts"
if [ -s /tmp/failures ]; then sort /tmp/failures | uniq -c; fail "starts failed because of the package"; fi

phase 'a default that nobody changed'
dpkg -i "$old" >/dev/null
dpkg -i "$new" >/dev/null
cmp /etc/imgcompat/config.toml /usr/share/imgcompat/config.toml || fail "the new default did not replace the old one, which nobody had edited"

phase 'a daemon that still calls us'
mkdir -p /etc/containerd
printf 'version = 2\n' >/etc/containerd/config.toml
cp /etc/containerd/config.toml /tmp/containerd.toml
imgcompat enable containerd --via wrapper >/dev/null
cp "$(command -v sleep)" /tmp/containerd
/tmp/containerd 60 &
daemon=$!
if dpkg -r imgcompat >/tmp/refused 2>&1; then fail "the package went while containerd runs with its wrapper"; fi
grep -q 'imgcompat disable containerd --restart' /tmp/refused || fail "it does not say what to do: $(cat /tmp/refused)"
for path in "$hook_file" /usr/libexec/imgcompat/imgcompat-runtime; do [ -e "$path" ] || fail "it refused, and still took $path away"; done
kill "$daemon"
wait "$daemon" 2>/dev/null || :
dpkg -P imgcompat >/dev/null
cmp /etc/containerd/config.toml /tmp/containerd.toml || fail "containerd's configuration is not as it was"

echo "summary: dpkg $(dpkg --version | head -n 1 | grep -oE '[0-9.]+' | head -n 1), $(podman --version): $(wc -l </tmp/starts) starts during install, upgrade, removal and purge, $(wc -l </tmp/failures) failed"
cut -f 1 /tmp/starts | sort | uniq -c
