#!/usr/bin/env bash
# The code is formatted as rustfmt.toml says.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
as_builder cargo fmt --check
