#!/usr/bin/env bash
# The README's first command, as written, on a Debian 12 that has nothing but Rust: in a root file system of its own, so that this machine
# is not changed. Then the installation is taken off again, and nothing of it may be left.
set -euo pipefail
. tests/lanes/lib.sh
[ "$(id -u)" = 0 ] || skip "needs root"
need_cargo
# shellcheck disable=SC2016 # the inner shell expands
cargo_home=$(as_builder sh -c 'echo "${CARGO_HOME:-$HOME/.cargo}"')
# shellcheck disable=SC2016
rustup_home=$(as_builder sh -c 'echo "${RUSTUP_HOME:-$HOME/.rustup}"')
[ -d "$rustup_home" ] || skip "Rust is not from rustup: its place is unknown"
root=$PWD/target/roots/demo-bookworm
tests/lanes/debian-root.sh bookworm "$root" ca-certificates,mount,util-linux || exit
# crun 1.8 wants to raise a limit on cgroup2, which a root without CAP_SYS_RESOURCE may not; with the machine's own cgroups it works on either.
export IMGCOMPAT_CGROUPS=host IMGCOMPAT_BINDS="$cargo_home $rustup_home" CARGO_HOME=$cargo_home RUSTUP_HOME=$rustup_home
# The same build as the lane build made, so that cargo has nothing to do twice.
export CARGO_PROFILE_RELEASE_STRIP=false
inside() { tests/lanes/enter-root.sh "$root" env PATH="$cargo_home/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"; }
# apt leaves these on a real machine too; what the demo brings must be gone.
listing() { find "$root/usr" "$root/etc" "$root/var/log" "$root/var/cache" -xdev -name '*imgcompat*' | sort; }

inside ./install.sh --demo
[ -x "$root/usr/bin/imgcompat" ] || { echo "the demo did not install"; exit 1; }
[ -z "$(find "$root/etc" -name '*demo*')" ] || { echo "the demo left files in /etc:"; find "$root/etc" -name '*demo*'; exit 1; }
inside ./install.sh --uninstall --purge
[ -z "$(listing)" ] || { echo "left behind:"; listing; exit 1; }
echo "summary: $(inside podman --version), built, installed, shown, removed"
