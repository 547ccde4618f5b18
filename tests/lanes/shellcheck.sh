#!/usr/bin/env bash
# No script makes shellcheck say anything.
set -euo pipefail
. tests/lanes/lib.sh
command -v shellcheck >/dev/null || skip "shellcheck is not installed"
scripts=$(git ls-files 2>/dev/null | while read -r file; do
  case $file in
    *.sh | *.bash) echo "$file" ;;
    *.bats) ;;
    *) if head -c 64 "$file" 2>/dev/null | head -n 1 | grep -aqE '^#!.*(bash|/sh)'; then echo "$file"; fi ;;
  esac
done)
[ -n "$scripts" ] || { echo "found no scripts: not a git checkout?"; exit 1; }
# shellcheck disable=SC2086 # one word a script
shellcheck --external-sources $scripts
git ls-files '*.bats' | xargs -r shellcheck --shell=bats --external-sources
echo "summary: $(wc -w <<<"$scripts") scripts"
