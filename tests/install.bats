#!/usr/bin/env bats
# install.sh: the order of what it does, and what it leaves alone. PROGRAMS is the directory with built programs.

setup() {
  REPOSITORY=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
  D=$BATS_TEST_TMPDIR/root
}

install_sh() { "$REPOSITORY/install.sh" --destdir "$D" "$@"; }
installed() { install_sh --binaries "$PROGRAMS" "$@"; }

@test "everything is where the documentation says, with its mode" {
  installed
  [ "$(stat -c %a "$D/usr/bin/imgcompat")" = 755 ]
  [ "$(stat -c %a "$D/usr/libexec/imgcompat/imgcompat-hook")" = 755 ]
  [ "$(stat -c %a "$D/usr/share/containers/oci/hooks.d/imgcompat.json")" = 644 ]
  [ "$(stat -c %a "$D/etc/imgcompat/config.toml")" = 644 ]
  [ -d "$D/etc/imgcompat/config.d" ]
  [ -d "$D/etc/imgcompat/specs.d" ]
  [ "$(stat -c %a "$D/var/cache/imgcompat")" = 700 ]
  [ "$(stat -c %a "$D/var/log/imgcompat")" = 750 ]
  [ -f "$D/etc/logrotate.d/imgcompat" ]
}

@test "the hook directory holds one JSON file and nothing else" {
  installed
  [ "$(ls -A "$D/usr/share/containers/oci/hooks.d")" = imgcompat.json ]
  jq -e '.version == "1.0.0" and .when == {always: true} and .stages == ["createRuntime"] and .hook.timeout > 5 and (.hook.env | length) == 1
    and .hook.path == "/usr/libexec/imgcompat/imgcompat-hook"' "$D/usr/share/containers/oci/hooks.d/imgcompat.json"
}

@test "a second run changes nothing and says so" {
  installed
  find "$D" -type f -exec sha256sum {} + | sort >"$BATS_TEST_TMPDIR/before"
  run installed
  [ "$status" = 0 ]
  [[ $output != *"installed  "* ]]
  find "$D" -type f -exec sha256sum {} + | sort >"$BATS_TEST_TMPDIR/after"
  cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "a changed configuration is kept, the new defaults lie beside it" {
  installed
  echo 'mode = "audit"' >"$D/etc/imgcompat/config.toml"
  run installed
  [ "$status" = 0 ]
  [ "$(cat "$D/etc/imgcompat/config.toml")" = 'mode = "audit"' ]
  cmp "$D/etc/imgcompat/config.toml.new" "$REPOSITORY/config/imgcompat.toml"
  [[ $output == *"kept       /etc/imgcompat/config.toml"* ]]
}

@test "an old default that nobody changed is replaced" {
  installed
  echo '# older default' | tee "$D/etc/imgcompat/config.toml" >"$D/usr/share/imgcompat/config.toml"
  installed
  cmp "$D/etc/imgcompat/config.toml" "$REPOSITORY/config/imgcompat.toml"
  [ ! -e "$D/etc/imgcompat/config.toml.new" ]
}

@test "the shipped configuration is accepted by the program, and is the default" {
  installed
  "$PROGRAMS/imgcompat" config check --root "$D"
  [ "$("$PROGRAMS/imgcompat" config show --root "$D" | grep -c '^mode = "enforce"')" = 1 ]
  # Every key in it, with its comment sign taken off, is one that the program knows.
  sed -E -e 's/^# (\[|[a-z-]+ = )/\1/' "$REPOSITORY/config/imgcompat.toml" >"$D/etc/imgcompat/config.toml"
  "$PROGRAMS/imgcompat" config check --root "$D"
}

@test "--audit writes a drop-in" {
  installed --audit
  grep -qx 'mode = "audit"' "$D/etc/imgcompat/config.d/10-audit.toml"
  [ "$("$PROGRAMS/imgcompat" config show --root "$D" | grep -c '^mode = "audit"')" = 1 ]
}

@test "--prefix moves the programs, and the JSON names where they are" {
  installed --prefix /opt/imgcompat
  [ -x "$D/opt/imgcompat/bin/imgcompat" ]
  [ "$(jq -r .hook.path "$D/usr/share/containers/oci/hooks.d/imgcompat.json")" = /opt/imgcompat/libexec/imgcompat/imgcompat-hook ]
  [ -x "$D/opt/imgcompat/libexec/imgcompat/imgcompat-hook" ]
}

@test "--stage prestart is the one stage" {
  installed --stage prestart
  [ "$(jq -c .stages "$D/usr/share/containers/oci/hooks.d/imgcompat.json")" = '["prestart"]' ]
}

@test "a program that does not run is not installed, and no JSON names it" {
  mkdir "$BATS_TEST_TMPDIR/bad"
  printf '#!/bin/sh\nexit 1\n' >"$BATS_TEST_TMPDIR/bad/imgcompat-hook"
  cp "$PROGRAMS/imgcompat" "$BATS_TEST_TMPDIR/bad/imgcompat"
  chmod 755 "$BATS_TEST_TMPDIR/bad/imgcompat-hook"
  run install_sh --binaries "$BATS_TEST_TMPDIR/bad"
  [ "$status" != 0 ]
  [[ $output == *"does not run here"* ]]
  [ ! -e "$D/usr/share/containers/oci/hooks.d/imgcompat.json" ]
  [ ! -e "$D/usr/libexec/imgcompat/imgcompat-hook" ]
}

@test "a program that does not run does not replace one that does" {
  installed
  mkdir "$BATS_TEST_TMPDIR/bad"
  printf '#!/bin/sh\nexit 1\n' >"$BATS_TEST_TMPDIR/bad/imgcompat-hook"
  cp "$PROGRAMS/imgcompat" "$BATS_TEST_TMPDIR/bad/imgcompat"
  chmod 755 "$BATS_TEST_TMPDIR/bad/imgcompat-hook"
  run install_sh --binaries "$BATS_TEST_TMPDIR/bad"
  [ "$status" != 0 ]
  "$D/usr/libexec/imgcompat/imgcompat-hook" --version
}

@test "--uninstall takes the JSON first, keeps configuration and logs, and says so" {
  installed
  echo '{}' >"$D/var/log/imgcompat/decisions.jsonl"
  run install_sh --uninstall
  [ "$status" = 0 ]
  [[ ${lines[0]} == "removed    /usr/share/containers/oci/hooks.d/imgcompat.json" ]]
  [[ $output == *"kept       /etc/imgcompat"* ]]
  [[ $output == *"kept       /var/log/imgcompat"* ]]
  [ ! -e "$D/usr/bin/imgcompat" ]
  [ ! -e "$D/usr/libexec/imgcompat" ]
  [ -e "$D/etc/imgcompat/config.toml" ]
  [ -e "$D/var/log/imgcompat/decisions.jsonl" ]
}

@test "--uninstall --purge leaves no file" {
  installed --audit
  install_sh --uninstall --purge
  [ -z "$(find "$D" -type f)" ]
}

@test "--uninstall where nothing is installed is no error" {
  run install_sh --uninstall
  [ "$status" = 0 ]
}

@test "misuse ends with 2 and a hint, impossible paths with a reason" {
  run install_sh --nonsense
  [ "$status" = 2 ]
  [[ $output == *"--nonsense"* ]]
  run install_sh --engine rocket
  [ "$status" = 2 ]
  run install_sh --prefix relative
  [ "$status" = 1 ]
  run install_sh --prefix '/a b'
  [ "$status" = 1 ]
  run install_sh --binaries /nonexistent
  [ "$status" = 1 ]
}

# A node with engines, in a directory. Their programs are only looked for, not run.
engines_here() {
  local name
  mkdir -p "$D/usr/bin" "$D/usr/sbin" "$D/etc/docker"
  for name in "$@"; do printf '\177ELF' >"$D/usr/bin/$name"; done
  printf '{\n  "debug": true\n}\n' >"$D/etc/docker/daemon.json"
}

contents() { find "$D" -type f -exec sha256sum {} + -o -type l -printf '%l  %p\n' | sort -k 2; }

@test "--engine has each engine call the programs that were installed" {
  engines_here podman crio dockerd nerdctl runc crun
  installed --engine podman --engine docker --engine nerdctl
  [ "$(jq -r .hook.path "$D/usr/share/containers/oci/hooks.d/imgcompat.json")" = /usr/libexec/imgcompat/imgcompat-hook ]
  [ "$(jq -r '.runtimes.imgcompat.path' "$D/etc/docker/daemon.json")" = /usr/libexec/imgcompat/imgcompat-runtime ]
  [ "$(jq -r '."default-runtime"' "$D/etc/docker/daemon.json")" = imgcompat ]
  [ "$(readlink "$D/usr/local/sbin/runc")" = /usr/libexec/imgcompat/imgcompat-runtime ]
}

@test "--engine all takes those that are here" {
  engines_here podman dockerd runc crun
  run installed --engine all
  [ "$status" = 0 ]
  [[ $output == *"== podman"*"== docker"* ]]
  [[ $output != *"== crio"* && $output != *"== containerd"* && $output != *"== nerdctl"* ]]
}

@test "--engine twice is once" {
  engines_here podman dockerd runc crun
  installed --engine docker --engine podman
  contents >"$BATS_TEST_TMPDIR/before"
  run installed --engine docker --engine docker --engine podman
  [ "$status" = 0 ]
  [[ $output == *"unchanged  docker is enabled already"*  ]]
  contents | cmp "$BATS_TEST_TMPDIR/before"
}

@test "a configuration that is not understood is left alone, and the exit code says so" {
  engines_here dockerd runc
  echo '{"debug": tru' >"$D/etc/docker/daemon.json"
  run installed --engine docker
  [ "$status" = 1 ]
  [[ $output == *'"default-runtime": "imgcompat"'* ]]
  [[ $output == *"something is left for you to do"*docker* ]]
  [ "$(cat "$D/etc/docker/daemon.json")" = '{"debug": tru' ]
}

@test "--uninstall gives engines back what they had, byte for byte" {
  engines_here podman crio dockerd nerdctl runc crun
  contents >"$BATS_TEST_TMPDIR/before"
  installed --engine all
  run install_sh --uninstall --purge
  [ "$status" = 0 ]
  contents | cmp "$BATS_TEST_TMPDIR/before"
}

@test "--uninstall removes no program that a configuration still names" {
  engines_here dockerd runc
  installed --engine docker
  sed -i 's/"debug": true/"debug": false/' "$D/etc/docker/daemon.json"
  run install_sh --uninstall
  [ "$status" = 1 ]
  [[ $output == *"still names imgcompat"* ]]
  [ -x "$D/usr/libexec/imgcompat/imgcompat-runtime" ]
  rm "$D/usr/bin/imgcompat"
  run install_sh --uninstall
  [ "$status" = 1 ]
  [[ $output == *"install it again"* ]]
  [ -x "$D/usr/libexec/imgcompat/imgcompat-runtime" ]
}
