#!/usr/bin/env bash
# suite.sh NAME PROGRAMS [BATS OPTIONS]: the bats tests of one engine in the directory NAME beside this file, then those of cases/ for each of its
# clients, against docker-registry, or the registry in REGISTRY_KIND. PROGRAMS is the directory with imgcompat, imgcompat-hook and imgcompat-runtime.
# Needs root.
#
# Everything happens in a mount namespace with a /run and an /etc of the tests' own: what they write there ends with them.
set -euo pipefail
if [ "${IMGCOMPAT_NAMESPACE:-}" != yes ]; then IMGCOMPAT_NAMESPACE=yes exec unshare -m "$0" "$@"; fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=$1
export PROGRAMS=$2 REGISTRY_KIND=${REGISTRY_KIND:-docker-registry}
shift 2

umask 022
SCRATCH=$(mktemp -d /tmp/imgc.XXXXXX)
export SCRATCH
chmod 755 "$SCRATCH"
# shellcheck disable=SC2317 # called by the trap
clean_up() {
  # Loggers and monitors of containers that a test left behind; nothing else has this directory in its command line.
  pgrep -f "$SCRATCH/" | xargs -r kill 2>/dev/null || :
  grep -o " $SCRATCH/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l 2>/dev/null || :
  rm -rf "$SCRATCH"
}
trap clean_up EXIT

mount --make-rprivate /
if [ "${HIDE_UNIFIED:-}" = yes ] && mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
mount -t tmpfs -o mode=755 tmpfs /run
# An overlay may not lie on an overlay, so what is written to /etc goes to memory. (The tests of `enable` cover more than /etc, and do it themselves.)
case $suite in enable/*) ;; *)
  mkdir "$SCRATCH/etc"
  mount -t tmpfs -o mode=755 tmpfs "$SCRATCH/etc"
  mkdir "$SCRATCH/etc/upper" "$SCRATCH/etc/work"
  mount -t overlay -o "lowerdir=/etc,upperdir=$SCRATCH/etc/upper,workdir=$SCRATCH/etc/work" overlay /etc
  rm -rf /etc/containers /etc/imgcompat
  mkdir -p /etc/containers/registries.conf.d
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
  : >/etc/containers/registries.conf ;;
esac

# The clients of the engine: the files with the verbs of cases/, and the cases that make sense for them.
export ENGINES=$here
case $suite in
  containerd) clients=(cri ctr nerdctl) ;;
  crio | docker | rootless) clients=("$suite") ;;
  *) clients=() ;;
esac
cases=("$here/cases/10-identity.bats")
# CRI-O judges a container when it is created, so nothing can happen between that and the start.
[ "$suite" = crio ] || cases+=("$here/cases/20-made-before.bats")
case $suite in containerd | docker) cases+=("$here/cases/30-removed.bats") ;; esac
# One run with one engine: each client gets a copy of the cases that names it and its verbs.
cases_of_clients=()
[ "${#clients[@]}" = 0 ] || { mkdir "$SCRATCH/cases"; cases_of_clients=("$SCRATCH/cases"); }
for client in "${clients[@]}"; do
  for file in "${cases[@]}"; do
    sed -e "s|^@test \"|&$client: |" -e "s|\"\$VERBS\"|\"$here/$suite/$client.bash\"|" "$file" >"$SCRATCH/cases/$client-$(basename "$file")"
  done
done

status=0
bats --tap --setup-suite-file "$here/$suite/setup_suite.bash" "$@" "$here/$suite" "${cases_of_clients[@]}" || status=$?
exit "$status"
