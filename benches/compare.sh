#!/usr/bin/env bash
# Measures the hook of this work tree against that of another commit, in one run and in random order: ./benches/compare.sh [COMMIT]
#
# COMMIT is HEAD~1 unless named. It only reports; a busy machine would make a verdict a lie.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
commit=${1:-HEAD~1}
target=$(uname -m)-unknown-linux-musl
export "CC_${target//-/_}=${CC:-gcc}"

cd "$repository"
old=target/compare/$(git rev-parse --short "$commit")
if [ ! -x "$old/imgcompat-hook" ]; then
  tree=$(mktemp -d)
  trap 'git worktree remove --force "$tree"' EXIT
  git worktree add --quiet --force --detach "$tree" "$commit"
  (cd "$tree" && cargo build --locked --release --target "$target" --target-dir "$repository/target/compare/build" --bin imgcompat-hook --bin imgcompat)
  mkdir -p "$old"
  cp "target/compare/build/$target/release/imgcompat-hook" "target/compare/build/$target/release/imgcompat" "$old/"
fi
cargo build --locked --release --target "$target" --bin imgcompat-hook --bin imgcompat
cargo bench --locked --profile dev --bench hook -- --hook "target/$target/release/imgcompat-hook" --old "$old/imgcompat-hook" compare
