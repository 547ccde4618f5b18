#!/usr/bin/env bash
# Everything cargo knows as a test: unit tests, and the programs under tests/ with real binaries and real registries.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
as_builder env PATH="$tools:$PATH" cargo test --locked --no-fail-fast -- --show-output 2>&1 | tee "$log" || status=$?
# A test that lacks a tool says "skipped: why" and passes; that is said here rather than hidden.
grep -hE '^skipped: ' "$log" | sort | uniq -c || :
awk -v skips="$(grep -cE '^skipped: ' "$log" || :)" '/^test result:/ {passed += $4; failed += $6; ignored += $8; programs++}
  END {printf "summary: %d test programs: %d passed, %d failed, %d ignored; %d said skipped\n", programs, passed, failed, ignored, skips}' "$log"
exit "$status"
