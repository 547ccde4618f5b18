# shellcheck shell=bash
# A user of our own for rootless podman, registries, and one installation: the node's. The user is known to this run's own /etc alone.

setup_suite() {
  # shellcheck source=tests/engines/rootless/rootless.bash
  . "$ENGINES/rootless/rootless.bash"
  local name
  for name in podman runc crun newuidmap su skopeo jq curl; do
    command -v "$name" >/dev/null || { echo "$name is not installed" >&2; return 1; }
  done
  if [ -e "$PRELOAD" ]; then chmod o+rX "$PRELOAD"; fi
  make_user
  install_node
  start_registries
  # As it is installed on a node: the hook finds policy in /etc/imgcompat, and keeps cache and log in the user's home.
  mkdir -p /etc/imgcompat "$SCRATCH/hooks"
  mount --bind "$NODE/etc/imgcompat" /etc/imgcompat
  jq --arg p "$HOOK" '.hook.path = $p' "$NODE/usr/share/containers/oci/hooks.d/imgcompat.json" >"$SCRATCH/hooks/imgcompat.json"
  chmod 755 "$NODE"
}

# A number that no user of the machine is likely to have: rootless podman keeps some things by it in /tmp.
make_user() {
  local number=54321
  printf '%s:x:%d:%d::%s:/bin/bash\n' "$TEST_USER" "$number" "$number" "$USER_HOME" >>/etc/passwd
  printf '%s:x:%d:\n' "$TEST_USER" "$number" >>/etc/group
  printf '%s:*:19000:0:99999:7:::\n' "$TEST_USER" >>/etc/shadow
  printf '%s:600000:65536\n' "$TEST_USER" | tee -a /etc/subuid >>/etc/subgid
  install -d -o "$number" -g "$number" -m 700 "$USER_HOME" "$USER_HOME/run"
}

teardown_suite() {
  # shellcheck source=tests/engines/rootless/rootless.bash
  . "$ENGINES/rootless/rootless.bash"
  stop_registries
  # Its pause process keeps the mounts of this run.
  as_user system migrate >/dev/null 2>&1 || :
}
