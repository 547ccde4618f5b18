#!/usr/bin/env bash
# The workflow files are ones that the service would read, and the shell in them is in order: actionlint, with shellcheck.
set -euo pipefail
. tests/lanes/lib.sh
if [ ! -x "$tools/actionlint" ]; then
  command -v go >/dev/null || skip "no Go to build actionlint with"
  as_builder mkdir -p "$tools" target/tools/module-actionlint
  ( cd target/tools/module-actionlint
    export GOBIN=$tools GOFLAGS=-modcacherw
    [ -f go.mod ] || go mod init example.invalid/tools
    go get -tool github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
    CGO_ENABLED=0 go install github.com/rhysd/actionlint/cmd/actionlint ) >target/tools/actionlint.log 2>&1 || skip "actionlint cannot be built here: $(tail -n 1 target/tools/actionlint.log)"
fi
"$tools/actionlint"
# What they call is there.
while read -r file; do [ -x "$file" ] || { echo "a workflow calls $file, which is not there"; exit 1; }; done < <(
  grep -ohE '(\./)?(tests|packaging|deploy)/[a-z/-]+\.sh' .github/workflows/*.yml | sort -u)
echo "summary: $(find .github/workflows -name '*.yml' | wc -l) workflows$(command -v shellcheck >/dev/null || echo ', without shellcheck')"
