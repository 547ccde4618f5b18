# shellcheck shell=bash disable=SC2034,SC2154
# Images that want a library of theirs loaded by whoever handles them on the node (CVE-2025-23266: a hook that got the image's environment).
#
# The programs under test may be linked statically and would load no library whatever they were told. So the tests put a shell, which loads what
# it is told, in front of each: the shell is started exactly as the program would be, and becomes it.

# What the library makes where it is loaded (preload.c).
PRELOADED=/tmp/imgcompat-test-preloaded

need_preload() {
  [ -e "${PRELOAD:-}" ] || skip "there is no C compiler, so no library to load"
  # The test can fail: the library does leave its trace.
  rm -f "$PRELOADED"
  install -m 755 "$PRELOAD" "$SCRATCH/preload.so"
  LD_PRELOAD=$SCRATCH/preload.so bash -c :
  [ -e "$PRELOADED" ] || { echo "the library leaves no trace when it is loaded"; return 1; }
  rm -f "$PRELOADED"
}

# preload_environment: an image's environment by which a program would find the library in the working directory, in its root, and on the node.
preload_environment() {
  jq -cn --arg l "/proc/self/cwd/preload.so:/preload.so:$SCRATCH/preload.so" --arg n "$SCRATCH/preload.so" \
    '["LD_PRELOAD=\($l)", "LD_AUDIT=\($n)", "OF_THE_IMAGE=yes", "IMGCOMPAT_MODE=off", "PATH=/bin"]'
}

# watched_programs: what of the installation is started on a node, a path a line.
watched_programs() {
  printf '%s\n' "$ROOT/usr/libexec/imgcompat/imgcompat-hook" "$ROOT/usr/libexec/imgcompat/imgcompat-runtime" "$ROOT/usr/bin/imgcompat"
}

watch_programs() {
  local program
  mkdir -p "$T/watched"
  chmod 1777 "$T/watched"
  for program in $(watched_programs); do
    [ -e "$program" ] || continue
    mv "$program" "$program.real"
    # shellcheck disable=SC2016 # the program expands them
    printf '#!/bin/bash\ntr "\\0" "\\n" </proc/$$/environ >>%s-$$\nexec %s "$@"\n' "$T/watched/$(basename "$program")" "$program.real" >"$program"
    chmod 755 "$program"
  done
}

unwatch_programs() {
  local program
  for program in $(watched_programs); do
    if [ -e "$program.real" ]; then mv "$program.real" "$program"; fi
  done
}

# nothing_preloaded: some program of ours was started since watch_programs, and none of them had anything from the image.
nothing_preloaded() {
  compgen -G "$T/watched/*" >/dev/null || { echo "none of the programs was started, so nothing is shown"; return 1; }
  [ ! -e "$PRELOADED" ] || { echo "the image's library was loaded outside of the container"; return 1; }
  if grep -lE '^(OF_THE_IMAGE|LD_PRELOAD|LD_AUDIT|IMGCOMPAT_MODE)=' "$T"/watched/*; then
    echo "these were started with the image's environment"
    return 1
  fi
}
