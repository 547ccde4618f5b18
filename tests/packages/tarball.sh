#!/usr/bin/env bash
# tarball.sh FILE: the tarball's own install.sh puts everything in its place, without cargo and without the repository. Called by the lane packages.
set -euo pipefail
tarball=$(realpath "$1")
fail() { printf 'FAILED: %s\n' "$*"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xzf "$tarball"
[ "$(find "$work" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ] || fail "it is not one directory"
cd "$work"/imgcompat-*
# The first command of INSTALL, below a scratch directory and without sudo.
command=$(sed -n '1s/^sudo \([^#]*\).*/\1/p' INSTALL)
# shellcheck disable=SC2086 # a command line
env -i PATH=/usr/bin:/bin $command --destdir "$work/root" >/dev/null || fail "$command"
for path in usr/bin/imgcompat usr/libexec/imgcompat/imgcompat-hook usr/libexec/imgcompat/imgcompat-runtime usr/share/containers/oci/hooks.d/imgcompat.json \
  etc/imgcompat/config.toml etc/imgcompat/config.d/10-audit.toml usr/share/man/man1/imgcompat-why.1 usr/share/man/man5/imgcompat.toml.5; do
  [ -e "$work/root/$path" ] || fail "$command did not install $path"
done
"$work/root/usr/bin/imgcompat" config check --root "$work/root" >/dev/null || fail "the installed policy is not read"
echo "tarball: installed by $command"
