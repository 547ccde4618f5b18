#!/usr/bin/env bash
# Not among the lanes that run by themselves: the hook of this commit against that of the one before, in one run. It only reports.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
git rev-parse --verify --quiet HEAD~1 >/dev/null || skip "there is no commit before this one"
as_builder benches/compare.sh HEAD~1
