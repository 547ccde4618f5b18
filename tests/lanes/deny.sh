#!/usr/bin/env bash
# Licences, sources and duplicates of the dependencies, as deny.toml says. Advisories need a data base from the network: cargo deny check advisories.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
if ! as_builder env PATH="$tools:$PATH" cargo deny --version >/dev/null 2>&1; then
  # Built once, and kept with the other tools. Without optimisation, which would take longer than all that it checks.
  as_builder env CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off timeout 900 cargo install --locked --quiet --root target/tools cargo-deny@0.20.2 || skip "cargo-deny is not installed and could not be built"
fi
as_builder env PATH="$tools:$PATH" cargo deny check licenses bans sources
echo "summary: licences, bans, sources"
