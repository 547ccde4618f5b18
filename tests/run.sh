#!/usr/bin/env bash
# All tests that this machine can run: sudo ./tests/run.sh [LANE...]
#
# A lane is a script in tests/lanes. It passes with exit code 0, is skipped with 77 (its last line says why), and fails otherwise. Its output
# goes to target/lanes/LANE.log; the end of it is shown when it fails. One line is printed for each lane, then one that counts them.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"
# shellcheck source=tests/lanes/lib.sh
. tests/lanes/lib.sh

# In this order: what is quick to fail first, what others need before them.
lanes=(fmt shellcheck workflows docs registries build clippy unit reference hook-symbols deny install packages report-page prometheus
  engines-podman-bookworm engines-podman-trixie engines-podman-sid
  engines-runtimes-bookworm engines-rootless-bookworm engines-crio-trixie engines-containerd-bookworm engines-containerd-trixie engines-containerd-sid
  engines-docker-bookworm engines-docker-sid engines-docker-containerd-store-sid engines-enable-trixie packages-bookworm packages-trixie packages-sid kubernetes demo)
passed=0 failed=0 skipped=0

usage() {
  printf 'usage: ./tests/run.sh [LANE...]\n\nlanes: %s\n' "${lanes[*]}"
}

# What the lanes use, by Debian's names. Without root or apt they go on with what is there, and skip what cannot be done.
install_packages() {
  local wanted=(bats buildah busybox-static ca-certificates conmon crun curl docker-registry gcc jq libc6-dev mmdebstrap podman python3-prometheus-client runc shellcheck skopeo strace)
  local name missing=()
  command -v dpkg-query >/dev/null || { echo "no dpkg here: tests run with what is installed"; return 0; }
  for name in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ "${#missing[@]}" != 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "not root: these packages stay missing: ${missing[*]}"
    return 0
  fi
  echo "installing from the distribution: ${missing[*]}"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    >target/lanes/packages.log 2>&1 || echo "apt-get failed (target/lanes/packages.log); tests run with what is installed"
}

run_lane() {
  local lane=$1 log=target/lanes/$1.log started=$SECONDS status=0 seconds
  timeout --kill-after=30 1200 "tests/lanes/$lane.sh" >"$log" 2>&1 || status=$?
  seconds=$((SECONDS - started))
  case $status in
    0)
      passed=$((passed + 1))
      printf '%-26s passed   %4d s  %s\n' "$lane" "$seconds" "$(summary_of "$log")" ;;
    77)
      skipped=$((skipped + 1))
      printf '%-26s skipped  %4d s  %s\n' "$lane" "$seconds" "$(tail -n 1 "$log")" ;;
    *)
      failed=$((failed + 1))
      printf '%-26s FAILED   %4d s  exit code %d, the end of %s:\n' "$lane" "$seconds" "$status" "$log"
      tail -n 60 "$log" | sed 's/^/    /' ;;
  esac
}

# A lane may say in one line what it did.
summary_of() { sed -n 's/^summary: //p' "$1" | tail -n 1; }

main() {
  local lane
  case ${1:-} in -h | --help) usage; exit 0 ;; esac
  for lane in "$@"; do
    [ -x "tests/lanes/$lane.sh" ] || { printf 'there is no lane %s\n' "$lane" >&2; usage >&2; exit 2; }
  done
  [ $# = 0 ] || lanes=("$@")
  as_builder mkdir -p target/lanes
  install_packages
  for lane in "${lanes[@]}"; do run_lane "$lane"; done
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" = 0 ]
}

main "$@"
