#!/usr/bin/env bash
# install.sh below a scratch directory.
set -euo pipefail
. tests/lanes/lib.sh
command -v bats >/dev/null || skip "bats is not installed"
command -v jq >/dev/null || skip "jq is not installed"
need_built
log=$(mktemp)
trap 'rm -f "$log"' EXIT
PROGRAMS=$(built_directory) bats --tap tests/install.bats 2>&1 | tee "$log"
echo "summary: $(grep -c '^ok ' "$log") tests"
