#!/usr/bin/env bash
# The documents hold together: internal links lead somewhere, the README's two set-up commands exist, and every subcommand that a code block
# names is one that the program knows.
set -euo pipefail
. tests/lanes/lib.sh
wrong=0
complain() { printf '%s\n' "$*"; wrong=$((wrong + 1)); }
mapfile -t pages < <(git ls-files '*.md')
[ "${#pages[@]}" -gt 0 ] || { echo "found no documents: not a git checkout?"; exit 1; }

# The anchor that a heading gets: lower case, punctuation dropped, blanks to hyphens.
anchors_of() {
  sed -n 's/^#\{1,6\} //p' "$1" | tr '[:upper:]' '[:lower:]' | sed -e 's/[^a-z0-9 _-]//g' -e 's/ /-/g'
}

# shellcheck disable=SC2016 # the backquotes are Markdown's
[ "$(sed -n '/^```/,/^```/p' README.md | grep -c "^sudo ")" = 2 ] || complain "README.md: there must be exactly two commands that begin with sudo"

links=0
for page in "${pages[@]}"; do
  while read -r link; do
    case $link in '' | http://* | https://* | mailto:*) continue ;; esac
    links=$((links + 1))
    file=${link%%#*}
    target=$page
    [ -z "$file" ] || target=$(dirname "$page")/$file
    [ -e "$target" ] || { complain "$page: $link leads nowhere"; continue; }
    case $link in
      *.md#* | \#*) anchors_of "$target" | grep -qxF -- "${link#*#}" || complain "$page: $link: no such heading" ;;
    esac
  done < <(grep -oE '\]\([^)[:space:]]+\)' "$page" | sed -e 's/^](//' -e 's/)$//')
done

for command in './install.sh --demo' './tests/run.sh'; do
  grep -qxF "sudo $command" README.md || complain "README.md: the set-up command 'sudo $command' is missing"
  [ -x "${command%% *}" ] || complain "${command%% *} is not executable"
done

program=$(built_directory)/imgcompat
if [ -x "$program" ]; then
  while read -r page subcommand; do
    "$program" "$subcommand" --help >/dev/null 2>&1 || complain "$page: the program knows no '$subcommand'"
  done < <(for page in "${pages[@]}"; do
    # shellcheck disable=SC2016 # the backquotes are Markdown's
    sed -n '/^```/,/^```/p' "$page" | grep -oE '^(sudo )?imgcompat [a-z][a-z-]+' | awk -v page="$page" '{print page, $NF}'
  done | sort -u)
fi

[ "$wrong" = 0 ] || exit 1
echo "summary: ${#pages[@]} pages, $links internal links"
