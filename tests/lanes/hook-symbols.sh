#!/usr/bin/env bash
# The hook and the wrapper runtime link no TLS, no HTTP client and no async runtime: root never parses what a network sent, and a warm start loads none of it.
# Nor what confines the worker: that is the tool's, which is the worker.
set -euo pipefail
. tests/lanes/lib.sh
command -v nm >/dev/null || skip "nm is not installed (binutils)"
need_built
hook=$(built_directory)/imgcompat-hook
runtime=$(built_directory)/imgcompat-runtime
tool=$(built_directory)/imgcompat
forbidden='ureq|rustls|webpki|\bring::|ring_core|aws_lc|openssl|tokio|\bh2::|prost|hyper|reqwest|clap_builder|saphyr|landlock|seccompiler'
symbols=$(mktemp -d)
trap 'rm -rf "$symbols"' EXIT
for program in "$hook" "$runtime" "$tool"; do nm -C "$program" | sed 's/^[0-9a-f ]*[A-Za-z] //' | sort -u >"$symbols/$(basename "$program")"; done
count=$(wc -l <"$symbols/imgcompat-hook")
[ "$count" -gt 100 ] || { echo "$hook has no symbols: it is stripped, so nothing can be said"; exit 1; }
# The same search must find something in the tool, or the search itself is wrong.
for name in rustls landlock seccompiler; do
  grep -q "$name" "$symbols/imgcompat" || { echo "no $name in $tool: the pattern no longer fits"; exit 1; }
done
if grep -E "$forbidden" "$symbols/imgcompat-hook" "$symbols/imgcompat-runtime"; then
  echo "the hook or the wrapper links code it must not (above)"
  exit 1
fi
echo "summary: $count symbols, none of TLS, HTTP, an async runtime, YAML, confinement or the command line"
