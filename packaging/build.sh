#!/usr/bin/env bash
# Makes the packages of built programs: packaging/build.sh [OPTIONS] [deb] [rpm] [tarball]     (all three if none is named)
#
#   --binaries DIR   imgcompat, imgcompat-hook and imgcompat-runtime, static (default: target/<machine>-unknown-linux-musl/release)
#   --manuals DIR    the pages that `make man` wrote (default: target/man)
#   --output DIR     where packages and SHA256SUMS go (default: target/packages)
#   --version V      a version other than that of Cargo.toml
#   --level N        how hard to compress (default: 6)
#
# Nothing in a package depends on when, where or by whom it is made: times are SOURCE_DATE_EPOCH, by default that of the last commit.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binaries=$here/target/$(uname -m)-unknown-linux-musl/release manuals=$here/target/man output=$here/target/packages
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/Cargo.toml" | head -n 1)
kinds=()
export LEVEL=6
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

while [ $# != 0 ]; do
  case $1 in
    --binaries) binaries=${2:?}; shift ;;
    --manuals) manuals=${2:?}; shift ;;
    --output) output=${2:?}; shift ;;
    --version) version=${2:?}; shift ;;
    --level) LEVEL=${2:?}; shift ;;
    deb | rpm | tarball) kinds+=("$1") ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift
done
[ "${#kinds[@]}" != 0 ] || kinds=(deb rpm tarball)
for program in imgcompat imgcompat-hook imgcompat-runtime; do
  [ -x "$binaries/$program" ] || die "$binaries has no $program: build it with cargo build --release --target $(uname -m)-unknown-linux-musl"
  if readelf -l "$binaries/$program" 2>/dev/null | grep -q INTERP; then die "$binaries/$program is linked dynamically; packages hold static programs"; fi
done
[ -f "$manuals/imgcompat.1" ] || die "$manuals has no imgcompat.1: make man"
: "${SOURCE_DATE_EPOCH:=$(git -C "$here" log -1 --format=%ct 2>/dev/null || stat -c %Y "$here/Cargo.toml")}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/packaging/stage.sh" "$binaries" "$manuals" "$work/stage"
mkdir -p "$output"
# Compressing takes nearly all of the time, each in one thread, so they run beside each other.
started=()
for kind in "${kinds[@]}"; do
  case $kind in
    tarball) "$here/packaging/tarball.sh" "$binaries" "$manuals" "$version" "$output" & ;;
    *) "$here/packaging/$kind.sh" "$work/stage" "$version" "$output" & ;;
  esac
  started+=($!)
done
for job in "${started[@]}"; do wait "$job"; done
( cd "$output" && find . -maxdepth 1 -name 'imgcompat*' -printf '%f\n' | sort | xargs sha256sum >SHA256SUMS )
ls -l "$output"
