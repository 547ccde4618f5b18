# shellcheck shell=sh
# What the maintainer scripts of the .deb and of the .rpm share; packaging/deb.sh and packaging/rpm.sh put it in front of each.
#
# The order is the point. The program stands before the JSON that names it, because an engine silently skips a hook whose program is missing; and
# the JSON goes first when the package goes, because a start that has read the JSON fails without the program. Nothing is restarted.
set -e

hook=/usr/libexec/imgcompat/imgcompat-hook
hook_file=/usr/share/containers/oci/hooks.d/imgcompat.json
shipped=/usr/share/imgcompat/imgcompat-hook.json
state=/var/lib/imgcompat
note=$state/.hook-file

say() { printf 'imgcompat: %s\n' "$*"; }

# Before the new files are there: was the JSON taken away (imgcompat disable), or changed by somebody? Then it stays as it is.
note_hook_file() {
  mkdir -p "$state"
  if [ ! -e "$hook_file" ]; then echo absent >"$note"
  elif ! cmp -s "$hook_file" "$shipped"; then echo changed >"$note"
  else rm -f "$note"; fi
}

# After the new files are there. A program that does not start here must not be named by anything. The new text comes by a rename, under a name that
# does not end in .json before: one unreadable JSON file makes podman refuse every start.
put_hook_file() {
  how=$(cat "$note" 2>/dev/null || echo ours)
  rm -f "$note"
  case $how in
    absent) say "$hook_file was taken away before and stays away; to have it back: imgcompat enable podman (or crio)"; return 0 ;;
    changed) say "$hook_file was changed on this node and is kept; the shipped one is $shipped"; return 0 ;;
  esac
  if [ -e "$hook_file" ] && cmp -s "$hook_file" "$shipped"; then return 0; fi
  if ! "$hook" --version >/dev/null 2>&1; then
    say "$hook does not run here (tried --version); no engine was told of it" >&2
    return 1
  fi
  mkdir -p "${hook_file%/*}"
  cp "$shipped" "${hook_file%/*}/.imgcompat.new"
  chmod 644 "${hook_file%/*}/.imgcompat.new"
  mv -f "${hook_file%/*}/.imgcompat.new" "$hook_file"
}

is_running() {
  for comm in /proc/[0-9]*/comm; do
    if [ "$(cat "$comm" 2>/dev/null)" = "$1" ]; then return 0; fi
  done
  return 1
}

# containerd, Docker, and CRI-O with the wrapper read their configuration once: one that runs goes on calling our programs until it is restarted,
# and without them it could start nothing. So the package stays until somebody has restarted it.
refuse_while_called() {
  called=
  for engine in containerd docker crio; do
    [ -e "$state/$engine.json" ] || continue
    daemon=$engine
    case $engine in
      docker) daemon=dockerd ;;
      crio) grep -q crio.conf.d "$state/crio.json" || continue ;;
    esac
    if is_running "$daemon"; then called="$called $engine"; fi
  done
  [ -n "$called" ] || return 0
  {
    say "these engines start containers through imgcompat until they are restarted:$called"
    say "so the package is not removed. First, for each of them:"
    for engine in $called; do say "  imgcompat disable $engine --restart"; done
  } >&2
  return 1
}

# No engine calls us any more: every configuration as it was, and the JSON gone. One that somebody changed since is left alone and named, and then the
# package stays too. A start that has read the JSON has yet to run the program, and is given time to.
leave_engines() {
  called=no
  if [ -e "$hook_file" ]; then called=yes; fi
  for engine in podman crio containerd docker nerdctl; do
    [ -e "$state/$engine.json" ] || continue
    called=yes
    imgcompat disable "$engine" || {
      say "the package is not removed, because $engine would still call it" >&2
      return 1
    }
  done
  rm -f "$hook_file"
  if [ "$called" = yes ]; then sleep 5; fi
}

# The user that the worker becomes before it speaks to a registry. Without it, it becomes nobody.
make_user() {
  if getent passwd imgcompat >/dev/null 2>&1; then return 0; fi
  if ! command -v useradd >/dev/null; then return 0; fi
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin imgcompat >/dev/null 2>&1 || :
}

drop_user() {
  if command -v userdel >/dev/null && getent passwd imgcompat >/dev/null 2>&1; then userdel imgcompat >/dev/null 2>&1 || :; fi
}

make_directories() {
  group=root
  if getent group adm >/dev/null 2>&1; then group=adm; fi
  [ -d /var/cache/imgcompat ] || install -d -m 700 /var/cache/imgcompat
  [ -d /var/log/imgcompat ] || install -d -m 750 -g "$group" /var/log/imgcompat
  [ -d "$state" ] || install -d -m 755 "$state"
}

# Units are there for whoever wants them; what somebody enabled ends with the package.
stop_units() {
  if [ -d /run/systemd/system ]; then systemctl stop imgcompat-metrics.timer >/dev/null 2>&1 || :; fi
  rm -f /etc/systemd/system/timers.target.wants/imgcompat-metrics.timer
}

reload_units() {
  if [ -d /run/systemd/system ]; then systemctl daemon-reload >/dev/null 2>&1 || :; fi
}

# What came into being by working, and is worth nothing without the programs.
drop_leftovers() {
  rm -rf /var/cache/imgcompat
  rm -f /var/lib/prometheus/node-exporter/imgcompat.prom "${hook_file%/*}/.imgcompat.new"
}

drop_everything() {
  drop_leftovers
  rm -rf /etc/imgcompat /var/log/imgcompat "$state"
  drop_user
}

say_what_holds() {
  say "in force for podman and CRI-O from the next container start on; nothing was restarted"
  if [ -e /etc/imgcompat/config.d/10-audit.toml ]; then say "mode: see /etc/imgcompat/config.d/10-audit.toml"
  else say 'to refuse nothing at first: echo '\''mode = "audit"'\'' >/etc/imgcompat/config.d/10-audit.toml'; fi
  say "other engines: imgcompat enable containerd (or docker); what it decides: imgcompat why --last 10"
}
