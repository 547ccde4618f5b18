#!/usr/bin/env bash
# stage.sh BINARIES MANUALS DIRECTORY: the tree that the packages are made of, below DIRECTORY. What goes where is install.sh's knowledge; what
# differs in a package is here: the JSON that names the hook is put in force by the maintainer scripts, in their own time, and is not in the tree
# where engines look; directories for cache and log are made by them too.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binaries=$1 manuals=$2 stage=${3:?}

umask 022
rm -rf "$stage"
mkdir -p "$stage"
"$here/install.sh" --binaries "$binaries" --destdir "$stage" >/dev/null
mv "$stage/usr/share/containers/oci/hooks.d/imgcompat.json" "$stage/usr/share/imgcompat/imgcompat-hook.json"
rm -rf "${stage:?}/var"
# Programs may have been built unstripped, for the lanes that read their symbols.
if command -v strip >/dev/null; then strip "$stage/usr/bin/imgcompat" "$stage"/usr/libexec/imgcompat/*; fi

put() { install -D -m 644 "$here/$1" "$stage/$2"; }
put packaging/systemd/imgcompat-metrics.service usr/lib/systemd/system/imgcompat-metrics.service
put packaging/systemd/imgcompat-metrics.timer usr/lib/systemd/system/imgcompat-metrics.timer
put packaging/systemd/imgcompat.catalog usr/lib/systemd/catalog/imgcompat.catalog
put packaging/systemd/tmpfiles.conf usr/lib/tmpfiles.d/imgcompat.conf
put schema/specification.schema.json usr/share/imgcompat/specification.schema.json
put packaging/prometheus/alerts.yaml usr/share/doc/imgcompat/examples/alerts.yaml
for file in "$here"/packaging/grafana/*.json "$here"/packaging/prometheus/*.json; do
  [ ! -f "$file" ] || put "${file#"$here/"}" "usr/share/doc/imgcompat/examples/$(basename "$file")"
done
for file in "$here"/examples/*.yaml; do put "examples/$(basename "$file")" "usr/share/doc/imgcompat/examples/specifications/$(basename "$file")"; done

# Pages and how they are compressed must not depend on what happened to lie in the checkout, so they come from one place and replace those.
rm -rf "$stage/usr/share/man"
for page in "$here"/docs/man/*.[1-8] "$manuals"/*.[1-8]; do
  install -D -m 644 "$page" "$stage/usr/share/man/man${page##*.}/$(basename "$page")"
done
find "$stage/usr/share/man" -type f -exec gzip -9n {} +
