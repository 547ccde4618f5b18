#!/usr/bin/env bash
# Measures the hook of this work tree against that of another commit, in one run and in random order: ./benches/compare.sh [COMMIT]
#
# COMMIT is HEAD~1 unless named. It only reports; a busy machine would make a verdict a lie. Both are built as the lane `build` does, into one target
# directory, so that the libraries are compiled once: on 2 cores some three minutes for a commit, and nothing for one that was built before.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
commit=${1:-HEAD~1}
target=$(uname -m)-unknown-linux-musl
export "CC_${target//-/_}=${CC:-gcc}" CARGO_PROFILE_RELEASE_STRIP=false

cd "$repository"
built=target/$target/release
old=target/compare/$(git rev-parse --short "$commit")
build() { cargo build --locked --release --target "$target" --target-dir "$repository/target" --bin imgcompat-hook --bin imgcompat; }

if [ ! -x "$old/imgcompat-hook" ]; then
  tree=$(mktemp -d)
  trap 'git worktree remove --force "$tree"' EXIT
  git worktree add --quiet --force --detach "$tree" "$commit"
  (cd "$tree" && build)
  mkdir -p "$old"
  cp "$built/imgcompat-hook" "$built/imgcompat" "$old/"
fi
build
# Both as copies: how a file came to lie in the page cache shows in its starts.
mkdir -p target/compare/new
cp "$built/imgcompat-hook" "$built/imgcompat" target/compare/new/
cargo bench --locked --profile dev --bench hook -- --hook target/compare/new/imgcompat-hook --old "$old/imgcompat-hook" --runs 1000 compare
