#!/usr/bin/env bash
# No warning from clippy, for the crate, its tests, benches and examples.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
as_builder cargo clippy --locked --all-targets -- -D warnings
