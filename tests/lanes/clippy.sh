#!/usr/bin/env bash
# No warning from clippy, for the crate, its tests, benches and examples, and none from rustdoc.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
as_builder cargo clippy --locked --all-targets -- -D warnings
# Nor from rustdoc: links that lead nowhere, for example.
as_builder env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
echo "summary: clippy and rustdoc say nothing"
