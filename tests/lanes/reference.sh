#!/usr/bin/env bash
# The conformance vectors against NFD's own code, to prove that the vectors are right. Needs Go.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
command -v go >/dev/null || skip "no Go: NFD's own engine cannot be built"
mapfile -t programs < <(find tests -maxdepth 1 -name 'nfd_*.rs' -printf '--test\n%f\n' | sed 's/\.rs$//')
[ "${#programs[@]}" != 0 ] || skip "there are no tests/nfd_*.rs"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
as_builder env PATH="$PATH" cargo test --locked "${programs[@]}" -- --show-output 2>&1 | tee "$log" || status=$?
if [ "$status" = 0 ] && grep -qE '^skipped: ' "$log"; then skip "$(grep -hE '^skipped: ' "$log" | head -n 1 | cut -d ' ' -f 2-)"; fi
awk '/^test result:/ {passed += $4} END {printf "summary: %d tests against the reference\n", passed}' "$log"
exit "$status"
