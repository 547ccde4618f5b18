#!/usr/bin/env bash
# Builds the tool's image, or with --node that of the DaemonSet:
#   deploy/image/build.sh [--binary FILE] [--tag NAME] [--node [--busybox FILE]] [-- ARGUMENTS FOR podman build]
#
# Programs must be static, since nothing else is in the image: by default those that install.sh builds for x86_64-unknown-linux-musl. For
# --node the hook and the wrapper lie beside the tool, and busybox (Debian's busybox-static) is the one on PATH. ENGINE names the program that
# builds (podman).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=$here/../../target/$(uname -m)-unknown-linux-musl/release/imgcompat
tag=
node=no
busybox=$(command -v busybox || :)
while [ $# != 0 ]; do
  case $1 in
    --binary) binary=${2:?--binary needs a file}; shift 2 ;;
    --tag) tag=${2:?--tag needs a name}; shift 2 ;;
    --node) node=yes; shift ;;
    --busybox) busybox=${2:?--busybox needs a file}; shift 2 ;;
    --) shift; break ;;
    *) sed -n '2,7s/^# //p' "$0"; exit 2 ;;
  esac
done

die() { echo "build.sh: $*" >&2; exit 1; }
static() {
  [ -f "$1" ] || die "there is no $1; build it with: cargo build --release --target $(uname -m)-unknown-linux-musl"
  ! readelf -l "$1" 2>/dev/null | grep -q INTERP || die "$1 is linked dynamically; the image would lack its libraries"
}

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
static "$binary"
if [ "$node" = yes ]; then
  programs=$context/root/opt/imgcompat
  mkdir -p "$programs" "$context/root/bin" "$context/root/tmp"
  for name in imgcompat imgcompat-hook imgcompat-runtime; do
    static "$(dirname "$binary")/$name"
    install -m 755 "$(dirname "$binary")/$name" "$programs/$name"
  done
  install -m 755 "$here/node.sh" "$programs/node.sh"
  [ -n "$busybox" ] || die "there is no busybox; install busybox-static, or name one with --busybox"
  static "$busybox"
  install -m 755 "$busybox" "$context/root/bin/busybox"
  for name in sh cat chmod chroot cmp cp cut date mkdir mktemp mv printf rm rmdir sed sleep stat tr; do ln -s busybox "$context/root/bin/$name"; done
  cp "$here/Containerfile.node" "$context/Containerfile"
else
  mkdir -p "$context/root/usr/bin"
  install -m 755 "$binary" "$context/root/usr/bin/imgcompat"
  ln -s imgcompat "$context/root/usr/bin/nfd"
  cp "$here/Containerfile" "$context/"
fi
if [ -z "$tag" ]; then
  tag=localhost/imgcompat:latest
  if [ "$node" = yes ]; then tag=localhost/imgcompat-node:latest; fi
fi
"${ENGINE:-podman}" build -q -t "$tag" "$@" "$context"
