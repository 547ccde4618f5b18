#!/usr/bin/env bash
# The release build that the other lanes use: static musl where the target can be had, unstripped.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
machine=$(uname -m)
musl=$machine-unknown-linux-musl
as_builder rustup target list --installed 2>/dev/null | grep -qx "$musl" || as_builder timeout 120 rustup target add "$musl" >/dev/null 2>&1 || musl=
if [ -n "$musl" ]; then
  directory=target/$musl/release
  as_builder env CARGO_PROFILE_RELEASE_STRIP=false "CC_${musl//-/_}=$(command -v musl-gcc || echo gcc)" cargo build --locked --release --target "$musl"
else
  directory=target/release
  as_builder env CARGO_PROFILE_RELEASE_STRIP=false cargo build --locked --release
fi
"$directory/imgcompat-hook" --version
"$directory/imgcompat" --version
mkdir -p target/lanes
echo "$PWD/$directory" >target/lanes/built-directory
echo "summary: $directory, hook $(($(stat -c %s "$directory/imgcompat-hook") / 1024)) KiB, tool $(($(stat -c %s "$directory/imgcompat") / 1024)) KiB unstripped"
