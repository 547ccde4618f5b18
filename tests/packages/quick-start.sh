#!/usr/bin/env bash
# quick-start.sh PAGE DEB: every command of the page, as written, in the order in which it stands there, inside a root file system that is thrown away
# afterwards. Called by tests/lanes/packages-root.sh.
#
# ```sh is run by bash -e in one directory, where DEB lies under the name that the page uses. ```text behind it is what must have been printed: its
# lines in that order, … standing for anything. This file is the sudo of the page, and makes its week.
set -euo pipefail
page=$(realpath "$1") deb=$(realpath "$2")
export PODMAN_IGNORE_CGROUPSV1_WARNING=1 DEBIAN_FRONTEND=noninteractive
fail() { printf 'FAILED: %s\n' "$*"; exit 1; }

# --- The node: a root without CAP_SYS_RESOURCE may not raise limits, and podman by default tries to -----------------------------------------------------
work=/tmp/quick-start
mkdir -p "$work/bin" "$work/here" "$work/blocks" /etc/containers/registries.conf.d
# shellcheck disable=SC2016 # for the script
printf '#!/bin/sh\nexec "$@"\n' >"$work/bin/sudo"
chmod 755 "$work/bin/sudo"
export PATH=$work/bin:$PATH
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\npids_limit = 0\n' >/etc/containers/containers.conf
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
ip link set lo up
cp "$deb" "$work/here/"
cd "$work/here"

# --- The page's blocks, one file each: NUMBER.sh, NUMBER.text, NUMBER.week ---------------------------------------------------------------------------
awk -v to="$work/blocks/" '
  /^```(sh|text)$/ { file = sprintf("%s%03d.%s", to, ++n, substr($0, 4)); printf "" >file; next }
  /^```/ { file = ""; next }
  /^<!-- the tests make a week/ { print >(sprintf("%s%03d.week", to, ++n)); next }
  file { print >file }' "$page"

# A person takes longer to type than a registry to come up.
wait_for_registry() {
  grep -q 'docker-registry serve' "$1" || return 0
  local tick
  for ((tick = 0; tick < 100; tick++)); do
    if (: </dev/tcp/127.0.0.1/5001) 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  fail "the registry does not come up: $(tail -n 2 registry.log)"
}

# A week: what was recorded just now, forty times a day.
make_a_week() {
  local log=/var/log/imgcompat/decisions.jsonl records now n
  mapfile -t records < <(grep '"image":"localhost:5001' "$log")
  [ "${#records[@]}" -gt 0 ] || fail "no start was recorded"
  now=$(date +%s)
  for ((n = 0; n < 280; n++)); do
    sed -E "s/^\{\"time\":\"[^\"]*\"/{\"time\":\"$(date -u -d "@$((now - 7 * 86400 + n * 2160))" +%FT%T.000Z)\"/" <<<"${records[n % ${#records[@]}]}"
  done >"$log.week"
  cat "$log" >>"$log.week"
  cat "$log.week" >"$log"
  rm "$log.week"
}

# printed FILE: each of its lines, in that order, in the last output.
printed() {
  local line pattern at=0 found
  mapfile -t output <"$work/output"
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    pattern=$(sed -E -e 's/[][\\*?()|]/\\&/g' -e 's/…/*/g' -e 's/ +/ */g' <<<"$line")
    found=no
    while [ "$at" -lt "${#output[@]}" ]; do
      # shellcheck disable=SC2053 # a pattern
      if [[ ${output[at]} == $pattern ]]; then found=yes; fi
      at=$((at + 1))
      [ "$found" = no ] || break
    done
    [ "$found" = yes ] || fail "this was not printed (in this order): $line"
  done <"$1"
}

blocks=0 commands=0 shown=0
for block in "$work"/blocks/*; do
  case $block in
    *.sh)
      sed 's/^/$ /' "$block"
      status=0
      bash -e "$block" >"$work/output" 2>&1 || status=$?
      cat "$work/output"
      [ "$status" = 0 ] || fail "the block above ended with $status"
      wait_for_registry "$block"
      blocks=$((blocks + 1))
      commands=$((commands + $(grep -cE '^ *(sudo|imgcompat|cat|cp|printf|echo|docker-registry) ' "$block" || :))) ;;
    *.text) printed "$block"; shown=$((shown + $(grep -c . "$block"))) ;;
    *.week) make_a_week ;;
  esac
done
[ "$blocks" -ge 10 ] || fail "the page has only $blocks blocks of commands"
for path in /usr/bin/imgcompat /usr/libexec/imgcompat /etc/imgcompat /var/log/imgcompat /var/cache/imgcompat /usr/share/containers/oci/hooks.d/imgcompat.json; do
  [ ! -e "$path" ] || fail "at the end of the page there is still $path"
done
echo "quick start: $blocks blocks, $commands commands as written, $shown lines of output as shown"
