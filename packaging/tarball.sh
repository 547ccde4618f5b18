#!/usr/bin/env bash
# tarball.sh BINARIES MANUALS VERSION OUTPUT: programs, install.sh and what it installs, for nodes without a package manager of ours.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binaries=$1 manuals=$2 version=$3 output=$4
: "${SOURCE_DATE_EPOCH:?}"
name=imgcompat-$version-$(uname -m)-linux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
tree=$work/$name
mkdir -p "$tree/bin" "$tree/docs/man" "$output"
for program in imgcompat imgcompat-hook imgcompat-runtime; do install -m 755 "$binaries/$program" "$tree/bin/$program"; done
if command -v strip >/dev/null; then strip "$tree"/bin/*; fi
( cd "$here" && cp -r --parents install.sh LICENSE README.md CHANGELOG.md SECURITY.md config hooks.d packaging/logrotate packaging/systemd packaging/prometheus schema "$tree/" &&
  cp -r --parents examples/*.yaml "$tree/" && cp docs/*.md "$tree/docs/" )
cp "$here"/docs/man/*.[1-8] "$manuals"/*.[1-8] "$tree/docs/man/"
cat >"$tree/INSTALL" <<'T'
sudo ./install.sh --binaries bin --audit      # record what would be refused, refuse nothing
sudo ./install.sh --binaries bin              # refuse
sudo ./install.sh --uninstall                 # take it off again (--purge: configuration and logs too)
T
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rwX,go=rX -C "$work" -c "$name" | gzip "-${LEVEL:-6}n" >"$output/$name.tar.gz"
