#!/usr/bin/env bash
# deploy/kubernetes: the manifests, rendered by kustomize, are valid by the schemas of the Kubernetes API and ask for no rights there; and the
# DaemonSet's container does to nodes what it says, on scratch ones and on a containerd that runs (tests/packages/kubernetes-node.sh).
set -euo pipefail
. tests/lanes/lib.sh
need_built
complain() { printf 'WRONG: %s\n' "$*"; wrong=$((wrong + 1)); }
wrong=0
said=()
rendered=target/kubernetes
rm -rf "$rendered"
mkdir -p "$rendered"
cp deploy/kubernetes/validate-image-job.yaml "$rendered/"

# --- Rendered ---
if [ ! -x "$tools/kustomize" ] && command -v go >/dev/null; then
  as_builder mkdir -p "$tools" target/tools/module-kustomize
  ( cd target/tools/module-kustomize
    export GOBIN=$tools GOFLAGS=-modcacherw
    [ -f go.mod ] || go mod init example.invalid/tools
    go get -tool sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
    CGO_ENABLED=0 go install sigs.k8s.io/kustomize/kustomize/v5 ) >/dev/null 2>&1 || echo "kustomize could not be built"
fi
if [ -x "$tools/kustomize" ]; then
  for overlay in deploy/kubernetes/overlays/*; do
    name=$(basename "$overlay")
    "$tools/kustomize" build "$overlay" >"$rendered/$name.yaml" || { complain "$overlay cannot be rendered"; continue; }
    [ "$(grep '^kind:' "$rendered/$name.yaml" | sort -u | paste -sd' ')" = "kind: ConfigMap kind: DaemonSet kind: Namespace" ] || complain "$name: other kinds than it should have"
    grep -q 'automountServiceAccountToken: false' "$rendered/$name.yaml" || complain "$name: a token is mounted"
    if grep -nE 'serviceAccountName|hostPID: true|hostNetwork: true|privileged: true|image: [^:]*$' "$rendered/$name.yaml"; then complain "$name has what stands above"; fi
  done
  grep -q '^        - remove$' "$rendered/remove.yaml" || complain "the overlay remove does not remove"
  grep -q 'mode = "audit"' "$rendered/audit.yaml" || complain "the overlay audit does not audit"
  said+=("$(find deploy/kubernetes/overlays -mindepth 1 -maxdepth 1 | wc -l) overlays rendered by kustomize")
else
  # Without kustomize: what the kustomizations refer to is there.
  while read -r file reference; do [ -e "$(dirname "$file")/$reference" ] || complain "$file: there is no $reference"; done < <(
    grep -rE '^ *- +[./a-z-]+(\.yaml|\.toml|base)$' deploy/kubernetes --include=kustomization.yaml | sed -E 's/^([^:]*): *- +/\1 /')
  cp deploy/kubernetes/base/{namespace,daemonset}.yaml "$rendered/"
  said+=("not rendered (no Go to build kustomize with)")
fi

# --- Valid ---
venv=$PWD/target/tools/kubernetes-validate
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
  rm -rf "$venv"
  { python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check kubernetes-validate==1.37.0; } >/dev/null 2>&1 || rm -rf "$venv"
fi
if [ -x "$venv/bin/kubernetes-validate" ]; then
  for file in "$rendered"/*.yaml; do "$venv/bin/kubernetes-validate" --strict --quiet "$file" || complain "$file is not valid"; done
  said+=("valid by the schemas of Kubernetes $("$venv/bin/kubernetes-validate" --version | grep -oE '[0-9.]+' | head -n 1)")
else
  said+=("not validated (kubernetes-validate cannot be had: no python3-venv, or no package index)")
fi

# --- The policies are ones that imgcompat reads ---
trial=$(mktemp -d)
mkdir -p "$trial/etc/imgcompat/config.d"
for file in deploy/kubernetes/overlays/*/policy.toml; do
  cp "$file" "$trial/etc/imgcompat/config.d/policy.toml"
  "$(built_directory)/imgcompat" config check --root "$trial" || complain "$file"
done
rm -rf "$trial"
[ "$wrong" = 0 ] || exit 1

# --- On nodes: in the root file system of the lane engines-containerd-trixie ---
summary() { echo "summary: $(printf '%s; ' "${said[@]}")$*"; exit 0; }
[ "$(id -u)" = 0 ] || summary "not on nodes (needs root)"
if readelf -l "$(built_directory)/imgcompat" 2>/dev/null | grep -q INTERP; then summary "not on nodes (the release build is not static)"; fi
root=$PWD/target/roots/engines-trixie
tests/lanes/debian-root.sh trixie "$root" "$(tests/lanes/engines-other.sh packages trixie)" || summary "not on nodes (no root file system of trixie)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
IMGCOMPAT_CGROUPS=host IMGCOMPAT_FRESH=yes unshare --net tests/lanes/enter-root.sh "$root" tests/packages/kubernetes-node.sh "$(built_directory)" 2>&1 | tee "$log"
summary "$(sed -n 's/^summary: //p' "$log")"
