#!/bin/sh
# node.sh [run|remove|check]: keeps imgcompat installed and enabled on a node, whose file system is below $IMGCOMPAT_HOST. What the DaemonSet in
# deploy/kubernetes runs, in an image that holds the programs and a static busybox.
#
#   run     installs the programs, puts the policy in place, has the engines call imgcompat, and keeps it so
#   remove  puts the engines' configurations back as they were, and removes the programs once no engine calls them
#   check   ends with 0 if what run (or remove) is for is in force; the readiness probe
#
# Both do nothing where everything is as it should be, so they may run again at any time: after a reboot, an upgrade of the image, a crash in between. When
# the pod ends, nothing is undone: a node that reboots must not start its first containers unjudged. No engine is restarted unless
# IMGCOMPAT_RESTART=yes; until somebody has restarted one that needs it, check says so.
set -eu
umask 022

host=${IMGCOMPAT_HOST:-/host}             # where the node's file system is
prefix=${IMGCOMPAT_PREFIX:-/usr/local}    # where programs go on it
engines=${IMGCOMPAT_ENGINES:-auto}        # containerd, crio, or both; auto: those that are there
via=${IMGCOMPAT_VIA:-}                    # hook or wrapper; empty: what the engine has
restart=${IMGCOMPAT_RESTART:-no}          # yes: restart an engine whose configuration changed
every=${IMGCOMPAT_EVERY:-30}              # seconds between two looks
grace=${IMGCOMPAT_GRACE:-5}               # seconds for starts that have read a hook's JSON and have yet to run the program
source=${IMGCOMPAT_SOURCE:-/opt/imgcompat}  # the programs in the image
policy=${IMGCOMPAT_POLICY:-/policy}       # *.toml from a ConfigMap
specs=${IMGCOMPAT_SPECS:-/specs}          # *.yaml from a ConfigMap
pending=$host/run/imgcompat-restart       # in memory on the node: a reboot restarts everything
mark=kubernetes-                          # files of ours in config.d and specs.d begin with it

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*"; }
die() { say "$*" >&2; exit 1; }
on_node() { SYSTEMD_IGNORE_CHROOT=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$host" "$@"; }
tool() { on_node "$prefix/bin/imgcompat" "$@"; }

# put SOURCE TARGET MODE: by a rename, and only if it is not there already.
put() {
  if [ -f "$host$2" ] && cmp -s "$1" "$host$2" && [ "$(stat -c %a "$host$2")" = "$3" ]; then return 0; fi
  mkdir -p "$host${2%/*}"
  staged=$host${2%/*}/.imgcompat.$$
  cp "$1" "$staged"
  chmod "$3" "$staged"
  case $3 in
    755) on_node "${staged#"$host"}" --version >/dev/null 2>&1 || [ "${2##*/}" = imgcompat-runtime ] || { rm -f "$staged"; die "$2 does not run on this node; nothing that names it was installed"; } ;;
  esac
  mv -f "$staged" "$host$2"
  say "installed $2"
}

install_programs() {
  if [ "$prefix" != /usr ] && [ -e "$host/usr/libexec/imgcompat/imgcompat-hook" ]; then
    die "this node has imgcompat as a package (/usr/libexec/imgcompat): remove that first, or leave this node out"
  fi
  put "$source/imgcompat" "$prefix/bin/imgcompat" 755
  put "$source/imgcompat-hook" "$prefix/libexec/imgcompat/imgcompat-hook" 755
  put "$source/imgcompat-runtime" "$prefix/libexec/imgcompat/imgcompat-runtime" 755
  mkdir -p "$host/etc/imgcompat/config.d" "$host/etc/imgcompat/specs.d"
  mkdir -p "$host/var/cache" "$host/var/log"
  [ -d "$host/var/cache/imgcompat" ] || mkdir -m 700 "$host/var/cache/imgcompat"
  [ -d "$host/var/log/imgcompat" ] || mkdir -m 750 "$host/var/log/imgcompat"
}

# sync FROM EXTENSION TO: the files of a ConfigMap under names of ours; those that it no longer has go.
sync_files() {
  for file in "$1"/*"$2"; do
    [ ! -f "$file" ] || put "$file" "$3/$mark${file##*/}" 644
  done
  for file in "$host$3/$mark"*"$2"; do
    [ -f "$file" ] || continue
    name=${file##*/"$mark"}
    [ -f "$1/$name" ] || { rm -f "$file"; say "removed ${file#"$host"}"; }
  done
}

# A policy that cannot be read would have every start on the node recorded as an error, so it is read here first.
sync_policy() {
  trial=$(mktemp -d)
  mkdir -p "$trial/etc/imgcompat/config.d"
  for file in "$policy"/*.toml; do
    [ ! -f "$file" ] || cp "$file" "$trial/etc/imgcompat/config.d/"
  done
  if "$source/imgcompat" config check --root "$trial" >"$trial/said" 2>&1; then
    sync_files "$policy" .toml /etc/imgcompat/config.d
  else
    say "the policy of the ConfigMap is left out, and what was in force stays: $(cat "$trial/said")"
  fi
  rm -rf "$trial"
  sync_files "$specs" .yaml /etc/imgcompat/specs.d
}

socket_of() {
  case $1 in
    containerd) echo "$host/run/containerd/containerd.sock" ;;
    crio) echo "$host/run/crio/crio.sock" ;;
  esac
}
# Which process serves an engine's socket, as far as files tell: it is made anew at every start.
serving() { stat -c '%i %Y' "$(socket_of "$1")" 2>/dev/null || echo none; }

has_engine() {
  [ -S "$(socket_of "$1")" ] && return 0
  for directory in /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin; do
    if [ -x "$host$directory/$1" ]; then return 0; fi
  done
  return 1
}
chosen() {
  if [ "$engines" != auto ]; then printf '%s\n' "$engines" | tr ',' ' '; return 0; fi
  for engine in containerd crio; do
    if has_engine "$engine"; then printf '%s ' "$engine"; fi
  done
}

# is_pending ENGINE: its configuration has changed since it was started.
is_pending() {
  [ -f "$pending.$1" ] || return 1
  if [ "$(cat "$pending.$1")" = "$(serving "$1")" ] && [ "$(serving "$1")" != none ]; then return 0; fi
  rm -f "$pending.$1"
  return 1
}

# change enable|disable ENGINE: through imgcompat on the node itself. Podman's and CRI-O's hook directory is read without a restart.
change() {
  set -- "$1" "$2" ${via:+--via "$via"}
  [ "$1" = enable ] || set -- "$1" "$2"
  planned=$(tool "$@" --dry-run 2>&1) || :
  case $planned in unchanged*) return 0 ;; esac
  case $2-$planned in
    crio-*' /etc/crio/crio.conf.d/'* | containerd-*' /etc/containerd/'* | containerd-*' /etc/imgcompat/containerd/'*) mkdir -p "${pending%/*}"; serving "$2" >"$pending.$2" ;;
  esac
  said=0
  tool "$@" >/tmp/said 2>&1 || said=$?
  while IFS= read -r line; do say "$1 $2: $line"; done </tmp/said
  return "$said"
}

# With the consent to it. Asked again at the next look if it did not come about.
restart_pending() {
  [ "$restart" = yes ] || return 0
  for engine in containerd crio; do
    is_pending "$engine" || continue
    say "systemctl restart $engine, by IMGCOMPAT_RESTART=yes"
    on_node systemctl restart "$engine" || say "systemctl could not restart $engine"
  done
}

run() {
  say "imgcompat $("$source/imgcompat" --version | cut -d ' ' -f 2) for $(chosen)"
  while :; do
    install_programs
    sync_policy
    for engine in $(chosen); do change enable "$engine" || say "$engine: something is left for a person to do, see above"; done
    restart_pending
    if [ "${1:-}" = once ]; then return 0; fi
    rest
  done
}

# Ends at once when the pod does.
rest() {
  trap 'exit 0' TERM INT
  sleep "$every" &
  wait $! || :
}

remove() {
  if [ -x "$host$prefix/bin/imgcompat" ]; then
    for engine in podman containerd crio docker nerdctl; do
      if [ -e "$host/var/lib/imgcompat/$engine.json" ]; then
        change disable "$engine" || die "$engine still names imgcompat, see above; the programs stay"
      fi
    done
    restart_pending
    for engine in containerd crio; do
      while is_pending "$engine"; do
        say "$engine starts containers through imgcompat until it is restarted: systemctl restart $engine. The programs stay until then."
        if [ "${1:-}" = once ]; then return 1; fi
        rest
        restart_pending
      done
      # Scripts that it ran until then.
      if [ -e "$host/var/lib/imgcompat/$engine.json" ]; then tool disable "$engine" >/dev/null || die "$engine still names imgcompat: imgcompat disable $engine"; fi
      rm -f "$host/etc/imgcompat/runtimes/$engine"-* "$host/var/lib/imgcompat/$engine.json"
    done
    sleep "$grace"
  fi
  rm -rf "$host$prefix/libexec/imgcompat" "$host/var/cache/imgcompat"
  rm -f "$host$prefix/bin/imgcompat" "$host/etc/imgcompat/config.d/$mark"*.toml "$host/etc/imgcompat/specs.d/$mark"*.yaml
  for directory in "$host$prefix/libexec" "$host/etc/imgcompat/config.d" "$host/etc/imgcompat/specs.d" "$host/etc/imgcompat/containerd" \
    "$host/etc/imgcompat/runtimes" "$host/etc/imgcompat" "$host/var/lib/imgcompat"; do
    rmdir "$directory" 2>/dev/null || :
  done
  say "removed; the decision log stays in /var/log/imgcompat"
  while [ "${1:-}" != once ]; do rest; done
}

check() {
  for engine in containerd crio; do
    if is_pending "$engine"; then die "$engine has to be restarted: systemctl restart $engine"; fi
  done
  case $(tr '\0' ' ' </proc/1/cmdline) in
    *' remove '*) [ ! -e "$host$prefix/bin/imgcompat" ] || die "not removed yet" ;;
    *)
      [ -n "$(chosen)" ] || die "neither containerd nor CRI-O is here"
      for engine in $(chosen); do
        set -- enable "$engine" ${via:+--via "$via"}
        planned=$(tool "$@" --dry-run 2>&1) || die "$engine: $planned"
        case $planned in unchanged*) ;; *) die "$engine does not call imgcompat yet" ;; esac
      done ;;
  esac
}

case ${1:-run} in
  run | remove | check) action=$1; shift; "$action" "$@" ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
