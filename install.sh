#!/usr/bin/env bash
# Installs imgcompat, or removes it. Builds the programs unless built ones are given.
#
# The order is the point of this script. The programs stand before any configuration names them: podman silently skips a hook whose program is
# missing, other engines start nothing without it. So the configuration goes first when imgcompat is removed, and the programs stay as long as a
# running engine still calls them. A configuration that somebody changed is never overwritten. Nothing is restarted unless --restart asks.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=/usr
destdir=${DESTDIR:-}
engines=()
restart=no
stage=
hooks_dir=/usr/share/containers/oci/hooks.d
own_hook=no
known=(podman crio containerd docker nerdctl)
binaries=
audit=no
action=install
purge=no

usage() {
  cat <<'U'
usage: ./install.sh [OPTIONS]

  --audit            record what would be refused, refuse nothing (writes /etc/imgcompat/config.d/10-audit.toml)
  --binaries DIR     install the programs from DIR instead of building them
  --engine NAME      have this engine call imgcompat (imgcompat enable NAME): podman, crio, containerd, docker, nerdctl, or all for those
                     found here; may be given several times (default: the hook directory that podman and CRI-O read)
  --restart          restart engines whose configuration changed
  --stage STAGE      the hook's one stage: createRuntime, or prestart for engines that know no other
                     (default: createRuntime; prestart with podman before 3.0)
  --hooks-dir DIR    where the engine reads hooks (default: /usr/share/containers/oci/hooks.d)
  --prefix DIR       where programs go (default: /usr)
  --destdir DIR      put everything below DIR, for packages and trials (default: $DESTDIR)
  --demo             install what a demonstration needs, build, install, and show a start and a refusal
  --uninstall        put back the configuration of engines, then remove the programs; imgcompat's own configuration, logs and cache stay
  --purge            with --uninstall: remove configuration, logs and cache too
  -h, --help         this text
U
}

say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'install.sh: %s\nTry ./install.sh --help.\n' "$*" >&2; exit 2; }

parse_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --binaries | --engine | --stage | --hooks-dir | --prefix | --destdir)
        [ $# -ge 2 ] || misuse "$1 needs a value" ;;
    esac
    case $1 in
      --audit) audit=yes ;;
      --binaries) binaries=$2; shift ;;
      --engine) engines+=("$2"); shift ;;
      --restart) restart=yes ;;
      --stage) stage=$2; own_hook=yes; shift ;;
      --hooks-dir) hooks_dir=$2; own_hook=yes; shift ;;
      --prefix) prefix=$2; shift ;;
      --destdir) destdir=$2; shift ;;
      --demo) action=demo ;;
      --uninstall) action=uninstall ;;
      --purge) purge=yes ;;
      -h | --help) usage; exit 0 ;;
      *) misuse "unknown option $1" ;;
    esac
    shift
  done
}

check_arguments() {
  local name path
  for name in "${engines[@]}"; do
    case " ${known[*]} all " in *" $name "*) ;; *) misuse "unknown engine $name: ${known[*]}, or all" ;; esac
  done
  case $stage in '' | createRuntime | prestart) ;; *) misuse "unknown stage $stage: createRuntime or prestart" ;; esac
  for name in prefix destdir hooks_dir; do
    path=${!name}
    # These paths are written into JSON and TOML as they are, so only characters that need no quoting may be in them.
    case $path in *[!A-Za-z0-9/._+-]*) die "--${name/_/-} $path: only letters, digits and / . _ + - are possible" ;; esac
    case $path in '' | /*) ;; *) die "--${name/_/-} $path: an absolute path is needed" ;; esac
  done
  [ -n "$prefix" ] || misuse "--prefix is empty"
  prefix=${prefix%/}
  destdir=${destdir%/}
  [ "$purge" = no ] || [ "$action" = uninstall ] || misuse "--purge goes with --uninstall"
  if [ -z "$destdir" ] && [ "$(id -u)" != 0 ]; then die "installing needs root; run it with sudo, or give --destdir"; fi
}

# --- Building ---------------------------------------------------------------------------------------------------------

# Runs a command as the person who called sudo, so that cargo finds their toolchain and target/ stays theirs.
as_builder() {
  if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] && ! root_has_cargo; then
    local home
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    sudo -u "$SUDO_USER" -H env PATH="$home/.cargo/bin:/usr/local/bin:/usr/bin:/bin" "$@"
  else
    env PATH="${HOME:-/root}/.cargo/bin:$PATH" "$@"
  fi
}

root_has_cargo() { PATH="${HOME:-/root}/.cargo/bin:$PATH" command -v cargo >/dev/null; }

# Sets $binaries. Static musl starts fastest and needs nothing of the node; static glibc is next; dynamic always works.
build() {
  local machine musl gnu flags
  machine=$(uname -m)
  musl=$machine-unknown-linux-musl
  gnu=$machine-unknown-linux-gnu
  as_builder cargo --version >/dev/null 2>&1 || die "cargo is missing: install Rust 1.92 or newer (https://rustup.rs), or give built programs with --binaries DIR"
  # Where the programs are taken from, whatever CARGO_TARGET_DIR says.
  cd "$here"
  if has_target "$musl"; then
    say "Building: static, $musl"
    # Without musl-tools the host's compiler does: the one C library in the tree (ring) needs nothing of a libc.
    as_builder env "CC_${musl//-/_}=$(command -v musl-gcc || echo "${CC:-gcc}")" cargo build --locked --release --target-dir "$here/target" --target "$musl"
    binaries=$here/target/$musl/release
    return
  fi
  flags='-C target-feature=+crt-static'
  if as_builder env RUSTFLAGS="$flags" cargo build --locked --release --target-dir "$here/target" --target "$gnu"; then
    say "Built: static, $gnu (the musl target is not installed and could not be added)"
    binaries=$here/target/$gnu/release
    return
  fi
  say "Building: dynamic (no static target works here; every container start will cost about half a millisecond more)"
  as_builder cargo build --locked --release --target-dir "$here/target"
  binaries=$here/target/release
}

has_target() {
  as_builder rustup target list --installed 2>/dev/null | grep -qx "$1" && return
  as_builder timeout 120 rustup target add "$1" >/dev/null 2>&1
}

# --- Installing -------------------------------------------------------------------------------------------------------

# put SOURCE TARGET MODE: atomic, and says whether anything changed.
put() {
  local source=$1 target=$destdir$2 mode=$3 staged
  if [ -f "$target" ] && cmp -s "$source" "$target" && [ "$(stat -c %a "$target")" = "$mode" ]; then
    say "unchanged  $2"
    return
  fi
  staged=$(mktemp "$(dirname "$target")/.imgcompat.XXXXXX")
  install -m "$mode" "$source" "$staged"
  mv -f "$staged" "$target"
  say "installed  $2"
}

# put_program NAME TARGET: as put, but the new program must start before it replaces the old one.
put_program() {
  local source=$binaries/$1 target=$destdir$2 staged
  if [ -f "$target" ] && cmp -s "$source" "$target"; then
    say "unchanged  $2"
    return
  fi
  staged=$(mktemp "$(dirname "$target")/.imgcompat.XXXXXX")
  install -m 755 "$source" "$staged"
  if ! "$staged" --version >/dev/null 2>&1; then
    rm -f "$staged"
    die "$source does not run here (tried --version); nothing that names it was installed"
  fi
  mv -f "$staged" "$target"
  say "installed  $2"
}

make_directories() {
  local group=root
  if getent group adm >/dev/null; then group=adm; fi
  install -d -m 755 "$destdir$prefix/bin" "$destdir$prefix/libexec/imgcompat" "$destdir$prefix/share/imgcompat" \
    "$destdir/etc/imgcompat" "$destdir/etc/imgcompat/config.d" "$destdir/etc/imgcompat/specs.d" "$destdir/etc/logrotate.d"
  install -d -m 700 "$destdir/var/cache/imgcompat"
  if [ "$(id -u)" = 0 ]; then install -d -m 750 -g "$group" "$destdir/var/log/imgcompat"
  else install -d -m 750 "$destdir/var/log/imgcompat"; fi
}

# The copy under share/ is the default we shipped last. A configuration that still equals it was never touched by anybody.
put_configuration() {
  local current=$destdir/etc/imgcompat/config.toml shipped=$destdir$prefix/share/imgcompat/config.toml
  if [ ! -e "$current" ] || { [ -f "$shipped" ] && cmp -s "$current" "$shipped"; }; then
    put "$here/config/imgcompat.toml" /etc/imgcompat/config.toml 644
  elif cmp -s "$current" "$here/config/imgcompat.toml"; then
    say "unchanged  /etc/imgcompat/config.toml"
  else
    put "$here/config/imgcompat.toml" /etc/imgcompat/config.toml.new 644
    say "kept       /etc/imgcompat/config.toml (changed here; the new defaults are in config.toml.new beside it)"
  fi
  put "$here/config/imgcompat.toml" "$prefix/share/imgcompat/config.toml" 644
}

put_audit_mode() {
  [ "$audit" = yes ] || return 0
  local source
  source=$(mktemp)
  cat >"$source" <<'T'
# Written by install.sh --audit: record what would be refused, refuse nothing. Remove this file to enforce.
mode = "audit"
T
  put "$source" /etc/imgcompat/config.d/10-audit.toml 644
  rm -f "$source"
}

# The pages of the tool are there after `make man`.
put_manuals() {
  local page
  for page in "$here"/docs/man/*.[1-8] "$here"/target/man/*.[1-8]; do
    [ -f "$page" ] || continue
    install -d -m 755 "$destdir$prefix/share/man/man${page##*.}"
    put "$page" "$prefix/share/man/man${page##*.}/$(basename "$page")" 644
  done
}

# completion SHELL DIRECTORY FILE
put_completion() {
  local source
  source=$(mktemp)
  if "$destdir$prefix/bin/imgcompat" completion "$1" >"$source" 2>/dev/null && [ -s "$source" ]; then
    install -d -m 755 "$destdir$2"
    put "$source" "$2/$3" 644
  fi
  rm -f "$source"
}

choose_stage() {
  [ -z "$stage" ] || return 0
  stage=createRuntime
  local version=
  if [ -z "$destdir" ] && command -v podman >/dev/null; then
    version=$(podman --version 2>/dev/null | grep -oE '[0-9]+' | head -n 1 || :)
    if [ -n "$version" ] && [ "$version" -lt 3 ]; then stage=prestart; fi
  fi
}

# From the rename on, engines call the hook. The staged file's name must not end in .json, and it is checked first:
# one unreadable JSON file makes podman refuse every start and CRI-O refuse to come up.
put_hook() {
  local target=$destdir$hooks_dir/imgcompat.json staged
  install -d -m 755 "$destdir$hooks_dir"
  staged=$(mktemp "$destdir$hooks_dir/.imgcompat.XXXXXX")
  sed -e "s|/usr/libexec/imgcompat/imgcompat-hook|$prefix/libexec/imgcompat/imgcompat-hook|" -e "s|\"createRuntime\"|\"$stage\"|" \
    "$here/hooks.d/imgcompat.json" >"$staged"
  chmod 644 "$staged"
  if ! json_is_valid "$staged"; then
    rm -f "$staged"
    die "hooks.d/imgcompat.json is not valid JSON; the engine's hook directory was not touched"
  fi
  if [ -f "$target" ] && cmp -s "$staged" "$target"; then
    rm -f "$staged"
    say "unchanged  $hooks_dir/imgcompat.json"
    return
  fi
  mv -f "$staged" "$target"
  say "installed  $hooks_dir/imgcompat.json (stage $stage)"
}

has_program() {
  local directory
  for directory in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    if [ -f "$destdir$directory/$1" ]; then return 0; fi
  done
  return 1
}

program_of() { case $1 in docker) echo dockerd ;; *) echo "$1" ;; esac; }

# Sets $chosen: the engines asked for, each once; for "all" those that are installed.
choose_engines() {
  local name
  chosen=()
  for name in "${known[@]}"; do
    case " ${engines[*]} " in
      *" $name "*) chosen+=("$name") ;;
      *" all "*) if has_program "$(program_of "$name")"; then chosen+=("$name"); fi ;;
    esac
  done
}

# The installed tool, on the files below --destdir.
tool() {
  local arguments=("$@" --root "${destdir:-/}")
  if [ "$restart" = yes ]; then arguments+=(--restart); fi
  "$destdir$prefix/bin/imgcompat" "${arguments[@]}"
}

# The last step: from now on, or from their next start on, engines call imgcompat. Sets $by_hand if something is left for a person.
set_up_engines() {
  local name
  choose_stage
  if [ "${#engines[@]}" = 0 ]; then put_hook; return; fi
  choose_engines
  if [ "${#chosen[@]}" = 0 ]; then say "No engine was found here: nothing calls imgcompat yet."; fi
  for name in "${chosen[@]}"; do
    say "== $name"
    case $name:$own_hook:$stage in
      # `enable` knows one stage and the directory that the engine's configuration names.
      podman:yes:* | crio:yes:* | podman:*:prestart) put_hook ;;
      *) tool enable "$name" || by_hand="$by_hand $name" ;;
    esac
  done
}

# Where neither tool is, the file is the shipped one with a path and a word replaced, both from safe characters.
json_is_valid() {
  if command -v jq >/dev/null; then jq -e .hook.path "$1" >/dev/null 2>&1
  elif command -v python3 >/dev/null; then python3 -m json.tool "$1" >/dev/null 2>&1
  else return 0; fi
}

do_install() {
  local name given
  [ -n "$binaries" ] || build
  given=$binaries
  binaries=$(cd "$given" 2>/dev/null && pwd) || die "--binaries: there is no directory $given"
  for name in imgcompat imgcompat-hook; do
    [ -f "$binaries/$name" ] || die "$binaries has no $name"
  done
  make_directories
  put_program imgcompat "$prefix/bin/imgcompat"
  put_program imgcompat-hook "$prefix/libexec/imgcompat/imgcompat-hook"
  # Not all builds have the wrapper runtime; no engine calls it before `imgcompat enable`.
  [ ! -f "$binaries/imgcompat-runtime" ] || put_program imgcompat-runtime "$prefix/libexec/imgcompat/imgcompat-runtime"
  put_configuration
  put_audit_mode
  put "$here/packaging/logrotate/imgcompat" /etc/logrotate.d/imgcompat 644
  put_manuals
  put_completion bash "$prefix/share/bash-completion/completions" imgcompat
  put_completion zsh "$prefix/share/zsh/vendor-completions" _imgcompat
  put_completion fish "$prefix/share/fish/vendor_completions.d" imgcompat.fish
  by_hand=
  set_up_engines
  say "Not touched: local specifications in /etc/imgcompat/specs.d, logs in /var/log/imgcompat, running containers."
  say "Under podman and CRI-O in force from the next container start on. Is it in force everywhere: imgcompat doctor. What it decides: imgcompat why --last 10"
  if [ -e "$destdir/etc/imgcompat/config.d/10-audit.toml" ]; then say "Mode: audit, by /etc/imgcompat/config.d/10-audit.toml."; fi
  [ -z "$by_hand" ] || die "installed, but something is left for you to do (above):$by_hand"
}

# --- Removing ---------------------------------------------------------------------------------------------------------

drop() {
  if [ -e "$destdir$1" ] || [ -L "$destdir$1" ]; then
    rm -rf -- "$destdir$1"
    say "removed    $1"
  fi
}

is_running() {
  [ -z "$destdir" ] && grep -qx "$(program_of "$1")" /proc/[0-9]*/comm 2>/dev/null
}

# Puts back what `imgcompat enable` changed. While a configuration, or an engine that has not read the new one, still names the programs, they stay.
disable_engines() {
  local name said waiting=()
  for name in "${known[@]}"; do
    [ -e "$destdir/var/lib/imgcompat/$name.json" ] || continue
    [ -x "$destdir$prefix/bin/imgcompat" ] \
      || die "$name is told to call imgcompat, and $prefix/bin/imgcompat, which takes that back, is missing: install it again, then remove it"
    said=$(tool disable "$name") || { say "$said"; die "the configuration of $name still names imgcompat (above); nothing else was removed"; }
    say "$said"
    called=yes
    case $said in *"systemctl restart"*) if is_running "$name"; then waiting+=("$name"); fi ;; esac
  done
  [ "${#waiting[@]}" = 0 ] \
    || die "still running as before, and still calling imgcompat: ${waiting[*]}. Restart them, then run this again; the programs were not removed"
}

do_uninstall() {
  local path page
  called=no
  disable_engines
  [ ! -e "$destdir$hooks_dir/imgcompat.json" ] || called=yes
  drop "$hooks_dir/imgcompat.json"
  # A start that has read its configuration has yet to run the program, and fails without it.
  [ "$called" = no ] || [ -n "$destdir" ] || sleep 5
  drop "$prefix/libexec/imgcompat"
  drop "$prefix/bin/imgcompat"
  drop "$prefix/share/imgcompat"
  drop /etc/logrotate.d/imgcompat
  for page in "$here"/docs/man/*.[1-8]; do
    [ ! -f "$page" ] || drop "$prefix/share/man/man${page##*.}/$(basename "$page")"
  done
  for page in "$destdir$prefix"/share/man/man1/imgcompat{,-*}.1; do
    [ ! -f "$page" ] || drop "${page#"$destdir"}"
  done
  drop "$prefix/share/bash-completion/completions/imgcompat"
  drop "$prefix/share/zsh/vendor-completions/_imgcompat"
  drop "$prefix/share/fish/vendor_completions.d/imgcompat.fish"
  rmdir "$destdir/var/lib/imgcompat" 2>/dev/null || :
  for path in /etc/imgcompat /var/lib/imgcompat /var/cache/imgcompat /var/log/imgcompat; do
    if [ "$purge" = yes ]; then drop "$path"
    elif [ -e "$destdir$path" ]; then say "kept       $path"; fi
  done
  say "Containers start without imgcompat from now on."
}

main() {
  parse_arguments "$@"
  check_arguments
  case $action in
    install) do_install ;;
    uninstall) do_uninstall ;;
    demo) IMGCOMPAT_BINARIES=$binaries exec "$here/tests/demo/demo.sh" ;;
  esac
}

main "$@"
