#!/usr/bin/env bash
# The manual pages and the packages, as far as that needs no node: every subcommand has a page, mandoc has nothing to say about any; units are in
# order; lintian and rpm accept the packages; the scripts of the .rpm run; and packages made twice have the same bytes. The lanes packages-bookworm,
# packages-trixie and packages-sid install what this lane made.
set -euo pipefail
. tests/lanes/lib.sh
need_cargo
need_built
built=$(built_directory)
install_missing dpkg-deb:dpkg lintian:lintian mandoc:mandoc rpmbuild:rpm strip:binutils cpio:cpio
if readelf -l "$built/imgcompat-hook" | grep -q INTERP; then skip "the release build is not static (no musl target): no packages"; fi
complain() { printf 'WRONG: %s\n' "$*"; wrong=$((wrong + 1)); }
wrong=0
said=()

manuals=target/man output=target/packages
rm -rf "$manuals" "$output"
as_builder cargo run --quiet --locked --example man -- "$manuals" "$(git log -1 --format=%cs)"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# --- Manual pages ---
# commands PROGRAM WORDS...: the subcommands below, as --help names them, "WORD WORD" a line.
commands() {
  local name
  "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p' | while read -r name; do
    [ "$name" != help ] || continue
    printf '%s\n' "${*:2} $name"
    commands "$@" "$name"
  done
}
subcommands=0
while read -r -a words; do
  subcommands=$((subcommands + 1))
  page=$manuals/imgcompat-$(IFS=-; echo "${words[*]}").1
  [ -f "$page" ] || { complain "imgcompat ${words[*]} has no manual page"; continue; }
  grep -qF ".TH IMGCOMPAT-$(IFS=-; echo "${words[*]^^}") 1 " "$page" || complain "$page names itself wrongly"
done < <(commands "$built/imgcompat")
for page in imgcompat-hook.8 imgcompat.toml.5 imgcompat-specification.7; do [ -f "docs/man/$page" ] || complain "docs/man/$page is missing"; done
if command -v mandoc >/dev/null; then
  mandoc -T lint -W warning "$manuals"/*.1 docs/man/*.[1-8] || complain "mandoc warns"
  said+=("$(find "$manuals" docs/man -type f | wc -l) manual pages for $subcommands subcommands")
fi
if command -v groff >/dev/null; then
  for page in "$manuals"/*.1 docs/man/*.[1-8]; do
    groff -K utf8 -man -Tutf8 -ww "$page" 2>"$manuals/warnings" >/dev/null
    # A long option or path that does not fit into a line of the terminal is no fault of the page.
    if grep -v "can't break line\|cannot \(break\|adjust\) line" "$manuals/warnings"; then complain "groff warns of $page"; fi
  done
  rm -f "$manuals/warnings"
fi

# --- Units ---
if command -v systemd-analyze >/dev/null; then
  units=$(mktemp -d)
  cp packaging/systemd/*.service packaging/systemd/*.timer "$units/"
  # The program is not installed here, and verify looks for it.
  sed -i "s|/usr/bin/imgcompat|$PWD/$(realpath --relative-to=. "$built")/imgcompat|" "$units"/*.service
  systemd-analyze verify --man=no "$units"/*.timer "$units"/*.service || complain "systemd-analyze verify"
  for unit in "$units"/*.service; do
    systemd-analyze security --offline=yes --threshold=15 "$unit" >"$units/security" || { cat "$units/security"; complain "$(basename "$unit") is exposed too much"; }
    said+=("$(basename "$unit") exposure $(sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p' "$units/security")")
  done
  rm -rf "$units"
fi

# What systemd makes of the other two files, in a scratch root.
if command -v systemd-tmpfiles >/dev/null && command -v journalctl >/dev/null && [ "$(id -u)" = 0 ]; then
  node=$(mktemp -d)
  mkdir -p "$node"/{etc,usr/lib/tmpfiles.d,usr/lib/systemd/catalog,var/lib/systemd/catalog}
  echo 'root:x:0:0::/:/bin/sh' >"$node/etc/passwd"
  echo 'root:x:0:' >"$node/etc/group"
  cp packaging/systemd/tmpfiles.conf "$node/usr/lib/tmpfiles.d/imgcompat.conf"
  cp packaging/systemd/imgcompat.catalog "$node/usr/lib/systemd/catalog/"
  systemd-tmpfiles --root="$node" --create imgcompat.conf || complain "tmpfiles.conf is not accepted"
  [ "$(stat -c %a "$node/var/cache/imgcompat" "$node/var/log/imgcompat" | paste -sd' ')" = "700 750" ] || complain "tmpfiles.conf made other directories"
  journalctl --root="$node" --update-catalog
  [ "$(journalctl --root="$node" --list-catalog | grep -c ' imgcompat: ')" = "$(grep -c '^-- ' packaging/systemd/imgcompat.catalog)" ] || complain "the journal's catalog lacks entries"
  rm -rf "$node"
fi

# --- Packages, twice ---
kinds=(deb tarball)
command -v rpmbuild >/dev/null && kinds+=(rpm)
packaging/build.sh --level 1 --binaries "$built" --manuals "$manuals" --output "$output/new" "${kinds[@]}" >/dev/null
copy=$(mktemp -d)
cp "$built"/imgcompat{,-hook,-runtime} "$copy/"
touch -d '2001-01-01' "$copy"/*
( umask 077; TZ=Pacific/Auckland LC_ALL=C.UTF-8 packaging/build.sh --level 1 --binaries "$copy" --manuals "$manuals" --output "$output/again" "${kinds[@]}" >/dev/null )
rm -rf "$copy"
diff "$output/new/SHA256SUMS" "$output/again/SHA256SUMS" || complain "a second build gave other bytes"
rm -rf "$output/again"
said+=("${kinds[*]}: the same bytes twice")

deb=$(find "$output/new" -name '*.deb')
if command -v lintian >/dev/null; then
  lintian --fail-on warning "$deb" || complain "lintian warns"
fi

# The version before, for the upgrade: another number, and another default configuration.
older=$(mktemp -d)
dpkg-deb -R "$deb" "$older/tree"
sed -i 's/^Version: .*/Version: 0.0.9-1/' "$older/tree/DEBIAN/control"
for file in etc/imgcompat/config.toml usr/share/imgcompat/config.toml; do sed -i '1s/.*/# An older default./' "$older/tree/$file"; done
( cd "$older/tree" && find usr etc -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums )
dpkg-deb --root-owner-group -Zgzip --build "$older/tree" "$output/imgcompat_0.0.9-1_old.deb" >/dev/null
rm -rf "$older"

# --- .rpm: what it holds, and its scripts in a scratch root with nothing but a shell ---
if command -v rpmbuild >/dev/null; then tests/packages/rpm.sh "$output"/new/*.rpm || complain "the .rpm"; fi
# --- tarball: its own install.sh, without cargo ---
tests/packages/tarball.sh "$output"/new/*.tar.gz || complain "the tarball"

[ "$wrong" = 0 ] || exit 1
echo "summary: $(printf '%s; ' "${said[@]}" | sed 's/; $//')"
