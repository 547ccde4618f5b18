# shellcheck shell=bash
# What the lanes share. Sourced from the top of the repository.

# Where built test tools (olareg, oras, CRI-O) and the programs under test lie.
tools=$PWD/target/tools/bin
export PATH=$tools:$PATH:/usr/local/go/bin

skip() {
  printf '%s\n' "$*"
  exit 77
}

root_has_cargo() { PATH="${HOME:-/root}/.cargo/bin:$PATH" command -v cargo >/dev/null; }

# Runs a command as the person who called sudo, where root has no cargo: their toolchain is found, and target/ stays theirs.
as_builder() {
  if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] && ! root_has_cargo; then
    local home
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    sudo -u "$SUDO_USER" -H env PATH="$home/.cargo/bin:$PATH" "$@"
  else
    env PATH="${HOME:-/root}/.cargo/bin:$PATH" "$@"
  fi
}

need_cargo() { as_builder cargo --version >/dev/null 2>&1 || skip "no cargo: install Rust (https://rustup.rs)"; }

# The release build that the engine lanes, hook-symbols and the demo use, made by the lane build. Unstripped, so that its symbols can be read.
built_directory() { cat target/lanes/built-directory 2>/dev/null || :; }

need_built() {
  [ -x "$(built_directory)/imgcompat-hook" ] || tests/lanes/build.sh || { echo "the release build failed"; exit 1; }
}

# install_missing PROGRAM:PACKAGE...: what one lane alone wants, by Debian's names. Without root or apt the lane goes on with what is there.
install_missing() {
  local pair missing=()
  for pair in "$@"; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}"); done
  [ "${#missing[@]}" != 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
  echo "installing from the distribution: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || echo "apt-get failed; going on with what is there"
}

# go_tool NAME PACKAGE VERSION [REPLACEMENT]: builds a program through Go's module proxy into $tools, once. Where the proxy has no list of versions,
# `go install X@V` is refused; `go get -tool` in an empty module is not.
go_tool() {
  local name=$1 package=$2 version=$3 replace=${4:-} module=target/tools/module-$1
  [ ! -x "$tools/$name" ] || return 0
  command -v go >/dev/null || return 1
  as_builder mkdir -p "$tools" "$module"
  ( cd "$module" || exit
    [ -f go.mod ] || go mod init example.invalid/tools
    [ -z "$replace" ] || go mod edit -replace "$replace"
    GOFLAGS=-modcacherw go get -tool "$package@$version"
    GOFLAGS=-modcacherw CGO_ENABLED=0 go build -o "$tools/$name" "$package" )
}

# The library that test images want loaded by others (tests/engines/preload.bash); prints its path, or nothing where there is no C compiler.
preload_library() {
  local library=$PWD/target/tools/preload.so
  command -v gcc >/dev/null || return 0
  mkdir -p target/tools
  [ "$library" -nt tests/engines/preload.c ] || gcc -shared -fPIC -O1 -o "$library" tests/engines/preload.c || return 0
  echo "$library"
}
