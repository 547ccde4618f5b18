#!/usr/bin/env bash
# Writes the inputs that tests/fuzz begins from as a corpus for libFuzzer: ./fuzz/seeds.sh TARGET
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${1:?usage: ./fuzz/seeds.sh TARGET}
mkdir -p "fuzz/corpus/$target"
IMGCOMPAT_FUZZ_SEEDS=$PWD/fuzz/corpus cargo test --quiet --test fuzz the_inputs_to_begin_from_are_parsed >/dev/null
ls "fuzz/corpus/$target"
