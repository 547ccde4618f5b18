#!/usr/bin/env bash
# Builds the tool's image: deploy/image/build.sh [--binary FILE] [--tag NAME] [-- ARGUMENTS FOR podman build]
#
# The binary must be static, since nothing else is in the image: by default the one that install.sh builds for
# x86_64-unknown-linux-musl. ENGINE names the program that builds (podman).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=$here/../../target/$(uname -m)-unknown-linux-musl/release/imgcompat
tag=localhost/imgcompat:latest
while [ $# != 0 ]; do
  case $1 in
    --binary) binary=${2:?--binary needs a file}; shift 2 ;;
    --tag) tag=${2:?--tag needs a name}; shift 2 ;;
    --) shift; break ;;
    *) sed -n '2,5s/^# //p' "$0"; exit 2 ;;
  esac
done

[ -f "$binary" ] || { echo "build.sh: there is no $binary; build it with: cargo build --release --target $(uname -m)-unknown-linux-musl" >&2; exit 1; }
if readelf -l "$binary" 2>/dev/null | grep -q INTERP; then
  echo "build.sh: $binary is linked dynamically; the image would lack its libraries" >&2
  exit 1
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$context/root/usr/bin"
install -m 755 "$binary" "$context/root/usr/bin/imgcompat"
ln -s imgcompat "$context/root/usr/bin/nfd"
cp "$here/Containerfile" "$context/"
"${ENGINE:-podman}" build -q -t "$tag" "$@" "$context"
