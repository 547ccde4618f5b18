# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of all clients of containerd share. NAMESPACE is the client's, need_client says if it is not there.

# shellcheck source=tests/engines/engine.bash
. "$ENGINES/engine.bash"
# shellcheck source=tests/engines/cri.bash
. "$ENGINES/cri.bash"
ENGINE=containerd
SOCKET=$SCRATCH/c/containerd.sock
CRI_SOCKET=$SOCKET

setup_engine() {
  need_client
  new_engine_test
}
teardown_engine() {
  local id
  if [ "$NAMESPACE" = k8s.io ]; then cri rmp -fa >/dev/null 2>&1 || :; fi
  for id in $(ctr_here containers list -q 2>/dev/null); do
    ctr_here tasks delete -f "$id" >/dev/null 2>&1 || :
    ctr_here containers delete "$id" >/dev/null 2>&1 || :
  done
  end_engine_test
}

ctr_here() { ctr -a "$SOCKET" -n "$NAMESPACE" "$@"; }

# forget_image: every image but that of sandboxes, with all its names.
forget_image() {
  local name
  for name in $(ctr_here images list -q | grep -v pause); do ctr_here images rm --sync "$name" >/dev/null; done
}
forgets_at_once() { true; }
