#!/usr/bin/env bash
# rpm.sh FILE: what the .rpm holds, and its scripts in a scratch root that has nothing but a static busybox. Called by the lane packages.
set -euo pipefail
rpm=$(realpath "$1")
hook_file=/usr/share/containers/oci/hooks.d/imgcompat.json
fail() { printf 'FAILED: %s\n' "$*"; exit 1; }

files=$(rpm -qpl "$rpm")
for path in /usr/bin/imgcompat /usr/libexec/imgcompat/imgcompat-hook /usr/libexec/imgcompat/imgcompat-runtime "$hook_file" /etc/imgcompat/config.toml \
  /etc/logrotate.d/imgcompat /usr/share/man/man8/imgcompat-hook.8.gz /usr/share/zsh/site-functions/_imgcompat /usr/lib/systemd/system/imgcompat-metrics.timer; do
  grep -qxF "$path" <<<"$files" || fail "the .rpm lacks $path"
done
[ "$(rpm -qpc "$rpm" | paste -sd' ')" = "/etc/imgcompat/config.toml /etc/logrotate.d/imgcompat" ] || fail "its configuration files: $(rpm -qpc "$rpm")"
if rpm -qpR "$rpm" | grep -vE '^(/bin/sh|coreutils|diffutils|config\(imgcompat\) = .*|rpmlib\(.*)$'; then fail "it requires what is named above"; fi
if rpm -qp --scripts "$rpm" | grep -nE '@FUNCTIONS@|%%'; then fail "its scripts were not filled in"; fi
rpm -qp --scripts "$rpm" | sed -n '/^preinstall/,$p' | sed 's/^\(pre\|post\)\(un\)\?install scriptlet.*/:/' | sh -n || fail "its scripts are no shell scripts"

busybox=$(command -v busybox || :)
if [ "$(id -u)" != 0 ] || [ -z "$busybox" ]; then echo "the scripts are not run: needs root and a static busybox"; exit 0; fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/tmp" "$root/var/lib/rpm" "$root/etc"
cp "$busybox" "$root/bin/busybox"
for name in $("$busybox" --list); do [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"; done
touch "$root/dev/null"
here() { rpm --root "$root" --dbpath /var/lib/rpm --nosignature --nodeps "$@"; }

here -i "$rpm"
[ -e "$root$hook_file" ] || fail "installed, and not in force"
cmp -s "$root$hook_file" "$root/usr/share/imgcompat/imgcompat-hook.json" || fail "another JSON than the shipped one"
[ "$(stat -c %a "$root/var/cache/imgcompat")$(stat -c %a "$root/var/log/imgcompat")" = 700750 ] || fail "modes of cache and log"
here -V imgcompat || fail "rpm -V after installing"

# rpm gives the scripts of a package that is installed over itself the same arguments as an upgrade.
echo '# mine' >>"$root/etc/imgcompat/config.toml"
rm "$root$hook_file"
here -U --replacepkgs "$rpm"
[ ! -e "$root$hook_file" ] || fail "an upgrade brought back what somebody had taken away"
[ "$(tail -n 1 "$root/etc/imgcompat/config.toml")" = '# mine' ] || fail "an upgrade changed the configuration"
cp "$root/usr/share/imgcompat/imgcompat-hook.json" "$root$hook_file"

mkdir -p "$root/etc/imgcompat/config.d"
echo 'mode = "audit"' >"$root/etc/imgcompat/config.d/10-audit.toml"
echo '{}' >"$root/var/log/imgcompat/decisions.jsonl"
here -e imgcompat
for path in "$hook_file" /usr/bin/imgcompat /usr/libexec/imgcompat /usr/share/imgcompat /var/cache/imgcompat; do
  [ ! -e "$root$path" ] || fail "removing left $path"
done
for path in /etc/imgcompat/config.toml.rpmsave /etc/imgcompat/config.d/10-audit.toml /var/log/imgcompat/decisions.jsonl; do
  [ -e "$root$path" ] || fail "removing took $path"
done
echo ".rpm: $(wc -l <<<"$files") paths; installed, over itself, removed in a scratch root by $(rpm --version)"
